//! A compartment as the worker of calls and of pools.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use crate::{
    Compartment, Process,
    call::{Client, Fate, Peer},
    pool::Started,
    sys,
};

/// How long to wait before looking again whether another thread has learnt how the worker ended.
const AGAIN: Duration = Duration::from_millis(1);

/// The process behind a client. With the last client it is dropped, and killed by that.
struct Held {
    name: String,
    process: Mutex<Process>,
}

impl Held {
    fn process(&self) -> MutexGuard<'_, Process> {
        // It is used in single steps, so that a panic elsewhere leaves it whole.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer for Held {
    fn name(&self) -> &str {
        &self.name
    }

    fn kill(&self) {
        // What fails here is asked again when the process is dropped.
        let _ = self.process().kill();
    }

    fn fate(&self, within: Duration) -> Option<Fate> {
        // Who has the lock waits for the worker. Others must not wait for both, one after the other.
        let deadline = Instant::now().checked_add(within)?;
        let mut process = loop {
            match self.process.try_lock() {
                Ok(process) => break process,
                Err(TryLockError::Poisoned(process)) => break process.into_inner(),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return None,
                Err(TryLockError::WouldBlock) => sys::rest(AGAIN),
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let end = process.wait_timeout(left).ok().flatten()?;
        Some(end.into())
    }
}

impl From<Compartment> for Started {
    /// For [`pool::Start`](crate::pool::Start).
    fn from(compartment: Compartment) -> Self {
        let (frames, process) = compartment.into_parts();
        let held = Held { name: process.name().to_owned(), process: Mutex::new(process) };
        Self { frames, peer: Arc::new(held) }
    }
}

impl Compartment {
    /// The client of the [service](crate::service) that the worker serves on its
    /// [socket](crate::Inside::frames). With the last clone of it the worker ends.
    ///
    /// ```no_run
    /// use sandbox_spawn::{Compartment, Inside, Worker, service};
    ///
    /// #[service]
    /// trait Adder {
    ///     fn add(&mut self, one: u32, other: u32) -> u32;
    /// }
    ///
    /// struct Sum;
    ///
    /// impl Adder for Sum {
    ///     fn add(&mut self, one: u32, other: u32) -> u32 {
    ///         one + other
    ///     }
    /// }
    ///
    /// fn adder(inside: Inside) -> u8 {
    ///     u8::from(AdderServer::serve(inside.into_frames(), Sum).is_err())
    /// }
    ///
    /// const WORKERS: &[Worker] = &[Worker::new("adder", adder)];
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     sandbox_spawn::init(WORKERS)?;
    ///     let adder: AdderClient = Compartment::builder("adder").spawn()?.client();
    ///     assert_eq!(adder.add(1, 2)?, 3);
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn client<C: From<Client>>(self) -> C {
        let Started { frames, peer } = self.into();
        Client::new(frames, peer).into()
    }
}
