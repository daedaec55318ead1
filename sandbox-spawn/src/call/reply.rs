//! An answer that is still to come.

use std::{fmt, sync::Arc, time::Instant};

use capsicum_channel::{Caps, Error, Frame};

use super::{CallError, connection::Connection, wire};

/// Decodes a response: the result of the method.
pub type Decode<T, E> = fn(Frame<'_>, Caps) -> Result<Result<T, E>, Error>;

/// A call that has been sent.
///
/// [`wait`](Self::wait) waits for its answer. Dropping it gives the call up: the worker is told, and
/// does not begin it if it has not yet.
///
/// ```
/// use sandbox_spawn::service;
///
/// #[service]
/// trait Adder {
///     fn add(&mut self, number: u64) -> u64;
/// }
///
/// struct Sum(u64);
///
/// impl Adder for Sum {
///     fn add(&mut self, number: u64) -> u64 {
///         self.0 += number;
///         self.0
///     }
/// }
///
/// let adder = AdderClient::in_process(Sum(0))?;
/// let (one, two) = (adder.begin_add(1)?, adder.begin_add(2)?);
/// assert_eq!((two.wait()?, one.wait()?), (3, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the call is given up when this is dropped"]
pub struct Reply<T, E> {
    pending: Pending,
    decode: Decode<T, E>,
}

impl<T, E> Reply<T, E> {
    pub(crate) fn new(
        connection: Arc<Connection>,
        id: u64,
        deadline: Option<Instant>,
        decode: Decode<T, E>,
    ) -> Self {
        Self { pending: Pending::new(connection, id, deadline), decode }
    }

    /// Waits for the answer, until the deadline that the call has been sent with.
    ///
    /// # Errors
    ///
    /// All but [`CallError::Unsent`].
    pub fn wait(mut self) -> Result<T, CallError<E>> {
        let Pending { connection, id, deadline, .. } = &self.pending;
        let answered = |frame: Frame<'_>| connection.answered(frame, self.decode);
        match connection.wait(*id, *deadline, answered) {
            Ok(answer) => {
                // Whatever it says, it is the end.
                self.pending.ended = true;
                answer
            }
            Err(failure) => Err(connection.error(failure, *deadline)),
        }
    }
}

impl<T, E> fmt::Debug for Reply<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.pending.connection.name()).finish()
    }
}

/// A call, given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) connection: Arc<Connection>,
    id: u64,
    deadline: Option<Instant>,
    /// There is nothing to give up any more.
    ended: bool,
}

impl Pending {
    pub(crate) fn new(connection: Arc<Connection>, id: u64, deadline: Option<Instant>) -> Self {
        Self { connection, id, deadline, ended: false }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The next frame that belongs to it.
    pub(crate) fn next<E>(&self) -> Result<Frame<'static>, CallError<E>> {
        let received = self.connection.receive(self.id, self.deadline);
        received.map_err(|failure| self.connection.error(failure, self.deadline))
    }

    /// Nobody waits for it any more.
    pub(crate) fn give_up(&mut self) {
        if !self.ended {
            self.ended = true;
            self.connection.abandon(self.id);
        }
    }

    /// Decodes a response.
    pub(crate) fn decode<T, E>(
        &self,
        frame: Frame<'_>,
        decode: Decode<T, E>,
    ) -> Result<T, CallError<E>> {
        self.connection.decode(frame, decode)
    }

    /// The other end broke the protocol.
    pub(crate) fn broken<E>(&self, reason: &str) -> CallError<E> {
        self.connection.broken(reason)
    }

    /// What a frame says that ends the call in another way than it should.
    pub(crate) fn failed<E>(&self, frame: Frame<'_>) -> CallError<E> {
        self.connection.failed(frame)
    }
}

/// What answers say.
impl Connection {
    /// The result of a call that does not stream.
    pub(crate) fn answered<T, E>(
        &self,
        frame: Frame<'_>,
        decode: Decode<T, E>,
    ) -> Result<T, CallError<E>> {
        if frame.kind() == wire::REPLY {
            self.decode(frame, decode)
        } else {
            Err(self.failed(frame))
        }
    }

    fn decode<T, E>(&self, frame: Frame, decode: Decode<T, E>) -> Result<T, CallError<E>> {
        match decode(frame, self.caps()) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                Err(CallError::Remote { compartment: Arc::clone(self.name()), error })
            }
            Err(error) => Err(self.undecoded(error)),
        }
    }

    #[cold]
    fn undecoded<E>(&self, error: Error) -> CallError<E> {
        match error {
            Error::Protocol { reason } => self.broken(&reason),
            // A descriptor could not be checked: the answer is lost, and nothing else.
            error => CallError::Unanswered {
                compartment: Arc::clone(self.name()),
                reason: error.to_string(),
            },
        }
    }

    fn broken<E>(&self, reason: &str) -> CallError<E> {
        self.give_up(reason);
        CallError::Protocol { compartment: Arc::clone(self.name()), reason: reason.to_owned() }
    }

    #[cold]
    fn failed<E>(&self, frame: Frame<'_>) -> CallError<E> {
        let kind = frame.kind();
        let text = self.decode(frame, |frame, caps| frame.decode::<String>(caps).map(Ok));
        let text = match text {
            Ok(text) => wire::cut(text),
            Err(error) => return error,
        };
        let compartment = Arc::clone(self.name());
        if kind == wire::PANICKED {
            CallError::Panicked { compartment, message: text }
        } else {
            CallError::Unanswered { compartment, reason: text }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.give_up();
    }
}
