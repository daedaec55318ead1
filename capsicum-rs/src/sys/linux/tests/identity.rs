//! The rules that come of a filter's seeing numbers: no second number, and no other object.

use super::*;

/// Number 3 lacks something that the ceiling has.
fn narrow() -> Policy {
    policy(Kind::Enter, Rights::ALL).grant(3, Rights::ALL.difference(Rights::FTRUNCATE))
}

/// Number 3 has something that the ceiling lacks.
fn pinned() -> Policy {
    policy(Kind::Enter, Rights::READ).grant(3, Rights::READ | Rights::WRITE)
}

#[test]
fn a_narrow_descriptor_gets_no_second_number() {
    for policy in [narrow(), policy(Kind::Limit, Rights::ALL).grant(3, Rights::READ)] {
        for (name, args) in [
            ("dup", vec![3]),
            ("dup2", vec![3, 9]),
            ("dup3", vec![3, 9, 0]),
            ("fcntl", vec![3, 0, 9]),
            ("fcntl", vec![3, 1030, 9]),
        ] {
            expect(&policy, name, &args, INCAPABLE);
            let mut other = args.clone();
            other[0] = 4;
            expect(&policy, name, &other, ALLOWED);
        }
    }
}

#[test]
fn while_a_descriptor_is_narrow_none_is_passed_on() {
    for name in ["sendmsg", "sendmmsg"] {
        // Not even through another one.
        expect(&narrow(), name, &[4, POINTER, 0, 0], INCAPABLE);
        expect(&policy(Kind::Enter, Rights::ALL), name, &[4, POINTER, 0, 0], ALLOWED);
        // Limits alone leave it: the process has every name then.
        let mut limited = narrow();
        limited.kind = Kind::Limit;
        limited.capability = false;
        expect(&limited, name, &[4, POINTER, 0, 0], ALLOWED);
        limited.capability = true;
        expect(&limited, name, &[4, POINTER, 0, 0], INCAPABLE);
    }
    // Nor taken, by whichever way.
    expect(&narrow(), "pidfd_getfd", &[5, 3, 0], GLOBAL);
}

#[test]
fn nothing_wider_comes_out_of_a_narrow_descriptor() {
    let directory = Rights::LOOKUP | Rights::READ;
    let ceiling = policy(Kind::Enter, Rights::READ | Rights::FCHMOD);
    expect(&ceiling.clone().grant(3, directory), "openat", &[3, POINTER, 0, 0], INCAPABLE);
    expect(
        &ceiling.clone().grant(3, directory | Rights::FCHMOD),
        "openat",
        &[3, POINTER, 0, 0],
        ALLOWED,
    );
    for name in ["accept", "accept4"] {
        expect(
            &ceiling.clone().grant(3, Rights::ACCEPT | Rights::READ),
            name,
            &[3, 0, 0],
            INCAPABLE,
        );
    }
}

#[test]
fn no_other_object_takes_a_pinned_number() {
    for (name, args) in [
        ("close", vec![3]),
        // The kernel looks at the low half.
        ("close", vec![0xffff_ffff_0000_0003]),
        ("dup2", vec![4, 3]),
        ("dup3", vec![4, 3, 0]),
        ("close_range", vec![0, u64::from(u32::MAX), 0]),
        ("close_range", vec![3, 3, 0]),
        ("close_range", vec![0, 3, 0]),
        ("close_range", vec![3, 9, 4]),
    ] {
        expect(&pinned(), name, &args, INCAPABLE);
    }
    for (name, args) in [
        ("close", vec![4]),
        ("dup2", vec![4, 5]),
        ("dup3", vec![4, 5, 0]),
        ("close_range", vec![4, u64::from(u32::MAX), 0]),
        ("close_range", vec![0, 2, 0]),
    ] {
        expect(&pinned(), name, &args, ALLOWED);
    }
}

#[test]
fn every_run_of_pinned_numbers_is_kept_out_of_a_range() {
    let policy = [3, 4, 5, 9, 40]
        .into_iter()
        .fold(policy(Kind::Enter, Rights::NONE), |p, n| p.grant(n, Rights::READ));
    for first in (0..45_u64).step_by(3) {
        for last in (first..45).step_by(2) {
            let hit = [3, 4, 5, 9, 40].iter().any(|n| first <= *n && *n <= last);
            let verdict = if hit { INCAPABLE } else { ALLOWED };
            expect(&policy, "close_range", &[first, last, 0], verdict);
        }
    }
}

#[test]
fn a_pinned_descriptor_may_be_duplicated_and_a_narrow_one_closed() {
    expect(&pinned(), "dup", &[3], ALLOWED);
    expect(&narrow(), "close", &[3], ALLOWED);
    expect(&narrow(), "dup2", &[4, 3], ALLOWED);
}

#[test]
fn execution_does_not_free_a_pinned_number() {
    let executing = pinned().grant(7, Rights::FEXECVE);
    for (name, args) in [
        ("fcntl", vec![3, 2, 1]),
        ("ioctl", vec![3, 0x5451]),
        ("ioctl", vec![3, 0x5450]),
        ("close_range", vec![3, 3, 4]),
    ] {
        expect(&executing, name, &args, INCAPABLE);
    }
    for harmless in [1, 1033, 1034] {
        expect(&executing, "fcntl", &[3, harmless, 0], ALLOWED);
    }
    // Where nothing is executed the flag is free, and it is free for what is not pinned.
    expect(&pinned(), "fcntl", &[3, 2, 1], ALLOWED);
    expect(&executing, "fcntl", &[4, 2, 1], ALLOWED);
    let control = Rights::READ | Rights::IOCTL;
    let policy = policy(Kind::Enter, control).grant(3, control | Rights::WRITE);
    expect(&policy, "ioctl", &[3, 0x5451], ALLOWED);
    let policy = policy.grant(7, Rights::FEXECVE);
    expect(&policy, "ioctl", &[3, 0x5451], INCAPABLE);
    expect(&policy, "ioctl", &[4, 0x5451], ALLOWED);
    expect(&policy, "ioctl", &[3, 0x5413], ALLOWED);
}

#[test]
fn anonymous_memory_is_not_a_program() {
    let noexec = 8;
    expect(&policy(Kind::Enter, Rights::ALL), "memfd_create", &[POINTER, 1], GLOBAL);
    expect(&policy(Kind::Enter, Rights::ALL), "memfd_create", &[POINTER, 1 | noexec], ALLOWED);
    // Where a new descriptor may not be executed, neither may this one.
    // A path that leads to it through procfs starts from any number that may be executed.
    expect(&only(Rights::FEXECVE), "memfd_create", &[POINTER, 1], GLOBAL);
    expect(&only(Rights::READ), "memfd_create", &[POINTER, 1], ALLOWED);
}

#[test]
fn a_limit_after_entering_takes_from_a_directory_the_paths_that_may_be_empty() {
    let relimited = Object { relimited: true, ..Object::default() };
    let mut limit = policy(Kind::Limit, Rights::NONE)
        .grant(3, Rights::READ | Rights::FSTAT)
        .grant(4, Rights::LOOKUP | Rights::FSTAT)
        .known(3, relimited)
        .known(4, relimited)
        .grant(5, Rights::FSTAT);
    limit.capability = true;
    for (number, verdict) in [(3, INCAPABLE), (4, ALLOWED), (5, ALLOWED)] {
        expect(&limit, "newfstatat", &[number, POINTER, POINTER, 0x1000], verdict);
        expect(&limit, "statx", &[number, POINTER, 0x1000, 0, POINTER], verdict);
    }
}
