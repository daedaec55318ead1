//! Rights as text: `READ|SEEK|FSTAT`.

use std::{fmt, str::FromStr};

use bitflags::Flags;

use super::Rights;

/// A name that is no right of rights(4).
///
/// ```
/// # use capsicum_rs::Rights;
/// let error = "READ|RAED".parse::<Rights>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown right `RAED` (names are those of rights(4) without `CAP_`)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown right `{name}` (names are those of rights(4) without `CAP_`)")]
pub struct ParseRightsError {
    /// The name as it was given.
    pub name: String,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("NONE");
        }
        if self.is_all() {
            return f.write_str("ALL");
        }
        let held = || Self::each().filter(|(_, right)| self.contains(*right));
        // A right that another one implies goes without saying: MKDIRAT, not LOOKUP|MKDIRAT.
        let implied =
            |right: Self| held().any(|(_, other)| other != right && other.contains(right));
        let mut separator = "";
        for (name, _) in held().filter(|(_, right)| !implied(*right)) {
            write!(f, "{separator}{name}")?;
            separator = "|";
        }
        // Parts of rights, as a difference may leave them, allow nothing.
        if separator.is_empty() { f.write_str("NONE") } else { Ok(()) }
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

impl FromStr for Rights {
    type Err = ParseRightsError;

    fn from_str(text: &str) -> Result<Self, ParseRightsError> {
        text.split('|').map(str::trim).try_fold(Self::NONE, |rights, name| {
            let right = match name {
                "NONE" => Some(Self::NONE),
                "ALL" => Some(Self::ALL),
                _ => Self::FLAGS.iter().find(|flag| flag.name() == name).map(|flag| *flag.value()),
            };
            right
                .map(|right| rights | right)
                .ok_or_else(|| ParseRightsError { name: name.to_owned() })
        })
    }
}

#[cfg(feature = "serde")]
mod serde_impls {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::Rights;

    impl Serialize for Rights {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Rights {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_prints_as_a_text_that_parses_to_it() {
        for (_, one) in Rights::each() {
            for (_, two) in Rights::each() {
                let set = one | two;
                assert_eq!(set.to_string().parse(), Ok(set));
            }
        }
        assert_eq!("NONE".parse(), Ok(Rights::NONE));
        assert_eq!("ALL".parse(), Ok(Rights::ALL));
    }

    #[test]
    fn parts_of_rights_are_printed_as_nothing() {
        let part = Rights::MKDIRAT.difference(Rights::LOOKUP);
        assert_eq!(part.to_string(), "NONE");
        assert_eq!((part | Rights::READ).to_string(), "READ");
    }

    #[test]
    fn what_is_implied_is_not_printed() {
        assert_eq!((Rights::LOOKUP | Rights::MKDIRAT).to_string(), "MKDIRAT");
        assert_eq!(Rights::PREAD.to_string(), "READ|SEEK");
        assert_eq!(Rights::SEEK_TELL.to_string(), "SEEK_TELL");
    }

    #[test]
    fn a_prefix_an_empty_name_and_a_wrong_case_are_refused() {
        for wrong in ["CAP_READ", "", "READ|", "read"] {
            assert!(wrong.parse::<Rights>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_composite_is_contained_when_its_parts_are() {
        assert!((Rights::READ | Rights::SEEK).contains(Rights::PREAD));
        assert!(!(Rights::READ | Rights::SEEK_TELL).contains(Rights::PREAD));
        assert!(Rights::MMAP_RWX.contains(Rights::MMAP_RX));
        assert!(Rights::SOCK_CLIENT.contains(Rights::SEND));
    }
}
