//! What a server has received and not answered yet.
//!
//! A server reads ahead only while it answers: for credit, and to learn that a call was given up.
//! What it keeps is bounded by what an honest client sends before it waits.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use capsicum_channel::{Caps, Error, Frame, Frames};
use serde::Serialize;

use super::wire;

/// The calls that may wait, the end of each, and credit.
const MOST_AT_ONCE: usize = 2 * wire::IN_FLIGHT + wire::WINDOW as usize;

/// How long sending waits before it looks again at what has come.
const SLICE: Duration = Duration::from_secs(1);

/// The call that is being answered.
#[derive(Debug, Default)]
struct Current {
    id: u64,
    cancelled: bool,
    credit: u32,
    streams: bool,
    answered: bool,
}

/// A connection from a client.
#[derive(Debug)]
pub(crate) struct Inbox {
    frames: Frames,
    /// Whether there is something around the service that takes requests too.
    controlled: bool,
    /// Calls, and whether they have been cancelled.
    queue: VecDeque<(Frame<'static>, bool)>,
    /// Descriptors in the queue, and how many there may be.
    descriptors: usize,
    most: usize,
    /// The number of the next call.
    next: u64,
    current: Current,
    /// What went wrong where it could not be told.
    failed: Option<Error>,
}

impl Inbox {
    pub(crate) fn new(mut frames: Frames, controlled: bool, most: usize) -> Self {
        frames.receive_at_most(most);
        Self {
            frames,
            controlled,
            queue: VecDeque::new(),
            descriptors: 0,
            most,
            next: 0,
            current: Current::default(),
            failed: None,
        }
    }

    pub(crate) fn frames(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// The next call that someone waits for: what `decode` makes of it. Mostly that is where it was received.
    pub(crate) fn next_call<Q>(
        &mut self,
        decode: impl Fn(Frame<'_>, Caps) -> Result<Q, Error>,
    ) -> Result<Q, Error> {
        let caps = self.frames.caps();
        loop {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if let Some((frame, cancelled)) = self.queue.pop_front() {
                self.descriptors -= frame.descriptors().len();
                self.current = Current { id: frame.sequence(), cancelled, ..Current::default() };
                if !cancelled {
                    return decode(frame, caps);
                }
                self.send_empty(wire::CANCELLED)?;
                continue;
            }
            let frame = self.frames.receive_in_place(None)?;
            if !is_call(&frame, self.controlled, &mut self.next)? {
                let frame = frame.into_owned();
                self.note(frame)?;
                continue;
            }
            if frame.descriptors().len() > self.most {
                return Err(Error::protocol("more descriptors than calls may bring"));
            }
            self.current = Current { id: frame.sequence(), ..Current::default() };
            return decode(frame, caps);
        }
    }

    /// Takes what the client has sent while another call is answered.
    fn accept(&mut self, frame: Frame<'static>) -> Result<(), Error> {
        if !is_call(&frame, self.controlled, &mut self.next)? {
            return self.note(frame);
        }
        self.descriptors += frame.descriptors().len();
        if self.queue.len() >= wire::IN_FLIGHT || self.descriptors > self.most {
            return Err(Error::protocol("more calls than may wait for their answer"));
        }
        self.queue.push_back((frame, false));
        Ok(())
    }

    /// Takes what is about a call.
    fn note(&mut self, frame: Frame) -> Result<(), Error> {
        let id = frame.sequence();
        if id >= self.next {
            return Err(Error::protocol("something about a call that was not made"));
        }
        let is_current = id == self.current.id && !self.current.answered;
        match frame.kind() {
            wire::CANCEL => {
                if !frame.payload().is_empty() || frame.descriptors().len() > 0 {
                    return Err(Error::protocol("more than a call's number with its end"));
                }
                let queued = self.queue.iter_mut().find(|(call, _)| call.sequence() == id);
                if let Some((_, cancelled)) = queued {
                    *cancelled = true;
                } else if is_current {
                    self.current.cancelled = true;
                }
                Ok(())
            }
            wire::CREDIT => {
                let credit = frame.decode::<u32>(self.frames.caps())?;
                if is_current && self.current.streams {
                    self.current.credit = self
                        .current
                        .credit
                        .checked_add(credit)
                        .filter(|credit| *credit <= wire::WINDOW)
                        .ok_or_else(|| Error::protocol("more credit than a stream may have"))?;
                }
                Ok(())
            }
            _ => Err(Error::protocol("a kind of frame that clients do not send")),
        }
    }

    /// Takes what is there, without waiting. No more at once than an honest client may have sent: one
    /// that sends without end would have this go on without end.
    fn drain(&mut self) -> Result<(), Error> {
        for _ in 0..MOST_AT_ONCE {
            let Some(frame) = self.frames.try_receive()? else { break };
            self.accept(frame)?;
        }
        Ok(())
    }

    /// Whether nobody waits for the answer any more. What goes wrong is told by the next operation.
    pub(crate) fn cancelled(&mut self) -> bool {
        if self.failed.is_none()
            && let Err(error) = self.drain()
        {
            self.failed = Some(error);
        }
        self.current.cancelled || self.failed.is_some()
    }

    /// Waits until an item may be sent: whether someone still wants it.
    pub(crate) fn wait_for_credit(&mut self) -> Result<bool, Error> {
        self.drain()?;
        while self.current.credit == 0 && !self.current.cancelled {
            let frame = self.frames.receive(None)?;
            self.accept(frame)?;
        }
        Ok(!self.current.cancelled)
    }

    /// Whether the call has its answer.
    pub(crate) fn answered(&self) -> bool {
        self.current.answered
    }

    fn send_frame(&mut self, frame: &Frame) -> Result<(), Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        match frame.kind() {
            wire::STARTED => {
                self.current.streams = true;
                self.current.credit = wire::WINDOW;
            }
            wire::ITEM => self.current.credit = self.current.credit.saturating_sub(1),
            _ => self.current.answered = true,
        }
        let mut taken = self.frames.try_send(frame)?;
        // A client that does not read is waited for, and what it sends meanwhile is taken: its own end may be among it,
        // which then nobody else would ever close.
        while !taken || !self.frames.is_flushed() {
            self.drain()?;
            let slice = Some(Instant::now() + SLICE);
            let sent = if taken {
                self.frames.flush(slice)
            } else {
                self.frames.send(frame, slice).map(|()| taken = true)
            };
            match sent {
                Ok(()) | Err(Error::Deadline) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends a part of the answer that says nothing but its kind.
    pub(crate) fn send_empty(&mut self, kind: u16) -> Result<(), Error> {
        let frame = Frame::new(kind, self.current.id, &[], Vec::new())?;
        self.send_frame(&frame)
    }

    /// Sends a part of the answer, or says why that cannot be: whether it was sent.
    pub(crate) fn send<T: Serialize + ?Sized>(
        &mut self,
        kind: u16,
        value: &T,
    ) -> Result<bool, Error> {
        let unsent = match self.frames.encode(kind, self.current.id, value) {
            Ok(frame) => {
                let sent = self.send_frame(&frame);
                let brings = frame.descriptors().len() > 0;
                self.frames.reuse(frame);
                match sent {
                    // The kernel has not taken the descriptors, and nothing has been sent: on Linux others of
                    // the same user may have too many on their way. That is this call's failure alone.
                    Err(error @ Error::System { .. }) if brings => error,
                    sent => return sent.map(|()| true),
                }
            }
            Err(error) => error,
        };
        let reason = wire::cut(unsent.to_string());
        let frame = self.frames.encode(wire::UNSENDABLE, self.current.id, &reason)?;
        self.send_frame(&frame).map(|()| false)
    }
}

/// Whether it is a call, which is the next one then.
fn is_call(frame: &Frame<'_>, controlled: bool, next: &mut u64) -> Result<bool, Error> {
    match frame.kind() {
        wire::CALL => {}
        wire::CONTROL if controlled => {}
        _ => return Ok(false),
    }
    if frame.sequence() != *next {
        return Err(Error::protocol("a call out of its turn"));
    }
    *next += 1;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who asks whether it was cancelled has an answer, however fast a client sends what means nothing.
    #[test]
    fn a_client_that_sends_without_end_does_not_stop_a_method() {
        let (mut client, server) = Frames::pair().expect("a pair");
        let mut inbox = Inbox::new(server, false, wire::DESCRIPTORS);
        let mut send = |kind, id| {
            let frame = Frame::new(kind, id, &[], Vec::new()).expect("a frame");
            client.try_send(&frame).expect("a server")
        };
        assert!(send(wire::CALL, 0) && send(wire::CALL, 1));
        inbox.next_call(|_, _| Ok(())).expect("a call");
        inbox.send_empty(wire::REPLY).expect("a client");
        inbox.next_call(|_, _| Ok(())).expect("another call");
        // Of one that has been answered.
        while send(wire::CANCEL, 0) {}
        assert!(!inbox.cancelled());
        assert!(inbox.frames().try_receive().expect("a client").is_some(), "all was read at once");
    }
}
