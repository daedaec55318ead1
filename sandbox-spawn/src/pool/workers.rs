//! The pool.

use std::{
    fmt,
    hash::Hash,
    marker::PhantomData,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Builder, PoolError, Start, Statistics,
    quarantine::Quarantine,
    slots::{Health, Live, Slots, Taken},
};
use crate::{CallError, call::Client};

/// Several workers for one service: see [`pool`](super).
///
/// It is used by reference, from any number of threads. Dropping it ends the workers.
pub struct Pool<C> {
    settings: Builder,
    state: Mutex<State>,
    /// Something that a waiting call can use has changed.
    changed: Condvar,
    client: PhantomData<fn() -> C>,
}

struct State {
    slots: Slots,
    quarantine: Quarantine,
    statistics: Statistics,
    waiting: usize,
    draining: bool,
}

/// What a call found out about its worker.
fn health<T, E>(result: &Result<T, CallError<E>>) -> Health {
    match result {
        Err(CallError::Panicked { .. }) => Health::Recycle,
        Err(CallError::Deadline { .. }) => Health::Failed,
        Err(error) if error.is_fatal() => Health::Failed,
        _ => Health::Well,
    }
}

impl Pool<Client> {
    /// A pool of workers that `start` starts.
    pub fn builder(start: impl Start) -> Builder {
        Builder::new(start)
    }
}

impl<C: From<Client>> Pool<C> {
    pub(crate) fn new(settings: Builder) -> Self {
        let state = State {
            slots: Slots::new(settings.workers, settings.back_off),
            quarantine: Quarantine::default(),
            statistics: Statistics::default(),
            waiting: 0,
            draining: false,
        };
        Self { settings, state: Mutex::new(state), changed: Condvar::new(), client: PhantomData }
    }

    /// Calls a worker, once there is one.
    ///
    /// The closure gets a client whose calls end by the pool's deadline, and returns what one of them
    /// did: by that the pool judges the worker. A stream must be read within the closure.
    ///
    /// # Errors
    ///
    /// All but [`PoolError::Quarantined`].
    pub fn call<T, E>(
        &self,
        call: impl FnOnce(&C) -> Result<T, CallError<E>>,
    ) -> Result<T, PoolError<E>> {
        let deadline = self.deadline();
        let worker = self.worker(true, deadline)?;
        worker.run(call, deadline, None)
    }

    /// Calls a worker if that can be done at once.
    ///
    /// # Errors
    ///
    /// All but [`PoolError::Quarantined`]; [`PoolError::Full`] where there is no worker now.
    pub fn try_call<T, E>(
        &self,
        call: impl FnOnce(&C) -> Result<T, CallError<E>>,
    ) -> Result<T, PoolError<E>> {
        let deadline = self.deadline();
        let worker = self.worker(false, deadline)?;
        worker.run(call, deadline, None)
    }

    /// The same as [`call`](Self::call) for an input that may kill workers: what it is known by, such as
    /// its content or its name.
    ///
    /// Where a worker dies, the closure is called again as often as [`Builder::retries`] allows, and
    /// not with an input that killed two workers, in this call or others. Passing the deadline counts
    /// as killing.
    ///
    /// # Errors
    ///
    /// All; [`PoolError::Quarantined`] before any worker has the input.
    pub fn call_with<K: Hash + ?Sized, T, E>(
        &self,
        input: &K,
        mut call: impl FnMut(&C) -> Result<T, CallError<E>>,
    ) -> Result<T, PoolError<E>> {
        let deadline = self.deadline();
        let input = self.lock().quarantine.hash(input);
        let mut retries = self.settings.retries;
        loop {
            {
                let mut state = self.lock();
                if state.quarantine.holds(input) {
                    state.statistics.quarantined += 1;
                    return Err(PoolError::Quarantined);
                }
            }
            let worker = self.worker(true, deadline)?;
            match worker.run(&mut call, deadline, Some(input)) {
                Err(PoolError::Call(error))
                    if error.is_fatal() && retries > 0 && !self.lock().quarantine.holds(input) =>
                {
                    tracing::debug!(worker = error.compartment(), "a call is tried again");
                    retries -= 1;
                }
                done => return done,
            }
        }
    }

    /// Takes no more calls, and waits until those that have a worker have ended, by the deadline if
    /// there is one. Then all workers are ended: how many of them still had a call.
    ///
    /// Calls that wait for a worker get [`PoolError::Draining`].
    pub fn drain(&self, deadline: Option<Instant>) -> usize {
        let mut state = self.lock();
        state.draining = true;
        self.changed.notify_all();
        let idle = state.slots.idle();
        drop(state);
        end(idle);
        let mut state = self.lock();
        while state.slots.counts().1 > 0 {
            let now = (self.settings.clock)();
            let left = deadline.map(|at| at.saturating_duration_since(now));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            state = self.wait(state, left);
        }
        let busy = state.slots.busy();
        drop(state);
        for peer in &busy {
            peer.kill();
        }
        busy.len()
    }

    /// What it has done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let state = self.lock();
        let (idle, busy) = state.slots.counts();
        Statistics { idle, busy, waiting: state.waiting, ..state.statistics.clone() }
    }

    fn deadline(&self) -> Option<Instant> {
        self.settings.deadline.and_then(|within| (self.settings.clock)().checked_add(within))
    }

    /// A worker for one call.
    fn worker(&self, wait: bool, deadline: Option<Instant>) -> Result<Worker<'_, C>, Refusal> {
        let (index, restart) = loop {
            match self.take(wait, deadline)? {
                Taken::Worker(index, live) => {
                    let worker = Worker { pool: self, index, live: Some(live) };
                    if worker.live.as_ref().is_some_and(|live| live.client.rests()) {
                        return Ok(worker);
                    }
                    // Given back as failed. It ended without a call, which is no input's fault.
                    tracing::warn!(index, "a worker has ended while it had no call");
                }
                Taken::Place(index, restart) => break (index, restart),
                Taken::Nothing(_) => return Err(Refusal::Full),
            }
        };
        // What happens to the place if starting panics is what happens if it fails.
        let mut worker = Worker { pool: self, index, live: None };
        match self.settings.start.start() {
            Ok(started) => {
                let client = Client::new(started.frames, started.peer);
                let mut state = self.lock();
                state.statistics.starts += 1;
                state.statistics.restarts += u64::from(restart);
                let draining = state.draining;
                if !draining {
                    state.slots.started(index, std::sync::Arc::clone(client.peer()));
                }
                drop(state);
                tracing::debug!(worker = client.name(), index, restart, "a worker was started");
                worker.live = Some(Live { client, calls: 0 });
                // Draining has begun, and perhaps ended, which did not see this one.
                if draining { Err(Refusal::Draining) } else { Ok(worker) }
            }
            Err(error) => {
                tracing::warn!(index, %error, "a worker could not be started");
                self.lock().statistics.failed_starts += 1;
                Err(Refusal::Start(error))
            }
        }
    }

    fn take(&self, wait: bool, deadline: Option<Instant>) -> Result<Taken, Refusal> {
        let mut state = self.lock();
        // Those who wait already come first, as far as the system wakes them in their order.
        let mut first = true;
        loop {
            if state.draining {
                return Err(Refusal::Draining);
            }
            let now = (self.settings.clock)();
            let soonest = match state.slots.take(now) {
                Taken::Nothing(soonest) => soonest,
                taken => return Ok(taken),
            };
            if deadline.is_some_and(|deadline| now >= deadline) {
                // What has woken this one may have been meant for another.
                self.changed.notify_one();
                return Err(Refusal::Deadline);
            }
            if first && (!wait || state.waiting >= self.settings.queue) {
                state.statistics.full += 1;
                return Err(Refusal::Full);
            }
            first = false;
            let until = soonest.into_iter().chain(deadline).min();
            state.waiting += 1;
            state = self.wait(state, until.map(|at| at.saturating_duration_since(now)));
            state.waiting -= 1;
        }
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        time: Option<Duration>,
    ) -> MutexGuard<'a, State> {
        match time {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(time) => {
                let waited = self.changed.wait_timeout(state, time);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl<C> Pool<C> {
    /// No code of others runs with the lock, those who are told by `tracing` included.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, index: usize, live: Option<Live>, health: Health) {
        let mut state = self.lock();
        let worn = live.as_ref().is_some_and(|live| {
            live.calls >= self.settings.most_calls
                || live.client.bytes() >= self.settings.most_bytes
        });
        let health = match health {
            Health::Well if worn => Health::Recycle,
            other => other,
        };
        state.statistics.recycled += u64::from(health == Health::Recycle);
        let mut left = state.slots.give_back(index, live, health, (self.settings.clock)());
        let mut idle = if state.draining { state.slots.idle() } else { Vec::new() };
        idle.extend(left.take());
        let alone = health != Health::Failed && !state.draining;
        drop(state);
        if alone {
            // One more worker, or place for one, that may be used at once.
            self.changed.notify_one();
        } else {
            self.changed.notify_all();
        }
        end(idle);
    }
}

/// Ends workers. Not with the lock: it may take a moment.
fn end(workers: Vec<Live>) {
    for worker in workers {
        worker.client.peer().kill();
    }
}

impl<C> Drop for Pool<C> {
    fn drop(&mut self) {
        let idle = self.lock().slots.idle();
        end(idle);
    }
}

impl<C> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why there is no worker.
enum Refusal {
    Full,
    Deadline,
    Draining,
    Start(Box<dyn std::error::Error + Send + Sync>),
}

impl<E> From<Refusal> for PoolError<E> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::Deadline => Self::Deadline,
            Refusal::Draining => Self::Draining,
            Refusal::Start(error) => Self::Start(error),
        }
    }
}

/// A place in the pool, given back when it is dropped: as failed, unless it is known better.
struct Worker<'a, C> {
    pool: &'a Pool<C>,
    index: usize,
    live: Option<Live>,
}

impl<C: From<Client>> Worker<'_, C> {
    fn run<T, E>(
        mut self,
        call: impl FnOnce(&C) -> Result<T, CallError<E>>,
        deadline: Option<Instant>,
        input: Option<u64>,
    ) -> Result<T, PoolError<E>> {
        let clock = &self.pool.settings.clock;
        let late = deadline.is_some_and(|deadline| clock() >= deadline);
        let Some(live) = self.live.as_mut().filter(|_| !late) else {
            // The worker has done nothing wrong.
            let live = self.live.take();
            self.pool.give_back(self.index, live, Health::Well);
            std::mem::forget(self);
            return Err(PoolError::Deadline);
        };
        live.calls += 1;
        let span =
            tracing::debug_span!("call", worker = live.client.name(), index = self.index).entered();
        // The pool's clock may be a test's; the client's is the system's.
        let started = clock();
        let client = match deadline {
            Some(at) => live.client.within(at.saturating_duration_since(started)),
            None => live.client.clone(),
        };
        let result = call(&C::from(client));
        let took = clock().saturating_duration_since(started);
        drop(span);
        let health = health(&result);
        self.pool.count(&result, health, took, input);
        let live = self.live.take();
        self.pool.give_back(self.index, live, health);
        // It has been given back.
        std::mem::forget(self);
        result.map_err(PoolError::Call)
    }
}

impl<C> Pool<C> {
    /// Counts a call.
    fn count<T, E>(
        &self,
        result: &Result<T, CallError<E>>,
        health: Health,
        took: Duration,
        input: Option<u64>,
    ) {
        let mut state = self.lock();
        let statistics = &mut state.statistics;
        statistics.calls += 1;
        statistics.latency.add(took);
        match result {
            Err(CallError::Remote { .. }) => statistics.remote_errors += 1,
            Err(CallError::Panicked { .. }) => statistics.panics += 1,
            Err(CallError::Deadline { .. }) => statistics.deadlines += 1,
            Err(error) if error.is_fatal() => statistics.deaths += 1,
            _ => {}
        }
        match input {
            Some(input) if health == Health::Failed => state.quarantine.killed(input),
            Some(input) => state.quarantine.survived(input),
            None => {}
        }
        drop(state);
        // Who is told may ask the pool how it is.
        if let Err(error) = result
            && error.is_fatal()
        {
            tracing::warn!(worker = error.compartment(), "a worker has failed");
        }
    }
}

impl<C> Drop for Worker<'_, C> {
    fn drop(&mut self) {
        let live = self.live.take();
        self.pool.give_back(self.index, live, Health::Failed);
    }
}

#[cfg(test)]
impl Pool<Client> {
    /// Those that have a call.
    pub(crate) fn busy(&self) -> Vec<std::sync::Arc<dyn crate::call::Peer>> {
        self.lock().slots.busy()
    }

    /// Closes the connections of those that have no call, as their ends would.
    pub(crate) fn hang_up_idle(&self) {
        let mut state = self.lock();
        let idle = state.slots.idle();
        for (index, live) in idle.into_iter().enumerate() {
            live.client.hang_up();
            let now = (self.settings.clock)();
            state.slots.give_back(index, Some(live), Health::Well, now);
        }
    }

    /// A call with a deadline of its own, which does nothing.
    pub(crate) fn worker_by(&self, deadline: Option<Instant>) -> Result<(), PoolError> {
        self.worker(true, deadline)?.run(|_| Ok(()), deadline, None)
    }
}
