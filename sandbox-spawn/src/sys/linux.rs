//! What is Linux's own: pidfds, the death of parents, process groups, capabilities(7).

mod confine;
mod events;
mod filter;
mod refusals;
mod start;

pub(crate) use confine::confine;
pub(crate) use refusals::REFUSAL;
pub(super) use refusals::refusal_told;
pub(crate) use start::start_execution;

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    ptr,
};

use libc::c_int;

pub(crate) use events::Events;

use super::posix::{check, no_cores, owned};

/// prctl(2) of an option that takes a number.
fn control(option: c_int, argument: libc::c_ulong) -> io::Result<c_int> {
    // SAFETY: none of the options that are passed here takes a pointer.
    check(unsafe { libc::prctl(option, argument, 0_u64, 0_u64, 0_u64) })
}

/// close_range(2)
pub(super) fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: takes no pointers. Who calls this owns the whole table of descriptors.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, c_int::MAX, 0) };
    if closed < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// pidfd_open(2): readable when the process has ended.
pub(super) fn watch_end(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).map(owned).ok_or_else(io::Error::last_os_error)
}

/// The file of this program, to execute it.
pub(crate) fn own_program() -> io::Result<OwnedFd> {
    // SAFETY: the path is a C string.
    let fd = unsafe { libc::open(c"/proc/self/exe".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    check(fd).map(owned)
}

/// Whether the program was executed with more privileges than who executed it.
pub(crate) fn privileged_execution() -> bool {
    // SAFETY: takes an integer.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The children of who dies come here.
pub(super) fn become_reaper() -> io::Result<()> {
    control(libc::PR_SET_CHILD_SUBREAPER, 1).map(drop)
}

/// Has the kernel kill the process when its parent dies. The parent is in no Landlock domain that
/// this process is not in, so that its signal arrives.
pub(crate) fn die_with(parent: u32) -> io::Result<()> {
    control(libc::PR_SET_PDEATHSIG, 9)?;
    if super::parent() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

/// Kills a worker and what it has started: nothing of that has left its group, by the filter. The kernel
/// does it at once, so that no fork gets away.
pub(crate) fn kill_descendants(worker: u32) {
    if let Ok(group) = libc::pid_t::try_from(worker) {
        // SAFETY: takes no pointers. The worker was not waited for, and its number is its own.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

/// In a guard: kills the whole group that it leads, itself included.
pub(crate) fn kill_all() -> ! {
    loop {
        // SAFETY: takes no pointers.
        unsafe { libc::kill(0, libc::SIGKILL) };
    }
}

/// Waits for what [`kill_descendants`] has killed, all of which has come to this process.
pub(crate) fn reap_descendants(worker: u32) {
    let Ok(group) = libc::pid_t::try_from(worker) else { return };
    loop {
        // SAFETY: no status is asked for.
        match check(unsafe { libc::waitpid(-group, ptr::null_mut(), 0) }) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// sigprocmask(2) and signalfd(2): what is readable once any child has ended.
pub(crate) fn watch_children() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigemptyset fills the set, which the others read; no old one is asked for.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut()))?;
        check(libc::signalfd(-1, set.as_ptr(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC))
    }
    .map(owned)
}

/// Waits for children that have ended and are not kept here: those of children that have ended before.
pub(crate) fn reap_strangers(watch: &OwnedFd, is_kept: impl Fn(u32) -> bool) {
    let mut signals = [MaybeUninit::<libc::signalfd_siginfo>::uninit(); 4];
    // SAFETY: the kernel writes no more than the buffer has, which is not read.
    while unsafe {
        libc::read(watch.as_raw_fd(), signals.as_mut_ptr().cast(), size_of_val(&signals))
    } > 0
    {}
    let look = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    loop {
        // SAFETY: zeros are a valid siginfo_t, which the kernel writes; without a child that has
        // ended it stays zero.
        let pid = unsafe {
            let mut ended: libc::siginfo_t = MaybeUninit::zeroed().assume_init();
            if libc::waitid(libc::P_ALL, 0, &raw mut ended, look) < 0 {
                return;
            }
            ended.si_pid()
        };
        // One that is kept is waited for by its descriptor, and this is called again then.
        if pid <= 0 || is_kept(pid.cast_unsigned()) {
            return;
        }
        // SAFETY: no status is asked for.
        unsafe { libc::waitpid(pid, ptr::null_mut(), libc::WNOHANG) };
    }
}

/// What has to be done before the mode is entered: cores. Who has become another user is not
/// dumpable, and procfs, which entering needs, would be root's.
pub(crate) fn before_entering(cores: bool) -> io::Result<()> {
    control(libc::PR_SET_DUMPABLE, 1)?;
    if cores { Ok(()) } else { no_cores() }
}

/// `_LINUX_CAPABILITY_VERSION_3`: two times the three words effective, permitted, inheritable.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// What is left to do in capability mode: every capability is given up, and the second filter is
/// set. That can only narrow, and nothing undoes it.
pub(crate) fn harden(processes: bool, cores: bool, told: bool) -> Result<(), String> {
    let at = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    // PR_CAP_AMBIENT_CLEAR_ALL
    control(libc::PR_CAP_AMBIENT, 4).map_err(at("ambient capabilities"))?;
    let (header, none) = ([CAPABILITY_VERSION, 0], [0_u32; 6]);
    // SAFETY: the kernel reads the header, a version and an id, and in this version six words.
    let dropped = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    if dropped < 0 {
        return Err(at("capset")(io::Error::last_os_error()));
    }
    if control(libc::PR_GET_NO_NEW_PRIVS, 0).map_err(at("prctl(PR_GET_NO_NEW_PRIVS)"))? != 1 {
        return Err("the process could gain privileges".to_owned());
    }
    // A core that goes to a program takes no notice of limits.
    if !cores {
        control(libc::PR_SET_DUMPABLE, 0).map_err(at("prctl(PR_SET_DUMPABLE)"))?;
    }
    filter::install(processes, told).map_err(at("the filter of processes"))
}
