//! A policy in words.

use std::{fmt, os::fd::RawFd};

use crate::{Containment, Limits, Missing, sys};

/// What [`Sandbox::enter`](crate::Sandbox::enter) would do, from
/// [`Sandbox::explain`](crate::Sandbox::explain). `Display` prints all of it.
///
/// It tells what entering adds: what an earlier filter, the file system's permissions or another
/// sandbox refuses stays refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The level that would hold.
    pub containment: Containment,
    /// What in the kernel would decide.
    pub mechanism: String,
    /// The descriptors with limits of their own, by number.
    pub grants: Vec<GrantRule>,
    /// The limits of all other descriptors.
    pub ceiling: Limits,
    /// What was asked for and would not be there, as in [`Entered`](crate::Entered).
    pub missing: Vec<Missing>,
    /// The system calls that are known by name, by name.
    pub calls: Vec<CallRule>,
    /// What becomes of a call that is not among them.
    pub others: String,
}

/// What becomes of a descriptor that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantRule {
    /// Its number.
    pub descriptor: RawFd,
    /// What it may be used for.
    pub limits: Limits,
    /// Linux: why it cannot be closed or replaced, where it has more than the ceiling.
    pub pinned: Option<String>,
    /// Linux: why nothing new can be made of it, where it has less than the ceiling.
    pub narrow: Option<String>,
}

/// What becomes of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRule {
    /// Its name in the kernel.
    pub name: &'static str,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// A system call as a refusal tells it: see [`Sandbox::trap_refusals`](crate::Sandbox::trap_refusals).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemCall {
    /// Its name in the kernel.
    pub name: &'static str,
    /// Which of its arguments, from 0, is the descriptor that it is about, if any.
    pub descriptor: Option<usize>,
}

impl SystemCall {
    /// The call of this number; `None` for numbers that this library knows nothing of. FreeBSD: it knows
    /// none.
    ///
    /// ```
    /// use capsicum_rs::SystemCall;
    ///
    /// # #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    /// assert_eq!(SystemCall::of(1).map(|call| (call.name, call.descriptor)), Some(("write", Some(0))));
    /// assert_eq!(SystemCall::of(u32::MAX), None);
    /// ```
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        sys::system_call(number)
    }
}

/// What becomes of a system call, by its arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// It is allowed, whatever they are.
    Allowed,
    /// It is refused, whatever they are.
    Refused {
        /// With one of these error numbers.
        errors: Vec<i32>,
    },
    /// It depends on them.
    Depends {
        /// Linux: step by step; the first that applies decides. Where the steps only say on which
        /// descriptors, each must hold, and other descriptors are refused with `ENOTCAPABLE`.
        ///
        /// FreeBSD: the rights that the call may need, and which descriptors have them.
        steps: Vec<String>,
    },
}

impl Explanation {
    /// What becomes of one call; `None` for a call that is not known by name.
    #[must_use]
    pub fn call(&self, name: &str) -> Option<&CallRule> {
        self.calls.iter().find(|call| call.name == name)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "level: {}", self.containment)?;
        writeln!(f, "held by: {}", self.mechanism)?;
        for grant in &self.grants {
            writeln!(f, "{grant}")?;
        }
        writeln!(f, "every other descriptor: `{}`", self.ceiling)?;
        for Missing { what, reason } in &self.missing {
            writeln!(f, "missing: {what}: {reason}")?;
        }
        writeln!(f, "system calls:")?;
        // Calls of one outcome are one line: the certain ones first, then in the order of names.
        let mut groups: Vec<(&Outcome, Vec<&str>)> = Vec::new();
        for CallRule { name, outcome } in &self.calls {
            match groups.iter_mut().find(|(other, _)| *other == outcome) {
                Some((_, names)) => names.push(name),
                None => groups.push((outcome, vec![name])),
            }
        }
        let (uncertain, mut certain): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(outcome, _)| matches!(outcome, Outcome::Depends { .. }));
        certain.sort();
        for (outcome, names) in certain {
            writeln!(f, "  {outcome}: {}", names.join(", "))?;
        }
        for (outcome, names) in uncertain {
            writeln!(f, "  {}: {outcome}", names.join(", "))?;
        }
        write!(f, "  any other call: {}", self.others)
    }
}

impl fmt::Display for GrantRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "descriptor {}: `{}`", self.descriptor, self.limits)?;
        if let Some(why) = &self.pinned {
            write!(f, "\n  pinned: {why}")?;
        }
        if let Some(why) = &self.narrow {
            write!(f, "\n  narrow: {why}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CallRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.outcome)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed => f.write_str("always allowed"),
            Self::Refused { errors } => {
                let names: Vec<String> = errors.iter().map(|errno| error_name(*errno)).collect();
                write!(f, "always refused with {}", names.join(" or "))
            }
            Self::Depends { steps } => f.write_str(&steps.join("; ")),
        }
    }
}

/// The name of an error number that filters refuse with.
pub(crate) fn error_name(errno: i32) -> String {
    match errno {
        sys::ECAPMODE => "ECAPMODE".to_owned(),
        sys::ENOTCAPABLE => "ENOTCAPABLE".to_owned(),
        libc::ENOSYS => "ENOSYS".to_owned(),
        libc::EAGAIN => "EAGAIN".to_owned(),
        libc::EPERM => "EPERM".to_owned(),
        other => format!("the error number {other}"),
    }
}

/// Numbers in the order that they are given, runs of more than two by their ends: `1, 3 to 9`.
pub(crate) fn numbers(sorted: impl IntoIterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in sorted {
        match runs.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(number) => *end = number,
            _ => runs.push((number, number)),
        }
    }
    let words = runs.into_iter().map(|(from, to)| match to - from {
        0 => from.to_string(),
        1 => format!("{from}, {to}"),
        _ => format!("{from} to {to}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_numbers_are_written_by_their_ends() {
        assert_eq!(numbers([]), "");
        assert_eq!(numbers([1, 3, 4, 7, 8, 9, u32::MAX]), "1, 3, 4, 7 to 9, 4294967295");
    }

    #[test]
    fn calls_of_one_outcome_are_one_line_and_the_certain_ones_come_first() {
        let call = |name, outcome| CallRule { name, outcome };
        let depends = || Outcome::Depends { steps: vec!["on descriptor 3".to_owned()] };
        let explanation = Explanation {
            containment: Containment::Descriptors,
            mechanism: "a filter".to_owned(),
            grants: Vec::new(),
            ceiling: Limits::NONE,
            missing: Vec::new(),
            calls: vec![
                call("bpf", Outcome::Refused { errors: vec![sys::ECAPMODE] }),
                call("brk", Outcome::Allowed),
                call("read", depends()),
                call("readv", depends()),
                call("time", Outcome::Allowed),
            ],
            others: "refused with ENOSYS".to_owned(),
        };
        assert_eq!(
            explanation.to_string(),
            "level: Descriptors\nheld by: a filter\nevery other descriptor: `NONE`\n\
             system calls:\n  always allowed: brk, time\n  always refused with ECAPMODE: bpf\n  \
             read, readv: on descriptor 3\n  any other call: refused with ENOSYS"
        );
    }
}
