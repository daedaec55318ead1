//! One connection, used by any number of threads.
//!
//! There is no thread that reads. Whoever waits for an answer takes the *reader's role*, if nobody
//! has it, receives until the own answer is there, hands to others what is theirs, and leaves the
//! role to one of them. So a call without others beside it is a send and a receive by one thread,
//! and takes no hop to another one. The *sender's role* is held while a call is encoded and until it
//! is sent.
//!
//! Sending never blocks in the kernel: a server that cannot send does not receive either. Who finds
//! no room receives meanwhile, and tries again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Caps, Error, Frame, FrameReceiver, FrameSender, Frames};
use serde::Serialize;

use super::{
    CallError, Fate, Peer,
    exchange::{Exchange, Waiter},
    wire,
};

#[cfg(feature = "tokio")]
mod driven;

#[cfg(feature = "tokio")]
pub(crate) use driven::Driven;

/// How long to receive, or to wait, before another try to send. Room to send comes without anything
/// to receive, and only one of them can be waited for.
const SLICE: Duration = Duration::from_millis(1);

/// How long to wait for what is known of a worker's death, after its connection has been closed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why there is no answer, and will be none.
#[derive(Clone, Debug)]
enum Dead {
    Closed,
    Protocol(String),
}

/// Why a call failed, before it is told to its caller.
#[derive(Debug)]
pub(crate) struct Failure(Why);

#[derive(Debug)]
enum Why {
    Deadline,
    Dead(Dead),
    Unsent(Error),
}

/// Where a thread waits.
#[derive(Clone, Copy)]
enum Place {
    /// For the sender's role.
    Role,
    /// For room to send.
    Room,
    /// For the answer to this call.
    Answer(u64),
}

#[derive(Debug)]
struct State {
    exchange: Exchange,
    /// Not there while someone has the role.
    sender: Option<Box<FrameSender>>,
    /// Not there while someone has the role.
    receiver: Option<Box<FrameReceiver>>,
    /// What is to be sent before anything else: kind, call, credit.
    owed: VecDeque<(u16, u64, u32)>,
    /// Who waits to send.
    senders: VecDeque<Waiter>,
    dead: Option<Dead>,
    /// Bytes sent and received.
    bytes: u64,
    /// The task that receives, where it is one: with futures.
    driver: Option<std::task::Waker>,
}

type Guard<'a> = MutexGuard<'a, State>;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    peer: Arc<dyn Peer>,
    name: Arc<str>,
    caps: Caps,
    state: Mutex<State>,
}

fn passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

fn soon(deadline: Option<Instant>) -> Instant {
    let soon = Instant::now() + SLICE;
    deadline.map_or(soon, |deadline| deadline.min(soon))
}

/// What a frame takes of the connection.
fn size(frame: &Frame) -> u64 {
    16 + u64::try_from(frame.payload().len()).unwrap_or(u64::MAX / 2)
}

impl State {
    /// Wakes who can use what is free now. Everyone who stops waiting does that.
    fn pass_on(&mut self) {
        if self.receiver.is_some()
            && let Some(waiter) = self.exchange.a_waiter()
        {
            waiter.wake();
        }
        if self.sender.is_some() {
            self.wake_sender();
        }
    }

    /// Wakes the next one that waits to send.
    fn wake_sender(&mut self) {
        while let Some(waiter) = self.senders.pop_front() {
            if waiter.wake_for_good() {
                break;
            }
        }
    }

    /// Something is owed for which there was no room: whoever receives is to try again.
    fn nudge(&mut self) {
        if !self.owed.is_empty() {
            self.wake_driver();
        }
    }

    /// Whether there is a task that receives. It is polled, to see what there is to do.
    fn wake_driver(&self) -> bool {
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
        self.driver.is_some()
    }

    fn die(&mut self, dead: Dead) {
        self.dead.get_or_insert(dead);
        self.owed.clear();
        self.wake_driver();
        for waiter in self.exchange.waiters().into_iter().chain(self.senders.drain(..)) {
            waiter.wake();
        }
    }

    /// Takes what was received. Whether the connection is to be closed.
    fn received(&mut self, received: Result<Frame, Error>) -> bool {
        match received {
            Ok(frame) => {
                self.bytes = self.bytes.saturating_add(size(&frame));
                match self.exchange.deliver(frame) {
                    Ok(waiter) => {
                        if let Some(waiter) = waiter {
                            waiter.wake();
                        }
                        self.wake_sender();
                        false
                    }
                    Err(reason) => {
                        self.die(Dead::Protocol(reason.to_owned()));
                        true
                    }
                }
            }
            Err(Error::Deadline) => false,
            Err(Error::Protocol { reason }) => {
                self.die(Dead::Protocol(reason));
                true
            }
            Err(error) => {
                if !matches!(error, Error::Closed) {
                    tracing::warn!(%error, "a connection to a worker is given up");
                }
                self.die(Dead::Closed);
                true
            }
        }
    }

    /// Sends something before anything else.
    fn owe(&mut self, kind: u16, id: u64, credit: u32) {
        self.owed.push_back((kind, id, credit));
        self.post();
        self.nudge();
    }

    /// Sends what is owed, as far as there is room.
    fn post(&mut self) {
        let Some(mut sender) = self.sender.take() else { return };
        self.post_by(&mut sender);
        self.sender = Some(sender);
    }

    fn post_by(&mut self, sender: &mut FrameSender) {
        while let Some(&(kind, id, credit)) = self.owed.front() {
            let frame = if kind == wire::CREDIT {
                sender.encode(kind, id, &credit)
            } else {
                Frame::new(kind, id, &[], Vec::new())
            };
            match frame.and_then(|frame| sender.try_send(&frame)) {
                Ok(true) => {
                    self.owed.pop_front();
                }
                Ok(false) => return,
                Err(_) => return self.die(Dead::Closed),
            }
        }
    }

    /// Sends a call, if there is room for it: whether it was sent.
    fn attempt(
        &mut self,
        sender: &mut FrameSender,
        frame: &Frame,
        streams: bool,
    ) -> Result<bool, Failure> {
        if self.dead.is_none() && self.exchange.has_room(frame.descriptors().len()) {
            self.post_by(sender);
            if self.owed.is_empty() {
                match sender.try_send(frame) {
                    Ok(true) => {
                        self.exchange.enter(frame, streams);
                        self.bytes = self.bytes.saturating_add(size(frame));
                        return Ok(true);
                    }
                    Ok(false) => {}
                    Err(Error::Closed) => self.die(Dead::Closed),
                    Err(error) => return Err(Failure(Why::Unsent(error))),
                }
            }
        }
        match &self.dead {
            Some(dead) => Err(Failure(Why::Dead(dead.clone()))),
            None => Ok(false),
        }
    }

    /// The waiter of this thread is not one any more.
    fn leave(&mut self, place: Place) {
        match place {
            Place::Answer(id) => self.exchange.clear_waiter(id),
            Place::Role | Place::Room => self.senders.retain(|waiter| !waiter.is_this_thread()),
        }
    }
}

/// The sender's role, until it is dropped or given back.
struct Role<'a> {
    connection: &'a Connection,
    sender: Option<Box<FrameSender>>,
    id: u64,
}

impl Role<'_> {
    fn give_back(&mut self, state: &mut State) {
        if let Some(sender) = self.sender.take() {
            state.sender = Some(sender);
            state.post();
            state.nudge();
            state.pass_on();
        }
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        if self.sender.is_some() {
            let connection = self.connection;
            self.give_back(&mut connection.lock());
        }
    }
}

impl Connection {
    pub(crate) fn new(frames: Frames, peer: Arc<dyn Peer>) -> Self {
        let caps = frames.caps();
        let (sender, receiver) = frames.split();
        let state = State {
            exchange: Exchange::default(),
            sender: Some(Box::new(sender)),
            receiver: Some(Box::new(receiver)),
            owed: VecDeque::new(),
            senders: VecDeque::new(),
            dead: None,
            bytes: 0,
            driver: None,
        };
        Self { name: Arc::from(peer.name()), peer, caps, state: Mutex::new(state) }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn peer(&self) -> &Arc<dyn Peer> {
        &self.peer
    }

    pub(crate) fn caps(&self) -> Caps {
        self.caps
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// No code of others runs with the lock, so that nothing panics and leaves it half done.
    fn lock(&self) -> Guard<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready` has something, and receives meanwhile, or lets another thread.
    fn wait_for<T>(
        &self,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut State) -> Result<T, Place>,
    ) -> Result<T, Failure> {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            let place = match ready(&mut state) {
                Ok(done) => {
                    state.pass_on();
                    return Ok(done);
                }
                Err(place) => place,
            };
            if let Some(dead) = &state.dead {
                return Err(Failure(Why::Dead(dead.clone())));
            }
            // The first time receiving finds it out.
            if waited && passed(deadline) {
                state.pass_on();
                return Err(Failure(Why::Deadline));
            }
            state = self.step(state, deadline, place);
            waited = true;
        }
    }

    /// Receives one frame, or waits for whoever does.
    fn step<'a>(
        &'a self,
        mut state: Guard<'a>,
        deadline: Option<Instant>,
        place: Place,
    ) -> Guard<'a> {
        let deadline = if state.owed.is_empty() { deadline } else { Some(soon(deadline)) };
        let reads = !matches!(place, Place::Role);
        if let Some(mut receiver) = state.receiver.take_if(|_| reads) {
            drop(state);
            let received = receiver.receive(deadline);
            let mut state = self.lock();
            if state.received(received) {
                receiver.close();
            }
            state.receiver = Some(receiver);
            state.post();
            return state;
        }
        let waiter = Waiter::this_thread();
        match place {
            Place::Answer(id) => state.exchange.set_waiter(id, waiter),
            Place::Role | Place::Room => state.senders.push_back(waiter),
        }
        drop(state);
        match deadline {
            None => thread::park(),
            Some(deadline) => {
                thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
            }
        }
        let mut state = self.lock();
        state.leave(place);
        state
    }

    fn role(&self, deadline: Option<Instant>) -> Result<Role<'_>, Failure> {
        let (sender, id) = self.wait_for(deadline, |state| {
            if state.dead.is_some() {
                return Err(Place::Role);
            }
            if !state.exchange.has_room(0) {
                return Err(Place::Room);
            }
            state.sender.take().map(|sender| (sender, state.exchange.next())).ok_or(Place::Role)
        })?;
        Ok(Role { connection: self, sender: Some(sender), id })
    }

    /// Sends a call: its number.
    pub(crate) fn send<Q: Serialize + ?Sized>(
        &self,
        request: &Q,
        streams: bool,
        deadline: Option<Instant>,
    ) -> Result<u64, Failure> {
        if passed(deadline) {
            return Err(Failure(Why::Deadline));
        }
        let mut role = self.role(deadline)?;
        let id = role.id;
        let Some(sender) = role.sender.as_mut() else {
            return Err(Failure(Why::Dead(Dead::Closed)));
        };
        let frame = sender.encode(wire::CALL, id, request);
        let frame = frame.map_err(|error| Failure(Why::Unsent(error)))?;
        let mut state = self.lock();
        while !state.attempt(sender, &frame, streams)? {
            if passed(deadline) {
                return Err(Failure(Why::Deadline));
            }
            state = self.step(state, Some(soon(deadline)), Place::Room);
        }
        sender.reuse(frame);
        role.give_back(&mut state);
        Ok(id)
    }

    /// The next frame that belongs to a call.
    pub(crate) fn receive(&self, id: u64, deadline: Option<Instant>) -> Result<Frame, Failure> {
        self.wait_for(deadline, |state| {
            let (frame, credit) = state.exchange.take(id).ok_or(Place::Answer(id))?;
            if let Some(credit) = credit {
                state.owe(wire::CREDIT, id, credit);
            }
            Ok(frame)
        })
    }

    /// Nobody waits for the answer any more. Of a call that has ended it does nothing.
    pub(crate) fn abandon(&self, id: u64) {
        let mut state = self.lock();
        // Of a stream, credit may be owed still.
        state.owed.retain(|(_, of, _)| *of != id);
        if state.exchange.abandon(id) && state.dead.is_none() {
            state.owe(wire::CANCEL, id, 0);
        }
    }

    /// Gives the connection up, since the other end broke the protocol.
    pub(crate) fn give_up(&self, reason: &str) {
        let mut state = self.lock();
        state.die(Dead::Protocol(reason.to_owned()));
        if state.wake_driver() {
            return;
        }
        loop {
            let State { sender, receiver, .. } = &mut *state;
            match (receiver, sender) {
                (Some(receiver), _) => return receiver.close(),
                (_, Some(sender)) => return sender.close(),
                // Who has the sender's role finds the connection dead within a slice.
                _ => state = self.step(state, Some(soon(None)), Place::Role),
            }
        }
    }

    /// What a failure is to its caller.
    pub(crate) fn error<E>(&self, failure: Failure, deadline: Option<Instant>) -> CallError<E> {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let within = left.map_or(PATIENCE, |left| left.min(PATIENCE));
        self.error_of(failure, || self.peer.fate(within))
    }

    fn error_of<E>(&self, failure: Failure, fate: impl FnOnce() -> Option<Fate>) -> CallError<E> {
        let compartment = Arc::clone(&self.name);
        match failure.0 {
            Why::Deadline => CallError::Deadline { compartment },
            Why::Unsent(error) => CallError::Unsent { compartment, error: Arc::new(error) },
            Why::Dead(Dead::Protocol(reason)) => CallError::Protocol { compartment, reason },
            Why::Dead(Dead::Closed) => match fate() {
                Some(Fate::Died(end)) => CallError::Died { compartment, end },
                Some(Fate::Violation(what)) => CallError::Violation { compartment, what },
                None => CallError::Closed { compartment },
            },
        }
    }
}
