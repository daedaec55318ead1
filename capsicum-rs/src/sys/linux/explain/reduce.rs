//! A rule under a policy: what the policy decides is decided, and what is left depends on the
//! arguments alone.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    policy::{Held, Policy, Verdict},
    requests,
    rule::{Arg, Fact, Need, Refusal, Rule, Step, When},
};
pub(in super::super) use super::numbers::Numbers;

/// What is left of a step: where all conditions hold, the action is taken.
#[derive(Clone, Debug)]
pub(in super::super) struct Reduced {
    /// Conditions on arguments.
    pub(in super::super) when: Vec<When>,
    pub(in super::super) action: Action,
}

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(in super::super) enum Action {
    Allow,
    /// With an error number, and what of the policy is the reason.
    Refuse(i32, Option<Why>),
    /// Goes on where the argument is one of these descriptors.
    On(Arg, Numbers),
    /// Goes on where the first argument is a descriptor that takes the request in the second.
    Request(Arg, Arg, Vec<(Numbers, BTreeSet<u32>)>),
    /// Goes on where the argument is one of these descriptors, and is left to the broker elsewhere.
    Brokered(Arg, Numbers),
    /// Goes on where none of these is from the first to the second argument.
    Without(Arg, Arg, Vec<(u32, u32)>),
}

/// What a policy has or lacks.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Why {
    /// No descriptor meets this.
    Unmet(Need),
    Fact(Fact),
    Unless(Fact),
}

impl Action {
    /// The error number that it may refuse with.
    pub(super) fn refusal(&self, policy: &Policy) -> Option<i32> {
        match self {
            Self::Allow | Self::Brokered(..) => None,
            Self::Refuse(errno, _) => Some(*errno),
            Self::On(..) | Self::Request(..) | Self::Without(..) => {
                policy.refusal(Refusal::NotCapable)
            }
        }
    }

    /// Whether it is the end of a rule where it applies.
    fn decides(&self) -> bool {
        matches!(self, Self::Allow | Self::Refuse(..))
    }
}

/// The steps of a rule that a policy leaves open; the last one, and it alone, decides in any case.
pub(in super::super) fn reduce(policy: &Policy, rule: Rule) -> Vec<Reduced> {
    let mut steps: Vec<Reduced> = Vec::new();
    // Which numbers an argument may still have after the needs so far.
    let mut reach: BTreeMap<Arg, Numbers> = BTreeMap::new();
    for step in rule {
        let (Step::Allow(when) | Step::Refuse(when, _) | Step::Need(when, _)) = step;
        let Some((when, fact)) = left(policy, when) else { continue };
        let action = match step {
            Step::Allow(_) => Action::Allow,
            Step::Refuse(_, refusal) => refuse(policy, *refusal, fact),
            Step::Need(_, need) => match self::need(policy, *need, &reach) {
                Some(action) => action,
                None => continue,
            },
        };
        if when.is_empty()
            && let Action::On(arg, these) = &action
        {
            reach.insert(*arg, these.clone());
            // Two needs of one descriptor, one after the other, are one.
            if let Some(Reduced { when, action: Action::On(before, _) }) = steps.last()
                && when.is_empty()
                && before == arg
            {
                steps.pop();
            }
        }
        let last = when.is_empty() && action.decides();
        steps.push(Reduced { when, action });
        if last {
            break;
        }
    }
    without_idle(policy, steps)
}

/// The conditions on arguments, and the last of those on the policy; `None` where one of these
/// does not hold.
fn left(policy: &Policy, when: &[When]) -> Option<(Vec<When>, Option<Why>)> {
    let mut left = Vec::new();
    let mut why = None;
    for condition in when {
        let holds = match condition {
            When::Fact(fact) => {
                why = Some(Why::Fact(*fact));
                policy.fact(*fact)
            }
            When::Unless(fact) => {
                why = Some(Why::Unless(*fact));
                !policy.fact(*fact)
            }
            When::Named(names) => policy.named(*names),
            _ => {
                left.push(*condition);
                true
            }
        };
        if !holds {
            return None;
        }
    }
    Some((left, why))
}

fn refuse(policy: &Policy, refusal: Refusal, why: Option<Why>) -> Action {
    match policy.refuse(refusal) {
        Verdict::Refuse(errno) | Verdict::Trap(errno) => Action::Refuse(errno, why),
        Verdict::Allow | Verdict::Notify | Verdict::Kill => Action::Allow,
    }
}

/// What is left of a need; `None` where it is met in any case.
fn need(policy: &Policy, need: Need, reach: &BTreeMap<Arg, Numbers>) -> Option<Action> {
    let unmet = || Some(refuse(policy, Refusal::NotCapable, Some(Why::Unmet(need))));
    match need {
        Need::Everywhere(rights) => {
            if policy.everywhere(rights) {
                None
            } else {
                unmet()
            }
        }
        Need::LooseRange(first, last) => {
            let runs = policy.pinned_runs();
            (!runs.is_empty()).then_some(Action::Without(first, last, runs))
        }
        Need::Ioctl(arg, request) => {
            let groups = requests_by_descriptor(policy);
            if groups.is_empty() { unmet() } else { Some(Action::Request(arg, request, groups)) }
        }
        Need::Known(arg) => Some(Action::Brokered(arg, meeting(policy, need))),
        Need::Right(arg, _)
        | Need::Fcntl(arg, _)
        | Need::Whole(arg)
        | Need::Loose(arg)
        | Need::Contained(arg)
        | Need::Emptied(arg)
        | Need::MapShared(arg)
        | Need::Message(arg) => {
            let before = reach.get(&arg).cloned().unwrap_or_else(Numbers::all);
            let these = before.intersection(&meeting(policy, need));
            if these == before {
                None
            } else if these.is_empty() {
                unmet()
            } else {
                Some(Action::On(arg, these))
            }
        }
    }
}

/// The descriptors that meet a need.
fn meeting(policy: &Policy, need: Need) -> Numbers {
    let rest = policy.meets(need, &policy.rest(), 0);
    let differs = |held: &Held| policy.meets(need, held, 0) != rest;
    let exceptions = policy.granted.iter().filter(|(_, held)| differs(held));
    let exceptions = exceptions.map(|(number, _)| *number).collect();
    if rest { Numbers::AllBut(exceptions) } else { Numbers::Only(exceptions) }
}

/// The descriptors that take any requests of ioctl(2), by the requests.
fn requests_by_descriptor(policy: &Policy) -> Vec<(Numbers, BTreeSet<u32>)> {
    let rest = requests::taken(&policy.ceiling);
    let mut groups: BTreeMap<BTreeSet<u32>, BTreeSet<u32>> = BTreeMap::new();
    for (number, held) in &policy.granted {
        let taken = requests::taken(&held.limits);
        if taken != rest {
            groups.entry(taken).or_default().insert(*number);
        }
    }
    let others = groups.values().flatten().copied().collect();
    groups
        .into_iter()
        .map(|(taken, numbers)| (Numbers::Only(numbers), taken))
        .chain([(Numbers::AllBut(others), rest)])
        .filter(|(_, taken)| !taken.is_empty())
        .collect()
}

/// Leaves out the steps that say nothing: after one that decides more, and before one that decides
/// the same of more.
fn without_idle(policy: &Policy, steps: Vec<Reduced>) -> Vec<Reduced> {
    let within = |inner: &Reduced, outer: &Reduced| {
        outer.action.decides() && outer.when.iter().all(|when| inner.when.contains(when))
    };
    let mut left: Vec<Reduced> = Vec::new();
    for step in steps {
        if left.iter().any(|before| within(&step, before)) {
            continue;
        }
        while let Some(before) = left.last()
            && within(before, &step)
            && before.action.refusal(policy) == step.action.refusal(policy)
        {
            left.pop();
        }
        left.push(step);
    }
    left
}
