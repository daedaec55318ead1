//! Inputs that kill workers.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::{BuildHasher, Hash},
};

/// How many workers an input may kill.
pub(crate) const LIVES: u32 = 2;
/// How many inputs are remembered: the ones that killed last.
const REMEMBERED: usize = 4096;

/// How many workers which input has killed.
///
/// Of an input a hash is kept, under a key that is the process's own: who sends inputs cannot find one
/// that stands for another.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    hasher: RandomState,
    deaths: HashMap<u64, u32>,
    order: VecDeque<u64>,
}

impl Quarantine {
    pub(crate) fn hash(&self, input: &(impl Hash + ?Sized)) -> u64 {
        self.hasher.hash_one(input)
    }

    pub(crate) fn holds(&self, input: u64) -> bool {
        self.deaths.get(&input).is_some_and(|deaths| *deaths >= LIVES)
    }

    /// It has killed a worker.
    pub(crate) fn killed(&mut self, input: u64) {
        let deaths = self.deaths.entry(input).or_default();
        *deaths += 1;
        if *deaths > 1 {
            return;
        }
        self.order.push_back(input);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.deaths.remove(&oldest);
        }
    }

    /// A worker has survived it: the death before was another's fault.
    pub(crate) fn survived(&mut self, input: u64) {
        if self.deaths.remove(&input).is_some() {
            self.order.retain(|other| *other != input);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_deaths_are_enough_and_a_survival_forgives_one() {
        let mut quarantine = Quarantine::default();
        let (bad, good) = (quarantine.hash("bad"), quarantine.hash("good"));
        quarantine.killed(bad);
        quarantine.killed(good);
        assert!(!quarantine.holds(bad));
        quarantine.survived(good);
        quarantine.killed(bad);
        quarantine.killed(good);
        assert!(quarantine.holds(bad) && !quarantine.holds(good));
    }

    #[test]
    fn memory_is_bounded() {
        let mut quarantine = Quarantine::default();
        for input in 0..3 * REMEMBERED as u64 {
            quarantine.killed(input);
            quarantine.killed(input);
        }
        assert_eq!((quarantine.deaths.len(), quarantine.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!quarantine.holds(0) && quarantine.holds(3 * REMEMBERED as u64 - 1));
    }
}
