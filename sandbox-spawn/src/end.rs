//! How a process ended.

use std::{
    fmt,
    os::{fd::RawFd, unix::process::ExitStatusExt},
    process::ExitStatus,
};

use capsicum_rs::SystemCall;

use crate::sys::refusals::Told;

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
    /// By the first system call that it was refused: see
    /// [`Builder::end_at_refusal`](crate::Builder::end_at_refusal).
    Refused(Refusal),
    /// With the process that keeps it, the zygote, so that nobody could say how.
    Lost,
}

impl End {
    /// Whether it ended with the status 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Exited(0)
    }

    /// What the worker did that it may not, if it was ended for that.
    #[must_use]
    pub fn violation(self) -> Option<Violation> {
        match self {
            Self::Refused(refusal) => Some(Violation::Refused(refusal)),
            Self::Signalled { signal: libc::SIGSYS, .. } => Some(Violation::Forbidden),
            _ => None,
        }
    }
}

/// What a worker did that it may not, for which the kernel ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// A system call that it was refused, where that ends it.
    Refused(Refusal),
    /// A system call that ends whoever makes it, by `SIGSYS`: one of another architecture's table, which no
    /// filter lets pass. Its number is told to the audit log only, which is the administrator's. Or one that
    /// was refused, where the process could not tell which.
    Forbidden,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Forbidden => f.write_str("a forbidden system call (SIGSYS)"),
        }
    }
}

/// A system call that a worker was refused, as its own process has told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Refusal {
    /// The number of the call.
    pub number: u32,
    /// Its name in the kernel, where that is known: on Linux.
    pub name: Option<&'static str>,
    /// The descriptor that it was about, where it was about one and that is known: on Linux.
    pub descriptor: Option<RawFd>,
}

impl From<Told> for Refusal {
    fn from(Told { number, arguments }: Told) -> Self {
        let call = SystemCall::of(number);
        let at = call.and_then(|call| call.descriptor);
        let argument = at.zip(arguments).and_then(|(at, arguments)| arguments.get(at).copied());
        // The kernel looks at the low half of it.
        let number_of = |argument: u64| RawFd::try_from(argument & u64::from(u32::MAX)).ok();
        Self { number, name: call.map(|call| call.name), descriptor: argument.and_then(number_of) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "the system call `{name}`")?,
            None => write!(f, "the system call {}", self.number)?,
        }
        self.descriptor.map_or(Ok(()), |descriptor| write!(f, " on descriptor {descriptor}"))
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
            Self::Refused(refusal) => write!(f, "it was refused {refusal}, which ended it"),
            Self::Lost => f.write_str("it ended with the process that keeps it"),
        }
    }
}
