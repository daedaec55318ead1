//! What a channel may resolve.

use serde::{Deserialize, Serialize};

use crate::{Limits, dns::Families};

bitflags::bitflags! {
    /// What is resolved to what: the types of cap_dns(3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Types: u8 {
        /// Names to addresses.
        const NAME2ADDR = 1;
        /// Addresses to names.
        const ADDR2NAME = 1 << 1;
    }
}

/// What a channel may resolve, as cap_dns_type_limit(3) and cap_dns_family_limit(3) have it.
///
/// A request needs its type and its family. What is not stated is not allowed; that an empty list of
/// libcasper's allows everything holds here for neither.
///
/// From [`Casper::native`](crate::Casper::native) IPv6 without IPv4 is
/// [`Error::Unsupported`](crate::Error::Unsupported), and leaves the channel as it was.
///
/// ```
/// use casper::dns::{DnsLimits, Families, Types};
///
/// let limits = DnsLimits::nothing().types(Types::NAME2ADDR).families(Families::V4 | Families::V6);
/// # let _ = limits;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct DnsLimits {
    pub(crate) types: Types,
    pub(crate) families: Families,
}

impl DnsLimits {
    /// Nothing at all.
    pub const fn nothing() -> Self {
        Self { types: Types::empty(), families: Families::empty() }
    }

    /// These types too.
    pub const fn types(self, types: Types) -> Self {
        Self { types: self.types.union(types), ..self }
    }

    /// These families too.
    pub const fn families(self, families: Families) -> Self {
        Self { families: self.families.union(families), ..self }
    }

    pub(crate) fn allow(self, kind: Types) -> bool {
        self.types.contains(kind)
    }

    pub(crate) fn allowed_families(self) -> Families {
        self.families
    }
}

impl Limits for DnsLimits {
    fn unlimited() -> Self {
        Self { types: Types::all(), families: Families::all() }
    }

    fn narrows(&self, new: &Self) -> bool {
        self.types.contains(new.types) && self.families.contains(new.families)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_only_narrow() {
        let all = DnsLimits::unlimited();
        let v4 = DnsLimits::nothing().types(Types::NAME2ADDR).families(Families::V4);
        assert!(all.narrows(&all) && all.narrows(&v4) && v4.narrows(&v4));
        assert!(v4.narrows(&DnsLimits::nothing()));
        for wider in [
            all,
            v4.types(Types::ADDR2NAME),
            v4.families(Families::V6),
            v4.types(Types::from_bits_retain(0x80)),
            v4.families(Families::from_bits_retain(0x80)),
        ] {
            assert!(!v4.narrows(&wider), "{wider:?}");
        }
        // What nothing knows is not in all.
        assert!(!all.narrows(&all.families(Families::from_bits_retain(4))));
        // No family is none, rather than all.
        let none = DnsLimits::nothing().types(Types::all());
        assert!(!none.narrows(&v4) && none.allowed_families().is_empty());
    }
}
