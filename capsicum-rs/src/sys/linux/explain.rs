//! Explaining what entering would do, without doing it: the rule of each call, [reduced](mod@reduce)
//! by the policy and put in [`words`].

mod arguments;
mod numbers;
pub(super) mod reduce;
pub(super) mod words;

use std::collections::BTreeSet;

use self::reduce::{Action, reduce};
use super::{
    enter::{Checked, check},
    policy::{Policy, Verdict},
    record,
    rule::Step,
    syscalls::{Arch, table},
};
use crate::{
    CallRule, Error, Explanation, GrantRule, Limits, Outcome, Rights, SystemCall,
    explain::error_name, sys::Request,
};

pub(crate) fn explain(request: &Request) -> Result<Explanation, Error> {
    let record = record::lock();
    let Checked { policy, containment, missing, program, .. } = check(request, &record)?;
    let asked = request.grants.iter().map(|(fd, _)| fd.cast_unsigned());
    let granted: BTreeSet<u32> = policy.granted.keys().copied().chain(asked).collect();
    let lookups = match (policy.directories, policy.landlock) {
        (true, _) => ", and Landlock and a private root for lookups",
        (false, true) => ", and Landlock for lookups",
        (false, false) => "",
    };
    let traps = if policy.traps { "; refusals raise SIGSYS" } else { "" };
    Ok(Explanation {
        containment,
        mechanism: format!("a seccomp filter of {} instructions{lookups}{traps}", program.len()),
        grants: granted.into_iter().map(|number| grant(&policy, number)).collect(),
        calls: calls(&policy, Arch::HOST),
        ceiling: policy.ceiling.clone(),
        missing,
        others: match policy.unknown() {
            Verdict::Refuse(errno) => {
                format!("refused with {}, as a kernel without it does", error_name(errno))
            }
            _ => "not looked at".to_owned(),
        },
    })
}

/// The call of this number, and the first descriptor that it needs something of.
pub(crate) fn system_call(number: u32) -> Option<SystemCall> {
    let row = table().find(|row| row.number(Arch::HOST) == Some(number))?;
    let descriptor = row.rule().iter().find_map(|step| match step {
        Step::Need(_, need) => need.descriptor(),
        _ => None,
    });
    Some(SystemCall { name: row.name, descriptor })
}

/// Every call of the table, by name.
pub(super) fn calls(policy: &Policy, arch: Arch) -> Vec<CallRule> {
    let rows = table().filter(|row| row.number(arch).is_some());
    let mut calls: Vec<CallRule> = rows
        .map(|row| CallRule { name: row.name, outcome: outcome(policy, row.name, row.rule()) })
        .collect();
    calls.sort_by_key(|call| call.name);
    calls
}

fn outcome(policy: &Policy, call: &str, rule: super::rule::Rule) -> Outcome {
    let steps = reduce(policy, rule);
    let allows = |action: &Action| matches!(action, Action::Allow);
    if let [step] = &steps[..]
        && allows(&step.action)
    {
        return Outcome::Allowed;
    }
    if steps.iter().any(|step| allows(&step.action)) {
        return Outcome::Depends { steps: words::steps(policy, call, &steps) };
    }
    let mut errors = Vec::new();
    for errno in steps.iter().filter_map(|step| step.action.refusal(policy)) {
        if !errors.contains(&errno) {
            errors.push(errno);
        }
    }
    errors.sort_unstable();
    Outcome::Refused { errors }
}

fn grant(policy: &Policy, number: u32) -> GrantRule {
    let limits = policy.held(number).limits;
    let pinned = policy.pinned(&limits).then(|| {
        format!(
            "it has {} beyond the ceiling: it cannot be closed, and no other object can take its \
             number",
            beyond(&limits, &policy.ceiling)
        )
    });
    let narrow = policy.narrow(&limits).then(|| {
        format!(
            "it lacks {} of the ceiling: it cannot be duplicated or passed on, and opens or \
             accepts nothing, since what is new has the ceiling",
            beyond(&policy.ceiling, &limits)
        )
    });
    GrantRule { descriptor: number.cast_signed(), limits, pinned, narrow }
}

/// What the one has that the other lacks.
fn beyond(more: &Limits, less: &Limits) -> String {
    let mut parts = Vec::new();
    let rights = more.rights.difference(less.rights);
    if rights != Rights::NONE {
        parts.push(format!("`{rights}`"));
    }
    if !less.fcntls.contains(more.fcntls) {
        parts.push("commands of fcntl(2)".to_owned());
    }
    if !less.ioctls.contains_all(&more.ioctls) {
        parts.push("requests of ioctl(2)".to_owned());
    }
    parts.join(" and ")
}
