//! The table's form, and the programs that come of it.

use std::collections::BTreeSet;

use super::{
    super::{
        limit::MOST,
        rule::Step,
        syscalls::{Arch, table},
    },
    *,
};
use crate::{Fcntls, Ioctls, program::Names};

#[test]
fn every_rule_ends_in_a_step_that_always_decides() {
    for row in table() {
        assert!(
            matches!(row.rule().last(), Some(Step::Allow([]) | Step::Refuse([], _))),
            "{}",
            row.name
        );
    }
}

#[test]
fn every_number_is_that_of_the_call_on_each_architecture() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for row in table() {
            // Newer than the list that this is held against.
            if row.number(arch).is_some_and(|number| number > 461) {
                continue;
            }
            assert_eq!(row.number(arch), number(arch, row.name), "{} on {arch:?}", row.name);
        }
    }
}

#[test]
fn no_call_has_two_rows() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let mut seen = BTreeSet::new();
        for row in table() {
            assert!(row.number(arch).is_none_or(|number| seen.insert(number)), "{}", row.name);
        }
    }
}

#[test]
fn a_call_without_a_row_does_not_exist() {
    let policy = policy(Kind::Enter, Rights::ALL);
    for name in ["lookup_dcookie", "nfsservctl", "cachestat", "lsm_list_modules"] {
        expect(&policy, name, &[], MISSING);
    }
    let call = Call { arch: Arch::X86_64.audit(), number: 599, args: [0; 6] };
    assert_eq!(run(&compile(&policy, Arch::X86_64), &call).verdict, MISSING);
}

#[test]
fn a_call_of_another_architecture_kills() {
    for kind in [Kind::Enter, Kind::Limit, Kind::Confine(Names::all(), Names::empty())] {
        let policy = policy(kind, Rights::ALL);
        // AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_AARCH64 on x86_64.
        for arch in [0x4000_0003, 0x4000_0028, 0xc000_00b7] {
            let call = Call { arch, number: 1, args: [0; 6] };
            assert_eq!(run(&compile(&policy, Arch::X86_64), &call).verdict, Verdict::Kill);
        }
        let x32 = Call { arch: Arch::X86_64.audit(), number: 0x4000_0001, args: [0; 6] };
        assert_eq!(run(&compile(&policy, Arch::X86_64), &x32).verdict, Verdict::Kill);
    }
}

#[test]
fn what_no_argument_decides_is_decided_without_looking_at_any() {
    let policy = policy(Kind::Enter, Rights::NONE).grant(3, Rights::READ);
    let program = compile(&policy, Arch::X86_64);
    for name in ["getpid", "futex", "munmap", "brk", "rt_sigreturn", "open", "ptrace", "lseek"] {
        let number = number(Arch::X86_64, name).unwrap();
        let call = Call { arch: Arch::X86_64.audit(), number, args: [3; 6] };
        let outcome = run(&program, &call);
        assert!(!outcome.looked_at_arguments, "{name}: {outcome:?}");
        assert!(outcome.executed <= 16, "{name}: {outcome:?}");
    }
}

#[test]
fn a_descriptor_of_256_costs_little_more_than_one_of_two() {
    let grants = |count: u32| {
        (0..count).fold(policy(Kind::Enter, Rights::NONE), |policy, number| {
            // All different, so that nothing is shared by chance.
            let rights = Rights::from_bits_truncate(0x1_0000 * u128::from(number)) | Rights::READ;
            policy.grant(number * 2, rights)
        })
    };
    let cost = |policy: &Policy| {
        let program = compile(policy, Arch::X86_64);
        assert!(program.len() <= MOST, "{} instructions", program.len());
        (0..512)
            .map(|fd| {
                let call =
                    Call { arch: Arch::X86_64.audit(), number: 0, args: [fd, 0, 0, 0, 0, 0] };
                run(&program, &call).executed
            })
            .max()
            .unwrap()
    };
    assert!(cost(&grants(256)) <= cost(&grants(2)) + 12);
}

#[test]
fn a_policy_that_does_not_fit_says_so() {
    let policy = (0..200).fold(policy(Kind::Enter, Rights::NONE), |policy, number| {
        let requests = Ioctls::only((0..200).map(|request| request * 1000 + number));
        policy.grant(number, Limits::from(Rights::IOCTL).ioctls(requests).fcntls(Fcntls::NONE))
    });
    let len = compile(&policy, Arch::X86_64).len();
    let error = super::super::limit::fits(len, &policy).unwrap_err();
    assert!(error.to_string().contains("200 of them with ioctl requests"), "{error}");
}

#[cfg(capsicum_mutate)]
#[test]
fn every_mutant_is_listed() {
    for mutant in super::super::syscalls::mutant::all() {
        println!("mutant {mutant}");
    }
}
