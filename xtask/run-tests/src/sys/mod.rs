//! The system calls that the standard library has no safe name for.

use std::io;

fn pid_t(pid: u32) -> io::Result<libc::pid_t> {
    match libc::pid_t::try_from(pid) {
        Ok(pid) if pid > 1 => Ok(pid),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{pid} is no child"))),
    }
}

/// A process number for waitid(2): `id_t` is as wide as a `u32` on one system and wider on another.
fn id(pid: impl Into<libc::id_t>) -> libc::id_t {
    pid.into()
}

/// Waits until a child of ours has ended and leaves it unreaped, so that its process group still
/// exists and its number cannot be another's. waitid(2) with `WNOWAIT`.
pub(crate) fn wait_without_reaping(pid: u32) -> io::Result<()> {
    pid_t(pid)?;
    let id = id(pid);
    loop {
        // SAFETY: `siginfo_t` is a C structure of integers and pointers, for which zeroes are valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` lives through the call, which writes at most one `siginfo_t` there.
        let status =
            unsafe { libc::waitid(libc::P_PID, id, &raw mut info, libc::WEXITED | libc::WNOWAIT) };
        if status == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Kills every process of the group that an unreaped child of ours leads. killpg(2).
pub(crate) fn kill_group(leader: u32) -> io::Result<()> {
    let leader = pid_t(leader)?;
    // SAFETY: killpg takes two numbers and touches no memory of ours; `leader` is above 1, so it
    // names neither our own group nor all processes.
    match unsafe { libc::killpg(leader, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the kernel write no cores of this process and of what it starts, unless they raise the limit again: many
/// tests crash on purpose, and a small system has little room. setrlimit(2) of `RLIMIT_CORE`, soft.
///
/// # Errors
///
/// Those of the calls.
pub fn no_cores() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the structure.
    if unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = 0;
    // SAFETY: the kernel reads the structure.
    match unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
