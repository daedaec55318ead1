//! What is FreeBSD's own.

mod fileargs;
mod sysctl;

pub(crate) use fileargs::{SEARCH, keep_to, rights_hold, with_rights};
pub(crate) use sysctl::{
    SYSCTLS, read_mib, read_sysctl, sysctl_integer, sysctl_mib, sysctl_text, write_mib,
    write_mib_integer, write_sysctl, write_sysctl_integer,
};

/// Where syslogd listens: to root first, whom nobody can crowd out there.
pub(crate) const LOGS: &[&str] = &["/var/run/logpriv", "/var/run/log"];

pub(crate) const ENOTCAPABLE: i32 = libc::ENOTCAPABLE;
