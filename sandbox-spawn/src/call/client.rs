//! The end that calls.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use capsicum_channel::{Frame, Frames};
use serde::Serialize;

use super::{CallError, Decode, Items, Peer, Reply, connection::Connection, peer::Named, wire};

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    None,
    Within(Duration),
    By(Instant),
}

impl Limit {
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Within(time) => Instant::now().checked_add(time),
            Self::By(deadline) => Some(deadline),
        }
    }

    /// Whether it has passed before anything is done.
    fn passed(self) -> bool {
        match self {
            Self::None => false,
            Self::Within(time) => time.is_zero(),
            Self::By(deadline) => Instant::now() >= deadline,
        }
    }
}

/// The end of a connection that calls.
///
/// It is cheap to clone, and all clones are of one connection, which is closed with the last of them.
/// Calls have no deadline unless [`within`](Self::within) or [`by`](Self::by) states one.
///
/// Programs use the clients that [`service`](crate::service) makes, which are this with methods.
/// See [`call`](crate::call) for an example.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection>,
    limit: Limit,
}

impl Client {
    /// Calls the server at the other end of `frames`, on which nothing has been sent yet, in the
    /// worker `peer`.
    pub fn new(frames: Frames, peer: Arc<dyn Peer>) -> Self {
        Self { connection: Arc::new(Connection::new(frames, peer)), limit: Limit::None }
    }

    /// The same for a worker of which nothing is known but the name, so that
    /// [`CallError::Died`] is [`CallError::Closed`].
    pub fn named(frames: Frames, name: &str) -> Self {
        Self::new(frames, Arc::new(Named::new(name)))
    }

    /// The same connection, on which each call ends after this time at the latest.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self { connection: Arc::clone(&self.connection), limit: Limit::Within(time) }
    }

    /// The same connection, on which all calls end by then.
    #[must_use]
    pub fn by(&self, deadline: Instant) -> Self {
        Self { connection: Arc::clone(&self.connection), limit: Limit::By(deadline) }
    }

    /// The same connection, whose calls bring so many descriptors at most, all that are not answered together:
    /// what its server takes ([`serve_controlled`](super::serve_controlled)). A call beyond waits before it is
    /// sent; one that brings more by itself is [`CallError::Unsent`].
    #[must_use]
    pub fn lending(self, descriptors: usize) -> Self {
        self.connection.lend_at_most(descriptors);
        self
    }

    /// The name of the compartment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.connection.name()
    }

    /// The worker at the other end.
    #[must_use]
    pub fn peer(&self) -> &Arc<dyn Peer> {
        self.connection.peer()
    }

    /// How many bytes were sent and received, without those in shared memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.connection.bytes()
    }

    /// Whether the worker is there and sends nothing, as it should while there is no call.
    pub(crate) fn rests(&self) -> bool {
        self.connection.rests()
    }

    /// Closes the connection as the other end would: without this one's knowing of it.
    #[cfg(test)]
    pub(crate) fn hang_up(&self) {
        self.connection.hang_up();
    }

    fn send<Q: Serialize + ?Sized, E>(
        &self,
        kind: u16,
        request: &Q,
        streams: bool,
    ) -> Result<(u64, Option<Instant>), CallError<E>> {
        let deadline = self.deadline()?;
        match self.connection.send(kind, request, streams, deadline) {
            Ok(id) => Ok((id, deadline)),
            Err(failure) => Err(self.connection.error(failure, deadline)),
        }
    }

    /// Until when a call may take that is made now.
    fn deadline<E>(&self) -> Result<Option<Instant>, CallError<E>> {
        if self.limit.passed() {
            return Err(CallError::Deadline { compartment: Arc::clone(self.connection.name()) });
        }
        Ok(self.limit.deadline())
    }

    /// Makes a call, whose answer `decode` understands: [`start`](Self::start) and [`Reply::wait`] in one,
    /// which takes less time.
    ///
    /// # Errors
    ///
    /// What became of the call.
    pub fn call<Q: Serialize + ?Sized, T, E>(
        &self,
        request: &Q,
        decode: Decode<T, E>,
    ) -> Result<T, CallError<E>> {
        let deadline = self.deadline()?;
        let answered = |frame: Frame<'_>| self.connection.answered(frame, decode);
        self.connection
            .call(wire::CALL, request, deadline, answered)
            .unwrap_or_else(|failure| Err(self.connection.error(failure, deadline)))
    }

    /// Sends a call, whose answer `decode` understands.
    ///
    /// # Errors
    ///
    /// All but [`CallError::Remote`], [`CallError::Panicked`] and [`CallError::Unanswered`].
    /// [`CallError::Deadline`] says here that it has not been sent.
    pub fn start<Q: Serialize + ?Sized, T, E>(
        &self,
        request: &Q,
        decode: Decode<T, E>,
    ) -> Result<Reply<T, E>, CallError<E>> {
        let (id, deadline) = self.send(wire::CALL, request, false)?;
        Ok(Reply::new(Arc::clone(&self.connection), id, deadline, decode))
    }

    /// Sends a request to what is around the service, [`serve_controlled`](super::serve_controlled)
    /// with the same types. It is answered in its turn, as calls are.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub fn control<Q: Serialize + ?Sized, T, E>(
        &self,
        request: &Q,
        decode: Decode<T, E>,
    ) -> Result<Reply<T, E>, CallError<E>> {
        let (id, deadline) = self.send(wire::CONTROL, request, false)?;
        Ok(Reply::new(Arc::clone(&self.connection), id, deadline, decode))
    }

    /// Sends a call whose method streams; `decode` understands the response that comes before the
    /// items.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub fn stream<Q: Serialize + ?Sized, T, E>(
        &self,
        request: &Q,
        decode: Decode<(), E>,
    ) -> Result<Items<T, E>, CallError<E>> {
        let (id, deadline) = self.send(wire::CALL, request, true)?;
        Ok(Items::new(Arc::clone(&self.connection), id, deadline, decode))
    }
}

/// The socket, to state rights on it when entering capability mode
/// ([`Frames::RIGHTS`]).
impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.socket()
    }
}
