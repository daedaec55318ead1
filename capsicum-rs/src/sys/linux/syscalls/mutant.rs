//! One rule less: only in builds with `--cfg capsicum_mutate`, which `cargo xtask mutate` makes.
//!
//! The environment variable `CAPSICUM_MUTANT` names what is taken away: a row (`openat`), one of
//! its steps (`openat/3`), or a condition of a step (`openat/3/0`). With `list` the test
//! `every_mutant_is_listed` prints all of them.

use std::{env, sync::OnceLock};

use super::{
    super::rule::{Rule, Step, When},
    Row,
};

struct Mutant {
    row: String,
    step: Option<usize>,
    condition: Option<usize>,
}

fn mutant() -> Option<&'static Mutant> {
    static MUTANT: OnceLock<Option<Mutant>> = OnceLock::new();
    MUTANT
        .get_or_init(|| {
            let name = env::var("CAPSICUM_MUTANT").ok()?;
            let mut parts = name.split('/');
            Some(Mutant {
                row: parts.next()?.to_owned(),
                step: parts.next().and_then(|step| step.parse().ok()),
                condition: parts.next().and_then(|condition| condition.parse().ok()),
            })
        })
        .as_ref()
}

/// Whether a row is what is taken away.
pub(super) fn removed(row: &Row) -> bool {
    mutant().is_some_and(|mutant| mutant.row == row.name && mutant.step.is_none())
}

fn conditions(step: Step) -> &'static [When] {
    let (Step::Allow(when) | Step::Refuse(when, _) | Step::Need(when, _)) = step;
    when
}

/// The rule of a row without what is taken away; `None` where that is another row's.
pub(super) fn rule(row: &Row) -> Option<Rule> {
    static RULE: OnceLock<Vec<Step>> = OnceLock::new();
    let mutant = mutant().filter(|mutant| mutant.row == row.name)?;
    let at = mutant.step?;
    Some(RULE.get_or_init(|| {
        let mut steps = row.rule.to_vec();
        let Some(condition) = mutant.condition else {
            steps.remove(at);
            return steps;
        };
        let mut when = conditions(steps[at]).to_vec();
        when.remove(condition);
        let when: &'static [When] = when.leak();
        steps[at] = match steps[at] {
            Step::Allow(_) => Step::Allow(when),
            Step::Refuse(_, refusal) => Step::Refuse(when, refusal),
            Step::Need(_, need) => Step::Need(when, need),
        };
        steps
    }))
}

/// All that can be taken away. A last step stays: without it there is no rule.
#[cfg(test)]
pub(in super::super) fn all() -> Vec<String> {
    super::FAMILIES
        .iter()
        .copied()
        .flatten()
        .flat_map(|row| {
            let steps = row.rule.iter().enumerate();
            let within = steps.flat_map(move |(at, step)| {
                let whole = (at + 1 < row.rule.len()).then(|| format!("{}/{at}", row.name));
                let conditions =
                    (0..conditions(*step).len()).map(move |c| format!("{}/{at}/{c}", row.name));
                whole.into_iter().chain(conditions)
            });
            std::iter::once(row.name.to_owned()).chain(within)
        })
        .collect()
}
