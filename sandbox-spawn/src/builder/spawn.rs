//! Starting what was described.

use std::{
    io::{self, PipeReader},
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

use capsicum_channel::Frames;
use capsicum_rs::{Limits, ProcessDescriptor};

use super::{Builder, DEADLINE, Given, Start, Stderr};
use crate::{
    Compartment, End, Error, Process, capture,
    graph::{self, Asking, Place, Source},
    init, keeper, start,
    task::{self, MOST_GRANTS, Settings, Task},
    worker,
};

impl Builder {
    /// Starts the worker and waits until it is in capability mode. In a worker this starts what
    /// [`starts`](Self::starts) lets it start.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] with what refused it; [`Error::Deadline`]. No worker runs then.
    pub fn spawn(&self) -> Result<Compartment, Error> {
        let name = self.name();
        let failed = |error: &dyn std::fmt::Display| Error::start(name, error);
        if let Some(mistake) = &self.mistake {
            return Err(failed(mistake));
        }
        if self.grants.len() > MOST_GRANTS {
            return Err(failed(&format!("more than {MOST_GRANTS} grants")));
        }
        let deadline = self.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        if self.settings.starts.is_some() {
            let ceiling = Limits::from(&self.settings.ceiling);
            graph::ceiling_of_starters(&ceiling).map_err(|reason| failed(&reason))?;
        }
        match graph::place() {
            Place::Starting(asking) => return self.ask(asking, deadline),
            Place::Worker => return Err(failed(&"the worker that this is may start no others")),
            Place::Program => {}
        }
        if worker::find(init::workers(name)?, name).is_none() {
            return Err(failed(&"sandbox_spawn::init was told of no worker of this name"));
        }
        if self.start == Start::Fork && capsicum_rs::sandboxed() {
            return Err(failed(&"in capability mode only the zygote starts workers"));
        }

        let (mut frames, there) = Frames::pair().map_err(|error| failed(&error))?;
        frames.set_caps(self.settings.caps()).map_err(|error| failed(&error))?;
        frames.peer_ceiling(Limits::from(&self.settings.ceiling));
        let (leash, other) = Frames::pair().map_err(|error| failed(&error))?;
        let (task, captured) = self.task(there.into()).map_err(|error| failed(&error))?;
        let other = OwnedFd::from(other);
        let keeper = match self.start {
            Start::Fork => Some(self.fork(task, other)?),
            Start::Zygote | Start::Exec => {
                init::hand_over(task, other, deadline)?;
                None
            }
        };
        self.started(frames, Process::new(name, leash, keeper), captured, deadline)
    }

    /// The same in a worker.
    fn ask(&self, asking: &Asking, deadline: Option<Instant>) -> Result<Compartment, Error> {
        let name = self.name();
        let failed = |error: &dyn std::fmt::Display| Error::start(name, error);
        let cannot = [
            (self.start == Start::Fork, "a worker does not fork others from itself"),
            (self.stderr == Stderr::Capture, "standard error is captured by the program only"),
            (self.directory.is_some(), "a worker that is started by another one has its directory"),
        ];
        if let Some((_, why)) = cannot.iter().find(|(asked, _)| *asked) {
            return Err(failed(why));
        }
        let mut settings = self.described();
        settings.has_directory = false;
        let (mut sources, mut sent) = (Vec::new(), Vec::new());
        for given in &self.grants {
            sources.push(match given {
                Given::Named(name) => Source::Named(name.clone()),
                Given::Descriptor(descriptor) => {
                    sent.push(descriptor.try_clone().map_err(|error| failed(&error))?);
                    Source::Sent
                }
            });
        }
        let (mut frames, leash) =
            asking.start(settings, sources, sent, self.environment.clone(), deadline)?;
        let process = Process::new(name, leash, None);
        frames.set_caps(self.settings.caps()).map_err(|error| failed(&error))?;
        frames.peer_ceiling(Limits::from(&self.settings.ceiling));
        self.started(frames, process, None, deadline)
    }

    /// Waits for what was started to be ready.
    fn started(
        &self,
        mut frames: Frames,
        mut process: Process,
        captured: Option<PipeReader>,
        deadline: Option<Instant>,
    ) -> Result<Compartment, Error> {
        let name = self.name();
        let failed = |error: &dyn std::fmt::Display| Error::start(name, error);
        let containment = match frames.receive(deadline) {
            Ok(frame) => start::told(frame, &frames).map_err(|reason| failed(&reason))?,
            Err(capsicum_channel::Error::Closed) => return Err(not_ready(&mut process)),
            Err(capsicum_channel::Error::Deadline) => {
                return Err(Error::Deadline { name: name.to_owned() });
            }
            Err(error) => return Err(failed(&error)),
        };
        // Not before: a program with two threads cannot be forked.
        if let Some(captured) = captured {
            capture::start(name, captured).map_err(|error| failed(&error))?;
        }
        Ok(Compartment::new(frames, process, containment))
    }

    /// The settings, now that all of them are known.
    pub(crate) fn described(&self) -> Settings {
        let mut settings = self.settings.clone();
        settings.execute = self.start == Start::Exec;
        settings.has_stderr = self.stderr != Stderr::Null;
        settings.inherits_stderr = self.stderr == Stderr::Inherit;
        settings.limit_channels();
        settings
    }

    /// The settings, and descriptors of their own; and the other end of the standard error.
    fn task(&self, socket: OwnedFd) -> io::Result<(Task, Option<PipeReader>)> {
        let settings = self.described();
        let mut descriptors = vec![socket];
        for given in &self.grants {
            descriptors.push(match given {
                Given::Descriptor(descriptor) => descriptor.try_clone()?,
                Given::Named(name) => {
                    let reason = format!("`{name}` is handed on by a worker that has it");
                    return Err(io::Error::other(reason));
                }
            });
        }
        if let Some(directory) = &self.directory {
            descriptors.push(directory.try_clone()?);
        }
        let mut captured = None;
        match self.stderr {
            Stderr::Null => {}
            Stderr::Inherit => descriptors.push(io::stderr().as_fd().try_clone_to_owned()?),
            Stderr::Capture => {
                let (reader, writer) = io::pipe()?;
                descriptors.push(writer.into());
                captured = Some(reader);
            }
        }
        let environment = task::environment(&self.environment).map_err(io::Error::from)?;
        Ok((Task { settings, descriptors, environment }, captured))
    }

    fn fork(&self, task: Task, leash: OwnedFd) -> Result<ProcessDescriptor, Error> {
        let workers = init::workers(self.name())?;
        let program = std::process::id();
        ProcessDescriptor::fork(move || keeper::alone(task, leash, program, workers))
            .map_err(|error| Error::start(self.name(), &error))
    }
}

/// A worker that ended before it could say why.
fn not_ready(process: &mut Process) -> Error {
    let name = process.name().to_owned();
    let reason = match process.wait_timeout(DEADLINE) {
        Ok(Some(End::Lost)) => process
            .failed()
            .map_or_else(|| "the process that was to start it has ended".to_owned(), str::to_owned),
        Ok(Some(end)) => format!("{end}, before it was ready"),
        Ok(None) => "it closed its socket before it was ready".to_owned(),
        Err(error) => error.to_string(),
    };
    Error::Start { name, reason }
}
