//! What this process has limited, for [`limits_of`](crate::limits_of) and for the next limit: a
//! filter cannot be read back.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::policy::Held;
use crate::{Containment, Limits};

/// What is limited.
#[derive(Debug)]
pub(super) struct Record {
    /// The numbers with limits of their own.
    pub(super) numbers: BTreeMap<u32, Held>,
    /// The limits of all others.
    pub(super) ceiling: Limits,
    /// The level that capability mode was entered at, by this process or its parent.
    pub(super) entered: Option<Containment>,
    /// Whether Landlock holds signals.
    pub(super) signal_scope: bool,
    /// Whether directories of other processes may arrive over a socket.
    pub(super) arrives: bool,
    /// Whether refusals raise a signal.
    pub(super) traps: bool,
}

impl Record {
    /// The limits of a number.
    pub(super) fn limits(&self, number: u32) -> &Limits {
        self.numbers.get(&number).map_or(&self.ceiling, |held| &held.limits)
    }

    /// Whether nothing was ever limited here.
    pub(super) fn is_blank(&self) -> bool {
        self.entered.is_none() && self.numbers.is_empty()
    }
}

static RECORD: Mutex<Record> = Mutex::new(Record {
    numbers: BTreeMap::new(),
    ceiling: Limits::ALL,
    entered: None,
    signal_scope: false,
    arrives: false,
    traps: false,
});

/// The record, for one caller at a time: limits that two threads set come one after the other.
pub(super) fn lock() -> MutexGuard<'static, Record> {
    // It is changed in single steps, so that a panic elsewhere leaves it whole.
    RECORD.lock().unwrap_or_else(PoisonError::into_inner)
}
