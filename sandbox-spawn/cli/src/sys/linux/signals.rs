//! Signals that are passed on, and how a process waits for them.

use std::{
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use libc::{c_int, pid_t, sigset_t};

use super::calls::{self, Errno};

/// Not passed on: faults of the process itself, what cannot be caught, and what the terminal tells
/// a process about itself.
const OWN: [c_int; 11] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// Those with which somebody asks a process to end.
pub(super) const DEADLY: [c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// A signal that arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    /// Which.
    pub(super) signal: c_int,
    /// Whether the kernel sent it: a terminal signals its whole foreground group, so that the
    /// program had it too.
    pub(super) by_kernel: bool,
}

/// The signals that are passed on, and `SIGCHLD`.
fn passed_on() -> sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the set, sigdelset changes an initialised one.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for signal in OWN {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// sigprocmask(2): holds back what is to be passed on, and returns the mask as it was.
pub(super) fn hold() -> sigset_t {
    // A parent that ignores SIGCHLD would have our children vanish unreaped.
    // SAFETY: setting the default action touches no memory of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let set = passed_on();
    let mut before = MaybeUninit::uninit();
    // SAFETY: `set` is initialised, and the call initialises `before`: its arguments are valid.
    unsafe {
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, before.as_mut_ptr());
        before.assume_init()
    }
}

/// sigprocmask(2), and the default action for `SIGPIPE`, which the Rust runtime ignores.
pub(super) fn restore(mask: &sigset_t) {
    // SAFETY: the mask is initialised; setting the default action touches no memory of ours.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::sigprocmask(libc::SIG_SETMASK, mask, ptr::null_mut());
    }
}

/// signalfd(2) over the signals that [`hold`] holds back.
pub(super) fn descriptor() -> Result<OwnedFd, Errno> {
    let set = passed_on();
    // SAFETY: `set` is initialised.
    let number = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC) };
    calls::checked(number.into())?;
    // SAFETY: the kernel just returned this descriptor and nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Takes a signal from a [`descriptor`].
pub(super) fn take(descriptor: &OwnedFd) -> Option<Arrived> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let size = mem::size_of::<libc::signalfd_siginfo>();
    // SAFETY: the buffer has the stated size.
    let read = unsafe { libc::read(descriptor.as_raw_fd(), info.as_mut_ptr().cast(), size) };
    if usize::try_from(read) != Ok(size) {
        return None;
    }
    // SAFETY: the kernel filled all of it.
    let info = unsafe { info.assume_init() };
    Some(Arrived { signal: c_int::try_from(info.ssi_signo).ok()?, by_kernel: info.ssi_code > 0 })
}

/// poll(2) for input or a hang-up on any of some descriptors; says which are ready.
pub(super) fn ready<const N: usize>(descriptors: [RawFd; N], block: bool) -> [bool; N] {
    ready_within(descriptors, if block { -1 } else { 0 })
}

/// The same, within so many milliseconds; without end for -1.
pub(super) fn ready_within<const N: usize>(descriptors: [RawFd; N], timeout: c_int) -> [bool; N] {
    let mut polled = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: the array has N entries.
    let answer = unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, timeout) };
    polled.map(|entry| answer > 0 && entry.revents != 0)
}

/// poll(2) for a hang-up on a descriptor that may have input.
pub(super) fn hung_up(descriptor: RawFd) -> bool {
    let mut polled = libc::pollfd { fd: descriptor, events: 0, revents: 0 };
    // SAFETY: one entry is passed.
    let answer = unsafe { libc::poll(&raw mut polled, 1, 0) };
    answer > 0 && polled.revents & libc::POLLHUP != 0
}

/// Stops the calling process, as the terminal's stop character would have.
pub(super) fn stop_self() {
    // SAFETY: takes no pointer.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Passes a signal on to the supervisor, which has had what a terminal sent to the group. When the
/// terminal is gone, the kernel tells the leader of the session alone, and a program that stopped
/// must see it too.
pub(super) fn pass_on(arrived: Arrived, to: pid_t) {
    let hang_up = arrived.by_kernel && arrived.signal == libc::SIGHUP;
    if !arrived.by_kernel || hang_up {
        calls::kill(to, arrived.signal);
    }
    if hang_up {
        calls::kill(to, libc::SIGCONT);
    }
}

/// Passes a signal on to the program. What a terminal sent it has had, unless it left the group.
pub(super) fn pass_on_to_program(arrived: Arrived, program: pid_t) {
    if !arrived.by_kernel || calls::group_of(program) != calls::group_of(0) {
        calls::kill(program, arrived.signal);
    }
}

/// sigprocmask(2): as it was before [`hold`].
pub(super) fn restore_mask(mask: &sigset_t) {
    // SAFETY: the mask is initialised.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, ptr::null_mut()) };
}
