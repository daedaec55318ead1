//! What can go wrong.

use std::{ffi::CStr, io};

use sandbox_spawn::CallError;
use serde::{Deserialize, Serialize};

/// Why a service was not opened, or did not do what it was asked to. Each names the service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No service can be opened in this program, or not any more.
    #[error("casper: {reason}")]
    NotStarted {
        /// What is missing, and what to do.
        reason: String,
    },
    /// The service was not opened. Its process has ended.
    #[error("the service `{service}` was not opened: {reason}")]
    Start {
        /// The service.
        service: String,
        /// What refused it.
        reason: String,
    },
    /// The limits of the channel do not allow it: `ENOTCAPABLE`.
    #[error("the service `{service}` may not do this: {what}")]
    NotCapable {
        /// The service.
        service: String,
        /// What was asked for.
        what: String,
    },
    /// The process of the service has ended. The channel is dead; opening the service again starts
    /// another process.
    #[error("the service `{service}` has ended: {how}")]
    Died {
        /// The service.
        service: String,
        /// How, as far as that is known.
        how: String,
    },
    /// There was no answer before the deadline. The service may still be at it; what it answers
    /// later is dropped.
    #[error("the service `{service}` did not answer before the deadline")]
    Deadline {
        /// The service.
        service: String,
    },
    /// What was asked for failed in the system, as it would have failed without the service.
    #[error("the service `{service}`: {operation}: {source}")]
    System {
        /// The service.
        service: String,
        /// The call, and what it was about.
        operation: String,
        /// The errno.
        source: io::Error,
    },
    /// The resolver has no answer.
    #[error("the service `{service}`: {what}: {} ({code})", explain(*.code))]
    Resolve {
        /// The service.
        service: String,
        /// What was to be resolved.
        what: String,
        /// getaddrinfo(3)'s `EAI_` code.
        code: i32,
    },
    /// What was asked for cannot be meant: it has a NUL, is too long, or has no such form.
    #[error("the service `{service}`: {what}")]
    Invalid {
        /// The service.
        service: String,
        /// What is wrong.
        what: String,
    },
    /// This system, or this provider, has nothing of the kind.
    #[error("the service `{service}` has no {what} here: {reason}")]
    Unsupported {
        /// The service.
        service: String,
        /// What was asked for.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The process of the service serves as many connections as it may: of all, of those that
    /// [descend from one clone](crate::MOST_OF_A_CLONE), or for a [clone to be cloned](crate::MOST_BY_CLONES).
    #[error("the service `{service}` has its {most} connections already")]
    Busy {
        /// The service.
        service: String,
        /// How many there may be.
        most: usize,
    },
    /// The service sent what no honest one would. The channel is dead.
    #[error("the service `{service}` broke the protocol: {reason}")]
    Protocol {
        /// The service.
        service: String,
        /// What was wrong.
        reason: String,
    },
    /// The request could not be sent, or its answer; or the service has a bug, and panicked.
    #[error("the service `{service}` has no answer: {reason}")]
    Unanswered {
        /// The service.
        service: String,
        /// Why.
        reason: String,
    },
}

/// Why a service does not do what it is asked to: what its methods return, and what travels.
///
/// A client makes an [`Error`] of it, which names the service besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// [`Error::NotCapable`]
    #[error("not within the limits: {0}")]
    NotCapable(String),
    /// [`Error::System`]: the call, and the errno.
    #[error("{operation}: errno {errno}")]
    System {
        /// The call.
        operation: String,
        /// The number.
        errno: i32,
    },
    /// [`Error::Resolve`]
    #[error("{what}: {} ({code})", explain(*.code))]
    Resolve {
        /// What was to be resolved.
        what: String,
        /// The `EAI_` code.
        code: i32,
    },
    /// [`Error::Invalid`]
    #[error("{0}")]
    Invalid(String),
    /// [`Error::Unsupported`]
    #[error("no {what} here: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why not.
        reason: String,
    },
    /// [`Error::Busy`]
    #[error("{0} connections already")]
    Busy(usize),
}

impl Failure {
    /// What the limits do not allow.
    pub fn not_capable(what: impl Into<String>) -> Self {
        Self::NotCapable(what.into())
    }

    /// What cannot be meant.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }

    /// A call that failed. An error without an errno is `EIO`.
    pub fn system(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        // A text is made of it where it has failed, and not each time.
        move |error| Self::System {
            operation: operation.into(),
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        }
    }
}

/// gai_strerror(3)
fn explain(code: i32) -> String {
    let message = crate::sys::resolver_message(code).map(CStr::to_string_lossy);
    message.unwrap_or_default().into_owned()
}

impl Error {
    /// The service that it is about, where it is about one.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::NotStarted { .. } => None,
            Self::Start { service, .. }
            | Self::NotCapable { service, .. }
            | Self::Died { service, .. }
            | Self::Deadline { service }
            | Self::System { service, .. }
            | Self::Resolve { service, .. }
            | Self::Invalid { service, .. }
            | Self::Unsupported { service, .. }
            | Self::Busy { service, .. }
            | Self::Protocol { service, .. }
            | Self::Unanswered { service, .. } => Some(service),
        }
    }

    /// What a failure is to the client of this service.
    #[must_use]
    pub fn from_failure(service: &str, failure: Failure) -> Self {
        let service = service.to_owned();
        match failure {
            Failure::NotCapable(what) => Self::NotCapable { service, what },
            Failure::System { operation, errno } => {
                Self::System { service, operation, source: io::Error::from_raw_os_error(errno) }
            }
            Failure::Resolve { what, code } => Self::Resolve { service, what, code },
            Failure::Invalid(what) => Self::Invalid { service, what },
            Failure::Unsupported { what, reason } => Self::Unsupported { service, what, reason },
            Failure::Busy(most) => Self::Busy { service, most },
        }
    }

    /// The errno of the system call that failed; `ENOTCAPABLE` where the limits do not allow it.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::System { source, .. } => source.raw_os_error(),
            Self::NotCapable { .. } => Some(crate::sys::ENOTCAPABLE),
            _ => None,
        }
    }
}

/// The error of a call of a service whose methods return [`Failure`]s.
impl From<CallError<Failure>> for Error {
    fn from(error: CallError<Failure>) -> Self {
        let service = error.compartment().to_owned();
        match error {
            CallError::Remote { error, .. } => Self::from_failure(&service, error),
            CallError::Died { end, .. } => Self::Died { service, how: end.to_string() },
            CallError::Violation { what, .. } => Self::Died { service, how: what.to_string() },
            CallError::Closed { .. } => {
                Self::Died { service, how: "it has closed the connection".to_owned() }
            }
            CallError::Deadline { .. } => Self::Deadline { service },
            CallError::Protocol { reason, .. } => Self::Protocol { service, reason },
            CallError::Panicked { message, .. } => {
                Self::Unanswered { service, reason: format!("it panicked: {message}") }
            }
            CallError::Unsent { error, .. } => {
                Self::Unanswered { service, reason: error.to_string() }
            }
            CallError::Unanswered { reason, .. } => Self::Unanswered { service, reason },
            other => Self::Unanswered { service, reason: other.to_string() },
        }
    }
}
