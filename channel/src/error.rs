//! What can go wrong.

use std::io;

/// Why a message was not sent or received.
///
/// After [`Closed`](Self::Closed) and [`Protocol`](Self::Protocol) the channel is dead: every
/// later operation is [`Closed`](Self::Closed). But where sending found it closed, what the other end
/// had sent before can still be received. After the others it is as before, unless the
/// variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The other end is gone, or this end has given the channel up.
    #[error("the channel is closed")]
    Closed,
    /// The deadline passed. Nothing was sent or lost.
    #[error("the deadline passed")]
    Deadline,
    /// The other end sent what no honest one would. Its descriptors have been closed.
    #[error("the other end broke the protocol: {reason}")]
    Protocol {
        /// What was wrong.
        reason: String,
    },
    /// The message does not fit. Large values belong into [`SharedBytes`](crate::SharedBytes).
    #[error("a message of {size} bytes is more than the {most} that may be sent")]
    TooLarge {
        /// Its size in bytes, or the least that is known of it.
        size: usize,
        /// How many there may be.
        most: usize,
    },
    /// The message holds more descriptors than may be sent.
    #[error("a message with {count} descriptors has more than the {most} that may be sent")]
    TooManyDescriptors {
        /// How many it has, or the least that is known of them.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// The limits of a handle cannot be enforced at the other end, so that the descriptor was not
    /// sent. The source names the right and the reason.
    #[error("a descriptor cannot be sent with the limits that were stated")]
    Unsupported(#[source] capsicum_rs::Error),
    /// A value could not be serialised.
    #[error("the message cannot be encoded: {reason}")]
    Encode {
        /// Why, as far as its `Serialize` says.
        reason: String,
    },
    /// A descriptor that is no socket for a channel.
    #[error("not a socket for a channel: {reason}")]
    Unsuitable {
        /// What it lacks.
        reason: &'static str,
    },
    /// A system call failed.
    #[error("{operation}: {}", capsicum_rs::describe(source))]
    System {
        /// The call.
        operation: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(operation: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { operation, source }
    }

    /// A breach of the protocol.
    ///
    /// For types that check what they receive: see [`Descriptor`](crate::Descriptor).
    pub fn protocol(reason: impl Into<String>) -> Self {
        Self::Protocol { reason: reason.into() }
    }

    /// Whether the channel is dead after this.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Closed | Self::Protocol { .. })
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Closed => io::ErrorKind::BrokenPipe,
            Error::Deadline => io::ErrorKind::TimedOut,
            Error::Protocol { .. } => io::ErrorKind::InvalidData,
            Error::Unsupported(_) => io::ErrorKind::Unsupported,
            Error::System { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
