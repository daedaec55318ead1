//! What a worker sends to its starter, and what comes back.

use std::os::fd::OwnedFd;

use capsicum_channel::Handle;
use serde::{Deserialize, Serialize};

use crate::task::Settings;

/// From a worker: start this.
pub(super) const ASK: u16 = 6;
/// From the starter, with the sequence of the request: an [`Answer`].
pub(super) const ANSWER: u16 = 7;

/// Where the descriptor of a grant comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Source {
    /// It is the worker's own grant of this name.
    Named(String),
    /// The next of those that come along.
    Sent,
}

/// What a worker asks for. Its descriptors may be any that it has, whatever it says of them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) settings: Settings,
    /// One for each grant of the settings.
    pub(super) sources: Vec<Source>,
    pub(super) sent: Vec<Handle<OwnedFd>>,
    /// `NAME=VALUE`, each with a 0 behind it. What a worker gives to those that it starts is read here, so
    /// that they may find each other's.
    pub(super) environment: Vec<u8>,
}

/// The socket to the new worker and its leash, or why there is none.
pub(super) type Answer = Result<(Handle<OwnedFd>, Handle<OwnedFd>), String>;
