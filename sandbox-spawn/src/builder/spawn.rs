//! Starting what was described.

use std::{
    io::{self, PipeReader},
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

use capsicum_channel::Frames;
use capsicum_rs::{Containment, Limits, ProcessDescriptor};

use super::{Builder, DEADLINE, Given, Start, Stderr};
use crate::{
    Compartment, End, Error, Process, capture,
    graph::{self, Asking, Place, Source},
    init, keeper, start, sys,
    task::{self, MOST_GRANTS, Settings, Task},
    worker,
};

/// What is to be started, and what stays here: the other ends of its standard error and of its report.
struct Prepared {
    task: Task,
    captured: Option<PipeReader>,
    report: Option<OwnedFd>,
}

/// The socket to a worker, its process, and its level unless it is outside.
type Started = (Frames, Process, Option<Containment>);

impl Builder {
    /// Starts the worker and waits until it is in capability mode. In a worker this starts what
    /// [`starts`](Self::starts) lets it start.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] with what refused it; [`Error::Deadline`]. No worker runs then.
    pub fn spawn(&self) -> Result<Compartment, Error> {
        match self.run(false)? {
            (frames, process, Some(containment)) => {
                Ok(Compartment::new(frames, process, containment))
            }
            (.., None) => Err(Error::start(self.name(), "it is not in capability mode")),
        }
    }

    /// Starts a worker that is [outside](crate::Worker::outside) capability mode, and waits until it
    /// is held to its [reach](crate::Reach).
    ///
    /// What a level of containment or a ceiling says does not apply to it. Limits of grants would not
    /// hold, so that a grant is given with [`Limits::ALL`]: as the descriptor is. It starts no others, nor
    /// does another worker start it.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] with what refused it; [`Error::Deadline`]. No worker runs then.
    pub fn spawn_outside(&self) -> Result<(Frames, Process), Error> {
        let (frames, process, _) = self.run(true)?;
        Ok((frames, process))
    }

    fn run(&self, outside: bool) -> Result<Started, Error> {
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
            Place::Starting(_) if outside => {
                return Err(failed(&"no worker starts one that is outside capability mode"));
            }
            Place::Starting(asking) => return self.ask(asking, deadline),
            Place::Worker => return Err(failed(&"the worker that this is may start no others")),
            Place::Program => {}
        }
        let Some(worker) = worker::find(init::workers(name)?, name) else {
            return Err(failed(&"sandbox_spawn::init was told of no worker of this name"));
        };
        if let Some(starts) = &self.settings.starts
            && let Some(name) = starts.outside(init::workers(name)?)
        {
            let reason = format!("`{name}` is outside capability mode: no worker starts it");
            return Err(failed(&reason));
        }
        match (worker.reach().is_some(), outside) {
            (true, false) => {
                return Err(failed(&"it is outside capability mode: `spawn_outside` starts it"));
            }
            (false, true) => {
                return Err(failed(&"it is in capability mode: `spawn` starts it"));
            }
            (true, true) => self.can_be_outside().map_err(|reason| failed(&reason))?,
            (false, false) => {}
        }
        if self.start == Start::Fork && capsicum_rs::sandboxed() {
            return Err(failed(&"in capability mode only the zygote starts workers"));
        }

        let (mut frames, there) = Frames::pair().map_err(|error| failed(&error))?;
        frames.set_caps(self.settings.caps()).map_err(|error| failed(&error))?;
        frames.peer_ceiling(Limits::from(&self.settings.ceiling));
        let (leash, other) = Frames::pair().map_err(|error| failed(&error))?;
        let Prepared { task, captured, report } =
            self.task(there.into()).map_err(|error| failed(&error))?;
        let other = OwnedFd::from(other);
        let keeper = match self.start {
            Start::Fork => Some(self.fork(task, other)?),
            Start::Zygote | Start::Exec => {
                init::hand_over(task, other, deadline)?;
                None
            }
        };
        let process = Process::new(name, leash, keeper).reporting(report);
        let started = self.started(frames, process, captured, deadline)?;
        if started.2.is_none() != outside {
            return Err(failed(&"it is not confined as it should be"));
        }
        Ok(started)
    }

    /// What cannot be held of a worker outside is refused.
    fn can_be_outside(&self) -> Result<(), &'static str> {
        if self.settings.require.is_some() {
            return Err("outside capability mode there is no level of containment");
        }
        if self.settings.starts.is_some() {
            return Err("a worker outside capability mode starts no others");
        }
        if self.settings.ends_at_refusal {
            return Err("outside capability mode no refusal ends a worker");
        }
        if !self.settings.grants.iter().all(|grant| Limits::from(&grant.limits) == Limits::ALL) {
            return Err("limits of a grant do not hold outside capability mode");
        }
        Ok(())
    }

    /// The same in a worker.
    fn ask(&self, asking: &Asking, deadline: Option<Instant>) -> Result<Started, Error> {
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
        settings.has_report = false;
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
    ) -> Result<Started, Error> {
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
        Ok((frames, process, containment))
    }

    /// The settings, now that all of them are known.
    pub(crate) fn described(&self) -> Settings {
        let mut settings = self.settings.clone();
        settings.execute = self.start == Start::Exec;
        settings.has_report = settings.ends_at_refusal;
        settings.has_stderr = self.stderr != Stderr::Null;
        settings.inherits_stderr = self.stderr == Stderr::Inherit;
        settings.limit_channels();
        settings
    }

    /// The settings, and descriptors of their own.
    fn task(&self, socket: OwnedFd) -> io::Result<Prepared> {
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
        let mut report = None;
        if settings.has_report {
            let (reader, writer) = sys::refusals::report()?;
            descriptors.push(writer);
            report = Some(reader);
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
        Ok(Prepared { task: Task { settings, descriptors, environment }, captured, report })
    }

    fn fork(&self, task: Task, leash: OwnedFd) -> Result<ProcessDescriptor, Error> {
        let workers = init::workers(self.name())?;
        let program = std::process::id();
        let keeper = move || keeper::alone(task, leash, program, workers);
        // As the zygote, it ends by itself when this process has.
        ProcessDescriptor::fork_lasting(None, keeper)
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
