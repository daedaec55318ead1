//! Process descriptors: pdfork(2), pdkill(2), pdgetpid(2).
//!
//! Waiting is kevent(2) with `EVFILT_PROCDESC`, which every release has and which tells the exit
//! status (pdwait(2) is of FreeBSD 16). The process stays a zombie until the last copy of its
//! descriptor is closed: that reaps it, or, if it still runs, kills it and leaves it to init(8) or
//! to another reaper.

use std::{
    io, mem,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::process::ExitStatusExt,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitStatus,
    ptr,
    time::{Duration, Instant},
};

use super::{calls::checked, threads};
use crate::Error;

/// The longest single wait in the kernel.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The descriptor of a child; closing it, on drop, kills and reaps.
#[derive(Debug)]
pub(crate) struct Child {
    descriptor: OwnedFd,
}

/// Runs `child` in a copy of this process, which ends with its descriptor.
pub(crate) fn fork(child: impl FnOnce() -> u8) -> Result<Child, Error> {
    fork_with(0, child)
}

fn fork_with(flags: libc::c_int, child: impl FnOnce() -> u8) -> Result<Child, Error> {
    if let Some(threads) = threads::several() {
        return Err(Error::Threaded { threads, what: "pdfork(2)" });
    }
    let thread = threads::own_id();
    if let Some(descriptor) = pdfork(flags).map_err(|error| Error::system("pdfork(2)", error))? {
        return Ok(Child { descriptor });
    }
    threads::adopt_id(thread);
    run(child)
}

/// The same, in a copy that has closed its descriptors from `first` on.
pub(crate) fn fork_below(first: RawFd, child: impl FnOnce() -> u8) -> Result<Child, Error> {
    fork(with_those_below(first, child))
}

/// Either, in a copy that `procdesc_close` (sys/kern/sys_procdesc.c) does not kill.
pub(crate) fn fork_lasting(
    first: Option<RawFd>,
    child: impl FnOnce() -> u8,
) -> Result<Child, Error> {
    match first {
        None => fork_with(libc::PD_DAEMON, child),
        Some(first) => fork_with(libc::PD_DAEMON, with_those_below(first, child)),
    }
}

fn with_those_below(first: RawFd, child: impl FnOnce() -> u8) -> impl FnOnce() -> u8 {
    move || {
        // SAFETY: takes no pointers. Nothing in the copy uses them: `child` is told of none.
        unsafe { libc::closefrom(first) };
        child()
    }
}

/// Only pdfork(2) makes descriptors of processes.
pub(crate) fn of_child(pid: u32, _first: RawFd) -> Result<Child, Error> {
    let error = io::Error::from_raw_os_error(libc::ENOTSUP);
    Err(Error::system(format!("a descriptor of the child {pid}"), error))
}

/// pdfork(2): the descriptor of the copy, and `None` in the copy. Without `PD_DAEMON` the copy ends with
/// its descriptor.
fn pdfork(flags: libc::c_int) -> io::Result<Option<OwnedFd>> {
    let mut descriptor = -1;
    // SAFETY: the call writes one integer, and `descriptor` is one. The copy has all threads of
    // the process, since the caller saw to it that there is one, so no lock in it stays locked.
    match checked(unsafe { libc::pdfork(&raw mut descriptor, libc::PD_CLOEXEC | flags) })? {
        0 => Ok(None),
        // SAFETY: the kernel made this descriptor for the caller, and nothing else knows it yet.
        _ => Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) })),
    }
}

/// Ends the process with what `child` returns, without unwinding into the caller's frames.
fn run(child: impl FnOnce() -> u8) -> ! {
    let status = match catch_unwind(AssertUnwindSafe(child)) {
        Ok(status) => status,
        Err(payload) => {
            // Its destructor could panic again.
            mem::forget(payload);
            101
        }
    };
    // SAFETY: ends the process and returns to nothing; no exit handler runs.
    unsafe { libc::_exit(status.into()) }
}

impl Child {
    /// pdgetpid(2)
    pub(crate) fn pid(&self) -> Result<u32, Error> {
        let mut pid: libc::pid_t = 0;
        // SAFETY: the call writes one `pid_t`, and `pid` is one.
        checked(unsafe { libc::pdgetpid(self.raw(), &raw mut pid) })
            .map_err(|error| self.failed("pdgetpid(2)", error))?;
        Ok(pid.cast_unsigned())
    }

    /// pdkill(2), and `ESRCH` for a process that has ended: the kernel takes signals for zombies.
    pub(crate) fn kill(&self, signal: i32) -> Result<(), Error> {
        let ended = self.has_ended();
        // SAFETY: both arguments are integers.
        let answer = checked(unsafe { libc::pdkill(self.raw(), signal) });
        match answer {
            Ok(_) if ended => Err(io::Error::from_raw_os_error(libc::ESRCH)),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(|error| self.failed("pdkill(2)", error))
    }

    /// Whether the process has ended, as far as `EVENT` allows to know.
    fn has_ended(&self) -> bool {
        let mut entry = libc::pollfd { fd: self.raw(), events: 0, revents: 0 };
        // SAFETY: there is one entry, as stated, which the call reads and writes.
        let ready = unsafe { libc::poll(&raw mut entry, 1, 0) };
        ready == 1 && entry.revents & libc::POLLHUP != 0
    }

    /// Waits for the end, at most until the deadline.
    pub(crate) fn wait_until(&self, deadline: Instant) -> Result<Option<ExitStatus>, Error> {
        let failed = |error| self.failed("kevent(2)", error);
        // A queue of its own for each wait: it has every right, whatever ceiling was set since
        // the process was started.
        let queue = kqueue()?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match exit_status(queue.as_fd(), self.raw(), left.min(LONGEST_WAIT)) {
                Ok(None) if Instant::now() >= deadline => return Ok(None),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(failed),
            }
        }
    }

    /// Kills the process and gives it a moment to end, so that closing the descriptor, which
    /// follows, finds a zombie and reaps it here and now. Closing does the rest where the
    /// descriptor lacks `PDKILL` or `EVENT`, or the kernel is slow to let go of the process.
    pub(crate) fn kill_and_reap(&mut self) {
        if self.kill(libc::SIGKILL).is_ok() {
            let _ = self.wait_until(Instant::now() + Duration::from_secs(1));
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn raw(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }

    fn failed(&self, call: &str, error: io::Error) -> Error {
        Error::system(format!("{call} on process descriptor {}", self.raw()), error)
    }
}

/// kqueue(2). The queue is not inherited by fork(2).
fn kqueue() -> Result<OwnedFd, Error> {
    // SAFETY: takes no argument.
    let queue = unsafe { libc::kqueue() };
    if queue == -1 {
        return Err(Error::system("kqueue(2)", io::Error::last_os_error()));
    }
    // SAFETY: the kernel made this descriptor for the caller, and nothing else knows it yet.
    Ok(unsafe { OwnedFd::from_raw_fd(queue) })
}

/// Waits for the end of a process, at most this long.
fn exit_status(
    queue: BorrowedFd<'_>,
    process: RawFd,
    timeout: Duration,
) -> io::Result<Option<ExitStatus>> {
    let timeout = timespec(timeout);
    let change = libc::kevent {
        ident: process.cast_unsigned() as usize,
        filter: libc::EVFILT_PROCDESC,
        flags: libc::EV_ADD | libc::EV_ONESHOT,
        fflags: libc::NOTE_EXIT,
        data: 0,
        udata: ptr::null_mut(),
        ext: [0; 4],
    };
    let mut event = change;
    // SAFETY: one change is read and at most one event is written, as the counts say; the timeout
    // outlives the call.
    let events = checked(unsafe {
        libc::kevent(queue.as_raw_fd(), &raw const change, 1, &raw mut event, 1, &raw const timeout)
    })?;
    // `data` is an error number or a status as wait(2) has it, either of which fits.
    let data = i32::try_from(event.data).unwrap_or(libc::EINVAL);
    match events {
        0 => Ok(None),
        _ if event.flags & libc::EV_ERROR != 0 => Err(io::Error::from_raw_os_error(data)),
        _ => Ok(Some(ExitStatus::from_raw(data))),
    }
}

#[allow(
    clippy::cast_possible_wrap,
    clippy::cast_lossless,
    reason = "an hour's seconds and a second's nanoseconds fit in any width that the fields have"
)]
fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: duration.min(LONGEST_WAIT).as_secs() as libc::time_t,
        tv_nsec: duration.subsec_nanos() as libc::c_long,
    }
}
