//! What a pool is to be like.

use std::{sync::Arc, time::Duration, time::Instant};

use super::{Pool, Start, slots::BackOff};
use crate::call::Client;

/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// What a pool is to be like: see [`pool`](super).
///
/// Unless stated otherwise there is one worker, calls have no deadline, 64 of them may wait, a failed
/// worker is started again after at most 10 seconds, none is recycled, and no call is tried again.
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    pub(crate) start: Box<dyn Start>,
    pub(crate) workers: usize,
    pub(crate) deadline: Option<Duration>,
    pub(crate) queue: usize,
    pub(crate) back_off: BackOff,
    pub(crate) most_calls: u64,
    pub(crate) most_bytes: u64,
    pub(crate) retries: u32,
    pub(crate) clock: Clock,
}

impl Builder {
    pub(crate) fn new(start: impl Start) -> Self {
        Self {
            start: Box::new(start),
            workers: 1,
            deadline: None,
            queue: 64,
            back_off: BackOff {
                first: Duration::from_millis(10),
                ceiling: Duration::from_secs(10),
            },
            most_calls: u64::MAX,
            most_bytes: u64::MAX,
            retries: 0,
            clock: Arc::new(Instant::now),
        }
    }

    /// At most this many workers, at least one. They are started as they are needed.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers: workers.max(1), ..self }
    }

    /// How long a call may take, waiting for a worker and its start included. A worker that has the
    /// call then is killed. A start that has begun is not interrupted.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// How many calls may wait for a worker.
    pub fn queue(self, queue: usize) -> Self {
        Self { queue, ..self }
    }

    /// How long to wait before a worker is started in the place of a second one in a row that failed.
    /// The time doubles with each further one, up to the ceiling.
    pub fn back_off(self, first: Duration, ceiling: Duration) -> Self {
        Self { back_off: BackOff { first, ceiling }, ..self }
    }

    /// A worker is ended after this many calls, at least one.
    pub fn recycle_after_calls(self, calls: u64) -> Self {
        Self { most_calls: calls.max(1), ..self }
    }

    /// A worker is ended after the call with which it has sent and received this many bytes. Shared
    /// memory does not count.
    pub fn recycle_after_bytes(self, bytes: u64) -> Self {
        Self { most_bytes: bytes, ..self }
    }

    /// How many more times [`Pool::call_with`] tries a call whose worker died. Those that passed
    /// their deadline are not tried again.
    pub fn retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// Another clock than the system's, for tests.
    #[cfg(test)]
    pub(crate) fn clock(self, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// A pool, whose workers are called by `C`: the client that [`service`](crate::service) makes.
    #[must_use]
    pub fn build<C: From<Client>>(self) -> Pool<C> {
        Pool::new(self)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("deadline", &self.deadline)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
