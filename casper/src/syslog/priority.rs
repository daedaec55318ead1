//! Severities and facilities: syslog(3).

use serde::{Deserialize, Serialize};

/// How severe something is: `LOG_EMERG` to `LOG_DEBUG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Severity {
    /// The system cannot be used. syslogd often tells every user.
    Emergency,
    /// Something must be done at once.
    Alert,
    /// A critical condition.
    Critical,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// What is normal, but to be noticed.
    Notice,
    /// Information.
    Info,
    /// What helps to find a mistake.
    Debug,
}

/// What kind of program says something. A program cannot speak for the kernel, so that there is no
/// `LOG_KERN`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(u8)]
#[allow(missing_docs, reason = "they are syslog(3)'s")]
pub enum Facility {
    #[default]
    User = 1,
    Mail,
    Daemon,
    Auth,
    Syslog,
    Lpr,
    News,
    Uucp,
    Cron,
    AuthPriv,
    Ftp,
    Local0 = 16,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
}

/// A severity, and a facility where it is not that of [`openlog`](super::Syslog::openlog).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Priority {
    pub(crate) severity: Severity,
    pub(crate) facility: Option<Facility>,
}

impl From<Severity> for Priority {
    fn from(severity: Severity) -> Self {
        Self { severity, facility: None }
    }
}

impl From<(Facility, Severity)> for Priority {
    fn from((facility, severity): (Facility, Severity)) -> Self {
        Self { severity, facility: Some(facility) }
    }
}

bitflags::bitflags! {
    /// Some of the severities: the mask of setlogmask(3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Severities: u8 {
        /// `LOG_EMERG`
        const EMERGENCY = 1;
        /// `LOG_ALERT`
        const ALERT = 1 << 1;
        /// `LOG_CRIT`
        const CRITICAL = 1 << 2;
        /// `LOG_ERR`
        const ERROR = 1 << 3;
        /// `LOG_WARNING`
        const WARNING = 1 << 4;
        /// `LOG_NOTICE`
        const NOTICE = 1 << 5;
        /// `LOG_INFO`
        const INFO = 1 << 6;
        /// `LOG_DEBUG`
        const DEBUG = 1 << 7;
    }
}

impl Severities {
    /// This severity and all that are more severe: `LOG_UPTO`.
    #[must_use]
    pub fn up_to(severity: Severity) -> Self {
        Self::from_bits_retain(u8::MAX >> (7 - severity as u8))
    }

    /// This severity and all that are less severe.
    #[must_use]
    pub fn from(severity: Severity) -> Self {
        Self::from_bits_retain(u8::MAX << (severity as u8))
    }

    pub(crate) fn has(self, severity: Severity) -> bool {
        self.bits() & (1 << (severity as u8)) != 0
    }
}

bitflags::bitflags! {
    /// How lines are made: openlog(3).
    ///
    /// There is no `LOG_CONS` and no `LOG_PERROR`: the service has neither the console nor the program's
    /// standard error. `LOG_NDELAY` is how it always is.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Options: u8 {
        /// With the id of the process that opened the service.
        const PID = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_syslog() {
        assert_eq!((Severity::Emergency as i32, Severity::Debug as i32), (0, libc::LOG_DEBUG));
        let facilities = [
            (Facility::User, libc::LOG_USER),
            (Facility::Auth, libc::LOG_AUTH),
            (Facility::AuthPriv, libc::LOG_AUTHPRIV),
            (Facility::Ftp, libc::LOG_FTP),
            (Facility::Local0, libc::LOG_LOCAL0),
            (Facility::Local7, libc::LOG_LOCAL7),
        ];
        for (facility, number) in facilities {
            assert_eq!((facility as i32) << 3, number, "{facility:?}");
        }
        let errors = Severities::up_to(Severity::Error);
        assert!(errors.has(Severity::Error) && !errors.has(Severity::Warning));
        assert_eq!(Severities::up_to(Severity::Debug), Severities::all());
        assert_eq!(Severities::from(Severity::Emergency), Severities::all());
        assert_eq!(Severities::from(Severity::Debug), Severities::DEBUG);
    }
}
