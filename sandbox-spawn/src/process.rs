//! A worker's process, as seen by who started it.

use std::{
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
    time::{Duration, Instant},
};

use capsicum_channel::{Frame, Frames};
use capsicum_rs::ProcessDescriptor;

use crate::{End, Error, Refusal, init, sys, task};

/// How long a drop waits for what it has killed.
const LINGER: Duration = Duration::from_secs(2);

/// A worker's process: a *leash*, held through its keeper.
///
/// It works whatever becomes of the program: from every thread, and in capability mode. Dropping it
/// kills the worker, and waits until the keeper has said that it is gone.
///
/// As a descriptor it becomes readable when the worker has ended.
#[derive(Debug)]
pub struct Process {
    name: String,
    leash: Frames,
    /// Where the worker has a keeper of its own.
    keeper: Option<ProcessDescriptor>,
    /// Where the worker tells what it was refused, if that ends it.
    report: Option<OwnedFd>,
    end: Option<End>,
    /// Why there was no process at all.
    failed: Option<String>,
}

impl Process {
    pub(crate) fn new(name: &str, leash: Frames, keeper: Option<ProcessDescriptor>) -> Self {
        Self { name: name.to_owned(), leash, keeper, report: None, end: None, failed: None }
    }

    /// Of one that tells there what it was refused.
    pub(crate) fn reporting(mut self, report: Option<OwnedFd>) -> Self {
        self.report = report;
        self
    }

    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Kills the worker, and what it has started. Its end is not waited for, and a worker that has
    /// ended already stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error::System`], in capability mode without the right to write on the descriptor.
    pub fn kill(&mut self) -> Result<(), Error> {
        if self.end.is_some() {
            return Ok(());
        }
        let frame = Frame::new(task::KILL, 0, &[], Vec::new());
        match frame.and_then(|frame| self.leash.try_send(&frame)) {
            // Without room, one like it was sent before. Without a keeper, the worker is gone.
            Ok(_) | Err(capsicum_channel::Error::Closed) => Ok(()),
            Err(error) => Err(Error::channel(&self.name, error)),
        }
    }

    /// Waits for the worker to end, and tells how it did: the same ever after.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn wait(&mut self) -> Result<End, Error> {
        self.wait_by(None).map(|end| end.unwrap_or(End::Lost))
    }

    /// As [`wait`](Self::wait), but at most for this long: `None` if the worker still runs.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<End>, Error> {
        // A time that the clock cannot tell is for ever.
        self.wait_by(Instant::now().checked_add(timeout))
    }

    fn wait_by(&mut self, deadline: Option<Instant>) -> Result<Option<End>, Error> {
        if self.end.is_some() {
            return Ok(self.end);
        }
        let end = match self.leash.receive(deadline) {
            Ok(frame) => self.told(frame),
            Err(capsicum_channel::Error::Deadline) => return Ok(None),
            Err(capsicum_channel::Error::Closed) => End::Lost,
            Err(error) => return Err(Error::channel(&self.name, error)),
        };
        self.end = Some(end);
        let keeper = self.keeper.take();
        // Where the keeper has said that there is no process, it goes on.
        if end == End::Lost && self.failed.is_none() {
            // Killed, and so perhaps is the other one.
            init::reap_zygote(if keeper.is_some() { Duration::ZERO } else { LINGER });
        }
        if let Some(mut keeper) = keeper {
            // It ends by itself, now that it keeps nothing.
            let _ = keeper.wait_timeout(LINGER);
        }
        Ok(self.end)
    }

    fn told(&mut self, frame: Frame) -> End {
        let caps = self.leash.caps();
        if frame.kind() == task::ENDED {
            let status = frame.decode::<i32>(caps);
            let end = status.map_or(End::Lost, |status| ExitStatus::from_raw(status).into());
            return self.refused(end).map_or(end, End::Refused);
        }
        self.failed = frame.decode::<String>(caps).ok();
        End::Lost
    }

    /// What has ended it, if that was a refusal and it has told.
    fn refused(&mut self, end: End) -> Option<Refusal> {
        let report = self.report.take()?;
        let End::Signalled { signal: sys::refusals::SIGNAL, .. } = end else { return None };
        sys::refusals::read(report.as_fd()).map(Refusal::from)
    }

    /// Why the keeper has no process for the worker, where it said so.
    pub(crate) fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// What a failure of the socket to this worker means. That a socket is closed can mean that the
    /// worker has died: then it is waited for, for a moment, so that the error tells how.
    pub fn explain(&mut self, error: capsicum_channel::Error) -> Error {
        if matches!(error, capsicum_channel::Error::Closed)
            && let Ok(Some(end)) = self.wait_timeout(LINGER)
        {
            return Error::ended(&self.name, end);
        }
        Error::channel(&self.name, error)
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.leash.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whatever fails here, the leash is closed next, which says the same.
        if self.end.is_none() && self.kill().is_ok() {
            let _ = self.wait_timeout(LINGER);
        }
    }
}
