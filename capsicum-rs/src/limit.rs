//! Limiting one descriptor.

use std::os::fd::AsFd;

use crate::{Error, Limits, sys};

/// Limits what a descriptor may be used for: cap_rights_limit(2), cap_fcntls_limit(2) and
/// cap_ioctls_limit(2) in one. At once, irrevocably, for this process and its children.
///
/// FreeBSD: the limits belong to the descriptor and travel with it.
///
/// Linux: the limits belong to the descriptor's *number*, for as long as the process lives. So
/// dup(2) of a limited descriptor is refused, poll(2) and select(2) are refused once a descriptor
/// lacks [`EVENT`](crate::Rights::EVENT) (they name theirs in memory, which a filter cannot
/// read; epoll(7) works), io_uring(7) is refused for the same reason, and a number that was closed
/// and given to another descriptor is still limited. What a limited directory or listening socket
/// would open or accept would have every right, so that it opens and accepts nothing: state a
/// ceiling with [`Sandbox`](crate::Sandbox) for these. sendmsg(2) needs
/// [`CONNECT`](crate::Rights::CONNECT) too, since its address is in memory; send(2) does not.
/// Before [`enter`](crate::enter) code that means harm has other ways to a second
/// descriptor (`/proc/self/fd`, passing it to itself over a socket); these are closed on entering.
/// Limit many with [`Sandbox`](crate::Sandbox), which makes one filter of them.
///
/// # Errors
///
/// [`Error::NotCapable`] when `limits` allows more than the descriptor has (`ENOTCAPABLE`).
///
/// FreeBSD: [`Error::Unenforceable`] for a right that this release lacks (14 lacks `FCHROOT`,
/// `INOTIFY_ADD` and `INOTIFY_RM`) and for more than 256 ioctl requests.
/// [`Rights::ALL`](crate::Rights::ALL) means all that the kernel has, and a set of more than half
/// of all rights means those of it that the kernel has: it was made as "all but …".
///
/// ```
/// use std::{fs::File, io::Write, os::fd::AsFd};
/// use capsicum_rs::{Rights, limit, limits_of};
///
/// let mut file = tempfile::tempfile()?;
/// limit(&file, Rights::READ | Rights::SEEK | Rights::EVENT)?;
/// assert!(!limits_of(&file)?.rights.contains(Rights::WRITE));
/// assert!(file.write_all(b"no").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn limit(fd: &impl AsFd, limits: impl Into<Limits>) -> Result<(), Error> {
    sys::limit(fd.as_fd(), &limits.into())
}

/// The limits of a descriptor: cap_rights_get(3), cap_fcntls_get(2) and cap_ioctls_get(2) in one.
///
/// # Errors
///
/// Linux: [`Error::Unknown`] in a program that was executed by a limited one.
///
/// ```
/// use capsicum_rs::{Limits, limits_of};
///
/// assert_eq!(limits_of(&std::io::stdin())?, Limits::ALL);
/// # Ok::<(), capsicum_rs::Error>(())
/// ```
pub fn limits_of(fd: &impl AsFd) -> Result<Limits, Error> {
    sys::limits_of(fd.as_fd())
}
