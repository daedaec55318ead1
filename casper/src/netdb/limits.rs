//! What a channel may look up.

use serde::{Deserialize, Serialize};

use crate::Limits;

/// The most names that each list of limits has.
pub const MOST_NAMES: usize = 1024;

/// Which protocols and services a channel may look up. What is not stated is not allowed.
///
/// ```
/// use casper::netdb::NetDbLimits;
///
/// let limits = NetDbLimits::nothing().protocol("tcp").protocol("udp").all_services();
/// # let _ = limits;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct NetDbLimits {
    /// `None`: all of them.
    pub(crate) protocols: Option<Vec<String>>,
    services: Option<Vec<String>>,
}

impl NetDbLimits {
    /// Nothing at all.
    pub const fn nothing() -> Self {
        Self { protocols: Some(Vec::new()), services: Some(Vec::new()) }
    }

    /// This protocol too, by this name, or by its number where this is its name or an alias.
    pub fn protocol(mut self, name: &str) -> Self {
        if let Some(names) = &mut self.protocols {
            names.push(name.to_owned());
        }
        self
    }

    /// Every protocol.
    pub fn all_protocols(self) -> Self {
        Self { protocols: None, ..self }
    }

    /// This service too, by this name, or by its port where this is its name or an alias.
    pub fn service(mut self, name: &str) -> Self {
        if let Some(names) = &mut self.services {
            names.push(name.to_owned());
        }
        self
    }

    /// Every service.
    pub fn all_services(self) -> Self {
        Self { services: None, ..self }
    }

    pub(crate) fn allow_protocol(&self, name: &str) -> bool {
        allow(self.protocols.as_ref(), name)
    }

    pub(crate) fn allow_service(&self, name: &str) -> bool {
        allow(self.services.as_ref(), name)
    }

    /// Whether there is any that may be looked up.
    pub(crate) fn allow_some_protocol(&self) -> bool {
        self.protocols.as_ref().is_none_or(|names| !names.is_empty())
    }

    pub(crate) fn allow_some_service(&self) -> bool {
        self.services.as_ref().is_none_or(|names| !names.is_empty())
    }
}

fn allow(held: Option<&Vec<String>>, name: &str) -> bool {
    held.is_none_or(|names| names.iter().any(|known| known == name))
}

fn narrows(old: Option<&Vec<String>>, new: Option<&Vec<String>>) -> bool {
    match new {
        None => old.is_none(),
        Some(new) => new.len() <= MOST_NAMES && new.iter().all(|name| allow(old, name)),
    }
}

impl Limits for NetDbLimits {
    fn unlimited() -> Self {
        Self { protocols: None, services: None }
    }

    fn narrows(&self, new: &Self) -> bool {
        narrows(self.protocols.as_ref(), new.protocols.as_ref())
            && narrows(self.services.as_ref(), new.services.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_only_narrow() {
        let (all, nothing) = (NetDbLimits::unlimited(), NetDbLimits::nothing());
        let tcp = nothing.clone().protocol("tcp");
        assert!(all.narrows(&all) && all.narrows(&tcp) && tcp.narrows(&tcp));
        assert!(tcp.narrows(&nothing));
        for wider in [
            all.clone(),
            tcp.clone().protocol("udp"),
            tcp.clone().all_protocols(),
            tcp.clone().service("ssh"),
            nothing.clone().service("tcp"),
            nothing.all_services(),
        ] {
            assert!(!tcp.narrows(&wider), "{wider:?}");
        }
        let many = (0..=MOST_NAMES).fold(NetDbLimits::nothing(), |many, _| many.protocol("tcp"));
        assert!(!all.narrows(&many));
    }
}
