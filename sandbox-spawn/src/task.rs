//! What a worker is started with, and how it travels to the process that starts it.

use std::{ops::Deref, os::fd::OwnedFd};

use capsicum_channel::{Caps, Error, Frame, Frames, Handle, SharedBytes};
use capsicum_rs::{Containment, Limits, Rights};
use serde::{Deserialize, Serialize};

use crate::{bounds::Bounds, builder::Resource, graph::Starts};

/// To the zygote, or to a program that is executed anew: start this.
pub(crate) const START: u16 = 1;
/// On a leash, from who holds it: kill the worker.
pub(crate) const KILL: u16 = 2;
/// On a leash, from the keeper: the worker has ended; a wait(2) status.
pub(crate) const ENDED: u16 = 3;
/// On a leash, from the keeper: there is no process for the worker; why.
pub(crate) const FAILED: u16 = 4;
/// From a worker, before anything else: a `Result` of its level, or why it was not started.
pub(crate) const READY: u16 = 5;

/// To the zygote: start these workers only, by their names, from here on.
pub(crate) const ONLY: u16 = 8;

/// In the place of a level: the worker is outside capability mode.
pub(crate) const OUTSIDE: Level = Level::MAX;

/// A level as it travels.
pub(crate) type Level = u8;

const LEVELS: [Containment; 4] = [
    Containment::Descriptors,
    Containment::Landlock,
    Containment::Directories,
    Containment::Capsicum,
];

pub(crate) fn level(containment: Containment) -> Option<Level> {
    LEVELS.iter().position(|known| *known == containment)?.try_into().ok()
}

pub(crate) fn containment(level: Level) -> Option<Containment> {
    LEVELS.get(usize::from(level)).copied()
}

/// A descriptor that a worker finds by name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) name: String,
    pub(crate) limits: Bounds,
    /// It is the end of a channel, and looked at before the worker is in capability mode.
    pub(crate) channel: bool,
}

/// What a worker has on the end of a channel, besides the ceiling. `SHUTDOWN` is not needed but for
/// giving the connection up; on Linux sendmsg(2) wants a right that the ceiling lacks, and where the
/// ceiling is that of a worker that uses channels which it has received, this is the one.
pub(crate) const CHANNEL: Rights = Frames::RIGHTS.union(Rights::SHUTDOWN);

/// Everything but the descriptors.
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) worker: String,
    /// Of the descriptors the first is the worker's socket; then, if so, that to its starter; then
    /// these; then, as the next three say, the directory, where refusals are told, and the standard error.
    pub(crate) grants: Vec<Grant>,
    pub(crate) has_control: bool,
    pub(crate) has_directory: bool,
    pub(crate) has_report: bool,
    pub(crate) has_stderr: bool,
    /// The standard error is the program's.
    pub(crate) inherits_stderr: bool,
    pub(crate) ceiling: Bounds,
    pub(crate) require: Option<Level>,
    pub(crate) resources: Vec<(Resource, u64)>,
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) processes: bool,
    pub(crate) cores: bool,
    pub(crate) execute: bool,
    /// What it is refused ends it.
    pub(crate) ends_at_refusal: bool,
    pub(crate) starts: Option<Starts>,
    /// What a frame of the worker's socket may hold: bytes, descriptors, bytes of shared memory.
    pub(crate) caps: (usize, usize, u64),
}

impl Settings {
    pub(crate) fn caps(&self) -> Caps {
        let (inline, descriptors, shared) = self.caps;
        Caps::default().inline(inline).descriptors(descriptors).shared(shared)
    }

    /// Whether it stays in the session and the group of another process, which guards it.
    pub(crate) fn guarded(&self) -> bool {
        self.processes || self.has_control
    }

    /// Limits the ends of channels, now that the ceiling is known. One with less than the ceiling
    /// would keep descriptors from being sent, on Linux.
    pub(crate) fn limit_channels(&mut self) {
        let ceiling = Limits::from(&self.ceiling);
        let limits = Limits { rights: ceiling.rights | CHANNEL, ..ceiling };
        for grant in self.grants.iter_mut().filter(|grant| grant.channel) {
            grant.limits = limits.clone().into();
        }
    }
}

/// The settings, and the descriptors in their order.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) settings: Settings,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// The environment, where there is one: see [`environment`].
    pub(crate) environment: Option<SharedBytes>,
}

/// The environment as it travels: `NAME=VALUE`, each with a 0 behind it, in memory of its own.
///
/// The next worker is a copy of the zygote, whatever that has read and freed included. So the zygote
/// does not read it: it hands on a descriptor.
pub(crate) fn environment(variables: &[u8]) -> Result<Option<SharedBytes>, Error> {
    if variables.is_empty() { Ok(None) } else { SharedBytes::new(variables).map(Some) }
}

/// An environment as it travels, in memory that nobody finds it in afterwards: what this process starts
/// later is a copy of it.
pub(crate) struct Variables(Vec<u8>);

impl Deref for Variables {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Variables {
    fn drop(&mut self) {
        self.0.fill(0);
        // Who reads it is not known to the compiler, which leaves it nothing to leave out.
        std::hint::black_box(&self.0);
    }
}

/// Whether it is one that a [`Builder`](crate::Builder) makes.
pub(crate) fn is_environment(variables: &[u8]) -> bool {
    let Some(variables) = variables.strip_suffix(&[0]) else { return variables.is_empty() };
    let mut variables = variables.split(|byte| *byte == 0);
    variables
        .all(|variable| variable.iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0))
}

/// How many grants a task may have: with the leash, the socket, the directory, the report, the standard
/// error and the environment no more than a frame of default caps has.
pub(crate) const MOST_GRANTS: usize = 56;

impl Task {
    /// Its parts, for a process that is about to close what it does not know: the environment is copied.
    pub(crate) fn apart(self) -> (Settings, Vec<OwnedFd>, Variables) {
        let variables = self.environment.as_deref().map(<[u8]>::to_vec);
        (self.settings, self.descriptors, Variables(variables.unwrap_or_default()))
    }

    /// Sends it, with some descriptors before its own.
    pub(crate) fn frame(
        self,
        before: Vec<OwnedFd>,
        frames: &Frames,
    ) -> Result<Frame<'static>, Error> {
        let handles: Vec<_> = before.into_iter().chain(self.descriptors).map(Handle::new).collect();
        Frame::encode(START, 0, &(self.settings, handles, self.environment), frames.caps())
    }

    /// Reads it back, with so many descriptors before its own.
    pub(crate) fn read(
        frame: Frame,
        before: usize,
        frames: &Frames,
    ) -> Result<(Vec<OwnedFd>, Self), Error> {
        if frame.kind() != START {
            return Err(Error::protocol("not a task"));
        }
        let (settings, handles, environment): (Settings, Vec<Handle<OwnedFd>>, _) =
            frame.decode(frames.caps())?;
        let mut descriptors: Vec<_> =
            handles.into_iter().filter_map(|handle| handle.into_inner().ok()).collect();
        let own = 1
            + usize::from(settings.has_control)
            + settings.grants.len()
            + usize::from(settings.has_directory)
            + usize::from(settings.has_report)
            + usize::from(settings.has_stderr);
        if descriptors.len() != before + own {
            return Err(Error::protocol("a task with other descriptors than it says"));
        }
        let rest = descriptors.split_off(before);
        Ok((descriptors, Self { settings, descriptors: rest, environment }))
    }
}
