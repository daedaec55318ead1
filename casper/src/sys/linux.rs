//! What is Linux's own.

mod fileargs;
mod sysctl;

pub(crate) use fileargs::{SEARCH, keep_to, open, rights_hold, with_rights};
pub(crate) use sysctl::{
    SYSCTLS, read_mib, read_sysctl, sysctl_integer, sysctl_mib, sysctl_text, write_mib,
    write_mib_integer, write_sysctl, write_sysctl_integer,
};

/// Where syslogd listens.
pub(crate) const LOGS: &[&str] = &["/dev/log"];

/// What `ECAPMODE` and `ENOTCAPABLE` are where the kernel has no such numbers: see capsicum-rs.
pub(crate) const ENOTCAPABLE: i32 = 135;

/// errno(3) to 0, to tell an end from an error.
pub(super) fn clear_errno() {
    // SAFETY: it is the thread's own.
    unsafe { *libc::__errno_location() = 0 };
}

/// What an entry of the user database has besides: nothing.
///
/// # Safety
///
/// Its strings are null or C strings.
pub(super) unsafe fn more_of_entry(entry: super::Entry, _passwd: &libc::passwd) -> super::Entry {
    entry
}

/// Whether entries of the user database have a class and times.
pub(crate) const HAS_CLASSES: bool = false;

/// Root has no capabilities there, and passwords are in another database than users.
pub(super) const ROOT_IS_TOLD_MORE: bool = false;

/// Whether this user has a number in the user namespace, as far as procfs can be asked: all have one in
/// the first namespace.
pub(super) fn has_number(user: u32) -> bool {
    let mapped = |path| {
        // In capability mode nothing can be asked, and the process says whether it could.
        let Ok(map) = std::fs::read_to_string(path) else { return true };
        map.lines().any(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let (Some(Ok(first)), _, Some(Ok(count))) =
                (numbers.next(), numbers.next(), numbers.next())
            else {
                return false;
            };
            (first..first.saturating_add(count)).contains(&user.into())
        })
    };
    mapped("/proc/self/uid_map") && mapped("/proc/self/gid_map")
}

/// Bytes of the kernel's memory that are what this socket has sent and its peer has not read, which is 0 when that
/// is gone: `SO_MEMINFO` of getsockopt(2).
pub(crate) fn unread(socket: std::os::fd::BorrowedFd<'_>) -> std::io::Result<u32> {
    use std::os::fd::AsRawFd;

    // SK_MEMINFO_WMEM_ALLOC of linux/sock_diag.h, and how many there are at least.
    const SENT: usize = 2;
    let mut counts = [0_u32; 9];
    let mut length = libc::socklen_t::try_from(size_of_val(&counts)).unwrap_or(0);
    // SAFETY: the kernel writes as many bytes as there is room for, and their number.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            counts.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if done < 0 { Err(std::io::Error::last_os_error()) } else { Ok(counts[SENT]) }
}

/// Whether shutdown(2) of a listener frees a port that the system has chosen.
pub(crate) const SHUTDOWN_FREES_PORT: bool = true;

/// Whether shutdown(2) ends a connect(2) that waits.
#[cfg(test)]
pub(crate) const SHUTDOWN_ENDS_CONNECT: bool = true;

/// A socket for a client. It has the rights of the client's ceiling: nothing narrower can be sent.
pub(crate) fn handed(
    socket: std::os::fd::OwnedFd,
    _rights: capsicum_rs::Rights,
) -> capsicum_channel::Handle<std::os::fd::OwnedFd> {
    capsicum_channel::Handle::new(socket)
}
