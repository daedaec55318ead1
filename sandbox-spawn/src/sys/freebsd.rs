//! What is FreeBSD's own: reapers, and what procctl(2) sets.

mod events;
mod refusals;

use std::{
    fs::File,
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::fs::OpenOptionsExt,
    },
    ptr,
};

use libc::c_int;

pub(crate) use events::Events;
pub(crate) use refusals::REFUSAL;
pub(super) use refusals::refusal_told;

use capsicum_rs::ProcessDescriptor;

use super::{
    execution::Execution,
    posix::{check, no_cores, owned},
};

/// Starts it, in a copy of this process: its descriptor. What fails in the copy is told there, by `failed`, which
/// uses the descriptor `report` and no other.
pub(crate) fn start_execution(
    execution: &Execution<'_>,
    _least: RawFd,
    report: RawFd,
    failed: impl FnOnce(&str),
) -> Result<ProcessDescriptor, String> {
    let above = execution.above().max(report.saturating_add(1));
    let copy = ProcessDescriptor::fork_below(above, move || {
        failed(&execution.replace(Some(report)).words());
        crate::start::NOT_RUN
    });
    copy.map_err(|error| error.to_string())
}

/// closefrom(2)
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(super) fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: takes no pointers. Who calls this owns the whole table of descriptors.
    unsafe { libc::closefrom(first) };
    Ok(())
}

/// kqueue(2), which is readable when the process has ended.
pub(super) fn watch_end(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes no argument.
    let queue = owned(check(unsafe { libc::kqueue() })?);
    let change = libc::kevent {
        ident: pid as usize,
        filter: libc::EVFILT_PROC,
        flags: libc::EV_ADD,
        fflags: libc::NOTE_EXIT,
        data: 0,
        udata: ptr::null_mut(),
        ext: [0; 4],
    };
    // SAFETY: one change is read, and no event is asked for.
    check(unsafe {
        libc::kevent(queue.as_raw_fd(), &raw const change, 1, ptr::null_mut(), 0, ptr::null())
    })?;
    Ok(queue)
}

/// The file of this program, to execute it.
pub(crate) fn own_program() -> io::Result<OwnedFd> {
    let path = std::env::current_exe()?;
    // For fexecve(2) only; the standard library asks for an access mode besides, and 0 is reading.
    Ok(File::options().read(true).custom_flags(libc::O_CLOEXEC).open(path)?.into())
}

/// Whether the program was executed with more privileges than who executed it.
pub(crate) fn privileged_execution() -> bool {
    // SAFETY: takes no argument.
    unsafe { libc::issetugid() != 0 }
}

/// procctl(2) of this process.
fn control<T>(command: c_int, argument: *mut T) -> io::Result<()> {
    let own = libc::id_t::from(std::process::id());
    // SAFETY: the callers pass null or what the command reads and writes.
    check(unsafe { libc::procctl(libc::P_PID, own, command, argument.cast()) }).map(drop)
}

/// The children of who dies come here, and can all be found.
pub(super) fn become_reaper() -> io::Result<()> {
    control::<()>(libc::PROC_REAP_ACQUIRE, ptr::null_mut())
}

/// The worker ends with the last descriptor of it, which is its parent's: nothing is left to do but to
/// see that the parent is still there.
pub(crate) fn die_with(parent: u32) -> io::Result<()> {
    if super::parent() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

/// `struct procctl_reaper_kill` of sys/procctl.h.
#[repr(C)]
struct ReaperKill {
    signal: c_int,
    flags: libc::c_uint,
    subtree: libc::pid_t,
    killed: libc::c_uint,
    first_failed: libc::pid_t,
    padding: [libc::c_uint; 15],
}

/// `REAPER_KILL_SUBTREE`
const SUBTREE: libc::c_uint = 2;

/// Kills a worker and what it has started, whatever has become of that.
pub(crate) fn kill_descendants(worker: u32) {
    kill_reaped(SUBTREE, worker.cast_signed());
}

/// In a guard: kills everything that comes of it, and ends.
pub(crate) fn kill_all() -> ! {
    kill_reaped(0, 0);
    super::exit(0)
}

/// procctl(2) `PROC_REAP_KILL`
fn kill_reaped(flags: libc::c_uint, subtree: libc::pid_t) {
    let mut kill = ReaperKill {
        signal: libc::SIGKILL,
        flags,
        subtree,
        killed: 0,
        first_failed: 0,
        padding: [0; 15],
    };
    // An error says that there are none, since nothing keeps a keeper from killing.
    let _ = control(libc::PROC_REAP_KILL, &raw mut kill);
}

/// Waits for those that have come to this process and have ended. Those that have not yet are waited
/// for the next time.
pub(crate) fn reap_descendants(_worker: u32) {
    // Of processes with a descriptor this call knows nothing.
    // SAFETY: no status is asked for.
    while unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

/// kqueue(2), which is readable once any child has ended: `EVFILT_SIGNAL` tells of signals whatever is done
/// with them, and of SIGCHLD unless that is ignored, which it is not here.
pub(crate) fn watch_children() -> io::Result<OwnedFd> {
    // SAFETY: takes no argument.
    let queue = owned(check(unsafe { libc::kqueue() })?);
    let change = libc::kevent {
        ident: libc::SIGCHLD.unsigned_abs() as usize,
        filter: libc::EVFILT_SIGNAL,
        flags: libc::EV_ADD,
        fflags: 0,
        data: 0,
        udata: ptr::null_mut(),
        ext: [0; 4],
    };
    // SAFETY: one change is read, and no event is asked for.
    check(unsafe {
        libc::kevent(queue.as_raw_fd(), &raw const change, 1, ptr::null_mut(), 0, ptr::null())
    })?;
    Ok(queue)
}

/// Waits for children that have ended and are not kept here. Those with a descriptor the call does not
/// know.
pub(crate) fn reap_strangers(watch: &OwnedFd, _is_kept: impl Fn(u32) -> bool) {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut told = MaybeUninit::<libc::kevent>::uninit();
    // SAFETY: the kernel writes one event at most, which is not read. That it was told clears it.
    unsafe {
        libc::kevent(watch.as_raw_fd(), ptr::null(), 0, told.as_mut_ptr(), 1, &raw const now);
    }
    reap_descendants(0);
}

/// What has to be done before the mode is entered: cores, and `PROC_NO_NEW_PRIVS_CTL`.
pub(crate) fn before_entering(cores: bool) -> io::Result<()> {
    let mut enable = libc::PROC_NO_NEW_PRIVS_ENABLE;
    control(libc::PROC_NO_NEW_PRIVS_CTL, &raw mut enable)?;
    if cores { Ok(()) } else { no_cores() }
}

/// What is left to do in capability mode: the user's number of processes is held to what it is at
/// least, so that the worker starts none. The kernel does not hold root to it.
pub(crate) fn harden(processes: bool, _cores: bool, _told: bool) -> Result<(), String> {
    if processes {
        return Ok(());
    }
    // 0 would be no limit.
    let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
    // SAFETY: the kernel reads the structure.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) })
        .map(drop)
        .map_err(|error| format!("setrlimit(RLIMIT_NPROC): {error}"))
}

/// What holds a worker outside capability mode is done elsewhere: its descriptors, its limits, its user,
/// and that it gains no privileges. There is nothing by which paths and addresses could be held. That
/// the paths are there is as on the other system.
pub(crate) fn confine(reach: &crate::Reach) -> Result<(), String> {
    for path in reach.beneath().iter().filter(|path| !path.optional) {
        std::fs::symlink_metadata(path.name).map_err(|error| format!("{}: {error}", path.name))?;
    }
    Ok(())
}
