//! Describing a compartment, and starting it.

use std::{
    ffi::OsStr,
    io::{self, PipeReader},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    sync::Arc,
    time::{Duration, Instant},
};

use capsicum_channel::{Caps, Frames};
use capsicum_rs::{Containment, Limits, ProcessDescriptor};
use serde::{Deserialize, Serialize};

use crate::{
    Compartment, End, Error, Process,
    bounds::Bounds,
    capture, init, keeper, start,
    task::{self, MOST_GRANTS, Settings, Task},
    worker,
};

/// From what a worker is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// Forked from the zygote: cheap, and from any program. All workers have the same layout of
    /// memory, that of the program.
    #[default]
    Zygote,
    /// By executing the program's own file anew, through the zygote: with a layout of memory of its
    /// own. `main` runs until [`init`](crate::init()).
    Exec,
    /// Forked from the program as it is now, which must have one thread and not be in capability
    /// mode. The worker has a copy of all of its memory.
    Fork,
}

/// Where a worker's standard error goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stderr {
    /// To /dev/null.
    #[default]
    Null,
    /// To that of the program, as it is. A worker that means harm can write anything there. On
    /// Linux, with a ceiling that has more than `WRITE`, the worker sends no descriptors.
    Inherit,
    /// To [`tracing`], line by line, at the level `INFO` and with the target
    /// `sandbox_spawn::stderr`: escaped, in lines of at most 4 KiB, and no more than 1 MiB of them.
    /// A thread reads it.
    Capture,
}

/// What setrlimit(2) limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes of address space: `RLIMIT_AS`.
    AddressSpace,
    /// Seconds of processor time: `RLIMIT_CPU`.
    Cpu,
    /// Bytes of data: `RLIMIT_DATA`.
    Data,
    /// The highest number of a descriptor, and one more: `RLIMIT_NOFILE`.
    Descriptors,
    /// Bytes of a file that is written: `RLIMIT_FSIZE`.
    FileSize,
    /// Bytes of the first thread's stack: `RLIMIT_STACK`.
    Stack,
}

/// What a compartment shall have. It can be started any number of times.
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `spawn`"]
pub struct Builder {
    settings: Settings,
    grants: Vec<Arc<OwnedFd>>,
    directory: Option<Arc<OwnedFd>>,
    stderr: Stderr,
    start: Start,
    deadline: Option<Duration>,
    /// What was asked for and cannot be.
    mistake: Option<String>,
}

/// How long a start may take.
const DEADLINE: Duration = Duration::from_secs(10);

impl Builder {
    pub(crate) fn new(worker: &str) -> Self {
        let caps = Caps::default();
        let settings = Settings {
            worker: worker.to_owned(),
            grants: Vec::new(),
            has_directory: false,
            has_stderr: false,
            inherits_stderr: false,
            ceiling: Limits::NONE.into(),
            require: None,
            resources: Vec::new(),
            environment: Vec::new(),
            user: None,
            processes: false,
            cores: false,
            execute: false,
            caps: (caps.inline, caps.descriptors, caps.shared),
        };
        Self {
            settings,
            grants: Vec::new(),
            directory: None,
            stderr: Stderr::default(),
            start: Start::default(),
            deadline: Some(DEADLINE),
            mistake: None,
        }
    }

    /// Gives the worker this descriptor with these limits, under this name. At most 56 can be given.
    pub fn grant(
        mut self,
        name: &str,
        descriptor: impl Into<OwnedFd>,
        limits: impl Into<Limits>,
    ) -> Self {
        if self.settings.grants.iter().any(|(other, _)| other == name) {
            self.mistake = Some(format!("two grants are named `{name}`"));
        }
        self.settings.grants.push((name.to_owned(), limits.into().into()));
        self.grants.push(Arc::new(descriptor.into()));
        self
    }

    /// Limits all other descriptors of the worker, those that it is sent included; nothing, unless
    /// stated. See [`Sandbox::ceiling`](capsicum_rs::Sandbox::ceiling).
    pub fn ceiling(mut self, limits: impl Into<Limits>) -> Self {
        self.settings.ceiling = limits.into().into();
        self
    }

    /// Does not start at a lower level of containment than this. See
    /// [`Sandbox::require`](capsicum_rs::Sandbox::require).
    pub fn require(mut self, level: Containment) -> Self {
        self.settings.require = task::level(level);
        if self.settings.require.is_none() {
            self.mistake = Some(format!("the level `{level}` is not known"));
        }
        self
    }

    /// setrlimit(2), soft and hard, once the worker is in capability mode.
    pub fn rlimit(mut self, resource: Resource, most: u64) -> Self {
        self.settings.resources.retain(|(other, _)| *other != resource);
        self.settings.resources.push((resource, most));
        self
    }

    /// Puts a variable into the worker's environment, which is empty otherwise.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().as_bytes(), value.as_ref().as_bytes());
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) || value.contains(&0) {
            let name = String::from_utf8_lossy(name).into_owned();
            self.mistake =
                Some(format!("no environment has the variable `{}`", name.escape_debug()));
        } else {
            self.settings.environment.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The worker's working directory, `/` unless stated. It names nothing in capability mode, but
    /// keeps its file system mounted, and is where a core goes.
    pub fn working_directory(mut self, directory: impl Into<OwnedFd>) -> Self {
        self.directory = Some(Arc::new(directory.into()));
        self.settings.has_directory = true;
        self
    }

    /// Becomes this user and this group, and leaves all other groups. Only root can.
    pub fn user(mut self, user: u32, group: u32) -> Self {
        self.settings.user = Some((user, group));
        self
    }

    /// Where the worker's standard error goes.
    pub fn stderr(mut self, stderr: Stderr) -> Self {
        self.stderr = stderr;
        self
    }

    /// How long the start may take: 10 seconds unless stated, for ever with `None`.
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// From what the worker is started.
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Lets the worker start processes, which is refused with `EPERM` otherwise (FreeBSD: `EAGAIN`,
    /// and root is not held). They are killed when the worker ends. On Linux they cannot leave its
    /// session or process group. Another process, its *guard*, sees to it that they end also where
    /// the zygote was killed.
    pub fn processes(mut self) -> Self {
        self.settings.processes = true;
        self
    }

    /// Lets the worker write a core when it crashes, within the limits of the program.
    pub fn cores(mut self) -> Self {
        self.settings.cores = true;
        self
    }

    /// How much a frame of the socket may hold, at both ends.
    pub fn caps(mut self, caps: Caps) -> Self {
        self.settings.caps = (caps.inline, caps.descriptors, caps.shared);
        self
    }

    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.worker
    }

    /// Starts the worker and waits until it is in capability mode.
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
    /// hold, so that a grant is given with [`Limits::ALL`]: as the descriptor is.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] with what refused it; [`Error::Deadline`]. No worker runs then.
    pub fn spawn_outside(&self) -> Result<(Frames, Process), Error> {
        let (frames, process, _) = self.run(true)?;
        Ok((frames, process))
    }

    fn run(&self, outside: bool) -> Result<(Frames, Process, Option<Containment>), Error> {
        let name = self.name();
        let failed = |error: &dyn std::fmt::Display| Error::start(name, error);
        if let Some(mistake) = &self.mistake {
            return Err(failed(mistake));
        }
        if self.grants.len() > MOST_GRANTS {
            return Err(failed(&format!("more than {MOST_GRANTS} grants")));
        }
        let Some(worker) = worker::find(init::workers(name)?, name) else {
            return Err(failed(&"sandbox_spawn::init was told of no worker of this name"));
        };
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
        let deadline = self.deadline.and_then(|deadline| Instant::now().checked_add(deadline));

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
        let mut process = Process::new(name, leash, keeper);
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
        if containment.is_none() != outside {
            return Err(failed(&"it is not confined as it should be"));
        }
        Ok((frames, process, containment))
    }

    /// What cannot be held of a worker outside is refused.
    fn can_be_outside(&self) -> Result<(), &'static str> {
        if self.settings.require.is_some() {
            return Err("outside capability mode there is no level of containment");
        }
        let all = |(_, bounds): &(String, Bounds)| Limits::from(bounds) == Limits::ALL;
        if !self.settings.grants.iter().all(all) {
            return Err("limits of a grant do not hold outside capability mode");
        }
        Ok(())
    }

    /// The settings, and descriptors of their own; and the other end of the standard error.
    fn task(&self, socket: OwnedFd) -> io::Result<(Task, Option<PipeReader>)> {
        let mut settings = self.settings.clone();
        settings.execute = self.start == Start::Exec;
        settings.has_stderr = self.stderr != Stderr::Null;
        settings.inherits_stderr = self.stderr == Stderr::Inherit;
        let mut descriptors = vec![socket];
        for descriptor in self.grants.iter().chain(&self.directory) {
            descriptors.push(descriptor.try_clone()?);
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
        Ok((Task { settings, descriptors }, captured))
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
