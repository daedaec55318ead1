//! Processes named by descriptors instead of process ids.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    process::ExitStatus,
    time::{Duration, Instant},
};

use crate::{Error, sys};

/// A child process named by a descriptor: procdesc(4) on FreeBSD, a pidfd on Linux.
///
/// Works in capability mode, where process ids do not. Dropping it kills the process and reaps
/// it, as closing a procdesc does.
///
/// ```
/// use capsicum_rs::ProcessDescriptor;
///
/// let mut child = ProcessDescriptor::fork(|| 7)?;
/// assert_eq!(child.wait()?.code(), Some(7));
/// # Ok::<(), capsicum_rs::Error>(())
/// ```
#[derive(Debug)]
pub struct ProcessDescriptor {
    child: sys::process::Child,
    status: Option<ExitStatus>,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

impl ProcessDescriptor {
    /// pdfork(2): runs `child` in a copy of this process, whose exit status is what it returns
    /// (101 if it panics). Neither destructors of the caller's values nor exit handlers run in it.
    ///
    /// # Errors
    ///
    /// [`Error::Threaded`] if the caller has more than one thread: the copy would have one thread
    /// and the locks of all. [`Error::System`] when the kernel has no process to spare.
    pub fn fork(child: impl FnOnce() -> u8) -> Result<Self, Error> {
        let child = sys::process::fork(child)?;
        Ok(Self { child, status: None })
    }

    /// As [`fork`](Self::fork), in a copy that has the descriptors below `first` and no others.
    ///
    /// For a process that holds many descriptors, of its children for one: on Linux the kernel copies
    /// no more than that many, so that neither the fork nor what the copy does with its descriptors
    /// takes longer because of the others. This one's own descriptor is at `first` or above, where the
    /// limit of descriptors lets it.
    ///
    /// `child` must use no descriptor from `first` on, by dropping the owner of one neither.
    ///
    /// Handlers of pthread_atfork(3) are not run (FreeBSD: up to 14): a generator of random numbers that
    /// relies on them goes on in the copy as in this process.
    ///
    /// ```
    /// use std::{fs::File, os::fd::AsRawFd};
    ///
    /// use capsicum_rs::ProcessDescriptor;
    ///
    /// let file = File::open("Cargo.toml")?;
    /// let first = file.as_raw_fd();
    /// let mut child = ProcessDescriptor::fork_below(first, move || {
    ///     let others = std::fs::read_dir("/dev/fd").map_or(0, Iterator::count);
    ///     // The standard streams, and the listing itself, at the number that is free now.
    ///     u8::try_from(others).unwrap_or(u8::MAX)
    /// })?;
    /// assert!(child.wait()?.code().is_some_and(|count| count <= first + 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`fork`](Self::fork).
    pub fn fork_below(first: RawFd, child: impl FnOnce() -> u8) -> Result<Self, Error> {
        let child = sys::process::fork_below(first, child)?;
        Ok(Self { child, status: None })
    }

    /// As [`fork`](Self::fork), or with a number as [`fork_below`](Self::fork_below), in a copy that goes on
    /// when its last descriptor is closed otherwise than by dropping this: `PD_DAEMON` of pdfork(2).
    ///
    /// For a child that has something to do when this process ends, whatever has ended it. On FreeBSD the
    /// kernel kills the others then, by force and first of all; on Linux every child goes on, and this is
    /// the same as the other two.
    ///
    /// ```
    /// use capsicum_rs::ProcessDescriptor;
    ///
    /// let mut child = ProcessDescriptor::fork_lasting(None, || 7)?;
    /// assert_eq!(child.wait()?.code(), Some(7));
    /// # Ok::<(), capsicum_rs::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`fork`](Self::fork).
    pub fn fork_lasting(first: Option<RawFd>, child: impl FnOnce() -> u8) -> Result<Self, Error> {
        let child = sys::process::fork_lasting(first, child)?;
        Ok(Self { child, status: None })
    }

    /// pidfd_open(2): the descriptor of a child that was started by other means, such as posix_spawn(3), and
    /// that nothing has waited for yet. From here on nothing else may wait for it. The descriptor is at
    /// `first` or above, where the limit of descriptors lets it.
    ///
    /// ```
    /// use std::process::Command;
    ///
    /// use capsicum_rs::ProcessDescriptor;
    ///
    /// let child = Command::new("true").spawn()?;
    /// match ProcessDescriptor::of_child(child.id(), 3) {
    ///     Ok(mut child) => assert!(child.wait()?.success()),
    ///     Err(error) => assert!(cfg!(target_os = "freebsd"), "{error}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::System`]: `ECHILD` or `ESRCH` for what is no child of this process; on Linux in capability
    /// mode; and on FreeBSD always (`ENOTSUP`), where a process has a descriptor from its start or none.
    /// The child is left as it was.
    pub fn of_child(pid: u32, first: RawFd) -> Result<Self, Error> {
        let child = sys::process::of_child(pid, first)?;
        Ok(Self { child, status: None })
    }

    /// pdgetpid(2): the process id, for messages; it names the process only until it is waited for.
    ///
    /// # Errors
    ///
    /// FreeBSD: `ENOTCAPABLE` without the right `PDGETPID`.
    pub fn pid(&self) -> Result<u32, Error> {
        self.child.pid()
    }

    /// pdkill(2), pidfd_send_signal(2): sends a signal, by its number; 0 only checks.
    ///
    /// # Errors
    ///
    /// `ESRCH` if the process has ended, `ENOTCAPABLE` without the right `PDKILL`, `EINVAL` for a
    /// number that is no signal.
    pub fn kill(&self, signal: i32) -> Result<(), Error> {
        self.child.kill(signal)
    }

    /// Waits until the process has ended, and returns the same status ever after.
    ///
    /// # Errors
    ///
    /// `ENOTCAPABLE` on Linux in capability mode without the right `PDWAIT`; `EVENT` is needed on
    /// FreeBSD.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        loop {
            // Forever, in steps that no system call finds too long.
            if let Some(status) = self.wait_timeout(Duration::from_secs(3600))? {
                return Ok(status);
            }
        }
    }

    /// As [`wait`](Self::wait), but at most for this long: `None` if the process still runs.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
        if self.status.is_none() {
            let now = Instant::now();
            // A time that the clock cannot tell is as good as a year.
            let deadline = now.checked_add(timeout).unwrap_or(now + YEAR);
            self.status = self.child.wait_until(deadline)?;
        }
        Ok(self.status)
    }
}

impl Drop for ProcessDescriptor {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.child.kill_and_reap();
        }
    }
}

impl AsFd for ProcessDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }
}

impl AsRawFd for ProcessDescriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
