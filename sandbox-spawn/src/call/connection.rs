//! One connection, used by any number of threads.
//!
//! There is no thread that reads. Whoever waits for an answer takes the *reader's role*, if nobody
//! has it, receives until the own answer is there, hands to others what is theirs, and leaves the
//! role to one of them. So a call without others beside it is a send and a receive by one thread,
//! and takes no hop to another one. The *sender's role* is held while a call is encoded and until it
//! is sent.
//!
//! Sending never blocks in the kernel: a server that cannot send does not receive either. Who finds
//! no room, or room for a part of a call only, receives meanwhile, and tries again.

use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Caps, Frame, FrameReceiver, FrameSender, Frames};
use serde::Serialize;

use super::{CallError, Fate, Peer, waiter::Waiter, wire};

#[cfg(feature = "tokio")]
mod driven;
mod state;

#[cfg(feature = "tokio")]
pub(crate) use driven::Driven;
pub(crate) use state::Failure;
use state::{Breach, Dead, Place, State, Why, size};

/// How long to receive, or to wait, before another try to send. Room to send comes without anything
/// to receive, and only one of them can be waited for.
const SLICE: Duration = Duration::from_millis(1);

/// How long to wait for what is known of a worker's death, after its connection has been closed.
const PATIENCE: Duration = Duration::from_secs(1);

type Guard<'a> = MutexGuard<'a, State>;

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Connection {
    peer: Arc<dyn Peer>,
    name: Arc<str>,
    caps: Caps,
    socket: Socket,
    state: Mutex<State>,
}

/// The socket, which nobody sends or receives with, so that it can be had whoever does.
struct Socket(Arc<dyn AsFd + Send + Sync>);

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_fd().fmt(f)
    }
}

fn passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
}

fn soon(deadline: Option<Instant>) -> Instant {
    let soon = Instant::now() + SLICE;
    deadline.map_or(soon, |deadline| deadline.min(soon))
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

/// A call that was sent, given up when this is dropped.
struct Sent<'a> {
    connection: &'a Connection,
    id: u64,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        self.connection.abandon(self.id);
    }
}

impl Connection {
    pub(crate) fn new(frames: Frames, peer: Arc<dyn Peer>) -> Self {
        let caps = frames.caps();
        let (sender, receiver) = frames.split();
        let socket = Socket(sender.socket());
        let state = State::new(sender, receiver);
        Self { name: Arc::from(peer.name()), peer, caps, socket, state: Mutex::new(state) }
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

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.0.as_fd()
    }

    pub(crate) fn lend_at_most(&self, most: usize) {
        self.lock().exchange.lend_at_most(most);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// No code of others runs with the lock, so that nothing panics and leaves it half done: not that of
    /// those either who are told by `tracing`.
    fn lock(&self) -> Guard<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the other end is there and, since nothing was asked, sends nothing. While someone receives
    /// that one will find out.
    pub(crate) fn rests(&self) -> bool {
        let mut state = self.lock();
        let Some(mut receiver) = state.receiver.take() else { return state.dead.is_none() };
        while state.dead.is_none() {
            // Of calls that were given up there may be late answers.
            let received = match receiver.try_receive() {
                Ok(None) => break,
                Ok(Some(frame)) => Ok(frame),
                Err(error) => Err(error),
            };
            if state.received(received).is_err() {
                receiver.close();
            }
        }
        state.receiver = Some(receiver);
        self.tell(state).dead.is_none()
    }

    /// Closes the socket, and does not take notice of it.
    #[cfg(test)]
    pub(crate) fn hang_up(&self) {
        let state = self.lock();
        if let Some(sender) = &state.sender {
            let fd = std::os::fd::AsFd::as_fd(sender.as_ref());
            let socket =
                std::os::unix::net::UnixStream::from(fd.try_clone_to_owned().expect("a copy"));
            socket.shutdown(std::net::Shutdown::Both).expect("shut down");
        }
    }

    /// Tells what there is to tell, without the lock.
    fn tell<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        let Some(error) = state.untold.take() else { return state };
        drop(state);
        tracing::warn!(%error, "a connection to a worker is given up");
        self.lock()
    }

    /// Gives the reader's role back.
    fn give_back<'a>(
        &'a self,
        mut state: Guard<'a>,
        mut receiver: Box<FrameReceiver>,
        received: Result<(), Breach>,
    ) -> Guard<'a> {
        if received.is_err() {
            receiver.close();
        }
        state.receiver = Some(receiver);
        state.post();
        self.tell(state)
    }

    /// Receives with the reader's role, for who alone awaits the answer that is due. If it is a reply, `decode` takes
    /// it where it is; anything else is taken as any frame.
    fn receive_reply<D>(
        &self,
        mut receiver: Box<FrameReceiver>,
        deadline: Option<Instant>,
        id: u64,
        decode: impl FnOnce(Frame<'_>) -> D,
    ) -> Result<D, Guard<'_>> {
        let frame = match receiver.receive_in_place(deadline) {
            Ok(frame) if frame.kind() == wire::REPLY && frame.sequence() == id => frame,
            other => {
                let mut state = self.lock();
                let received = state.received(other);
                return Err(self.give_back(state, receiver, received));
            }
        };
        let size = size(&frame);
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(frame)));
        let mut state = self.lock();
        state.concluded(id, size);
        self.give_back(state, receiver, Ok(())).pass_on();
        Ok(decoded.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    /// Receives one frame, or waits for whoever does.
    fn step<'a>(
        &'a self,
        mut state: Guard<'a>,
        deadline: Option<Instant>,
        place: Place,
    ) -> Guard<'a> {
        let deadline = state.receives_until(deadline);
        let reads = !matches!(place, Place::Role);
        if let Some(mut receiver) = state.receiver.take_if(|_| reads) {
            drop(state);
            let received = receiver.receive_in_place(deadline);
            let mut state = self.lock();
            let received = state.received(received);
            return self.give_back(state, receiver, received);
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
        state.leave();
        // Whoever receives may do so for long.
        state.post();
        state
    }

    /// Waits for the sender's role and for room, and receives meanwhile, or lets another thread.
    fn role(&self, deadline: Option<Instant>) -> Result<Role<'_>, Failure> {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            let place = if state.exchange.has_room(0) { Place::Role } else { Place::Room };
            // What is left of one call goes before the next is begun.
            if state.has_rest() {
                state.post();
            }
            if state.dead.is_none()
                && matches!(place, Place::Role)
                && !state.has_rest()
                && let Some(sender) = state.sender.take()
            {
                state.pass_on();
                let id = state.exchange.next();
                return Ok(Role { connection: self, sender: Some(sender), id });
            }
            Self::go_on(&mut state, deadline, waited)?;
            state = self.step(state, deadline, place);
            waited = true;
        }
    }

    /// Sends a call of this kind, `CALL` or `CONTROL`, before a deadline that has not passed: its number.
    pub(crate) fn send<Q: Serialize + ?Sized>(
        &self,
        kind: u16,
        request: &Q,
        streams: bool,
        deadline: Option<Instant>,
    ) -> Result<u64, Failure> {
        self.sent(kind, request, streams, deadline).map(|(_, id)| id)
    }

    /// Sends a call that does not stream, and waits for the frame that answers it: what `decode` makes of it.
    pub(crate) fn call<Q: Serialize + ?Sized, D>(
        &self,
        kind: u16,
        request: &Q,
        deadline: Option<Instant>,
        decode: impl Fn(Frame<'_>) -> D,
    ) -> Result<D, Failure> {
        let (state, id) = self.sent(kind, request, false, deadline)?;
        let sent = Sent { connection: self, id };
        let decoded = self.answer(state, id, deadline, decode)?;
        std::mem::forget(sent);
        Ok(decoded)
    }

    /// Waits for the frame that answers a call which does not stream.
    pub(crate) fn wait<D>(
        &self,
        id: u64,
        deadline: Option<Instant>,
        decode: impl Fn(Frame<'_>) -> D,
    ) -> Result<D, Failure> {
        self.answer(self.lock(), id, deadline, decode)
    }

    fn answer<'a, D>(
        &'a self,
        mut state: Guard<'a>,
        id: u64,
        deadline: Option<Instant>,
        decode: impl Fn(Frame<'_>) -> D,
    ) -> Result<D, Failure> {
        if state.dead.is_none()
            && state.exchange.awaits_only(id)
            && let Some(receiver) = state.receiver.take()
        {
            let until = state.receives_until(deadline);
            drop(state);
            match self.receive_reply(receiver, until, id, &decode) {
                Ok(decoded) => return Ok(decoded),
                Err(other) => state = other,
            }
        }
        self.next_of(state, id, deadline).map(decode)
    }

    fn sent<Q: Serialize + ?Sized>(
        &self,
        kind: u16,
        request: &Q,
        streams: bool,
        deadline: Option<Instant>,
    ) -> Result<(Guard<'_>, u64), Failure> {
        let mut role = self.role(deadline)?;
        let id = role.id;
        let Some(sender) = role.sender.as_mut() else {
            return Err(Failure(Why::Dead(Dead::Closed)));
        };
        let frame = sender.encode(kind, id, request);
        let frame = frame.map_err(|error| Failure(Why::Unsent(error)))?;
        let mut state = self.lock();
        while !state.attempt(sender, &frame, streams)? {
            if passed(deadline) {
                return Err(Failure(Why::Deadline));
            }
            state = self.step(state, Some(soon(deadline)), Place::Room);
        }
        // It has been sent, whatever becomes of its rest; but a server that has a part has not begun.
        while state.has_rest() && !state.flush_by(sender) && !passed(deadline) {
            state = self.step(state, Some(soon(deadline)), Place::Room);
        }
        sender.reuse(frame);
        role.give_back(&mut state);
        Ok((state, id))
    }

    /// The next frame that belongs to a call.
    pub(crate) fn receive(
        &self,
        id: u64,
        deadline: Option<Instant>,
    ) -> Result<Frame<'static>, Failure> {
        self.next_of(self.lock(), id, deadline)
    }

    fn next_of<'a>(
        &'a self,
        mut state: Guard<'a>,
        id: u64,
        deadline: Option<Instant>,
    ) -> Result<Frame<'static>, Failure> {
        let mut waited = false;
        loop {
            if let Some((frame, credit)) = state.exchange.take(id) {
                if let Some(credit) = credit {
                    state.owe(wire::CREDIT, id, credit);
                }
                state.pass_on();
                return Ok(frame);
            }
            Self::go_on(&mut state, deadline, waited)?;
            state = self.step(state, deadline, Place::Answer(id));
            waited = true;
        }
    }

    /// Whether to wait, or to wait on.
    fn go_on(state: &mut State, deadline: Option<Instant>, waited: bool) -> Result<(), Failure> {
        if let Some(dead) = &state.dead {
            return Err(Failure(Why::Dead(dead.clone())));
        }
        // The first time receiving finds it out.
        if waited && passed(deadline) {
            state.pass_on();
            return Err(Failure(Why::Deadline));
        }
        Ok(())
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
