//! Workers that start workers.
//!
//! A worker that may do so has a *starter*: a process between it and its keeper, which is its guard
//! and the keeper of those that it starts. The worker asks it on a socket of its own. What it asks for
//! is held against its *authority*: what it has itself.

mod ask;
mod authority;
mod request;
mod starter;

pub(crate) use ask::{Asking, Place, enter, place};
pub(crate) use authority::ceiling_of_starters;
pub(crate) use request::Source;
pub(crate) use starter::{Asked, Requests, run};

use serde::{Deserialize, Serialize};

use crate::{Worker, worker};

/// What a worker may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Starts {
    /// The workers' names.
    pub(crate) names: Vec<String>,
    /// How many may live at a time, those included that these start.
    pub(crate) most: u32,
}

impl Starts {
    /// What a worker takes of the number that the one who starts it has: itself, and all that it may
    /// start.
    pub(crate) fn weight(starts: Option<&Self>) -> u64 {
        1 + starts.map_or(0, |starts| u64::from(starts.most))
    }

    /// One of them that is outside capability mode: what is in its reach is more than any worker has, so
    /// that none may start it.
    pub(crate) fn outside(&self, workers: &'static [Worker]) -> Option<&str> {
        let outside =
            |name: &&String| worker::find(workers, name).is_some_and(|it| it.reach().is_some());
        self.names.iter().find(outside).map(String::as_str)
    }
}
