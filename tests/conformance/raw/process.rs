//! Processes and signals.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsRawFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst},
};

use super::{SharedPage, calls, check};

calls! {
    kill(pid: libc::pid_t, signal: c_int);
    killpg(group: libc::pid_t, signal: c_int);
    raise(signal: c_int);
    setgid(id: u32);
    setpgid(pid: libc::pid_t, group: libc::pid_t);
    setuid(id: u32);
}

/// A child: its id, and a descriptor that is readable when it has ended.
pub(crate) struct Child {
    pub(crate) pid: libc::pid_t,
    pub(crate) descriptor: OwnedFd,
}

/// Runs `body` in a fork; its exit status is what it returns.
///
/// The caller has one thread, so that everything works in the fork.
pub(crate) fn spawn(body: impl FnOnce() -> i32) -> io::Result<Child> {
    let (pid, descriptor) = super::fork_with_descriptor()?;
    match descriptor {
        Some(descriptor) => Ok(Child { pid, descriptor }),
        None => exit(body()),
    }
}

/// fork(2) and no more: `None` in the child.
pub(crate) fn fork() -> io::Result<Option<libc::pid_t>> {
    // SAFETY: the processes of this suite fork while they have one thread.
    match check(unsafe { libc::fork() })? {
        0 => Ok(None),
        pid => Ok(libc::pid_t::try_from(pid).ok()),
    }
}

/// _exit(2).
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is used again.
    unsafe { libc::_exit(code) }
}

/// waitpid(2): the status as wait(2) gives it.
pub(crate) fn wait(pid: libc::pid_t) -> io::Result<c_int> {
    let mut status = 0;
    loop {
        // SAFETY: room for a status.
        match check(unsafe { libc::waitpid(pid, &raw mut status, 0) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(|_| status),
        }
    }
}

/// poll(2) of one descriptor: the events that came, 0 after the time.
pub(crate) fn poll(fd: &impl AsRawFd, events: i16, milliseconds: c_int) -> io::Result<i16> {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    check(unsafe { libc::poll(&raw mut entry, 1, milliseconds) })?;
    Ok(entry.revents)
}

/// select(2) of one descriptor for reading, without waiting.
pub(crate) fn select(fd: &impl AsRawFd) -> io::Result<i64> {
    // SAFETY: all zeroes is an empty set.
    let mut set: libc::fd_set = unsafe { std::mem::zeroed() };
    let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: the descriptors of this suite are few, far below FD_SETSIZE.
    unsafe { libc::FD_SET(fd.as_raw_fd(), &raw mut set) };
    // SAFETY: the sets and the time outlive the call.
    check(unsafe {
        libc::select(
            fd.as_raw_fd() + 1,
            &raw mut set,
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut now,
        )
    })
}

static COUNTER: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

extern "C" fn count(_: c_int) {
    // SAFETY: null, or a counter that `count_signals` was given for ever.
    if let Some(counter) = unsafe { COUNTER.load(SeqCst).as_ref() } {
        counter.fetch_add(1, SeqCst);
    }
}

/// From now on each of these signals adds one to the page's counter.
pub(crate) fn count_signals(page: &'static SharedPage, signal: c_int) -> io::Result<()> {
    COUNTER.store(ptr::from_ref(page.counter()).cast_mut(), SeqCst);
    // SAFETY: all zeroes is a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(c_int) as usize;
    // SAFETY: the handler only touches an atomic number.
    check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) }).map(drop)
}

/// abort(3).
pub(crate) fn abort() -> ! {
    // SAFETY: ends the process.
    unsafe { libc::abort() }
}

/// Gives up the supplementary groups.
pub(crate) fn no_groups() -> io::Result<()> {
    // SAFETY: no group is read.
    check(unsafe { libc::setgroups(0, ptr::null()) }).map(drop)
}

/// Reads where nothing is mapped, which is a signal.
pub(crate) fn fault() {
    // SAFETY: never returns: the page at address 16 is never mapped.
    unsafe { ptr::without_provenance::<u8>(16).read_volatile() };
}

/// The number of a descriptor that another owner keeps open, for another thread.
pub(crate) struct Number(pub(crate) std::os::fd::RawFd);

impl Number {
    pub(crate) fn of(fd: &impl AsRawFd) -> Self {
        Self(fd.as_raw_fd())
    }
}

impl AsRawFd for Number {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0
    }
}

/// nanosleep(2), which capability mode admits on both systems: not all that the standard library
/// sleeps with is.
pub(crate) fn nanosleep(time: std::time::Duration) -> io::Result<i64> {
    let tv_nsec = time.subsec_nanos().into();
    let time = libc::timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec };
    // SAFETY: the time outlives the call.
    check(unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) })
}

/// Borrows a descriptor by its number, as long as the body runs.
pub(crate) fn borrowed<T>(
    number: &Number,
    body: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> T,
) -> T {
    // SAFETY: the owner of a `Number` keeps the descriptor open; were it not, the kernel says so.
    body(unsafe { std::os::fd::BorrowedFd::borrow_raw(number.0) })
}
