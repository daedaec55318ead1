//! What can go wrong.

use std::io;

use crate::{End, Violation};

/// Why a compartment was not started, or does not answer. Each names the worker that it is about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The zygote could not be prepared, or cannot be any more.
    #[error("sandbox_spawn::init: {reason}")]
    Init {
        /// What was wrong.
        reason: String,
    },
    /// The worker was not started. Its function has not been run, and its process has ended.
    #[error("the worker `{name}` was not started: {reason}")]
    Start {
        /// The worker.
        name: String,
        /// What failed, in the words of what refused it.
        reason: String,
    },
    /// The worker has ended.
    #[error("the worker `{name}` has died: {end}")]
    Died {
        /// The worker.
        name: String,
        /// How.
        end: End,
    },
    /// The worker did what the system punishes by death.
    #[error("the worker `{name}` broke its confinement: {what}")]
    Violation {
        /// The worker.
        name: String,
        /// What it did, as far as that is known.
        what: Violation,
    },
    /// The worker did not answer in time.
    #[error("the worker `{name}` did not answer before the deadline")]
    Deadline {
        /// The worker.
        name: String,
    },
    /// The worker sent what no honest one would.
    #[error("the worker `{name}` broke the protocol: {reason}")]
    Protocol {
        /// The worker.
        name: String,
        /// What was wrong.
        reason: String,
    },
    /// In a worker: there is no grant of this name, or it was taken before.
    #[error("the worker `{name}` has no grant `{grant}`")]
    NoGrant {
        /// The worker.
        name: String,
        /// What was asked for.
        grant: String,
    },
    /// A system call failed.
    #[error("the worker `{name}`: {operation}: {}", capsicum_rs::describe(source))]
    System {
        /// The worker.
        name: String,
        /// The call.
        operation: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
}

impl Error {
    #[allow(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn init(reason: impl std::fmt::Display) -> Self {
        Self::Init { reason: reason.to_string() }
    }

    pub(crate) fn start(name: &str, reason: &(impl std::fmt::Display + ?Sized)) -> Self {
        Self::Start { name: name.to_owned(), reason: reason.to_string() }
    }

    /// What a failure of the channel means, where nothing is known of the worker's end.
    pub(crate) fn channel(name: &str, error: capsicum_channel::Error) -> Self {
        let name = name.to_owned();
        match error {
            capsicum_channel::Error::Closed => Self::Died { name, end: End::Lost },
            capsicum_channel::Error::Deadline => Self::Deadline { name },
            capsicum_channel::Error::System { operation, source } => {
                Self::System { name, operation, source }
            }
            other => Self::Protocol { name, reason: other.to_string() },
        }
    }

    /// What the end of a worker means to who expected more of it.
    pub(crate) fn ended(name: &str, end: End) -> Self {
        let name = name.to_owned();
        match end.violation() {
            Some(what) => Self::Violation { name, what },
            None => Self::Died { name, end },
        }
    }
}
