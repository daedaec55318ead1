//! The compiled filter and the plain model agree, whatever the policy and the call.

use std::cell::Cell;

use proptest::{collection, option, prelude::*, sample};

use super::{
    super::syscalls::{Arch, table},
    *,
};
use crate::{Fcntls, Ioctls, program::Names};

fn rights() -> impl Strategy<Value = Rights> {
    let each: Vec<Rights> = Rights::each().map(|(_, right)| right).collect();
    prop_oneof![
        1 => Just(Rights::ALL),
        1 => Just(Rights::NONE),
        3 => sample::subsequence(each.clone(), 0..8)
            .prop_map(|some| some.into_iter().fold(Rights::NONE, |all, one| all | one)),
        3 => sample::subsequence(each, 0..8)
            .prop_map(|some| some.into_iter().fold(Rights::ALL, Rights::difference)),
    ]
}

fn ioctls() -> impl Strategy<Value = Ioctls> {
    let known = vec![0x5401, 0x5412, 0x5413, 0x5421, 0x5450, 0x5451, 0x4008_6602, 7, 8, 9];
    prop_oneof![Just(Ioctls::All), sample::subsequence(known, 0..6).prop_map(Ioctls::only),]
}

fn limits() -> impl Strategy<Value = Limits> {
    (rights(), any::<u32>(), ioctls()).prop_map(|(rights, fcntls, ioctls)| {
        Limits::from(rights).fcntls(Fcntls::from_bits_truncate(fcntls)).ioctls(ioctls)
    })
}

/// Numbers that are near each other, and a few that are not.
pub(super) fn descriptor() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..80_u32, 1 => 1000..1100_u32, 1 => Just(libc::AT_FDCWD.cast_unsigned()), 1 => any::<u32>()]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::Limit),
        4 => Just(Kind::Enter),
        1 => any::<(u32, u32)>().prop_map(|(own, supervised)| {
            Kind::Confine(Names::from_bits_truncate(own), Names::from_bits_truncate(supervised))
        }),
    ]
}

prop_compose! {
    pub(super) fn policies()(
        kind in kind(),
        ceiling in limits(),
        granted in collection::btree_map(
            descriptor(),
            (limits(), any::<[bool; 5]>()),
            0..60,
        ),
        facts in any::<[bool; 10]>(),
    ) -> Policy {
        Policy {
            kind,
            granted: granted
                .into_iter()
                .map(|(number, (limits, [read_only, addressless, contained, known, relimited]))| {
                    (number, Held { limits, object: Object { read_only, addressless, contained, known, relimited } })
                })
                .collect(),
            ceiling,
            capability: kind == Kind::Enter || kind == Kind::Limit && facts[0],
            landlock: facts[1],
            directories: facts[5],
            arrives: facts[6],
            statable: facts[7],
            brokered: facts[8],
            signal_scope: facts[2],
            addressable: facts[3],
            reopens: facts[4],
            traps: facts[9],
            pid: OWN,
        }
    }
}

fn argument() -> impl Strategy<Value = u64> {
    let flags = vec![0_u64, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 22, 25, 64, 1030, 0o100, 0o1000];
    prop_oneof![
        6 => descriptor().prop_map(u64::from),
        4 => sample::select(flags),
        2 => sample::select(vec![0x5401, 0x5412, 0x5413, 0x5451, 0x4008_6602, u64::from(OWN)]),
        2 => any::<u32>().prop_map(u64::from),
        // Only the low half is the kernel's; pointers have both.
        1 => (descriptor(), any::<u32>()).prop_map(|(low, high)| u64::from(high) << 32 | u64::from(low)),
        1 => any::<u64>(),
    ]
}

pub(super) fn calls(arch: Arch) -> impl Strategy<Value = Call> {
    let numbers: Vec<u32> = table().filter_map(|row| row.number(arch)).collect();
    let number = prop_oneof![
        30 => sample::select(numbers),
        1 => 0..600_u32,
        1 => any::<u32>(),
    ];
    let arch = prop_oneof![30 => Just(arch.audit()), 1 => any::<u32>()];
    (arch, number, prop::array::uniform6(argument())).prop_map(|(arch, number, args)| Call {
        arch,
        number,
        args,
    })
}

/// How many calls each policy is asked.
const CALLS: usize = 400;

/// How many pairs of a policy and a call are tried: what takes a few seconds, or as many as the
/// environment says (`cargo xtask test --long`: a million).
fn pairs() -> usize {
    let stated = std::env::var("CAPSICUM_PAIRS").ok();
    stated.map_or(100_000, |stated| stated.parse().expect("CAPSICUM_PAIRS is a number"))
}

fn agree(arch: Arch) {
    let (compared, too_large) = (Cell::new(0_usize), Cell::new(0_usize));
    let cases = u32::try_from(pairs().div_ceil(CALLS)).expect("not that many");
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(policy in policies(), calls in collection::vec(calls(arch), CALLS))| {
        let program = compile(&policy, arch);
        if program.len() > 4096 {
            too_large.set(too_large.get() + 1);
            prop_assume!(false);
        }
        for call in calls {
            prop_assert_eq!(run(&program, &call).verdict, policy.verdict(arch, &call), "{:x?}", call);
            compared.set(compared.get() + 1);
        }
    });
    println!(
        "{arch:?}: {} pairs agree; {} policies were too large",
        compared.get(),
        too_large.get()
    );
    assert!(compared.get() >= pairs(), "{} pairs", compared.get());
}

#[test]
fn the_filter_of_x86_64_says_what_the_model_says() {
    agree(Arch::X86_64);
}

#[test]
fn the_filter_of_aarch64_says_what_the_model_says() {
    agree(Arch::Aarch64);
}

#[test]
fn a_grant_is_never_worth_more_than_its_rights_and_the_ceilings_are() {
    // Two policies that differ in one grant's width: what the narrow one allows, the wide one does,
    // but for the rules of identity, which are about numbers.
    let config =
        ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() };
    let exempt = ["close", "close_range", "dup2", "dup3", "fcntl", "ioctl", "sendmsg", "sendmmsg"];
    proptest!(config, |(
        ceiling in rights(),
        wide in rights(),
        taken in rights(),
        calls in collection::vec(calls(Arch::X86_64), 200),
        other in option::of(limits()),
    )| {
        // Within the ceiling nothing is pinned and no memory may newly be executed.
        let wide = wide & ceiling;
        let narrow = wide.difference(taken);
        let with = |rights: Rights| {
            let policy = policy(Kind::Enter, ceiling).grant(3, rights);
            match &other {
                Some(limits) => policy.grant(4, limits.clone()),
                None => policy,
            }
        };
        let (wide, narrow) = (with(wide), with(narrow));
        for mut call in calls {
            call.args[0] = 3;
            let name = table().find(|row| row.number(Arch::X86_64) == Some(call.number)).map(|row| row.name);
            if name.is_some_and(|name| exempt.contains(&name) || name.contains("mprotect")) {
                continue;
            }
            if narrow.verdict(Arch::X86_64, &call) == Verdict::Allow {
                prop_assert_eq!(wide.verdict(Arch::X86_64, &call), Verdict::Allow, "{:?} {:x?}", name, call);
            }
        }
    });
}
