//! Sets of descriptor numbers: a few, or all but a few.

use std::collections::BTreeSet;

/// Some descriptor numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Numbers {
    /// These.
    Only(BTreeSet<u32>),
    /// Every one but these.
    AllBut(BTreeSet<u32>),
}

impl Numbers {
    pub(in super::super) fn all() -> Self {
        Self::AllBut(BTreeSet::new())
    }

    pub(in super::super) fn contains(&self, number: u32) -> bool {
        match self {
            Self::Only(these) => these.contains(&number),
            Self::AllBut(others) => !others.contains(&number),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Only(these) if these.is_empty())
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(these), set) | (set, Self::Only(these)) => {
                Self::Only(these.iter().copied().filter(|number| set.contains(*number)).collect())
            }
            (Self::AllBut(some), Self::AllBut(others)) => Self::AllBut(some | others),
        }
    }
}
