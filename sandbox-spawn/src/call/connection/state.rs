//! What is known of a connection: its calls, who has which role, and who waits.
//!
//! Everything here is done with the lock, and nothing of it waits.

use std::{collections::VecDeque, task::Waker, time::Instant};

use capsicum_channel::{Error, Frame, FrameReceiver, FrameSender, WHOLE_RECORDS};

use super::soon;
use crate::call::{exchange::Exchange, waiter::Waiter, wire};

/// Why there is no answer, and will be none.
#[derive(Clone, Debug)]
pub(super) enum Dead {
    Closed,
    Protocol(String),
}

/// Why a call failed, before it is told to its caller.
#[derive(Debug)]
pub(crate) struct Failure(pub(super) Why);

#[derive(Debug)]
pub(super) enum Why {
    Deadline,
    Dead(Dead),
    Unsent(Error),
}

/// Where a thread waits.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// For the sender's role.
    Role,
    /// For room to send.
    Room,
    /// For the answer to this call.
    Answer(u64),
}

/// What the connection is to be closed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breach;

#[derive(Debug)]
pub(super) struct State {
    pub(super) exchange: Exchange,
    /// Not there while someone has the role.
    pub(super) sender: Option<Box<FrameSender>>,
    /// Not there while someone has the role.
    pub(super) receiver: Option<Box<FrameReceiver>>,
    /// What is to be sent before anything else: kind, call, credit.
    pub(super) owed: VecDeque<(u16, u64, u32)>,
    /// There is a rest of what was sent, which goes before that: see [`Frames`](capsicum_channel::Frames).
    left: bool,
    /// Who waits to send.
    pub(super) senders: VecDeque<Waiter>,
    pub(super) dead: Option<Dead>,
    /// Why it is dead, where callers do not learn that: to be told once the lock is free.
    pub(super) untold: Option<Error>,
    /// Bytes sent and received.
    pub(super) bytes: u64,
    /// The task that receives, where it is one: with futures.
    pub(super) driver: Option<Waker>,
}

/// What a frame takes of the connection.
pub(super) fn size(frame: &Frame<'_>) -> u64 {
    16 + u64::try_from(frame.payload().len()).unwrap_or(u64::MAX / 2)
}

impl State {
    pub(super) fn new(sender: FrameSender, receiver: FrameReceiver) -> Self {
        Self {
            exchange: Exchange::default(),
            sender: Some(Box::new(sender)),
            receiver: Some(Box::new(receiver)),
            owed: VecDeque::new(),
            left: false,
            senders: VecDeque::new(),
            dead: None,
            untold: None,
            bytes: 0,
            driver: None,
        }
    }

    /// Wakes who can use what is free now. Everyone who stops waiting does that.
    pub(super) fn pass_on(&mut self) {
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
    pub(super) fn wake_sender(&mut self) {
        while let Some(waiter) = self.senders.pop_front() {
            if waiter.wake_for_good() {
                break;
            }
        }
    }

    /// Whether something is to be sent for which there was no room.
    pub(super) fn is_behind(&self) -> bool {
        self.has_rest() || !self.owed.is_empty()
    }

    /// Whether the server has a part only of the last frame.
    pub(super) fn has_rest(&self) -> bool {
        !WHOLE_RECORDS && self.left
    }

    /// Where something is to be sent for which there was no room, whoever receives is to try again.
    pub(super) fn nudge(&mut self) {
        if self.is_behind() {
            self.wake_driver();
        }
    }

    /// Whether there is a task that receives. It is polled, to see what there is to do.
    pub(super) fn wake_driver(&self) -> bool {
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
        self.driver.is_some()
    }

    pub(super) fn die(&mut self, dead: Dead) {
        self.dead.get_or_insert(dead);
        self.owed.clear();
        self.left = false;
        self.wake_driver();
        for waiter in self.exchange.waiters().into_iter().chain(self.senders.drain(..)) {
            waiter.wake();
        }
    }

    /// Takes what was received.
    pub(super) fn received(&mut self, received: Result<Frame<'_>, Error>) -> Result<(), Breach> {
        match received {
            Ok(frame) => {
                self.bytes = self.bytes.saturating_add(size(&frame));
                match self.exchange.deliver(frame) {
                    Ok(Some(waiter)) => waiter.wake(),
                    Ok(None) => {}
                    Err(reason) => {
                        self.die(Dead::Protocol(reason.to_owned()));
                        return Err(Breach);
                    }
                }
                self.wake_sender();
                Ok(())
            }
            Err(error) => self.failed(error),
        }
    }

    /// Takes it that a reply of this size was received by who alone awaited it, and has what is in it.
    pub(super) fn concluded(&mut self, id: u64, size: u64) {
        self.bytes = self.bytes.saturating_add(size);
        self.exchange.conclude(id);
        self.wake_sender();
    }

    /// Takes it that nothing was received.
    #[cold]
    fn failed(&mut self, error: Error) -> Result<(), Breach> {
        match error {
            Error::Deadline => return Ok(()),
            Error::Protocol { reason } => self.die(Dead::Protocol(reason)),
            error => {
                if !matches!(error, Error::Closed) {
                    self.untold = Some(error);
                }
                self.die(Dead::Closed);
            }
        }
        Err(Breach)
    }

    /// Until when to receive who waits until then: not for long where something is to be sent.
    pub(super) fn receives_until(&self, deadline: Option<Instant>) -> Option<Instant> {
        if self.is_behind() { Some(soon(deadline)) } else { deadline }
    }

    /// Sends something before anything else.
    pub(super) fn owe(&mut self, kind: u16, id: u64, credit: u32) {
        self.owed.push_back((kind, id, credit));
        self.post();
        self.nudge();
    }

    /// Sends what is left and what is owed, as far as there is room.
    pub(super) fn post(&mut self) {
        if !self.is_behind() {
            return;
        }
        let Some(mut sender) = self.sender.take() else { return };
        let waited = self.has_rest();
        self.post_by(&mut sender);
        self.sender = Some(sender);
        if waited && !self.has_rest() {
            self.wake_sender();
        }
    }

    pub(super) fn post_by(&mut self, sender: &mut FrameSender) {
        if self.has_rest() && !self.flush_by(sender) {
            return;
        }
        while let Some(&(kind, id, credit)) = self.owed.front() {
            let frame = if kind == wire::CREDIT {
                sender.encode(kind, id, &credit)
            } else {
                Frame::new(kind, id, &[], Vec::new())
            };
            match frame.and_then(|frame| sender.try_send(&frame)) {
                Ok(true) => {
                    self.owed.pop_front();
                    self.left = !sender.is_flushed();
                }
                Ok(false) => return,
                Err(_) => return self.die(Dead::Closed),
            }
        }
    }

    /// Sends what is left, as far as there is room: whether nothing is, or nothing ever will be sent.
    pub(super) fn flush_by(&mut self, sender: &mut FrameSender) -> bool {
        match sender.try_flush() {
            Ok(flushed) => self.left = !flushed,
            Err(_) => self.die(Dead::Closed),
        }
        !self.left
    }

    /// Sends a call, if there is room for it: whether it was sent, or a part of it was.
    pub(super) fn attempt(
        &mut self,
        sender: &mut FrameSender,
        frame: &Frame,
        streams: bool,
    ) -> Result<bool, Failure> {
        let (count, most) = (frame.descriptors().len(), self.exchange.most());
        if count > most {
            return Err(Failure(Why::Unsent(Error::TooManyDescriptors { count, most })));
        }
        if self.dead.is_none() && self.exchange.has_room(count) {
            self.post_by(sender);
            if self.owed.is_empty() {
                match sender.try_send(frame) {
                    Ok(true) => {
                        self.left = !sender.is_flushed();
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

    /// This thread does not wait to send any more. Who waits for an answer is forgotten when that
    /// comes, or is given up.
    pub(super) fn leave(&mut self) {
        self.senders.retain(|waiter| !waiter.is_this_thread());
    }
}
