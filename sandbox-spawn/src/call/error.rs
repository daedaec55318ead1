//! What can become of a call.

use std::{convert::Infallible, sync::Arc};

use crate::{End, Violation};

/// Why a call has no result. Each names the compartment.
///
/// What a worker says ([`Panicked`](Self::Panicked), [`Unanswered`](Self::Unanswered)) may be anything:
/// it is escaped where the error is displayed, and in the fields it is as it came. How
/// [`Remote`](Self::Remote) displays what the method returned is up to its type.
///
/// `E` is the error of the method itself, [`Infallible`] where it has none. After
/// [`Died`](Self::Died), [`Violation`](Self::Violation), [`Protocol`](Self::Protocol) and
/// [`Closed`](Self::Closed) the connection is dead, and every later call has the same error. After
/// the others it is as before.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// The worker has died.
    #[error("the worker `{compartment}` has died: {end}")]
    Died {
        /// The compartment.
        compartment: Arc<str>,
        /// How.
        end: End,
    },
    /// The worker did what the system punishes by death.
    #[error("the worker `{compartment}` broke its confinement: {what}")]
    Violation {
        /// The compartment.
        compartment: Arc<str>,
        /// What it did, as far as that is known.
        what: Violation,
    },
    /// The deadline passed. The worker may still be at it; what it answers later is dropped.
    #[error("the worker `{compartment}` did not answer before the deadline")]
    Deadline {
        /// The compartment.
        compartment: Arc<str>,
    },
    /// The worker sent what no honest one would.
    #[error("the worker `{compartment}` broke the protocol: {reason}")]
    Protocol {
        /// The compartment.
        compartment: Arc<str>,
        /// What was wrong.
        reason: String,
    },
    /// The method returned an error.
    #[error("the worker `{compartment}`: {error}")]
    Remote {
        /// The compartment.
        compartment: Arc<str>,
        /// What it returned.
        error: E,
    },
    /// The method panicked. The worker goes on, with its state as the panic left it.
    #[error("the worker `{compartment}` panicked: {}", message.escape_debug())]
    Panicked {
        /// The compartment.
        compartment: Arc<str>,
        /// The message of the panic; of a long one the beginning.
        message: String,
    },
    /// The connection was closed, and nothing is known of how the worker ended.
    #[error("the worker `{compartment}` has closed its connection")]
    Closed {
        /// The compartment.
        compartment: Arc<str>,
    },
    /// The call cannot be sent: it is too large, or holds a descriptor whose limits would not hold.
    /// The worker has not seen it.
    #[error("a call of the worker `{compartment}` cannot be sent: {error}")]
    Unsent {
        /// The compartment.
        compartment: Arc<str>,
        /// Why.
        error: Arc<capsicum_channel::Error>,
    },
    /// The worker could not send its answer, or the answer could not be received here.
    #[error("the worker `{compartment}` has no answer that can be sent: {}", reason.escape_debug())]
    Unanswered {
        /// The compartment.
        compartment: Arc<str>,
        /// Why.
        reason: String,
    },
}

impl<E> CallError<E> {
    /// The name of the compartment.
    #[must_use]
    pub fn compartment(&self) -> &str {
        match self {
            Self::Died { compartment, .. }
            | Self::Violation { compartment, .. }
            | Self::Deadline { compartment }
            | Self::Protocol { compartment, .. }
            | Self::Remote { compartment, .. }
            | Self::Panicked { compartment, .. }
            | Self::Closed { compartment }
            | Self::Unsent { compartment, .. }
            | Self::Unanswered { compartment, .. } => compartment,
        }
    }

    /// Whether the connection is dead after this.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Died { .. }
                | Self::Violation { .. }
                | Self::Protocol { .. }
                | Self::Closed { .. }
        )
    }
}
