//! What a channel may write.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Facility, Severities, Severity};
use crate::Limits;

/// In which name, for which facilities and how severely a channel may write. libcasper's service has no
/// limits.
///
/// ```
/// use casper::syslog::{Facility, Severities, Severity, SyslogLimits};
///
/// let limits = SyslogLimits::all()
///     .idents(["exampled"])
///     .facilities([Facility::Daemon])
///     .severities(Severities::from(Severity::Error));
/// # let _ = limits;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct SyslogLimits {
    /// `None`: any.
    idents: Option<BTreeSet<String>>,
    facilities: Option<BTreeSet<Facility>>,
    severities: Severities,
}

impl SyslogLimits {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self {
            idents: Some(BTreeSet::new()),
            facilities: Some(BTreeSet::new()),
            severities: Severities::empty(),
        }
    }

    /// Everything.
    pub fn all() -> Self {
        Self { idents: None, facilities: None, severities: Severities::all() }
    }

    /// No other names than these. That of the program is one like any other.
    pub fn idents<I: Into<String>>(self, idents: impl IntoIterator<Item = I>) -> Self {
        Self { idents: Some(idents.into_iter().map(Into::into).collect()), ..self }
    }

    /// No other facilities than these.
    pub fn facilities(self, facilities: impl IntoIterator<Item = Facility>) -> Self {
        Self { facilities: Some(facilities.into_iter().collect()), ..self }
    }

    /// No other severities than these.
    pub fn severities(self, severities: Severities) -> Self {
        Self { severities, ..self }
    }

    pub(crate) fn allows_ident(&self, ident: &str) -> bool {
        self.idents.as_ref().is_none_or(|idents| idents.contains(ident))
    }

    pub(crate) fn allows_facility(&self, facility: Facility) -> bool {
        self.facilities.as_ref().is_none_or(|facilities| facilities.contains(&facility))
    }

    pub(crate) fn allows_severity(&self, severity: Severity) -> bool {
        self.severities.has(severity)
    }
}

fn fewer<T: Ord>(old: Option<&BTreeSet<T>>, new: Option<&BTreeSet<T>>) -> bool {
    match (old, new) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(old), Some(new)) => new.is_subset(old),
    }
}

impl Limits for SyslogLimits {
    fn unlimited() -> Self {
        Self::all()
    }

    fn narrows(&self, new: &Self) -> bool {
        fewer(self.idents.as_ref(), new.idents.as_ref())
            && fewer(self.facilities.as_ref(), new.facilities.as_ref())
            && self.severities.contains(new.severities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_only_narrow() {
        let all = SyslogLimits::all();
        let daemon = all.clone().facilities([Facility::Daemon]);
        let named = all.clone().idents(["a", "b"]);
        let errors = all.clone().severities(Severities::from(Severity::Error));
        for limits in [&daemon, &named, &errors, &SyslogLimits::nothing()] {
            assert!(all.narrows(limits) && limits.narrows(limits) && !limits.narrows(&all));
            assert!(limits.narrows(&SyslogLimits::nothing()));
        }
        assert!(!daemon.narrows(&named) && !named.narrows(&errors) && !errors.narrows(&daemon));
        assert!(named.narrows(&all.clone().idents(["b"])));
        assert!(!named.narrows(&all.clone().idents(["b", "c"])));
        assert!(!errors.narrows(&all.clone().severities(Severities::ALERT)));
        assert!(!daemon.narrows(&all.facilities([Facility::Daemon, Facility::Auth])));
    }
}
