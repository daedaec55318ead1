//! Limits as they travel to the process that sets them: by their bits.

use capsicum_rs::{Fcntls, Ioctls, Limits, Rights};
use serde::{Deserialize, Serialize};

/// The rights, the commands, and the requests unless that is all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bounds(u128, u32, Option<Vec<u32>>);

impl From<Limits> for Bounds {
    fn from(limits: Limits) -> Self {
        let requests = match limits.ioctls {
            Ioctls::All => None,
            Ioctls::Only(requests) => Some(requests.into_iter().collect()),
        };
        Self(limits.rights.bits(), limits.fcntls.bits(), requests)
    }
}

impl From<&Bounds> for Limits {
    fn from(bounds: &Bounds) -> Self {
        let Bounds(rights, commands, requests) = bounds;
        Self {
            rights: Rights::from_bits_retain(*rights),
            fcntls: Fcntls::from_bits_retain(*commands),
            ioctls: requests.as_ref().map_or(Ioctls::All, |set| Ioctls::only(set.iter().copied())),
        }
    }
}

#[cfg(test)]
mod tests {
    use capsicum_rs::{Fcntls, Ioctls, Limits, Rights};

    use super::Bounds;

    #[test]
    fn limits_arrive_as_they_were_sent() {
        let some = Limits::from(Rights::READ | Rights::FCNTL | Rights::IOCTL)
            .fcntls(Fcntls::GETFL)
            .ioctls(Ioctls::only([7, 9]));
        for limits in [Limits::ALL, Limits::NONE, some] {
            assert_eq!(Limits::from(&Bounds::from(limits.clone())), limits);
        }
    }
}
