//! How a process ended.

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus};

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// Its function returned this, or it ended itself with it; 101 is a panic.
    Exited(u8),
    /// By a signal.
    Signalled {
        /// Its number.
        signal: i32,
        /// Whether the kernel wrote a core.
        core: bool,
    },
    /// With the process that keeps it, the zygote, so that nobody could say how.
    Lost,
}

impl End {
    /// Whether it ended with the status 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }

    /// What the worker did that the kernel punishes by death, if it was that. What is merely not
    /// allowed fails; `SIGSYS` is for calls of another architecture's table, which no filter lets
    /// pass. Its number is told to the audit log only, which is the administrator's.
    pub(crate) fn violation(self) -> Option<&'static str> {
        match self {
            Self::Signalled { signal: libc::SIGSYS, .. } => {
                Some("a forbidden system call (SIGSYS)")
            }
            _ => None,
        }
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            (_, Some(signal)) => Self::Signalled { signal, core: status.core_dumped() },
            _ => Self::Lost,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "it ended with the status {code}"),
            Self::Signalled { signal, core: false } => write!(f, "signal {signal} ended it"),
            Self::Signalled { signal, core: true } => {
                write!(f, "signal {signal} ended it, with a core")
            }
            Self::Lost => f.write_str("it ended with the process that keeps it"),
        }
    }
}
