//! What a descriptor may still be used for.

use std::fmt;

use crate::{Fcntls, Ioctls, Rights};

/// Rights, and within `FCNTL` and `IOCTL` the commands and requests.
///
/// From rights alone, every command and request is meant where `FCNTL` or `IOCTL` is among them,
/// and none where it is not, as cap_rights_limit(2) leaves it.
///
/// ```
/// use capsicum_rs::{Fcntls, Ioctls, Limits, Rights};
///
/// let limits = Limits::from(Rights::READ | Rights::FCNTL | Rights::IOCTL)
///     .fcntls(Fcntls::GETFL)
///     .ioctls(Ioctls::only([0x541b]));
/// assert!(Limits::ALL.contains(&limits));
/// assert!(!limits.contains(&Limits::from(Rights::WRITE)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// The rights of rights(4).
    pub rights: Rights,
    /// The fcntl(2) commands; none without `FCNTL`.
    pub fcntls: Fcntls,
    /// The ioctl(2) requests; none without `IOCTL`.
    pub ioctls: Ioctls,
}

impl Limits {
    /// Nothing is limited: what a fresh descriptor has.
    pub const ALL: Self = Self { rights: Rights::ALL, fcntls: Fcntls::ALL, ioctls: Ioctls::All };
    /// Nothing is allowed.
    pub const NONE: Self =
        Self { rights: Rights::NONE, fcntls: Fcntls::NONE, ioctls: Ioctls::none() };

    /// With just these fcntl(2) commands.
    #[must_use]
    pub fn fcntls(self, fcntls: Fcntls) -> Self {
        Self { fcntls, ..self }
    }

    /// With just these ioctl(2) requests.
    #[must_use]
    pub fn ioctls(self, ioctls: Ioctls) -> Self {
        Self { ioctls, ..self }
    }

    /// Whether everything that `other` allows is allowed here.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.rights.contains(other.rights)
            && self.fcntls.contains(other.fcntls)
            && self.ioctls.contains_all(&other.ioctls)
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            rights: self.rights & other.rights,
            fcntls: self.fcntls & other.fcntls,
            ioctls: self.ioctls.intersection(&other.ioctls),
        }
    }
}

impl From<Rights> for Limits {
    fn from(rights: Rights) -> Self {
        Self {
            rights,
            fcntls: if rights.contains(Rights::FCNTL) { Fcntls::ALL } else { Fcntls::NONE },
            ioctls: if rights.contains(Rights::IOCTL) { Ioctls::All } else { Ioctls::none() },
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rights)?;
        let unlimited = Self::from(self.rights);
        if self.fcntls != unlimited.fcntls {
            write!(f, " fcntls={:?}", self.fcntls)?;
        }
        match &self.ioctls {
            Ioctls::Only(requests) if self.ioctls != unlimited.ioctls => {
                let requests: Vec<String> =
                    requests.iter().map(|request| format!("{request:#x}")).collect();
                write!(f, " ioctls={{{}}}", requests.join(", "))
            }
            _ => Ok(()),
        }
    }
}
