//! The standard streams that a program starts with.

use std::{
    ffi::CStr,
    mem::MaybeUninit,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use super::calls;

/// Devices that streams are tied to when nobody is to read or write them.
const DEVICES: [&CStr; 3] = [c"/dev/null", c"/dev/zero", c"/dev/full"];

/// Opens streams on these devices again, in the private root, where they are on a read-only mount.
/// Through the descriptor that the caller opened on the host, a program of root's could change the
/// mode of the host's `/dev/null`.
pub(super) fn reopen_devices() {
    for stream in 0..3 {
        let Some(device) = device(stream) else { continue };
        // SAFETY: this command takes no pointer.
        let flags = unsafe { libc::fcntl(stream, libc::F_GETFL) };
        for path in DEVICES {
            let mode = (flags & libc::O_ACCMODE) | libc::O_CLOEXEC;
            // SAFETY: the path is a string.
            let number = unsafe { libc::open(path.as_ptr(), mode) };
            if number < 0 {
                continue;
            }
            // SAFETY: the kernel just returned this descriptor and nothing else knows of it.
            let opened = unsafe { OwnedFd::from_raw_fd(number) };
            if self::device(opened.as_raw_fd()) == Some(device) {
                calls::replace(stream, &opened);
                break;
            }
        }
    }
}

/// The number of a character device, by fstat(2).
fn device(descriptor: RawFd) -> Option<libc::dev_t> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes one `stat`.
    if unsafe { libc::fstat(descriptor, status.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: filled, since the call answered 0.
    let status = unsafe { status.assume_init() };
    (status.st_mode & libc::S_IFMT == libc::S_IFCHR).then_some(status.st_rdev)
}
