//! The same policy, by others: `seccompiler` and libseccomp.
//!
//! Calls that we allow whatever their arguments they allow too. Those whose descriptor the figures
//! are about they check for it; every other call whose arguments we look at they simply allow,
//! which favours them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{
    fixture::{CHECKED, Fixture},
    program::{Insn, Printed},
};

/// A policy that others can express.
pub(crate) struct Allowlist {
    free: Vec<i64>,
    checked: Vec<(i64, Vec<i32>)>,
}

impl Allowlist {
    pub(crate) fn new(printed: &Printed, fixture: &Fixture) -> Self {
        let checked: Vec<(i64, Vec<i32>)> = CHECKED
            .iter()
            .map(|(call, kinds)| (*call, fixture.of(kinds)))
            .filter(|(_, numbers)| !numbers.is_empty())
            .collect();
        let is_checked = |call: &i64| CHECKED.iter().any(|(other, _)| other == call);
        let all = printed.free.iter().chain(&printed.conditional).copied();
        Self { free: all.filter(|call| !is_checked(call)).collect(), checked }
    }

    /// Every call that it knows.
    pub(crate) fn calls(&self) -> impl Iterator<Item = i64> {
        self.free.iter().copied().chain(self.checked.iter().map(|(call, _)| *call))
    }
}

/// Who compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Seccompiler,
    /// As it comes: calls one after the other.
    Libseccomp,
    /// With its search tree (`SCMP_FLTATR_CTL_OPTIMIZE` 2).
    LibseccompTree,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [Self::Seccompiler, Self::Libseccomp, Self::LibseccompTree];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seccompiler => "seccompiler",
            Self::Libseccomp => "libseccomp",
            Self::LibseccompTree => "libseccomp/tree",
        }
    }

    /// Whether this program was built with it.
    pub(crate) fn there(self) -> bool {
        self == Self::Seccompiler || cfg!(feature = "libseccomp")
    }

    /// The program, and how long it took to make.
    pub(crate) fn compile(self, list: &Allowlist) -> Result<(Vec<Insn>, Duration)> {
        let started = Instant::now();
        let program = match self {
            Self::Seccompiler => seccompiler(list)?,
            Self::Libseccomp => c_library::compile(list, 1)?,
            Self::LibseccompTree => c_library::compile(list, 2)?,
        };
        Ok((program, started.elapsed()))
    }
}

fn seccompiler(list: &Allowlist) -> Result<Vec<Insn>> {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        list.free.iter().map(|call| (*call, Vec::new())).collect();
    for (call, numbers) in &list.checked {
        for number in numbers {
            let number = u64::from(number.cast_unsigned());
            let condition =
                SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, number)?;
            rules.entry(*call).or_default().push(SeccompRule::new(vec![condition])?);
        }
    }
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into().context("an architecture")?;
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(program
        .iter()
        .map(|insn| Insn { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k })
        .collect())
}

#[cfg(feature = "libseccomp")]
mod c_library {
    use std::io::{Read, Seek};

    use anyhow::{Context, Result};
    use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};

    use super::Allowlist;
    use crate::program::Insn;

    pub(super) fn compile(list: &Allowlist, optimize: u32) -> Result<Vec<Insn>> {
        let mut filter = ScmpFilterContext::new(ScmpAction::Errno(libc::EPERM))?;
        filter.set_ctl_optimize(optimize)?;
        let call = |number: i64| Ok::<_, anyhow::Error>(ScmpSyscall::from(i32::try_from(number)?));
        for number in &list.free {
            filter.add_rule(ScmpAction::Allow, call(*number)?)?;
        }
        for (number, descriptors) in &list.checked {
            for fd in descriptors {
                let value = u64::from(fd.cast_unsigned());
                let is = ScmpArgCompare::new(0, ScmpCompareOp::Equal, value);
                filter.add_rule_conditional(ScmpAction::Allow, call(*number)?, &[is])?;
            }
        }
        let mut memory = std::fs::File::from(crate::sys::memory(0)?);
        filter.export_bpf(&memory)?;
        memory.rewind()?;
        let mut bytes = Vec::new();
        memory.read_to_end(&mut bytes)?;
        let insn = |bytes: &[u8]| {
            let (code, rest) = bytes.split_first_chunk::<2>()?;
            let ([jt, jf], rest) = rest.split_first_chunk::<2>()?;
            let k = u32::from_ne_bytes(*rest.first_chunk()?);
            Some(Insn { code: u16::from_ne_bytes(*code), jt: *jt, jf: *jf, k })
        };
        let program: Option<Vec<Insn>> = bytes.chunks(8).map(insn).collect();
        program.context("libseccomp wrote something else")
    }
}

#[cfg(not(feature = "libseccomp"))]
mod c_library {
    use anyhow::{Result, bail};

    pub(super) fn compile(_: &super::Allowlist, _: u32) -> Result<Vec<crate::program::Insn>> {
        bail!("built without libseccomp")
    }
}
