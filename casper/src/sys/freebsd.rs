//! What is FreeBSD's own.

mod sysctl;

pub(crate) use sysctl::{
    SYSCTLS, read_mib, read_sysctl, sysctl_integer, sysctl_mib, sysctl_text, write_mib,
    write_mib_integer, write_sysctl, write_sysctl_integer,
};

pub(crate) const ENOTCAPABLE: i32 = libc::ENOTCAPABLE;

/// Every user has a number.
pub(super) fn has_number(_user: u32) -> bool {
    true
}

/// A socket for a client, with these rights.
pub(crate) fn handed(
    socket: std::os::fd::OwnedFd,
    rights: capsicum_rs::Rights,
) -> capsicum_channel::Handle<std::os::fd::OwnedFd> {
    capsicum_channel::Handle::limited(socket, rights)
}
