//! The calls of a connection, and what has been answered of them.
//!
//! Nothing here sends or waits: it is what clients of every kind share. A server answers calls in
//! their order, so that every frame it sends belongs to the oldest call without an answer, and
//! whatever else it sends is a breach of the protocol. Of a call that nobody waits for any more
//! everything is dropped as it comes.

use std::collections::VecDeque;

use capsicum_channel::Frame;

use super::{waiter::Waiter, wire};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has come.
    Sent,
    /// Its stream has started.
    Started,
    /// All has come that will.
    Ended,
}

#[derive(Debug)]
struct Call {
    id: u64,
    /// Its method streams.
    streams: bool,
    stage: Stage,
    abandoned: bool,
    /// How many items the server may still send.
    credit: u32,
    /// How many items were taken for which it has got no new credit.
    taken: u32,
    /// How many descriptors it has lent the server's queue.
    lent: usize,
    /// What nobody has taken yet.
    frames: VecDeque<Frame<'static>>,
    waiter: Option<Waiter>,
}

/// The calls that have no answer yet, or one that nobody has taken.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// In the order of their numbers.
    calls: VecDeque<Call>,
    /// How many of them, the first ones, have ended.
    ended: usize,
    next: u64,
    /// Descriptors in the calls without an answer, and how many there may be, if fewer than the server of any
    /// service takes.
    lent: usize,
    fewer: Option<usize>,
    /// Descriptors in answers that nobody has taken.
    kept: usize,
    /// How many of them have someone who is to be told.
    waiting: usize,
}

fn count(frame: &Frame<'_>) -> usize {
    frame.descriptors().len()
}

impl Exchange {
    /// The number of the next call.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The call whose answer is due.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn first(&self) -> Option<u64> {
        self.calls.get(self.ended).map(|call| call.id)
    }

    /// Whether the answer to this call is due, is a single frame, and nobody else waits for one. The first two stay
    /// so while nothing is delivered.
    pub(crate) fn awaits_only(&self, id: u64) -> bool {
        let due = self.calls.get(self.ended);
        self.waiting == 0 && due.is_some_and(|call| call.id == id && !call.streams)
    }

    fn unanswered(&self) -> usize {
        self.calls.len() - self.ended
    }

    fn index(&self, id: u64) -> Option<usize> {
        // Mostly it is the only one.
        match self.calls.front() {
            Some(call) if call.id == id => Some(0),
            _ => self.calls.binary_search_by_key(&id, |call| call.id).ok(),
        }
    }

    fn remove(&mut self, index: usize) {
        self.ended -= usize::from(index < self.ended);
        let call = if index == 0 { self.calls.pop_front() } else { self.calls.remove(index) };
        self.waiting -= usize::from(call.is_some_and(|call| call.waiter.is_some()));
    }

    /// What is counted is what is there, and within its bounds.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check(&self) {
        let calls = || self.calls.iter();
        assert_eq!(self.kept, calls().map(kept).sum::<usize>());
        assert_eq!(self.waiting, calls().filter(|call| call.waiter.is_some()).count());
        assert!(self.kept <= wire::DESCRIPTORS && self.unanswered() <= wire::IN_FLIGHT);
        let ended = |call: &&Call| call.stage == Stage::Ended;
        assert_eq!(self.lent, calls().filter(|call| !ended(call)).map(|call| call.lent).sum());
        assert!(calls().take(self.ended).all(|call| ended(&call)));
        assert!(!calls().skip(self.ended).any(|call| ended(&call)));
        assert!(calls().is_sorted_by(|one, next| one.id < next.id));
        // The start, the items and the end.
        let frames = |call: &Call| call.frames.len();
        assert!(calls().all(|call| frames(call) <= wire::WINDOW as usize + 2));
        assert!(calls().filter(ended).all(|call| frames(call) > 0), "forgotten");
    }

    /// Whether another call may be sent, with so many descriptors.
    pub(crate) fn has_room(&self, descriptors: usize) -> bool {
        self.unanswered() < wire::IN_FLIGHT
            && (self.lent == 0 || self.lent + descriptors <= self.most())
    }

    /// How many descriptors calls may bring, all that are not answered together.
    pub(crate) fn most(&self) -> usize {
        self.fewer.unwrap_or(wire::DESCRIPTORS)
    }

    /// They may bring no more than this.
    pub(crate) fn lend_at_most(&mut self, most: usize) {
        self.fewer = Some(most.min(self.most()));
    }

    /// Enters a call that has been sent.
    pub(crate) fn enter(&mut self, frame: &Frame, streams: bool) {
        let (id, lent) = (self.next, count(frame));
        self.next += 1;
        self.lent += lent;
        self.calls.push_back(Call {
            id,
            streams,
            stage: Stage::Sent,
            abandoned: false,
            credit: if streams { wire::WINDOW } else { 0 },
            taken: 0,
            lent,
            frames: VecDeque::new(),
            waiter: None,
        });
    }

    /// Takes a frame from the server: who is to be told. The error is what was wrong with it.
    pub(crate) fn deliver(&mut self, frame: Frame<'_>) -> Result<Option<Waiter>, &'static str> {
        let ends = self.admit(&frame)?;
        self.keep(frame, ends)
    }

    /// Takes it that the reply to this call was received by who [awaited](Self::awaits_only) it, and has what is
    /// in it.
    pub(crate) fn conclude(&mut self, id: u64) {
        if let Some(call) = self.calls.get(self.ended).filter(|call| call.id == id) {
            self.lent -= call.lent;
            self.remove(self.ended);
        }
    }

    /// Holds a frame to what the server may send, which is about the call whose answer is due: whether it is
    /// the last one of that.
    fn admit(&mut self, frame: &Frame<'_>) -> Result<bool, &'static str> {
        let Some(call) = self.calls.get_mut(self.ended) else {
            return Err("an answer to what was not asked");
        };
        if frame.sequence() != call.id {
            return Err("an answer out of its turn");
        }
        let ends = match frame.kind() {
            wire::REPLY if call.stage == Stage::Sent => true,
            wire::STARTED if call.streams && call.stage == Stage::Sent => {
                call.stage = Stage::Started;
                false
            }
            wire::ITEM if call.stage == Stage::Started => {
                call.credit = call.credit.checked_sub(1).ok_or("more items than were asked for")?;
                false
            }
            wire::END if call.stage == Stage::Started && is_empty(frame) => true,
            wire::CANCELLED if call.abandoned && is_empty(frame) => true,
            wire::PANICKED | wire::UNSENDABLE => true,
            _ => return Err("an answer that is none to this call"),
        };
        if ends {
            call.stage = Stage::Ended;
            self.lent -= call.lent;
        }
        Ok(ends)
    }

    /// Keeps a frame for who waits for its call.
    fn keep(&mut self, frame: Frame<'_>, ends: bool) -> Result<Option<Waiter>, &'static str> {
        let Some(call) = self.calls.get_mut(self.ended) else { return Ok(None) };
        if call.abandoned {
            if ends {
                self.remove(self.ended);
            }
            return Ok(None);
        }
        self.ended += usize::from(ends);
        self.kept += count(&frame);
        if self.kept > wire::DESCRIPTORS {
            return Err("more descriptors than may be kept for those who asked");
        }
        let frame = frame.into_owned();
        call.frames.push_back(frame);
        let waiter = call.waiter.take();
        self.waiting -= usize::from(waiter.is_some());
        Ok(waiter)
    }

    /// The next frame of a call, if it is there; and the credit that the server has earned.
    pub(crate) fn take(&mut self, id: u64) -> Option<(Frame<'static>, Option<u32>)> {
        let index = self.index(id)?;
        let call = self.calls.get_mut(index)?;
        let frame = call.frames.pop_front()?;
        self.kept -= count(&frame);
        let mut credit = None;
        if frame.kind() == wire::ITEM && call.stage != Stage::Ended {
            call.taken += 1;
            if call.taken >= wire::WINDOW / 2 {
                call.credit += call.taken;
                credit = Some(std::mem::take(&mut call.taken));
            }
        }
        if call.stage == Stage::Ended && call.frames.is_empty() {
            self.remove(index);
        }
        Some((frame, credit))
    }

    /// Nobody waits for it any more: whether the server should be told.
    pub(crate) fn abandon(&mut self, id: u64) -> bool {
        let Some(index) = self.index(id) else { return false };
        let Some(call) = self.calls.get_mut(index) else { return false };
        self.kept -= kept(call);
        call.frames = VecDeque::new();
        self.waiting -= usize::from(call.waiter.take().is_some());
        call.abandoned = true;
        if call.stage == Stage::Ended {
            self.remove(index);
            return false;
        }
        true
    }

    /// Who is to be told when something comes for a call.
    pub(crate) fn set_waiter(&mut self, id: u64, waiter: Waiter) {
        let index = self.index(id);
        if let Some(call) = index.and_then(|index| self.calls.get_mut(index)) {
            self.waiting += usize::from(call.waiter.replace(waiter).is_none());
        }
    }

    /// Someone who waits: of those the one whose answer is due first.
    pub(crate) fn a_waiter(&mut self) -> Option<Waiter> {
        // Mostly there is nobody.
        if self.waiting == 0 {
            return None;
        }
        let waiter = self.calls.iter_mut().skip(self.ended).find_map(|call| call.waiter.take());
        self.waiting -= usize::from(waiter.is_some());
        waiter
    }

    /// All who wait.
    pub(crate) fn waiters(&mut self) -> Vec<Waiter> {
        self.waiting = 0;
        self.calls.iter_mut().filter_map(|call| call.waiter.take()).collect()
    }
}

fn is_empty(frame: &Frame<'_>) -> bool {
    frame.payload().is_empty() && count(frame) == 0
}

fn kept(call: &Call) -> usize {
    call.frames.iter().map(count).sum()
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::fd::OwnedFd};

    use super::*;

    fn frame(kind: u16, sequence: u64) -> Frame<'static> {
        Frame::new(kind, sequence, &[], Vec::new()).expect("a frame")
    }

    fn laden(kind: u16, sequence: u64, descriptors: usize) -> Frame<'static> {
        let null = || OwnedFd::from(File::open("/dev/null").expect("/dev/null"));
        let descriptors = (0..descriptors).map(|_| null()).collect();
        Frame::new(kind, sequence, &[], descriptors).expect("a frame")
    }

    /// Calls that are on their way; those in the list stream.
    fn exchange(calls: u64, streams: &[u64]) -> Exchange {
        let mut exchange = Exchange::default();
        for id in 0..calls {
            exchange.enter(&frame(wire::CALL, id), streams.contains(&id));
        }
        exchange
    }

    #[test]
    fn answers_come_in_the_order_of_the_calls() {
        let mut exchange = exchange(2, &[]);
        assert!(exchange.deliver(frame(wire::REPLY, 1)).is_err());
        exchange.deliver(frame(wire::REPLY, 0)).expect("its turn");
        assert!(exchange.deliver(frame(wire::REPLY, 0)).is_err(), "twice");
        exchange.deliver(frame(wire::REPLY, 1)).expect("its turn");
        assert!(exchange.deliver(frame(wire::REPLY, 2)).is_err(), "never asked");
        assert!(exchange.take(1).is_some() && exchange.take(1).is_none());
        assert!(exchange.take(0).is_some());
        assert!(exchange.calls.is_empty() && exchange.ended == 0);
    }

    #[test]
    fn who_awaits_the_answer_that_is_due_alone_concludes_its_call_and_no_other() {
        let mut exchange = exchange(4, &[3]);
        assert!(exchange.awaits_only(0) && !exchange.awaits_only(1), "out of its turn");
        exchange.conclude(1);
        exchange.deliver(frame(wire::REPLY, 0)).expect("its turn");
        assert!(!exchange.awaits_only(0), "it is there");
        exchange.set_waiter(2, Waiter::this_thread());
        assert!(!exchange.awaits_only(1), "another one waits too");
        assert!(exchange.a_waiter().is_some() && exchange.awaits_only(1));
        exchange.conclude(1);
        exchange.check();
        assert!(exchange.take(1).is_none() && !exchange.abandon(1), "nothing is left of it");
        assert!(
            exchange.take(0).is_some() && exchange.awaits_only(2),
            "the others are as they were"
        );
        assert!(exchange.deliver(frame(wire::REPLY, 1)).is_err(), "twice");
        exchange.deliver(frame(wire::REPLY, 2)).expect("its turn");
        assert!(!exchange.awaits_only(3), "it streams");
        exchange.check();
    }

    #[test]
    fn what_a_call_does_not_allow_is_refused() {
        for kind in [wire::STARTED, wire::ITEM, wire::END, wire::CANCELLED, wire::CALL, 0, 99] {
            assert!(exchange(1, &[]).deliver(frame(kind, 0)).is_err(), "{kind}");
        }
        for kind in [wire::ITEM, wire::END, wire::CANCELLED] {
            assert!(exchange(1, &[0]).deliver(frame(kind, 0)).is_err(), "{kind}");
        }
        for kind in [wire::REPLY, wire::STARTED, wire::CANCELLED] {
            let mut exchange = exchange(1, &[0]);
            exchange.deliver(frame(wire::STARTED, 0)).expect("a start");
            assert!(exchange.deliver(frame(kind, 0)).is_err(), "{kind}");
        }
        let mut exchange = exchange(1, &[0]);
        exchange.deliver(frame(wire::STARTED, 0)).expect("a start");
        assert!(exchange.deliver(laden(wire::END, 0, 1)).is_err());
    }

    #[test]
    fn a_server_sends_no_more_items_than_it_has_credit_for() {
        let mut exchange = exchange(1, &[0]);
        exchange.deliver(frame(wire::STARTED, 0)).expect("a start");
        for _ in 0..wire::WINDOW {
            exchange.deliver(frame(wire::ITEM, 0)).expect("within the window");
        }
        // The start, and items: the credit for half a window comes at once.
        let mut credit = 0;
        for _ in 0..=wire::WINDOW {
            credit += exchange.take(0).expect("there").1.unwrap_or(0);
        }
        assert_eq!(credit, wire::WINDOW);
        for _ in 0..wire::WINDOW {
            exchange.deliver(frame(wire::ITEM, 0)).expect("within the window");
        }
        assert!(exchange.deliver(frame(wire::ITEM, 0)).is_err());
    }

    #[test]
    fn what_nobody_waits_for_is_dropped_and_bounded() {
        let mut exchange = exchange(1, &[0]);
        exchange.deliver(frame(wire::STARTED, 0)).expect("a start");
        exchange.deliver(laden(wire::ITEM, 0, 3)).expect("an item");
        assert_eq!(exchange.kept, 3);
        assert!(exchange.abandon(0));
        assert_eq!(exchange.kept, 0);
        for _ in 1..wire::WINDOW {
            exchange.deliver(laden(wire::ITEM, 0, 3)).expect("late");
        }
        assert_eq!(exchange.kept, 0);
        assert!(exchange.deliver(frame(wire::ITEM, 0)).is_err(), "no credit is given any more");
        exchange.deliver(frame(wire::CANCELLED, 0)).expect("the end");
        assert!(exchange.calls.is_empty() && exchange.ended == 0);
        assert!(!exchange.abandon(0));
    }

    #[test]
    fn descriptors_that_nobody_takes_are_bounded() {
        let mut exchange = exchange(40, &[]);
        let mut refused = None;
        for id in 0..40 {
            if let Err(reason) = exchange.deliver(laden(wire::REPLY, id, 32)) {
                refused = Some((id, reason));
                break;
            }
        }
        assert_eq!(refused.map(|(id, _)| id), Some(8));
        let mut exchange = Exchange::default();
        for id in 0..8 {
            assert!(exchange.has_room(32));
            exchange.enter(&laden(wire::CALL, id, 32), false);
        }
        assert!(!exchange.has_room(1) && exchange.has_room(0));
        exchange.deliver(frame(wire::REPLY, 0)).expect("its turn");
        assert!(exchange.has_room(32) && !exchange.has_room(33));
    }

    #[test]
    fn no_more_descriptors_than_the_server_takes() {
        let mut exchange = Exchange::default();
        exchange.lend_at_most(2);
        exchange.lend_at_most(3);
        assert_eq!(exchange.most(), 2);
        exchange.enter(&laden(wire::CALL, 0, 1), false);
        assert!(exchange.has_room(1) && !exchange.has_room(2));
        exchange.deliver(frame(wire::REPLY, 0)).expect("its turn");
        assert!(exchange.has_room(2));
    }

    #[test]
    fn no_more_calls_than_the_server_takes() {
        let mut exchange = exchange(wire::IN_FLIGHT as u64, &[]);
        assert!(!exchange.has_room(0));
        exchange.abandon(0);
        assert!(!exchange.has_room(0), "the server has not answered it");
        exchange.deliver(frame(wire::REPLY, 0)).expect("its turn");
        assert!(exchange.has_room(0));
    }
}
