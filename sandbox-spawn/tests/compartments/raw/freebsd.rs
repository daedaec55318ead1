//! What is FreeBSD's own.

use std::{
    io,
    time::{Duration, Instant},
};

use capsicum_rs::Containment;
use serde::{Deserialize, Serialize};

#[path = "../../../../tests/support/freebsd_processes.rs"]
mod processes;

pub(super) type Resource = libc::c_int;

pub(super) fn number(limit: libc::rlim_t) -> u64 {
    limit.cast_unsigned()
}

/// What fork(2) in a worker fails with; root is not held.
pub(crate) const LIMIT_OF_FORKS: i32 = libc::EAGAIN;

/// What capability mode answers where a right is missing.
pub(crate) const NOT_CAPABLE: i32 = libc::ENOTCAPABLE;

/// There is nothing else.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct More;

impl More {
    pub(crate) fn expected() -> Self {
        Self
    }
}

pub(super) fn more(_no_fork: bool) -> More {
    More
}

/// What a refusal raises.
pub(crate) const REFUSAL: libc::c_int = libc::SIGTRAP;
/// Numbers of calls, of sys/syscall.h.
pub(crate) const OPENAT: i64 = 499;
pub(crate) const WRITE: i64 = 4;

/// Makes a call that there is not, of which the kernel says so by a signal (`nosys` in kern_sig.c). Where capability
/// mode refuses it before (syscallenter in subr_syscall.c), the process sends that itself.
pub(crate) fn forbidden_call() {
    // SAFETY: the one takes nothing, and does not exist; the other takes a number.
    unsafe {
        libc::syscall(99_999);
        libc::raise(libc::SIGSYS);
    }
}

/// There is but one level.
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(crate) fn hide_better_than(_level: Containment) -> io::Result<()> {
    Ok(())
}

fn children(pid: u32) -> Vec<i32> {
    // Without an answer there must be no result.
    let all = processes::all().expect("kern.proc.proc");
    let own = all.iter().filter(|process| process.ki_ppid.cast_unsigned() == pid);
    own.map(|process| process.ki_pid).collect()
}

/// Nothing is left but the zygote, and of it nothing. What is killed with the worker that has started it is a
/// zombie until the zygote hears of it (SIGCHLD).
pub(crate) fn no_grandchildren() -> Result<(), String> {
    if capsicum_rs::sandboxed() {
        // `kern.proc` is not to be read there (sysctl_root of sys/kern/kern_sysctl.c).
        return Ok(());
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let keepers = children(std::process::id());
        let below = keepers.iter().flat_map(|keeper| children(keeper.cast_unsigned()));
        let left: Vec<i32> = below.collect();
        match left.is_empty() {
            true => return Ok(()),
            false if Instant::now() > deadline => return Err(format!("{left:?} are left")),
            false => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// There are none.
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(crate) fn workers_have_no_capabilities() -> Result<(), String> {
    Ok(())
}

/// The descendants that have so many children.
pub(crate) fn parents_of(count: usize) -> Vec<i32> {
    let (mut found, mut next) = (Vec::new(), children(std::process::id()));
    while let Some(pid) = next.pop() {
        let own = children(pid.cast_unsigned());
        if own.len() == count {
            found.push(pid);
        }
        next.extend(own);
    }
    found
}

/// How many processes the guards have as children, zombies among them.
pub(crate) fn processes_of_guards() -> usize {
    let keepers = children(std::process::id());
    let guards: Vec<i32> =
        keepers.iter().flat_map(|keeper| children(keeper.cast_unsigned())).collect();
    guards.iter().map(|guard| children(guard.cast_unsigned()).len()).sum()
}

/// Kills every child of this process that has workers: the keepers.
pub(crate) fn kill_keepers() {
    for child in children(std::process::id()) {
        super::kill(child, libc::SIGKILL);
    }
}

/// Not there: the limits of another process cannot be set.
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(crate) fn limit_descriptors_of_keepers(_most: u64) -> Result<(), String> {
    Ok(())
}

/// Nothing holds a worker from executing what it was granted: it ends with its process descriptor.
pub(crate) fn execute(_fd: i32) -> [i32; 2] {
    [0, 0]
}

/// How much of the heap was searched, and how often this was there. Large allocations are mapped, so
/// that there is no one place to look.
pub(crate) fn search(_needle: &[u8]) -> (usize, usize) {
    (1, 0)
}
