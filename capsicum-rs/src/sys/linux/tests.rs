//! Asking filters, through the interpreter, what they say of calls.
//!
//! [`table`] checks the table's form; [`agree`] that the compiled filters and the plain model say
//! the same; [`explain`] that what is told of them is so; the others say, without the table, what each call must come to: as attacks.

mod agree;
mod cost;
mod directories;
mod escapes;
mod explain;
mod identity;
mod jumps;
mod names;
mod needs;
mod programs;
mod table;
mod traps;

use std::collections::BTreeMap;

use super::{
    ECAPMODE, ENOTCAPABLE,
    bpf::Insn,
    compile::compile,
    interpreter::run,
    model::Call,
    policy::{Held, Kind, Object, Policy, Verdict},
    syscalls::Arch,
};
use crate::{Limits, Rights};

const ALLOWED: Verdict = Verdict::Allow;
const GLOBAL: Verdict = Verdict::Refuse(ECAPMODE);
const INCAPABLE: Verdict = Verdict::Refuse(ENOTCAPABLE);
const MISSING: Verdict = Verdict::Refuse(libc::ENOSYS);
const DENIED: Verdict = Verdict::Refuse(libc::EPERM);

/// `AT_FDCWD` as an argument.
const CWD: u64 = (libc::AT_FDCWD as i64).cast_unsigned();
/// Any pointer that is not null.
const POINTER: u64 = 0x7fff_1234_5678;

/// The process that entered.
const OWN: u32 = 4321;

fn policy(kind: Kind, ceiling: impl Into<Limits>) -> Policy {
    Policy {
        kind,
        granted: BTreeMap::new(),
        ceiling: ceiling.into(),
        capability: kind == Kind::Enter,
        landlock: true,
        directories: false,
        arrives: false,
        statable: false,
        brokered: false,
        signal_scope: true,
        addressable: false,
        reopens: false,
        traps: false,
        pid: OWN,
    }
}

impl Policy {
    fn grant(mut self, number: u32, limits: impl Into<Limits>) -> Self {
        self.granted.insert(number, Held { limits: limits.into(), object: Object::default() });
        self
    }

    fn known(mut self, number: u32, object: Object) -> Self {
        if let Some(held) = self.granted.get_mut(&number) {
            held.object = object;
        }
        self
    }
}

/// The number of a call, from a list that is not ours.
fn number(arch: Arch, name: &str) -> Option<u32> {
    match arch {
        Arch::Aarch64 if name == "newfstatat" => number(arch, "fstatat"),
        Arch::X86_64 => {
            name.parse::<syscalls::x86_64::Sysno>().ok().map(|call| call.id().cast_unsigned())
        }
        Arch::Aarch64 => {
            name.parse::<syscalls::aarch64::Sysno>().ok().map(|call| call.id().cast_unsigned())
        }
    }
}

/// Asks the compiled filter of each architecture that has the call; they must agree.
fn ask(policy: &Policy, name: &str, args: &[u64]) -> Verdict {
    let mut padded = [0; 6];
    padded[..args.len()].copy_from_slice(args);
    let mut verdicts = [Arch::X86_64, Arch::Aarch64].into_iter().filter_map(|arch| {
        let call = Call { arch: arch.audit(), number: number(arch, name)?, args: padded };
        Some(run(&compile(policy, arch), &call).verdict)
    });
    let verdict = verdicts.next().unwrap_or_else(|| panic!("no such call: {name}"));
    assert!(verdicts.all(|other| other == verdict), "{name} differs between architectures");
    verdict
}

#[track_caller]
fn expect(policy: &Policy, name: &str, args: &[u64], verdict: Verdict) {
    assert_eq!(ask(policy, name, args), verdict, "{name}{args:x?} under {policy:?}");
}

/// Capability mode with one descriptor, 3, and nothing else.
fn only(rights: impl Into<Limits>) -> Policy {
    policy(Kind::Enter, Rights::NONE).grant(3, rights)
}
