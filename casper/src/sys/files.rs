//! Calls for files that both systems have.

use std::{
    ffi::c_int,
    fs::File,
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

fn owned(fd: c_int) -> io::Result<File> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
}

/// Takes `O_NONBLOCK` from what was opened with these flags: fcntl(2). Of them `F_SETFL` takes those that can
/// change, so that nobody has to be asked which they were.
pub(crate) fn wait_again(file: &File, opened: c_int) -> io::Result<()> {
    let flags = opened & !libc::O_NONBLOCK;
    // SAFETY: the command takes an integer.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// memfd_create(2)
pub(crate) fn memory() -> io::Result<File> {
    // SAFETY: the name is a C string.
    owned(unsafe { libc::memfd_create(c"casper".as_ptr(), libc::MFD_CLOEXEC) })
}

/// The effective user and group of the process.
pub(crate) fn user() -> (u32, u32) {
    // SAFETY: these take nothing, and always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Whether the other end of a pipe has been closed, after waiting for so long at most: poll(2).
pub(crate) fn hung_up(pipe: BorrowedFd<'_>, within: Duration) -> io::Result<bool> {
    let mut polled = libc::pollfd { fd: pipe.as_raw_fd(), events: 0, revents: 0 };
    let within = c_int::try_from(within.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: it is one, and the kernel writes to it.
    if unsafe { libc::poll(&raw mut polled, 1, within) } < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
    }
    Ok(polled.revents & libc::POLLHUP != 0)
}

/// Throws away what has come on a socket of records that was shut down, with the descriptors in it: recv(2).
pub(crate) fn discard(socket: BorrowedFd<'_>) {
    /// More than the kernel keeps. A record of nothing looks as the end does, and may have descriptors.
    const MOST: usize = 4096;
    let mut byte = 0_u8;
    for _ in 0..MOST {
        // SAFETY: one byte is written, and there is no room for descriptors, which the kernel then closes.
        let received = unsafe {
            libc::recv(socket.as_raw_fd(), (&raw mut byte).cast(), 1, libc::MSG_DONTWAIT)
        };
        if received < 0 {
            return;
        }
    }
}

/// So many descriptors, or as many as the process may have at most: getrlimit(2).
pub(crate) fn descriptors_at_most(most: u64) -> u64 {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: the kernel writes a `struct rlimit`.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) } < 0 {
        return 256;
    }
    // SAFETY: the kernel has written it.
    let hard = unsafe { limit.assume_init() }.rlim_max;
    #[allow(clippy::useless_conversion, reason = "FreeBSD's has a sign")]
    u64::try_from(hard).map_or(most, |hard| hard.min(most))
}
