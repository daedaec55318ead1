//! What is FreeBSD's own.

mod fileargs;
#[cfg(feature = "native")]
pub(super) mod native;
mod sysctl;

pub(crate) use fileargs::{SEARCH, keep_to, open, rights_hold, with_rights};
#[cfg(feature = "native")]
pub(crate) use sysctl::integer_bytes;
pub(crate) use sysctl::{
    SYSCTLS, read_mib, read_sysctl, sysctl_integer, sysctl_mib, sysctl_text, write_mib,
    write_mib_integer, write_sysctl, write_sysctl_integer,
};

use capsicum_rs::{Fcntls, Ioctls, Limits, Rights};

/// Where syslogd listens: to root first, whom nobody can crowd out there.
pub(crate) const LOGS: &[&str] = &["/var/run/logpriv", "/var/run/log"];

pub(crate) const ENOTCAPABLE: i32 = libc::ENOTCAPABLE;

/// errno(3) to 0, to tell an end from an error.
pub(super) fn clear_errno() {
    // SAFETY: it is the thread's own.
    unsafe { *libc::__error() = 0 };
}

/// What an entry of the user database has besides.
///
/// # Safety
///
/// Its strings are null or C strings.
pub(super) unsafe fn more_of_entry(entry: super::Entry, passwd: &libc::passwd) -> super::Entry {
    super::Entry {
        // SAFETY: says the caller.
        class: unsafe { super::passwd::bytes(passwd.pw_class) },
        change: passwd.pw_change,
        expire: passwd.pw_expire,
        ..entry
    }
}

/// Whether entries of the user database have a class and times.
pub(crate) const HAS_CLASSES: bool = true;

/// The encrypted passwords of users, and every port.
pub(super) const ROOT_IS_TOLD_MORE: bool = true;

/// Every user has a number.
pub(super) fn has_number(_user: u32) -> bool {
    true
}

/// There what was not read does not count against others of the user, and is not told.
#[allow(clippy::unnecessary_wraps, reason = "Linux asks the kernel")]
pub(crate) fn unread(_socket: std::os::fd::BorrowedFd<'_>) -> std::io::Result<u32> {
    Ok(0)
}

/// Whether shutdown(2) of a listener frees a port that the system has chosen. What is handed to a client has no
/// `SETSOCKOPT` besides.
pub(crate) const SHUTDOWN_FREES_PORT: bool = false;

/// Whether shutdown(2) ends a connect(2) that waits.
#[cfg(test)]
pub(crate) const SHUTDOWN_ENDS_CONNECT: bool = false;

/// A socket for a client, with these rights.
pub(crate) fn handed(
    socket: std::os::fd::OwnedFd,
    rights: Rights,
) -> capsicum_channel::Handle<std::os::fd::OwnedFd> {
    capsicum_channel::Handle::limited(socket, of_a_socket(rights))
}

/// These rights, with the commands of fcntl(2) and the requests of ioctl(2) that are about the socket alone. By
/// others it would signal processes (`F_SETOWN`, `FIOSETOWN`), or tell of the host's interfaces and rule them,
/// where the client is root.
fn of_a_socket(rights: Rights) -> Limits {
    #[allow(clippy::cast_possible_truncation, reason = "requests have 32 bits")]
    let requests = [
        libc::FIONBIO,
        libc::FIONREAD,
        libc::FIONWRITE,
        libc::FIONSPACE,
        libc::FIOCLEX,
        libc::FIONCLEX,
    ]
    .map(|request| request as u32);
    Limits::from(rights).fcntls(Fcntls::GETFL | Fcntls::SETFL).ioctls(Ioctls::only(requests))
}
