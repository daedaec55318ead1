//! The items of a streaming answer, where they are received.

use std::{fmt, marker::PhantomData, sync::Arc, time::Instant};

use serde::de::DeserializeOwned;

use super::{CallError, Decode, connection::Connection, reply::Pending, wire};

/// The items that a method streams.
///
/// The worker makes them as they are taken: at most [`WINDOW`](super::WINDOW) are on their way. It
/// does nothing else until the last one was taken, or this is dropped, which ends the stream: later
/// calls wait behind it.
///
/// After an error there are no more items. The deadline of the call is that of the whole stream.
///
/// ```
/// use sandbox_spawn::{call::Stream, service};
///
/// #[service]
/// trait Counter {
///     fn count(&mut self, from: u64) -> Stream<'_, u64>;
/// }
///
/// struct Plain;
///
/// impl Counter for Plain {
///     fn count(&mut self, from: u64) -> Stream<'_, u64> {
///         Stream::new(from..)
///     }
/// }
///
/// let counter = CounterClient::in_process(Plain)?;
/// let some: Result<Vec<u64>, _> = counter.count(40)?.take(3).collect();
/// assert_eq!(some?, [40, 41, 42]);
/// // The worker has stopped, and takes the next call.
/// assert_eq!(counter.count(7)?.next().transpose()?, Some(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the stream ends when this is dropped"]
pub struct Items<T, E> {
    pending: Pending,
    decode: Decode<(), E>,
    started: bool,
    ended: bool,
    of: PhantomData<fn() -> T>,
}

impl<T, E> Items<T, E> {
    pub(crate) fn new(
        connection: Arc<Connection>,
        id: u64,
        deadline: Option<Instant>,
        decode: Decode<(), E>,
    ) -> Self {
        let pending = Pending::new(connection, id, deadline);
        Self { pending, decode, started: false, ended: false, of: PhantomData }
    }

    /// Waits until the method has returned its stream.
    ///
    /// # Errors
    ///
    /// All but [`CallError::Unsent`].
    pub fn started(mut self) -> Result<Self, CallError<E>> {
        self.start()?;
        Ok(self)
    }

    fn start(&mut self) -> Result<(), CallError<E>> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        // Unless all is well there is nothing more to come.
        self.ended = true;
        let frame = self.pending.next()?;
        match frame.kind() {
            wire::STARTED => {
                self.pending.decode(frame, self.decode)?;
                self.ended = false;
                Ok(())
            }
            // An error of the method, and no stream.
            wire::REPLY => match self.pending.decode(frame, self.decode) {
                Err(error) => Err(error),
                Ok(()) => Err(self.pending.broken("a stream that has not begun")),
            },
            _ => Err(self.pending.failed(frame)),
        }
    }
}

impl<T: DeserializeOwned, E> Items<T, E> {
    fn receive(&mut self) -> Result<Option<T>, CallError<E>> {
        self.start()?;
        let frame = self.pending.next()?;
        match frame.kind() {
            wire::ITEM => {
                self.pending.decode(frame, |frame, caps| frame.decode::<T>(caps).map(Ok)).map(Some)
            }
            wire::END => Ok(None),
            _ => Err(self.pending.failed(frame)),
        }
    }
}

impl<T: DeserializeOwned, E> Iterator for Items<T, E> {
    type Item = Result<T, CallError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.receive().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        if self.ended {
            // Also where the deadline has passed: the worker need not go on.
            self.pending.give_up();
        }
        item
    }
}

impl<T: DeserializeOwned, E> std::iter::FusedIterator for Items<T, E> {}

impl<T, E> fmt::Debug for Items<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(&self.pending.connection.name()).finish()
    }
}
