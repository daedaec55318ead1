//! The workers of a pool: which is idle, and when another may be started.
//!
//! Nothing here waits or looks at a clock: the time is told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::call::{Client, Peer};

/// A worker and what it has done.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) client: Client,
    pub(crate) calls: u64,
}

#[derive(Debug)]
enum State {
    /// There is no worker.
    Empty,
    /// There is one that waits for a call.
    Idle(Live),
    /// One is being started.
    Starting,
    /// It has a call.
    Busy(Arc<dyn Peer>),
}

#[derive(Debug)]
struct Slot {
    state: State,
    /// How many workers failed in a row.
    failures: u32,
    /// Until when none is started.
    not_before: Option<Instant>,
}

/// How long to wait with another worker after one has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackOff {
    pub(crate) first: Duration,
    pub(crate) ceiling: Duration,
}

impl BackOff {
    /// After so many failures in a row. The first worker after one that was well comes at once.
    fn after(self, failures: u32) -> Duration {
        match failures {
            0 | 1 => Duration::ZERO,
            more => {
                let factor = 1_u32.checked_shl(more - 2).unwrap_or(u32::MAX);
                self.first.saturating_mul(factor).min(self.ceiling)
            }
        }
    }
}

/// What there is for a call.
#[derive(Debug)]
pub(crate) enum Taken {
    /// A worker.
    Worker(usize, Live),
    /// A place for one, which is to be started; whether the one before failed.
    Place(usize, bool),
    /// Nothing. From then on one may be started.
    Nothing(Option<Instant>),
}

/// What a call did to its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It is as before.
    Well,
    /// It is to be replaced, and has done nothing wrong.
    Recycle,
    /// It has died, or is to.
    Failed,
}

/// The workers of a pool.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    back_off: BackOff,
}

impl Slots {
    pub(crate) fn new(count: usize, back_off: BackOff) -> Self {
        let slot = || Slot { state: State::Empty, failures: 0, not_before: None };
        Self { slots: (0..count).map(|_| slot()).collect(), back_off }
    }

    /// Takes an idle worker, or else a place for one.
    pub(crate) fn take(&mut self, now: Instant) -> Taken {
        let idle = |slot: &Slot| matches!(slot.state, State::Idle(_));
        if let Some(index) = self.slots.iter().position(idle) {
            let slot = &mut self.slots[index];
            if let State::Idle(live) = std::mem::replace(&mut slot.state, State::Starting) {
                slot.state = State::Busy(Arc::clone(live.client.peer()));
                return Taken::Worker(index, live);
            }
        }
        let mut soonest = None;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if !matches!(slot.state, State::Empty) {
                continue;
            }
            match slot.not_before {
                Some(at) if at > now => {
                    soonest = Some(soonest.map_or(at, |soonest: Instant| soonest.min(at)));
                }
                _ => {
                    slot.state = State::Starting;
                    return Taken::Place(index, slot.failures > 0);
                }
            }
        }
        Taken::Nothing(soonest)
    }

    /// A worker has been started in its place, for a call.
    pub(crate) fn started(&mut self, index: usize, peer: Arc<dyn Peer>) {
        self.slots[index].state = State::Busy(peer);
    }

    /// A call has ended, or a start has failed: what is left of the worker.
    pub(crate) fn give_back(
        &mut self,
        index: usize,
        live: Option<Live>,
        health: Health,
        now: Instant,
    ) -> Option<Live> {
        let back_off = self.back_off;
        let slot = &mut self.slots[index];
        if health == Health::Failed {
            slot.failures = slot.failures.saturating_add(1);
            slot.not_before = now.checked_add(back_off.after(slot.failures));
        } else {
            slot.failures = 0;
            slot.not_before = None;
        }
        match live {
            Some(live) if health == Health::Well => {
                slot.state = State::Idle(live);
                None
            }
            other => {
                slot.state = State::Empty;
                other
            }
        }
    }

    /// Takes all idle workers away.
    pub(crate) fn idle(&mut self) -> Vec<Live> {
        let take = |slot: &mut Slot| match std::mem::replace(&mut slot.state, State::Empty) {
            State::Idle(live) => Some(live),
            other => {
                slot.state = other;
                None
            }
        };
        self.slots.iter_mut().filter_map(take).collect()
    }

    /// Those that have a call.
    pub(crate) fn busy(&self) -> Vec<Arc<dyn Peer>> {
        let peer = |slot: &Slot| match &slot.state {
            State::Busy(peer) => Some(Arc::clone(peer)),
            _ => None,
        };
        self.slots.iter().filter_map(peer).collect()
    }

    /// How many are idle, and how many are busy or being started.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let idle = self.slots.iter().filter(|slot| matches!(slot.state, State::Idle(_))).count();
        let empty = self.slots.iter().filter(|slot| matches!(slot.state, State::Empty)).count();
        (idle, self.slots.len() - idle - empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_up_to_its_ceiling() {
        let back_off =
            BackOff { first: Duration::from_millis(10), ceiling: Duration::from_secs(1) };
        let millis: Vec<_> =
            (0..=10).map(|failures| back_off.after(failures).as_millis()).collect();
        assert_eq!(millis, [0, 0, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(back_off.after(u32::MAX), back_off.ceiling);
    }
}
