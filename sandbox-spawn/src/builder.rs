//! Describing a compartment.

mod graph;
mod options;
mod spawn;

use std::{
    ffi::OsStr,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    sync::Arc,
    time::Duration,
};

use capsicum_channel::Caps;
use capsicum_rs::{Containment, Limits};

use crate::task::{self, Grant, Settings};

pub use options::{Resource, Start, Stderr};

/// What a compartment shall have. It can be started any number of times.
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `spawn`"]
pub struct Builder {
    settings: Settings,
    grants: Vec<Given>,
    directory: Option<Arc<OwnedFd>>,
    /// As it travels: see [`task::environment`].
    environment: Vec<u8>,
    stderr: Stderr,
    start: Start,
    deadline: Option<Duration>,
    /// What was asked for and cannot be.
    mistake: Option<String>,
}

/// Where a grant comes from.
#[derive(Clone, Debug)]
enum Given {
    Descriptor(Arc<OwnedFd>),
    /// It is a grant of the worker that this is described in.
    Named(String),
}

/// How long a start may take.
const DEADLINE: Duration = Duration::from_secs(10);

impl Builder {
    pub(crate) fn new(worker: &str) -> Self {
        let caps = Caps::default();
        let settings = Settings {
            worker: worker.to_owned(),
            grants: Vec::new(),
            has_control: false,
            has_directory: false,
            has_report: false,
            has_stderr: false,
            inherits_stderr: false,
            ceiling: Limits::NONE.into(),
            require: None,
            resources: Vec::new(),
            user: None,
            processes: false,
            cores: false,
            execute: false,
            ends_at_refusal: false,
            starts: None,
            caps: (caps.inline, caps.descriptors, caps.shared),
        };
        Self {
            settings,
            grants: Vec::new(),
            directory: None,
            environment: Vec::new(),
            stderr: Stderr::default(),
            start: Start::default(),
            deadline: Some(DEADLINE),
            mistake: None,
        }
    }

    /// Gives the worker this descriptor with these limits, under this name. At most 56 can be given.
    pub fn grant(
        self,
        name: &str,
        descriptor: impl Into<OwnedFd>,
        limits: impl Into<Limits>,
    ) -> Self {
        self.give(name, Given::new(descriptor), limits.into(), false)
    }

    fn give(mut self, name: &str, given: Given, limits: Limits, channel: bool) -> Self {
        if self.settings.grants.iter().any(|other| other.name == name) {
            self.mistake = Some(format!("two grants are named `{name}`"));
        }
        self.settings.grants.push(Grant { name: name.to_owned(), limits: limits.into(), channel });
        self.grants.push(given);
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

    /// Puts a variable into the worker's environment, which is empty otherwise. No other worker finds
    /// it in its memory.
    ///
    /// It travels in shared memory. So a program in capability mode needs `WRITE` and `MMAP_R` in its
    /// ceiling, on Linux. Workers that are started by a worker may find what that one gives to others.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().as_bytes(), value.as_ref().as_bytes());
        if is_variable(name, value) {
            for part in [name, b"=", value, b"\0"] {
                self.environment.extend_from_slice(part);
            }
        } else {
            let name = String::from_utf8_lossy(name).into_owned();
            self.mistake =
                Some(format!("no environment has the variable `{}`", name.escape_debug()));
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

    /// Ends the worker at the first system call that it is refused, which its [`End`](crate::End) then names,
    /// and so do errors ([`Violation`](crate::Violation)). Otherwise such a call is an error to the worker
    /// alone. Workers that it starts end so too; theirs is told without the call.
    ///
    /// The worker tells the call itself, so that one that means harm can tell anything; what it is refused
    /// it is refused in any case. Such a worker can also go on: on FreeBSD by procctl(2), on Linux once, if one
    /// thread of it takes the stack from the handler in another.
    ///
    /// [`Sandbox::trap_refusals`](capsicum_rs::Sandbox::trap_refusals) says what counts. What workers are
    /// refused besides capability mode, such as [starting processes](Self::processes), does not.
    pub fn end_at_refusal(mut self) -> Self {
        self.settings.ends_at_refusal = true;
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
}

impl Given {
    fn new(descriptor: impl Into<OwnedFd>) -> Self {
        Self::Descriptor(Arc::new(descriptor.into()))
    }
}

/// Whether an environment can have it.
fn is_variable(name: &[u8], value: &[u8]) -> bool {
    !name.is_empty() && !name.contains(&b'=') && !name.contains(&0) && !value.contains(&0)
}
