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
