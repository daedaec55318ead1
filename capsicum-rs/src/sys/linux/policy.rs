//! A policy: what every descriptor number may be used for.
//!
//! A filter sees numbers, not objects. Hence three rules, stated here and held by the table:
//!
//! 1. A number that is granted has its grant; every other number, now and later, has the ceiling.
//! 2. *Narrow*: where a grant lacks something that the ceiling has, no second number may be made
//!    for its object, nor may a new object come out of it ([`Need::Whole`], [`Fact::SomeNarrow`]).
//! 3. *Pinned*: where a grant has something that the ceiling lacks, no other object may take its
//!    number ([`Need::Loose`]). Only then is the object known, and what is known of it counts.

use std::collections::BTreeMap;

use super::{
    ECAPMODE, ENOTCAPABLE, requests,
    rule::{Fact, Need, Refusal, When},
};
use crate::{Limits, Rights, program::Names};

/// What a filter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Limiting descriptors: everything else is free.
    Limit,
    /// Capability mode: what the table does not allow is refused.
    Enter,
    /// Confining a program that may use these names, and those by way of a supervisor.
    Confine(Names, Names),
}

/// What is known of the object behind a pinned number.
#[allow(clippy::struct_excessive_bools)] // Each is a fact of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Object {
    /// It is open for reading only, so that no mapping of it can be made writable.
    pub(super) read_only: bool,
    /// It is a socket whose messages carry no address.
    pub(super) addressless: bool,
    /// It is a directory that leads no further than its tree.
    pub(super) contained: bool,
    /// It is a directory that was open at entry.
    pub(super) known: bool,
    /// It may be a directory, and was limited after entering: of what entering allowed on it by
    /// the rights of then, nothing may be left that these do not allow.
    pub(super) relimited: bool,
}

/// What a number may be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) limits: Limits,
    pub(super) object: Object,
}

/// What becomes of every descriptor number.
#[allow(clippy::struct_excessive_bools)] // Each is a fact of its own.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) kind: Kind,
    /// The numbers that are granted.
    pub(super) granted: BTreeMap<u32, Held>,
    /// All others.
    pub(super) ceiling: Limits,
    /// Whether the process is in capability mode.
    pub(super) capability: bool,
    /// Whether Landlock holds lookups.
    pub(super) landlock: bool,
    /// Whether the process has a private root, and every directory is a copy of its tree.
    pub(super) directories: bool,
    /// Whether directories of other processes may arrive at numbers that are not pinned.
    pub(super) arrives: bool,
    /// Whether stat by a path that may be empty reaches nothing that the rights would not.
    pub(super) statable: bool,
    /// Whether a broker answers lookups from directories that are not known.
    pub(super) brokered: bool,
    /// Whether Landlock holds signals.
    pub(super) signal_scope: bool,
    /// Whether some descriptor that has the ceiling is a socket that takes addresses.
    pub(super) addressable: bool,
    /// Whether something that has less than the ceiling may be opened through procfs.
    pub(super) reopens: bool,
    /// Whether what is refused also raises a signal.
    pub(super) traps: bool,
    /// The process that enters.
    pub(super) pid: u32,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    Refuse(i32),
    /// Refused, and told by `SIGSYS`, with the error number that it would have been.
    Trap(i32),
    /// A supervisor answers it.
    Notify,
    Kill,
}

/// The bit of numbers by which x86_64 kernels tell calls of the x32 ABI.
pub(super) const X32: u32 = 0x4000_0000;

impl Policy {
    /// The error number of a refusal; `None` where this kind of filter lets the call pass.
    pub(super) fn refusal(&self, refusal: Refusal) -> Option<i32> {
        match (self.kind, refusal) {
            (Kind::Limit, Refusal::Global | Refusal::Missing) => None,
            (_, Refusal::Missing) => Some(libc::ENOSYS),
            (_, Refusal::Busy) => Some(libc::EAGAIN),
            (Kind::Limit, Refusal::Probe) => (!self.capability).then_some(ENOTCAPABLE),
            (Kind::Enter, Refusal::Probe | Refusal::Global) => Some(ECAPMODE),
            (Kind::Limit | Kind::Enter, Refusal::NotCapable) => Some(ENOTCAPABLE),
            // Programs that know nothing of capabilities understand this one.
            (Kind::Confine(..), _) => Some(libc::EPERM),
        }
    }

    /// What becomes of a call that is refused so.
    pub(super) fn refuse(&self, refusal: Refusal) -> Verdict {
        match (self.refusal(refusal), refusal) {
            (None, _) => Verdict::Allow,
            // The others are answers that callers know what to do with.
            (Some(errno), Refusal::Global | Refusal::NotCapable) if self.traps => {
                Verdict::Trap(errno)
            }
            (Some(errno), _) => Verdict::Refuse(errno),
        }
    }

    /// What becomes of a call whose descriptor does not meet this.
    pub(super) fn unmet(&self, need: Need) -> Verdict {
        match need {
            Need::Known(_) => Verdict::Notify,
            // What is pinned is closed by every program that is done with it; and what all descriptors
            // have says nothing of those that the call is about.
            Need::Loose(_) | Need::LooseRange(..) | Need::Everywhere(_) => {
                self.refusal(Refusal::NotCapable).map_or(Verdict::Allow, Verdict::Refuse)
            }
            _ => self.refuse(Refusal::NotCapable),
        }
    }

    /// What becomes of a call without a row.
    pub(super) fn unknown(&self) -> Verdict {
        self.refuse(Refusal::Missing)
    }

    /// The limits of a number.
    pub(super) fn limits(&self, number: u32) -> &Limits {
        self.granted.get(&number).map_or(&self.ceiling, |held| &held.limits)
    }

    /// What a number may be used for; the ceiling knows nothing of its objects.
    pub(super) fn held(&self, number: u32) -> Held {
        self.granted.get(&number).cloned().unwrap_or_else(|| self.rest())
    }

    /// What the numbers that are not granted may be used for.
    pub(super) fn rest(&self) -> Held {
        Held { limits: self.ceiling.clone(), object: Object::default() }
    }

    /// Whether a grant has something that the ceiling lacks.
    pub(super) fn pinned(&self, limits: &Limits) -> bool {
        !self.ceiling.contains(limits)
    }

    /// Whether a grant lacks something that the ceiling has.
    pub(super) fn narrow(&self, limits: &Limits) -> bool {
        !limits.contains(&self.ceiling)
    }

    /// The runs of numbers that are pinned, from the first to the last of each.
    pub(super) fn pinned_runs(&self) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for (number, held) in &self.granted {
            if self.pinned(&held.limits) {
                match runs.last_mut() {
                    Some((_, end)) if *end + 1 == *number => *end = *number,
                    _ => runs.push((*number, *number)),
                }
            }
        }
        runs
    }

    fn all(&self) -> impl Iterator<Item = &Limits> {
        self.granted.values().map(|held| &held.limits).chain([&self.ceiling])
    }

    /// What is known when the filter is made.
    pub(super) fn fact(&self, fact: Fact) -> bool {
        match fact {
            Fact::Capability => self.capability,
            Fact::Landlock => self.landlock,
            Fact::Directories => self.directories,
            Fact::Brokered => self.brokered,
            Fact::Statable => self.directories && self.statable,
            Fact::SignalScope => self.signal_scope,
            Fact::Executes => self.all().any(|held| held.rights.contains(Rights::FEXECVE)),
            Fact::MappingsExecute => self.all().all(|held| {
                !held.rights.contains(Rights::MMAP_R) || held.rights.contains(Rights::MMAP_X)
            }),
            Fact::Alters => {
                !matches!(self.kind, Kind::Confine(names, _) if !names.contains(Names::ATTRIBUTES))
            }
            Fact::Reopens => self.reopens,
            Fact::Supervised => {
                matches!(self.kind, Kind::Confine(_, names) if names.contains(Names::METADATA))
            }
            Fact::Watched => self.everywhere(Rights::EVENT),
            Fact::SomeNarrow => self.granted.values().any(|held| self.narrow(&held.limits)),
        }
    }

    /// Whether a confined program may use names of these kinds, if only by way of its supervisor.
    pub(super) fn named(&self, names: Names) -> bool {
        matches!(self.kind, Kind::Confine(allowed, supervised)
            if allowed.union(supervised).contains(names))
    }

    /// What becomes of a call that is allowed where these conditions hold: a supervisor answers it
    /// where a name is not the program's own to use.
    pub(super) fn allowed(&self, when: &[When]) -> Verdict {
        let own = |when: &When| match (self.kind, when) {
            (Kind::Confine(allowed, _), When::Named(names)) => allowed.contains(*names),
            _ => true,
        };
        if when.iter().all(own) { Verdict::Allow } else { Verdict::Notify }
    }

    /// Whether all descriptors have these rights.
    pub(super) fn everywhere(&self, rights: Rights) -> bool {
        self.all().all(|held| held.rights.contains(rights))
    }

    /// Whether a descriptor meets a need that is about it alone; `request` is what `Ioctl` asks.
    pub(super) fn meets(&self, need: Need, held: &Held, request: u32) -> bool {
        let Held { limits, object } = held;
        match need {
            Need::Right(_, rights) => limits.rights.contains(rights),
            Need::Fcntl(_, command) => {
                limits.rights.contains(Rights::FCNTL) && limits.fcntls.contains(command)
            }
            Need::Ioctl(..) => requests::taken(limits).contains(&request),
            Need::Whole(_) => !self.narrow(limits),
            Need::Loose(_) | Need::LooseRange(..) => !self.pinned(limits),
            Need::Known(_) => object.known,
            Need::Emptied(_) => !object.relimited || limits.rights.contains(Rights::LOOKUP),
            Need::Contained(_) => object.contained || !self.arrives,
            Need::MapShared(_) => limits.rights.contains(Rights::MMAP_RW) || object.read_only,
            Need::Message(_) => {
                limits.rights.contains(Rights::WRITE)
                    && (object.addressless
                        || limits.rights.contains(Rights::CONNECT)
                            // What is pinned and takes no address is known to.
                            && !((self.addressable || self.pinned(limits))
                                && self.kind != Kind::Limit))
            }
            Need::Everywhere(rights) => self.everywhere(rights),
        }
    }
}
