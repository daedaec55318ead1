//! What this kernel enforces.

use std::fs;

use super::{
    call,
    landlock::Landlock,
    policy::{Kind, Policy},
    process,
    root::Root,
    rule::{Need, Step, When},
    syscalls::{Arch, table},
};
use crate::{Containment, Enforcement, Level, Limits, Mechanism, RightSupport, Rights, Support};

pub(crate) fn support() -> Support {
    let landlock = Landlock::probe();
    let filters = call::action_available(libc::SECCOMP_RET_KILL_PROCESS)
        .map(|()| "filters, for all threads at once".to_owned())
        .map_err(|error| format!("no filters (CONFIG_SECCOMP_FILTER): {error}"));
    let lacks_filters = filters.as_ref().err().cloned();
    let lacks_landlock = lacks_filters.clone().or_else(|| landlock.clone().err());
    // In a process beside this one; nothing of it stays.
    let root = Root::prepare(&[]).map(drop);
    let lacks_root = lacks_landlock.clone().or_else(|| root.clone().err());
    let containment = match (&lacks_landlock, &lacks_root) {
        (_, None) => Containment::Directories,
        (None, _) => Containment::Landlock,
        _ => Containment::Descriptors,
    };
    Support {
        system: system(),
        containment,
        levels: vec![
            Level { containment: Containment::Descriptors, lacks: lacks_filters },
            Level { containment: Containment::Landlock, lacks: lacks_landlock.clone() },
            Level { containment: Containment::Directories, lacks: lacks_root.clone() },
        ],
        rights: rights(&filters, lacks_landlock.as_ref(), lacks_root.as_ref()),
        mechanisms: vec![
            Mechanism { name: "seccomp(2)", state: filters },
            Mechanism {
                name: "landlock(7)",
                state: landlock.clone().map(|landlock| format!("ABI {}", landlock.abi)),
            },
            Mechanism { name: "landlock(7) scopes", state: scopes(landlock) },
            Mechanism { name: "user_namespaces(7)", state: user_namespaces() },
            Mechanism {
                name: "mount_namespaces(7)",
                state: root.map(|()| "a private root can be made".to_owned()),
            },
            Mechanism {
                name: "proc(5)",
                state: fs::metadata("/proc/self/fd").map(|_| "mounted".to_owned()).map_err(
                    |error| {
                        format!("/proc/self/fd: {error}: entering needs it, to find what is open")
                    },
                ),
            },
        ],
    }
}

fn user_namespaces() -> Result<String, String> {
    if let Some(reason) = process::awaits_first() {
        return Err(reason);
    }
    call::user_namespaces().map(|()| "to be had, with a mount namespace".to_owned()).map_err(
        |error| {
            format!(
                "unshare: {error}: see user.max_user_namespaces, \
                 kernel.unprivileged_userns_clone and \
                 kernel.apparmor_restrict_unprivileged_userns of sysctl(8), and the \
                 container's filter"
            )
        },
    )
}

fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim()).trim().to_owned()
}

fn scopes(landlock: Result<Landlock, String>) -> Result<String, String> {
    let landlock = landlock?;
    if landlock.scopes() {
        return Ok("signals and abstract sockets".to_owned());
    }
    Err("ABI 6 (Linux 6.12) is needed; kill(2) and raise(3) are refused without it".to_owned())
}

fn rights(
    filters: &Result<String, String>,
    lacks_landlock: Option<&String>,
    lacks_root: Option<&String>,
) -> Vec<RightSupport> {
    let policy = Policy {
        kind: Kind::Enter,
        granted: [].into(),
        ceiling: Limits::ALL,
        capability: true,
        landlock: lacks_landlock.is_none(),
        directories: lacks_root.is_none(),
        arrives: false,
        statable: false,
        brokered: false,
        signal_scope: true,
        addressable: false,
        reopens: false,
        traps: false,
        pid: 0,
    };
    Rights::each()
        .map(|(name, right)| {
            let (operations, refused) = operations(&policy, right);
            let enforcement = match filters {
                Err(reason) => Enforcement::Refused { reason: reason.clone() },
                Ok(_) if !operations.is_empty() => Enforcement::Enforced { operations },
                Ok(_) if refused.is_empty() => Enforcement::NoOperation,
                Ok(_) => Enforcement::Refused {
                    reason: match lacks_landlock {
                        Some(reason) if right.contains(Rights::LOOKUP) => reason.clone(),
                        _ => format!(
                            "capability mode refuses {} here whatever the rights; `limit` alone \
                             holds it",
                            refused.join(", ")
                        ),
                    },
                },
            };
            RightSupport { name, right, enforcement }
        })
        .collect()
}

/// The calls that ask for a right: those that are allowed with it, and those that are refused in
/// any case.
fn operations(policy: &Policy, right: Rights) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut allowed = Vec::new();
    let mut refused = Vec::new();
    // What another right needs by itself does not count for the one that it implies.
    let asks = |need: &Need| match need {
        Need::Right(_, rights) | Need::Everywhere(rights) => rights.contains(right),
        Need::Fcntl(..) => right == Rights::FCNTL,
        Need::Ioctl(..) => right == Rights::IOCTL,
        Need::MapShared(_) | Need::Message(_) => right == Rights::WRITE,
        Need::Whole(_)
        | Need::Loose(_)
        | Need::LooseRange(..)
        | Need::Contained(_)
        | Need::Known(_)
        | Need::Emptied(_) => false,
    };
    for row in table().filter(|row| row.number(Arch::HOST).is_some()) {
        let holds = |when: &When| match when {
            When::Fact(fact) => policy.fact(*fact),
            When::Unless(fact) => !policy.fact(*fact),
            When::Named(_) => false,
            _ => true,
        };
        let certain = |when: &[When]| {
            when.iter().all(|when| {
                matches!(when, When::Fact(_) | When::Unless(_) | When::Named(_)) && holds(when)
            })
        };
        let mut asked = false;
        for step in row.rule() {
            match step {
                Step::Need(when, need) if when.iter().all(holds) => asked |= asks(need),
                Step::Allow(when) if asked && when.iter().all(holds) => {
                    allowed.push(row.name);
                    break;
                }
                Step::Refuse(when, _) if certain(when) => break,
                _ => {}
            }
        }
        let mentions =
            row.rule().iter().any(|step| matches!(step, Step::Need(_, need) if asks(need)));
        if mentions && allowed.last() != Some(&row.name) {
            refused.push(row.name);
        }
    }
    (allowed, refused)
}
