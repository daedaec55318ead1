//! What a worker has.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use capsicum_channel::Frames;
use capsicum_rs::Containment;

use crate::Error;

/// What a worker's process has: the socket to whoever started it, its grants, and its channels.
///
/// On Linux a grant that has more than the ceiling is pinned: dropping it does not close its number.
#[derive(Debug)]
pub struct Inside {
    pub(crate) name: &'static str,
    pub(crate) frames: Frames,
    pub(crate) grants: BTreeMap<String, OwnedFd>,
    pub(crate) channels: BTreeMap<String, Frames>,
    pub(crate) containment: Containment,
}

impl Inside {
    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The socket to whoever started the worker.
    #[must_use]
    pub fn frames(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// The same, to keep.
    #[must_use]
    pub fn into_frames(self) -> Frames {
        self.frames
    }

    /// The level at which the worker is held.
    #[must_use]
    pub fn containment(&self) -> Containment {
        self.containment
    }

    /// The names of the grants that were not taken yet.
    pub fn grants(&self) -> impl Iterator<Item = &str> {
        self.grants.keys().chain(self.channels.keys()).map(String::as_str)
    }

    /// Takes a grant, as a [`File`](std::fs::File) or whatever a descriptor can become.
    ///
    /// # Errors
    ///
    /// [`Error::NoGrant`].
    pub fn grant<T: From<OwnedFd>>(&mut self, name: &str) -> Result<T, Error> {
        let channel = || self.channels.remove(name).map(OwnedFd::from);
        self.grants.remove(name).or_else(channel).map(T::from).ok_or_else(|| self.lacks(name))
    }

    /// Takes the end of a channel that was given by [`Builder::channel`](crate::Builder::channel),
    /// as [`Frames`], or as a [`Channel`](capsicum_channel::Channel) with types. That it is one was
    /// asked of the kernel before capability mode was entered.
    ///
    /// # Errors
    ///
    /// [`Error::NoGrant`], also of a grant that is no channel.
    pub fn channel<T: From<Frames>>(&mut self, name: &str) -> Result<T, Error> {
        self.channels.remove(name).map(T::from).ok_or_else(|| self.lacks(name))
    }

    fn lacks(&self, name: &str) -> Error {
        Error::NoGrant { name: self.name.to_owned(), grant: name.to_owned() }
    }
}
