//! The table: every system call that the filter knows, and its rule.
//!
//! Nothing else in the tree decides what a system call may do. A call without a row is refused
//! with `ENOSYS`, as a kernel that is older than the call would. `ECAPMODE` is for global names
//! and `ENOTCAPABLE` for missing rights; see [`rule`](super::rule) for the words.
//!
//! The rows of both architectures stand side by side, with the numbers of each. Beside a rule that
//! closes a way out stands the reason; the attacks are in `tests/conformance` and in
//! [`tests`](super::tests).

mod descriptors;
mod files;
mod memory;
mod names;
mod processes;
mod sockets;

#[cfg(capsicum_mutate)]
pub(super) mod mutant;

use super::rule::Rule;

/// The architectures that the table has numbers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// The one this is compiled for.
    pub(super) const HOST: Self =
        if cfg!(target_arch = "x86_64") { Self::X86_64 } else { Self::Aarch64 };

    /// `AUDIT_ARCH_*` of linux/audit.h: what the kernel reports for a native call.
    pub(super) const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("the table of system calls has no numbers for this architecture");

/// A system call and its rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Its name in the kernel.
    pub(super) name: &'static str,
    x86_64: u32,
    aarch64: u32,
    rule: Rule,
}

/// An architecture does not have the call.
const NONE: u32 = u32::MAX;

impl Row {
    /// Its number.
    pub(super) fn number(&self, arch: Arch) -> Option<u32> {
        let number = match arch {
            Arch::X86_64 => self.x86_64,
            Arch::Aarch64 => self.aarch64,
        };
        (number != NONE).then_some(number)
    }

    /// What becomes of it.
    pub(super) fn rule(&self) -> Rule {
        #[cfg(capsicum_mutate)]
        if let Some(rule) = mutant::rule(self) {
            return rule;
        }
        self.rule
    }
}

const fn row(name: &'static str, x86_64: u32, aarch64: u32, rule: Rule) -> Row {
    Row { name, x86_64, aarch64, rule }
}

const FAMILIES: &[&[Row]] =
    &[descriptors::ROWS, files::ROWS, memory::ROWS, names::ROWS, processes::ROWS, sockets::ROWS];

/// All rows.
pub(super) fn table() -> impl Iterator<Item = &'static Row> {
    let rows = FAMILIES.iter().copied().flatten();
    #[cfg(capsicum_mutate)]
    let rows = rows.filter(|row| !mutant::removed(row));
    rows
}

/// The rules that many rows share.
macro_rules! rules {
    (free) => {
        &[Step::Allow(&[])]
    };
    (global) => {
        &[Step::Refuse(&[], Refusal::Global)]
    };
    // Only for a confined program with these names.
    (named $($name:ident)|+) => {
        &[
            Step::Allow(&[When::Named(Names::empty()$(.union(Names::$name))+)]),
            Step::Refuse(&[], Refusal::Global),
        ]
    };
    // With these rights on the descriptor in the argument.
    (on $arg:literal, $($right:ident)|+) => {
        &[
            Step::Need(&[], Need::Right($arg, Rights::empty()$(.union(Rights::$right))+)),
            Step::Allow(&[]),
        ]
    };
    // The same, where what they alter may be altered by descriptor: Landlock does not see it.
    (alter $arg:literal, $($right:ident)|+) => {
        &[
            Step::Need(&[], Need::Right($arg, Rights::empty()$(.union(Rights::$right))+)),
            Step::Allow(&[When::Named(Names::ATTRIBUTES)]),
            Step::Refuse(&[When::Unless(Fact::Alters)], Refusal::Global),
            Step::Allow(&[]),
        ]
    };
    // On the own process only, which 0 names.
    (own $arg:literal) => {
        &[
            Step::Allow(&[When::Named(Names::PROCESSES)]),
            Step::Allow(&[When::Is($arg, 0)]),
            Step::Refuse(&[], Refusal::Global),
        ]
    };
    // Beneath a directory, with these rights on its descriptor.
    (beneath $arg:literal, $right:ident) => {
        &[
            Step::Allow(&[When::Named(Names::PATHS)]),
            Step::Refuse(&[When::Is($arg, AT_FDCWD)], Refusal::Global),
            Step::Need(&[], Need::Right($arg, Rights::$right)),
            Step::Refuse(&[When::Unless(Fact::Landlock)], Refusal::Global),
            Step::Allow(&[]),
        ]
    };
    // No supervisor could do it for the program, and it gives nothing that its other calls would
    // not hold.
    (unsupervised $name:ident) => {
        &[
            Step::Allow(&[When::Fact(Fact::Supervised)]),
            Step::Allow(&[When::Named(Names::$name)]),
            Step::Refuse(&[], Refusal::Global),
        ]
    };
    // By a path that Landlock does not see, from a directory with these rights: only where it
    // leads no further than its tree.
    (unseen $arg:literal, $right:ident, $name:ident) => {
        &[
            Step::Allow(&[When::Named(Names::$name)]),
            Step::Refuse(&[When::Is($arg, AT_FDCWD)], Refusal::Global),
            Step::Need(&[], Need::Right($arg, Rights::$right)),
            Step::Refuse(&[When::Unless(Fact::Directories)], Refusal::Global),
            Step::Need(&[], Need::Contained($arg)),
            Step::Allow(&[]),
        ]
    };
}
use rules;

/// `AT_FDCWD`, as the low half of an argument.
pub(super) const AT_FDCWD: u32 = libc::AT_FDCWD.cast_unsigned();
