//! The platform seam: two modules with the same functions, and the only `unsafe` of the crate.

#[cfg(not(all(target_os = "freebsd", feature = "native")))]
mod absent;
#[cfg(target_os = "freebsd")]
mod freebsd;
mod group;
#[cfg(target_os = "linux")]
mod linux;
mod passwd;
mod posix;

#[cfg(not(all(target_os = "freebsd", feature = "native")))]
pub(crate) use absent::Libcasper;
#[cfg(all(target_os = "freebsd", feature = "native"))]
pub(crate) use freebsd::native::Libcasper;
#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

pub(crate) use group::{GroupEntry, group_by_gid, group_by_name, groups};
pub(crate) use passwd::{Entry, entries, entry_by_name, entry_by_uid};
pub(crate) use posix::{as_ordinary_user, resolver_message};
