//! Refusals that raise a signal.

use super::{
    super::{probe, system_call},
    *,
};

const NUMBER: u32 = 7;

fn trapped() -> Policy {
    let mut policy = policy(Kind::Enter, Rights::READ).grant(NUMBER, Rights::READ | Rights::SEEK);
    policy.traps = true;
    policy
}

#[test]
fn names_and_rights_that_are_refused_are_told() {
    let (own, other) = (u64::from(NUMBER), u64::from(NUMBER) + 1);
    expect(&trapped(), "openat", &[CWD, POINTER], Verdict::Trap(ECAPMODE));
    expect(&trapped(), "socket", &[2, 1], Verdict::Trap(ECAPMODE));
    expect(&trapped(), "write", &[own, POINTER, 1], Verdict::Trap(ENOTCAPABLE));
    expect(&trapped(), "lseek", &[other, 0, 0], Verdict::Trap(ENOTCAPABLE));
    expect(&trapped(), "lseek", &[own, 0, 0], ALLOWED);
    expect(&trapped(), "read", &[other, POINTER, 1], ALLOWED);
}

#[test]
fn answers_that_callers_know_what_to_do_with_are_answers() {
    expect(&trapped(), "clone3", &[POINTER, 88], MISSING);
    expect(&trapped(), "prctl", &[u64::from(probe::OPTION)], GLOBAL);
    // It is pinned, and whoever is done with it closes it.
    expect(&trapped(), "close", &[u64::from(NUMBER)], INCAPABLE);
    // Which descriptors it is about is in memory.
    expect(&trapped(), "ppoll", &[POINTER, 1], INCAPABLE);
}

#[test]
fn nothing_is_told_unless_it_is_asked_for() {
    let quiet = Policy { traps: false, ..trapped() };
    expect(&quiet, "openat", &[CWD, POINTER], GLOBAL);
    expect(&quiet, "write", &[u64::from(NUMBER), POINTER, 1], INCAPABLE);
}

#[test]
fn calls_are_known_by_their_numbers() {
    let of = |name| {
        let call = system_call(number(Arch::HOST, name).unwrap()).unwrap();
        assert_eq!(call.name, name);
        call.descriptor
    };
    assert_eq!(of("write"), Some(0));
    assert_eq!(of("mmap"), Some(4));
    assert_eq!(of("socket"), None);
    assert_eq!(system_call(0x7fff_ffff), None);
}
