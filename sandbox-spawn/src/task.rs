//! What a worker is started with, and how it travels to the process that starts it.

use std::os::fd::OwnedFd;

use capsicum_channel::{Caps, Error, Frame, Frames, Handle};
use capsicum_rs::Containment;
use serde::{Deserialize, Serialize};

use crate::{bounds::Bounds, builder::Resource};

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
pub(crate) const ONLY: u16 = 6;

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

/// Everything but the descriptors.
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) worker: String,
    /// Of the descriptors the first is the worker's socket; then these; then, as the next two say,
    /// the directory and the standard error.
    pub(crate) grants: Vec<(String, Bounds)>,
    pub(crate) has_directory: bool,
    pub(crate) has_stderr: bool,
    /// The standard error is the program's.
    pub(crate) inherits_stderr: bool,
    pub(crate) ceiling: Bounds,
    pub(crate) require: Option<Level>,
    pub(crate) resources: Vec<(Resource, u64)>,
    pub(crate) environment: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) user: Option<(u32, u32)>,
    pub(crate) processes: bool,
    pub(crate) cores: bool,
    pub(crate) execute: bool,
    /// What a frame of the worker's socket may hold: bytes, descriptors, bytes of shared memory.
    pub(crate) caps: (usize, usize, u64),
}

impl Settings {
    pub(crate) fn caps(&self) -> Caps {
        let (inline, descriptors, shared) = self.caps;
        Caps::default().inline(inline).descriptors(descriptors).shared(shared)
    }
}

/// The settings, and the descriptors in their order.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) settings: Settings,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// How many descriptors come with a task: as many as a frame of default caps has, less a leash.
pub(crate) const MOST_GRANTS: usize = 56;

impl Task {
    /// Sends it, with some descriptors before its own.
    pub(crate) fn frame(self, before: Vec<OwnedFd>, frames: &Frames) -> Result<Frame, Error> {
        let handles: Vec<_> = before.into_iter().chain(self.descriptors).map(Handle::new).collect();
        Frame::encode(START, 0, &(self.settings, handles), frames.caps())
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
        let (settings, handles): (Settings, Vec<Handle<OwnedFd>>) = frame.decode(frames.caps())?;
        let mut descriptors: Vec<_> =
            handles.into_iter().filter_map(|handle| handle.into_inner().ok()).collect();
        let own = 1
            + settings.grants.len()
            + usize::from(settings.has_directory)
            + usize::from(settings.has_stderr);
        if descriptors.len() != before + own {
            return Err(Error::protocol("a task with other descriptors than it says"));
        }
        let rest = descriptors.split_off(before);
        Ok((descriptors, Self { settings, descriptors: rest }))
    }
}
