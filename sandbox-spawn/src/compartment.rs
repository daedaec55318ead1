//! A worker, as seen by who started it.

use std::time::Duration;

use capsicum_channel::Frames;
use capsicum_rs::Containment;

use crate::{Builder, End, Error, Process};

/// A worker that runs in capability mode, in a process of its own, and the socket to it.
///
/// Dropping it kills the worker. See the [crate](crate) for an example.
#[derive(Debug)]
pub struct Compartment {
    frames: Frames,
    process: Process,
    containment: Containment,
}

impl Compartment {
    /// Starts to describe a compartment for the worker of this name.
    pub fn builder(worker: &str) -> Builder {
        Builder::new(worker)
    }

    pub(crate) fn new(frames: Frames, process: Process, containment: Containment) -> Self {
        Self { frames, process, containment }
    }

    /// The socket to the worker. What comes out of it is the worker's, and may be anything.
    #[must_use]
    pub fn frames(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// The worker's process.
    #[must_use]
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Both, each to itself.
    #[must_use]
    pub fn into_parts(self) -> (Frames, Process) {
        (self.frames, self.process)
    }

    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.process.name()
    }

    /// The level at which the worker is held.
    #[must_use]
    pub fn containment(&self) -> Containment {
        self.containment
    }

    /// See [`Process::kill`].
    pub fn kill(&mut self) -> Result<(), Error> {
        self.process.kill()
    }

    /// See [`Process::wait`].
    pub fn wait(&mut self) -> Result<End, Error> {
        self.process.wait()
    }

    /// See [`Process::wait_timeout`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<End>, Error> {
        self.process.wait_timeout(timeout)
    }

    /// See [`Process::explain`].
    pub fn explain(&mut self, error: capsicum_channel::Error) -> Error {
        self.process.explain(error)
    }
}
