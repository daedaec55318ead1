//! Which ioctl(2) requests a descriptor with `IOCTL` still takes.

use std::collections::BTreeSet;

/// The ioctl(2) requests that cap_ioctls_limit(2) governs.
///
/// ```
/// use capsicum_rs::Ioctls;
///
/// let window_size = Ioctls::only([0x5413]);
/// assert!(Ioctls::All.contains_all(&window_size));
/// assert!(!window_size.contains_all(&Ioctls::All));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Ioctls {
    /// Every request. Linux refuses all the same those by which a descriptor reaches beyond
    /// itself (`TIOCSTI`, `TIOCSETD`, `FIOSETOWN`, …).
    All,
    /// These requests only; at most 256, as on FreeBSD.
    Only(BTreeSet<u32>),
}

impl Ioctls {
    /// Just these requests.
    pub fn only(requests: impl IntoIterator<Item = u32>) -> Self {
        Self::Only(requests.into_iter().collect())
    }

    /// No request.
    #[must_use]
    pub const fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Whether every request of `other` is one of these.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(mine), Self::Only(theirs)) => theirs.is_subset(mine),
        }
    }

    /// Whether this request is one of these.
    #[must_use]
    pub fn contains(&self, request: u32) -> bool {
        match self {
            Self::All => true,
            Self::Only(requests) => requests.contains(&request),
        }
    }

    /// The requests that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, set) | (set, Self::All) => set.clone(),
            (Self::Only(mine), Self::Only(theirs)) => {
                Self::only(mine.intersection(theirs).copied())
            }
        }
    }
}
