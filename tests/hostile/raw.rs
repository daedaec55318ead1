//! System calls, and what only the system can tell.

#[cfg_attr(target_os = "linux", path = "raw/linux.rs")]
#[cfg_attr(target_os = "freebsd", path = "raw/freebsd.rs")]
mod system;

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    ptr,
};

pub(crate) use system::{become_reaper, children, describe, memory, mounts};

/// kill(2) by force.
pub(crate) fn kill(pid: u32) {
    // SAFETY: takes no pointers.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGKILL) };
}

/// Waits for every child that has ended; whether there are others.
pub(crate) fn reap() -> bool {
    loop {
        // SAFETY: no status is asked for.
        match unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } {
            0 => return true,
            -1 => return false,
            _ => {}
        }
    }
}

/// Whether a child of this process has ended and was not waited for.
pub(crate) fn no_zombies() -> Result<(), String> {
    // SAFETY: no status is asked for.
    match unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } {
        pid if pid > 0 => Err(format!("{pid} is a zombie")),
        _ => Ok(()),
    }
}

/// fork(2). The process has one thread.
pub(crate) fn fork() -> i32 {
    // SAFETY: with one thread the copy can go on as the original would.
    unsafe { libc::fork() }
}

/// Ignores every signal that can be.
pub(crate) fn ignore_everything() {
    for signal in 1..=64 {
        // SAFETY: SIG_IGN is a disposition like another.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// send(2)
pub(crate) fn send_bytes(socket: BorrowedFd<'_>, bytes: &[u8]) {
    // SAFETY: so many bytes are there.
    unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_EOR) };
}

/// The soft limit of descriptors.
pub(crate) fn limit_descriptors(most: libc::rlim_t) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the structure, and reads it.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = most;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

/// The numbers that are open.
pub(crate) fn open_descriptors() -> Vec<RawFd> {
    // SAFETY: the command takes no argument.
    (0..2048).filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0).collect()
}

#[allow(dead_code, reason = "one system's needs it")]
fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
