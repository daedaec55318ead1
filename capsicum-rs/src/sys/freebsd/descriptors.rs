//! Which descriptors are open. fdescfs(4) and procfs(4) need not be mounted and cannot be asked
//! in capability mode, so each number is tried until as many are found as the kernel counts.

use std::{io, os::fd::RawFd};

use super::sysctl;

/// Where the search ends if descriptors come and go under it.
const LAST: RawFd = 1 << 24;

/// The open descriptors, those that are close-on-exec included; `Err` with those that were found
/// where other threads opened some meanwhile.
pub(super) fn open() -> io::Result<Result<Vec<RawFd>, Vec<RawFd>>> {
    let mut found = Vec::new();
    let mut count = sysctl::open_descriptors()?;
    for fd in 0..LAST {
        if found.len() >= count {
            count = sysctl::open_descriptors()?;
            if found.len() >= count {
                return Ok(Ok(found));
            }
        }
        if is_open(fd) {
            found.push(fd);
        }
    }
    Ok(Err(found))
}

/// Whether a number is a descriptor. `F_GETFD` needs no right.
fn is_open(fd: RawFd) -> bool {
    // SAFETY: `F_GETFD` has no third argument and changes nothing.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}
