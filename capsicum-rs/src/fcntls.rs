//! Which fcntl(2) commands a descriptor with `FCNTL` still takes.

bitflags::bitflags! {
    /// The fcntl(2) commands that cap_fcntls_limit(2) governs, with its values.
    ///
    /// Commands on the descriptor itself (`F_GETFD`, `F_DUPFD`, …) need no right; locks need
    /// [`Rights::FLOCK`](crate::Rights::FLOCK).
    ///
    /// Linux: `SETOWN` is refused whatever is granted, because it would let the kernel send
    /// signals to other processes.
    ///
    /// ```
    /// use capsicum_rs::{Fcntls, Limits, Rights};
    ///
    /// let limits = Limits::from(Rights::READ | Rights::FCNTL).fcntls(Fcntls::GETFL);
    /// assert!(!limits.fcntls.contains(Fcntls::SETFL));
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Fcntls: u32 {
        /// `F_GETFL`
        const GETFL = 1 << 3;
        /// `F_SETFL`
        const SETFL = 1 << 4;
        /// `F_GETOWN`
        const GETOWN = 1 << 5;
        /// `F_SETOWN`
        const SETOWN = 1 << 6;
    }
}

impl Fcntls {
    /// No command.
    pub const NONE: Self = Self::empty();
    /// Every command.
    pub const ALL: Self = Self::all();
}

#[cfg(feature = "serde")]
mod serde_impls {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::Fcntls;

    impl Serialize for Fcntls {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.iter_names().map(|(name, _)| name))
        }
    }

    impl<'de> Deserialize<'de> for Fcntls {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Vec::<String>::deserialize(deserializer)?.iter().try_fold(Self::NONE, |set, name| {
                let command = Self::from_name(name);
                let unknown = || D::Error::custom(format_args!("unknown fcntl command `{name}`"));
                Ok(set | command.ok_or_else(unknown)?)
            })
        }
    }
}
