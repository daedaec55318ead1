//! What can go wrong, and how the kernel says no.

use std::{io, os::fd::RawFd};

use crate::{Containment, Limits, sys};

/// Why an operation of this crate was not done. Nothing has changed where one is returned, unless
/// the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More was asked for than the descriptor has: limits only narrow (`ENOTCAPABLE`).
    #[error(
        "descriptor {descriptor} has `{has}` and cannot be given `{asked}`: limits only narrow"
    )]
    NotCapable {
        /// The descriptor.
        descriptor: RawFd,
        /// The limits that were asked for.
        asked: Box<Limits>,
        /// The limits it has.
        has: Box<Limits>,
    },
    /// Something that the running kernel cannot enforce, or not in this situation.
    #[error("{what} cannot be enforced here: {reason}")]
    Unenforceable {
        /// The right, the limit or the mechanism, and the descriptor where there is one.
        what: String,
        /// Why, and what would change it.
        reason: String,
    },
    /// A level of containment was required that this host does not offer.
    #[error("containment `{required}` is not to be had here, `{offered}` is: {reason}")]
    Containment {
        /// What [`Sandbox::require`](crate::Sandbox::require) asked for, or a grant needs.
        required: Containment,
        /// The best that there is.
        offered: Containment,
        /// Why not more.
        reason: String,
    },
    /// The caller has more than one thread and this kernel restricts only the calling one.
    #[error(
        "the process has {threads} threads and {what} applies to the calling one only: \
         enter before starting threads"
    )]
    Threaded {
        /// How many threads there are.
        threads: usize,
        /// What could not be applied to all of them.
        what: &'static str,
    },
    /// The policy does not fit in a filter of the kernel (4,096 instructions).
    #[error("the filter needs {instructions} instructions and the kernel takes {most}: {advice}")]
    TooLarge {
        /// How many the policy needs.
        instructions: usize,
        /// How many there may be.
        most: usize,
        /// Which grants cost most.
        advice: String,
    },
    /// The limits of a descriptor cannot be known: they were set before this program was executed.
    #[error("the limits of descriptor {descriptor} were set by the program that executed this one")]
    Unknown {
        /// The descriptor.
        descriptor: RawFd,
    },
    /// A system call failed.
    #[error("{operation}: {}", describe(source))]
    System {
        /// The call, with the descriptor where there is one.
        operation: String,
        /// What the kernel answered.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(operation: impl Into<String>, source: io::Error) -> Self {
        Self::System { operation: operation.into(), source }
    }

    /// The error number that the system has for this, where it has one.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        match self {
            Self::NotCapable { .. } => Some(sys::ENOTCAPABLE),
            Self::System { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error.raw_os_error() {
            Some(code) => Self::from_raw_os_error(code),
            None => Self::new(io::ErrorKind::Unsupported, error),
        }
    }
}

/// Which refusal of capability mode an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CapabilityError {
    /// `ECAPMODE`: the operation uses a global name, and there are none in capability mode.
    CapabilityMode,
    /// `ENOTCAPABLE`: the descriptor lacks a right, or a lookup would leave its directory.
    NotCapable,
}

impl std::fmt::Display for CapabilityError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CapabilityMode => "not permitted in capability mode",
            Self::NotCapable => "the descriptor lacks the right",
        })
    }
}

/// Tells a refusal by this crate or by Capsicum from other errors.
///
/// FreeBSD: `ECAPMODE` (94) and `ENOTCAPABLE` (93). Linux: the filter's own numbers, 134 and 135
/// (those of the former Linux port of Capsicum), and, in capability mode only, `EACCES`, with
/// which Landlock refuses what lies outside the granted directories; file permissions answer
/// `EACCES` too, and cannot be told apart from it.
///
/// ```
/// use capsicum_rs::is_capability_error;
///
/// let missing = std::fs::File::open("/nonexistent").unwrap_err();
/// assert_eq!(is_capability_error(&missing), None);
/// ```
#[must_use]
pub fn is_capability_error(error: &io::Error) -> Option<CapabilityError> {
    match error.raw_os_error()? {
        sys::ECAPMODE => Some(CapabilityError::CapabilityMode),
        sys::ENOTCAPABLE => Some(CapabilityError::NotCapable),
        other if sys::refuses_with(other) && crate::sandboxed() => {
            Some(CapabilityError::NotCapable)
        }
        _ => None,
    }
}

/// An error in words, also where it is a refusal of capability mode, for which few C libraries have any.
///
/// ```
/// use std::io::{self, ErrorKind};
///
/// use capsicum_rs::{describe, is_capability_error};
///
/// assert_eq!(describe(&io::Error::new(ErrorKind::NotFound, "no such thing")), "no such thing");
/// // 135 is ENOTCAPABLE on Linux, 93 is FreeBSD's.
/// let mut numbers = [93, 135].map(io::Error::from_raw_os_error).into_iter();
/// let refused = numbers.find(|error| is_capability_error(error).is_some()).unwrap();
/// assert!(describe(&refused).starts_with("the descriptor lacks the right (os error "));
/// ```
#[must_use]
pub fn describe(error: &io::Error) -> String {
    match (error.raw_os_error(), is_capability_error(error)) {
        (Some(number @ (sys::ECAPMODE | sys::ENOTCAPABLE)), Some(refusal)) => {
            format!("{refusal} (os error {number})")
        }
        _ => error.to_string(),
    }
}
