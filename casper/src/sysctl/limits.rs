//! Which sysctls a channel may ask for.

use serde::{Deserialize, Serialize};

use crate::Limits;

bitflags::bitflags! {
    /// What may be done with a sysctl: `CAP_SYSCTL_READ` and its like of cap_sysctl(3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Access: u8 {
        /// Reading it, its size included, and its MIB.
        const READ = 1;
        /// Writing it.
        const WRITE = 1 << 1;
        /// What is allowed is allowed for all that is beneath it too.
        const RECURSIVE = 1 << 2;
    }
}

/// The most entries that limits have: each is compared with each that there was before.
pub const MOST_ENTRIES: usize = 1024;

/// By what a sysctl is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Key {
    Name(String),
    Mib(Vec<i32>),
}

impl Key {
    /// Whether this is `other`, or it is above that.
    fn is_above(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(name), Self::Name(other)) => other
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
            (Self::Mib(mib), Self::Mib(other)) => other.starts_with(mib),
            _ => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) access: Access,
}

/// Which sysctls a channel may read and write, as cap_sysctl_limit(3) has it.
///
/// Requests by name are held against the names, and those by MIB against the MIBs: to allow both, state
/// both. What one entry allows is not added up with another one's: who may read and write states
/// `READ | WRITE` in one. There are [`MOST_ENTRIES`] at most.
///
/// ```
/// use casper::sysctl::{Access, SysctlLimits};
///
/// let limits = SysctlLimits::nothing()
///     .name("kernel.ostype", Access::READ)
///     .name("net.ipv4", Access::READ | Access::RECURSIVE);
/// # let _ = limits;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct SysctlLimits {
    /// `None`: no limits.
    pub(crate) entries: Option<Vec<Entry>>,
}

impl SysctlLimits {
    /// No sysctl at all.
    pub fn nothing() -> Self {
        Self { entries: Some(Vec::new()) }
    }

    /// This one too, by name.
    pub fn name(self, name: &str, access: Access) -> Self {
        self.with(Key::Name(name.to_owned()), access)
    }

    /// This one too, by MIB. Linux has none.
    pub fn mib(self, mib: &[i32], access: Access) -> Self {
        self.with(Key::Mib(mib.to_owned()), access)
    }

    fn with(mut self, key: Key, access: Access) -> Self {
        if let Some(entries) = &mut self.entries {
            entries.push(Entry { key, access });
        }
        self
    }

    /// Whether something may be done with a sysctl, and with `RECURSIVE` with all beneath it.
    pub(crate) fn allows(&self, key: &Key, access: Access) -> bool {
        let Some(entries) = &self.entries else { return true };
        entries.iter().any(|entry| {
            let recursive = entry.access.contains(Access::RECURSIVE);
            entry.access.contains(access)
                && (entry.key == *key || (recursive && entry.key.is_above(key)))
        })
    }
}

impl Limits for SysctlLimits {
    fn unlimited() -> Self {
        Self { entries: None }
    }

    fn narrows(&self, new: &Self) -> bool {
        match &new.entries {
            None => self.entries.is_none(),
            Some(new) => {
                new.len() <= MOST_ENTRIES
                    && new.iter().all(|entry| self.allows(&entry.key, entry.access))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(name: &str, access: Access) -> SysctlLimits {
        SysctlLimits::nothing().name(name, access)
    }

    #[test]
    fn what_is_beneath_is_allowed_only_recursively() {
        let key = |name: &str| Key::Name(name.to_owned());
        let flat = limits("net.ipv4", Access::READ);
        let deep = limits("net.ipv4", Access::READ | Access::RECURSIVE);
        assert!(flat.allows(&key("net.ipv4"), Access::READ));
        assert!(!flat.allows(&key("net.ipv4.ip_forward"), Access::READ));
        assert!(deep.allows(&key("net.ipv4.ip_forward"), Access::READ));
        assert!(!deep.allows(&key("net.ipv4x"), Access::READ));
        assert!(!deep.allows(&key("net"), Access::READ));
        assert!(!deep.allows(&key("net.ipv4.ip_forward"), Access::WRITE));
        assert!(!deep.allows(&Key::Mib(vec![4]), Access::READ));
    }

    #[test]
    fn limits_only_narrow() {
        let (read, both) = (Access::READ, Access::READ | Access::WRITE);
        let all = SysctlLimits::unlimited();
        assert!(all.narrows(&all) && all.narrows(&limits("a", both)));
        assert!(!limits("a", both).narrows(&all));
        assert!(limits("a", both).narrows(&limits("a", read)));
        assert!(!limits("a", read).narrows(&limits("a", both)));
        assert!(!limits("a", read).narrows(&limits("a", read | Access::RECURSIVE)));
        assert!(!limits("a", read).narrows(&limits("b", read)));
        assert!(limits("a", read).narrows(&SysctlLimits::nothing()));
        assert!(!SysctlLimits::nothing().narrows(&limits("a", read)));
        let deep = limits("a", read | Access::RECURSIVE);
        assert!(deep.narrows(&limits("a.b", read | Access::RECURSIVE)));
        assert!(!deep.narrows(&limits("a.b", Access::WRITE)));
        // A bit that nothing knows is nothing that the old limits have.
        assert!(!deep.narrows(&limits("a.b", Access::from_bits_retain(0x80))));
        let many = (0..=MOST_ENTRIES).fold(limits("a", read), |many, _| many.name("a", read));
        assert!(!all.narrows(&many));
        // Two entries do not add up to one.
        let apart = limits("a", read).name("a", Access::WRITE);
        assert!(!apart.narrows(&limits("a", both)));
    }

    #[test]
    fn mibs_are_compared_number_by_number() {
        let deep = SysctlLimits::nothing().mib(&[1, 14], Access::READ | Access::RECURSIVE);
        assert!(deep.allows(&Key::Mib(vec![1, 14, 1]), Access::READ));
        assert!(!deep.allows(&Key::Mib(vec![1]), Access::READ));
        assert!(!deep.allows(&Key::Mib(vec![1, 140]), Access::READ));
    }
}
