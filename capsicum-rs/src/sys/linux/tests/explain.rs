//! What an explanation says is what the model does.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    super::{
        explain::{
            self,
            reduce::{Action, Reduced, reduce},
        },
        rule::Refusal,
        syscalls::{Row, table},
    },
    agree::{calls, policies},
    *,
};
use crate::{Ioctls, Outcome};

const ARCH: Arch = Arch::X86_64;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn row(number: u32) -> Option<&'static Row> {
    table().find(|row| row.number(ARCH) == Some(number))
}

fn outcome(policy: &Policy, name: &str) -> Outcome {
    let calls = explain::calls(policy, ARCH);
    calls.into_iter().find(|call| call.name == name).unwrap().outcome
}

/// What is told of a call is the error alone.
fn untrapped(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Trap(errno) => Verdict::Refuse(errno),
        other => other,
    }
}

/// What is left of a rule, taken step by step.
#[allow(clippy::cast_possible_truncation)]
fn by_steps(policy: &Policy, steps: &[Reduced], args: &[u64; 6]) -> Verdict {
    let low = |arg: usize| args[arg] as u32;
    let incapable = untrapped(policy.refuse(Refusal::NotCapable));
    for Reduced { when, action } in steps {
        if !when.iter().all(|when| policy.condition(*when, args)) {
            continue;
        }
        let passes = match action {
            Action::Allow => return Verdict::Allow,
            Action::Refuse(errno, _) => return Verdict::Refuse(*errno),
            Action::On(arg, these) => these.contains(low(*arg)),
            Action::Request(arg, request, groups) => groups
                .iter()
                .any(|(these, taken)| these.contains(low(*arg)) && taken.contains(&low(*request))),
            // What is left to the broker is not refused.
            Action::Brokered(arg, these) if these.contains(low(*arg)) => true,
            Action::Brokered(..) => return ALLOWED,
            Action::Without(first, last, runs) => {
                runs.iter().all(|(from, to)| low(*first) > *to || low(*last) < *from)
            }
        };
        if !passes {
            return incapable;
        }
    }
    panic!("no step decides: {steps:?}")
}

#[test]
fn what_is_left_of_a_rule_says_what_the_model_says() {
    proptest!(config(150), |(
        policy in policies(),
        calls in prop::collection::vec(calls(ARCH), 400),
    )| {
        for mut call in calls {
            let Some(row) = row(call.number) else { continue };
            call.arch = ARCH.audit();
            let steps = reduce(&policy, row.rule());
            let verdict = by_steps(&policy, &steps, &call.args);
            // What is explained is a sandbox, which has no supervisor.
            let said = match policy.verdict(ARCH, &call) {
                Verdict::Notify => ALLOWED,
                other => untrapped(other),
            };
            prop_assert_eq!(verdict, said, "{} {:x?}", row.name, call.args);
        }
    });
}

#[test]
fn what_is_always_so_is_so_whatever_the_arguments() {
    proptest!(config(60), |(
        policy in policies(),
        calls in prop::collection::vec(calls(ARCH), 400),
    )| {
        prop_assume!(policy.kind == Kind::Enter);
        let explained = explain::calls(&policy, ARCH);
        for mut call in calls {
            let Some(row) = row(call.number) else { continue };
            call.arch = ARCH.audit();
            let verdict = untrapped(policy.verdict(ARCH, &call));
            let rule = explained.iter().find(|rule| rule.name == row.name);
            match (&rule.unwrap().outcome, verdict) {
                (Outcome::Allowed, verdict) => prop_assert_eq!(verdict, ALLOWED, "{}", row.name),
                (Outcome::Refused { errors }, Verdict::Refuse(errno)) => {
                    prop_assert!(errors.contains(&errno), "{} {:?} {}", row.name, errors, errno);
                }
                (Outcome::Refused { .. }, verdict) => {
                    prop_assert!(false, "{} is refused, and {:?}", row.name, verdict);
                }
                (Outcome::Depends { .. }, _) => {}
            }
        }
    });
}

/// The numbers below 100 that a step names, by its words; `None` for steps of another form.
fn named(step: &str) -> Option<BTreeSet<u32>> {
    let list = |words: &str| -> BTreeSet<u32> {
        words
            .split(", ")
            .flat_map(|run| match run.split_once(" to ") {
                Some((from, to)) => from.parse().unwrap()..=to.parse().unwrap(),
                None => run.parse().unwrap()..=run.parse().unwrap(),
            })
            .collect()
    };
    if let Some(others) = step.strip_prefix("on any descriptor but ") {
        let others = list(others);
        return Some((0..100).filter(|number| !others.contains(number)).collect());
    }
    let these = step.strip_prefix("on descriptor")?.strip_suffix(" and no other")?;
    Some(list(these.trim_start_matches('s').trim_start()))
}

/// Calls with a need of their first argument alone, on a few descriptors of many kinds.
#[test]
fn the_descriptors_that_are_listed_are_those_that_the_call_may_be_used_on() {
    let mut policy = policy(Kind::Enter, Rights::READ | Rights::EVENT)
        .grant(3, Rights::READ | Rights::FSTAT)
        .grant(4, Rights::PWRITE)
        .grant(63, Rights::FSTAT | Rights::GETSOCKNAME);
    for number in 20..40 {
        policy = policy.grant(number, Rights::ALL);
    }
    let mut seen = 0;
    for rule in explain::calls(&policy, ARCH) {
        let Outcome::Depends { steps } = &rule.outcome else { continue };
        let [step] = &steps[..] else { continue };
        let Some(listed) = named(step) else { continue };
        let number = number(ARCH, rule.name).unwrap();
        let allowed: BTreeSet<u32> = (0..100)
            .filter(|fd| {
                let args = [u64::from(*fd), POINTER, 1, 0, 0, 0];
                policy.verdict(ARCH, &Call { arch: ARCH.audit(), number, args }) == ALLOWED
            })
            .collect();
        assert_eq!(listed, allowed, "{rule}");
        seen += 1;
    }
    assert!(seen > 40, "only {seen} calls are about one descriptor");
}

#[test]
fn the_words_for_common_calls() {
    let limits = Limits::from(Rights::READ | Rights::IOCTL).ioctls(Ioctls::only([0x5413]));
    let policy = only(Rights::LOOKUP | Rights::READ | Rights::EVENT).grant(5, limits);
    let said = |name| outcome(&policy, name).to_string();
    assert_eq!(said("read"), "on descriptors 3, 5 and no other");
    assert_eq!(said("close"), "on any descriptor but 3, 5");
    assert_eq!(said("getpid"), "always allowed");
    assert_eq!(said("write"), "always refused with ENOTCAPABLE");
    assert_eq!(said("ptrace"), "always refused with ECAPMODE");
    assert_eq!(said("readlinkat"), "always refused with ECAPMODE or ENOTCAPABLE");
    assert_eq!(
        said("select"),
        "allowed where nfds is 0; otherwise ENOTCAPABLE, since not every descriptor has `EVENT`"
    );
    assert_eq!(
        said("ppoll"),
        "allowed where nfds is 0; EAGAIN where nfds is 3, since not every descriptor has `EVENT`; \
         otherwise ENOTCAPABLE, since not every descriptor has `EVENT`"
    );
    assert_eq!(
        said("ioctl"),
        "ENOTCAPABLE where request is one of FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, since no such \
         descriptor has `FCHFLAGS`; ENOTCAPABLE unless on descriptor 5 and request is 0x5413; \
         otherwise allowed"
    );
    assert_eq!(
        said("close_range"),
        "ENOTCAPABLE where first to last holds any of the descriptors 3, 5; otherwise allowed"
    );
    assert!(
        said("openat")
            .starts_with("ECAPMODE where dirfd is AT_FDCWD; ENOTCAPABLE unless on descriptor 3; "),
        "{}",
        said("openat")
    );
}

#[test]
fn without_landlock_no_lookup_is_said_to_work() {
    let mut policy = only(Rights::LOOKUP | Rights::READ);
    policy.landlock = false;
    assert!(matches!(outcome(&policy, "openat"), Outcome::Refused { .. }));
    policy.landlock = true;
    assert!(matches!(outcome(&policy, "openat"), Outcome::Depends { .. }));
}

#[test]
fn every_argument_that_is_spoken_of_has_the_kernels_name() {
    for policy in [only(Rights::ALL), only(Rights::NONE), policy(Kind::Enter, Rights::ALL)] {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            for rule in explain::calls(&policy, arch) {
                let words = rule.to_string();
                assert!(!words.contains("argument") && !words.contains("error number"), "{rule}");
            }
        }
    }
}
