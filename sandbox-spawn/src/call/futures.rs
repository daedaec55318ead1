//! Calls as futures of tokio.

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use capsicum_channel::{Error, Frame, Frames};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout_at;

use super::{
    CallError, Decode, Peer,
    client::Limit,
    connection::{Driven, Failure},
    reply::Pending,
    wire,
};

/// The end of a connection that calls, in a program that uses tokio: [`Client`](super::Client) with
/// futures.
///
/// A future that is dropped gives its call up, at any point. One that was not sent yet is not sent
/// then. Calls are sent in the order in which their futures are polled first, and answered in that
/// order.
///
/// Programs use the clients that [`service`](crate::service) makes, which are this with methods.
///
/// ```
/// use sandbox_spawn::service;
///
/// #[service]
/// trait Adder {
///     fn add(&mut self, number: u64) -> u64;
/// }
///
/// # struct Sum(u64);
/// # impl Adder for Sum {
/// #     fn add(&mut self, number: u64) -> u64 {
/// #         self.0 += number;
/// #         self.0
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (frames, there) = capsicum_channel::Frames::pair()?;
/// # std::thread::spawn(move || AdderServer::serve(there, Sum(0)));
/// let adder = AdderAsyncClient::named(frames, "adder")?;
/// assert_eq!(adder.add(40).await?, 40);
/// let (one, two) = tokio::join!(adder.add(1), adder.add(1));
/// assert_eq!((one?, two?), (41, 42));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AsyncClient {
    driven: Arc<Driven>,
    limit: Limit,
}

impl AsyncClient {
    /// Calls the server at the other end of `frames`, on which nothing has been sent yet, in the worker
    /// `peer`.
    ///
    /// # Errors
    ///
    /// [`Error::System`], also where there is no runtime of tokio.
    pub fn new(frames: Frames, peer: Arc<dyn Peer>) -> Result<Self, Error> {
        Ok(Self { driven: Arc::new(Driven::new(frames, peer)?), limit: Limit::None })
    }

    /// The same for a worker of which nothing is known but the name.
    ///
    /// # Errors
    ///
    /// As of [`new`](Self::new).
    pub fn named(frames: Frames, name: &str) -> Result<Self, Error> {
        Self::new(frames, Arc::new(super::peer::Named::new(name)))
    }

    /// The same connection, on which each call ends after this time at the latest.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self { driven: Arc::clone(&self.driven), limit: Limit::Within(time) }
    }

    /// The same connection, on which all calls end by then.
    #[must_use]
    pub fn by(&self, deadline: Instant) -> Self {
        Self { driven: Arc::clone(&self.driven), limit: Limit::By(deadline) }
    }

    /// The name of the compartment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.driven.connection.name()
    }

    async fn send<Q: Serialize, E>(
        &self,
        request: Q,
        streams: bool,
    ) -> Result<Waiting, CallError<E>> {
        let deadline = self.limit.deadline();
        match by(deadline, self.driven.send(request, streams)).await {
            Ok(id) => {
                let connection = Arc::clone(&self.driven.connection);
                let pending = Pending::new(connection, id, deadline);
                Ok(Waiting { driven: Arc::clone(&self.driven), pending, deadline })
            }
            Err(failure) => Err(self.driven.error(failure, deadline).await),
        }
    }

    /// Makes a call, whose answer `decode` understands.
    ///
    /// # Errors
    ///
    /// What became of the call.
    pub async fn call<Q: Serialize, T, E>(
        &self,
        request: Q,
        decode: Decode<T, E>,
    ) -> Result<T, CallError<E>> {
        let waiting = self.send(request, false).await?;
        let frame = waiting.next().await?;
        if frame.kind() == wire::REPLY {
            waiting.pending.decode(frame, decode)
        } else {
            Err(waiting.pending.failed(frame))
        }
    }

    /// Makes a call whose method streams; `decode` understands the response that comes before the
    /// items.
    ///
    /// # Errors
    ///
    /// What became of the call, until the method has returned its stream.
    pub async fn stream<Q: Serialize, T, E>(
        &self,
        request: Q,
        decode: Decode<(), E>,
    ) -> Result<AsyncItems<T, E>, CallError<E>> {
        let waiting = self.send(request, true).await?;
        let frame = waiting.next().await?;
        match frame.kind() {
            wire::STARTED => {
                waiting.pending.decode(frame, decode)?;
                Ok(AsyncItems { waiting, ended: false, of: PhantomData })
            }
            wire::REPLY => match waiting.pending.decode(frame, decode) {
                Err(error) => Err(error),
                Ok(()) => Err(waiting.pending.broken("a stream that has not begun")),
            },
            _ => Err(waiting.pending.failed(frame)),
        }
    }
}

async fn by<T>(
    deadline: Option<Instant>,
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match deadline {
        None => future.await,
        Some(deadline) => timeout_at(deadline.into(), future)
            .await
            .unwrap_or_else(|_| Err(Driven::deadline_passed())),
    }
}

/// A call that has been sent, given up when it is dropped.
#[derive(Debug)]
struct Waiting {
    pending: Pending,
    driven: Arc<Driven>,
    deadline: Option<Instant>,
}

impl Waiting {
    async fn next<E>(&self) -> Result<Frame<'static>, CallError<E>> {
        match by(self.deadline, self.driven.receive(self.pending.id())).await {
            Ok(frame) => Ok(frame),
            Err(failure) => Err(self.driven.error(failure, self.deadline).await),
        }
    }
}

/// The items that a method streams: [`Items`](super::Items) with futures.
#[must_use = "the stream ends when this is dropped"]
pub struct AsyncItems<T, E> {
    waiting: Waiting,
    ended: bool,
    of: PhantomData<fn() -> (T, E)>,
}

impl<T: DeserializeOwned, E> AsyncItems<T, E> {
    /// The next item; `None` after the last one and after an error.
    ///
    /// Where the future is dropped no item is lost.
    pub async fn next(&mut self) -> Option<Result<T, CallError<E>>> {
        if self.ended {
            return None;
        }
        let item = match self.waiting.next().await {
            Ok(frame) => match frame.kind() {
                wire::ITEM => {
                    let decode: Decode<T, E> = |frame, caps| frame.decode::<T>(caps).map(Ok);
                    Some(self.waiting.pending.decode(frame, decode))
                }
                wire::END => None,
                _ => Some(Err(self.waiting.pending.failed(frame))),
            },
            Err(error) => Some(Err(error)),
        };
        self.ended = !matches!(item, Some(Ok(_)));
        if self.ended {
            self.waiting.pending.give_up();
        }
        item
    }
}

impl<T, E> fmt::Debug for AsyncItems<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncItems").field(&self.waiting.driven.connection.name()).finish()
    }
}
