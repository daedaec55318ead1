//! The steps of a reduced rule in words.

use std::collections::BTreeSet;

use super::{
    super::{
        policy::Policy,
        requests,
        rule::{Arg, Fact, Need, Refusal, When},
    },
    arguments::Argument,
    reduce::{Action, Numbers, Reduced, Why},
};
use crate::{
    Limits,
    explain::{error_name, numbers},
};

/// What a call's steps say, in order.
pub(in super::super) fn steps(policy: &Policy, call: &str, steps: &[Reduced]) -> Vec<String> {
    let words = Words { policy, call, several: descriptors(steps).len() > 1 };
    // Where nothing but needs come before it, that the rest is allowed goes without saying.
    let plain = |step: &Reduced| {
        step.when.is_empty() && matches!(step.action, Action::On(..) | Action::Request(..))
    };
    match steps {
        [needs @ .., _] if !needs.is_empty() && needs.iter().all(plain) => needs,
        _ => steps,
    }
    .iter()
    .map(|step| words.step(step))
    .collect()
}

/// The arguments by which a rule names descriptors.
fn descriptors(steps: &[Reduced]) -> BTreeSet<Arg> {
    let named = steps.iter().filter_map(|step| match step.action {
        Action::On(arg, _) | Action::Request(arg, ..) => Some(arg),
        _ => None,
    });
    named.collect()
}

struct Words<'a> {
    policy: &'a Policy,
    call: &'a str,
    /// Whether more than one argument is a descriptor, so that it must be said which.
    several: bool,
}

impl Words<'_> {
    fn argument(&self, arg: Arg) -> Argument {
        Argument::of(self.call, arg)
    }

    fn step(&self, Reduced { when, action }: &Reduced) -> String {
        let conditions: Vec<String> = when.iter().map(|when| self.condition(*when)).collect();
        let conditions = conditions.join(" and ");
        match action {
            Action::Allow if when.is_empty() => "otherwise allowed".to_owned(),
            Action::Allow => format!("allowed where {conditions}"),
            Action::Refuse(errno, why) => {
                let error = error_name(*errno);
                let why =
                    why.and_then(reason).map_or(String::new(), |why| format!(", since {why}"));
                if when.is_empty() {
                    format!("otherwise {error}{why}")
                } else {
                    format!("{error} where {conditions}{why}")
                }
            }
            _ if when.is_empty() => self.need(action),
            _ => format!("where {conditions}: {}", self.need(action)),
        }
    }

    fn need(&self, action: &Action) -> String {
        let on = |arg: Arg, words: String| {
            if self.several { format!("{} {words}", self.argument(arg).name) } else { words }
        };
        match action {
            Action::On(arg, these) => on(*arg, set(these)),
            Action::Request(arg, request, groups) => {
                let name = self.argument(*request).name;
                let groups = groups.iter().map(|(these, taken)| {
                    format!("{} where {name} is {}", some(these), self.requests(*request, taken))
                });
                let groups: Vec<String> = groups.collect();
                on(*arg, format!("{}, and else {}", groups.join(", "), self.incapable()))
            }
            Action::Without(first, last, runs) => {
                let runs = runs.iter().flat_map(|(from, to)| *from..=*to);
                format!(
                    "{} where any of the descriptors {} is from {} to {}",
                    self.incapable(),
                    numbers(runs),
                    self.argument(*first).name,
                    self.argument(*last).name,
                )
            }
            Action::Allow | Action::Refuse(..) => String::new(),
        }
    }

    fn incapable(&self) -> String {
        self.policy.refusal(Refusal::NotCapable).map(error_name).unwrap_or_default()
    }

    fn requests(&self, arg: Arg, taken: &BTreeSet<u32>) -> String {
        if *taken == requests::taken(&Limits::ALL) {
            return "one of `Ioctls::All`".to_owned();
        }
        one_of(taken.iter().map(|request| match self.argument(arg).value(*request) {
            plain if plain.starts_with(|first: char| first.is_ascii_digit()) => {
                format!("{request:#x}")
            }
            name => name,
        }))
    }

    fn condition(&self, when: When) -> String {
        match when {
            When::Is(arg, value) => {
                let arg = self.argument(arg);
                format!("{} is {}", arg.name, arg.value(value))
            }
            When::OneOf(arg, values) => {
                let arg = self.argument(arg);
                let values = one_of(values.iter().map(|value| arg.value(*value)));
                format!("{} is {values}", arg.name)
            }
            When::Any(arg, mask) => self.any(arg, mask, "some", "a"),
            When::Clear(arg, mask) => self.any(arg, mask, "none", "no"),
            When::Masked(arg, mask, value) => {
                let arg = self.argument(arg);
                format!("{} & {} is {}", arg.name, arg.bits(mask), arg.value(value))
            }
            When::Null(arg) => format!("{} is 0", self.argument(arg).name),
            When::Own(arg) => format!("{} is that of this process", self.argument(arg).name),
            // The policy's have been decided.
            When::Fact(_) | When::Unless(_) | When::Named(_) => String::new(),
        }
    }

    /// Bits, or where they are the greater part, the bits that they are not.
    fn any(&self, arg: Arg, mask: u32, of: &str, beyond: &str) -> String {
        let arg = self.argument(arg);
        if mask == u32::MAX {
            let is = if of == "none" { "is" } else { "is not" };
            format!("{} {is} 0", arg.name)
        } else if mask.count_ones() > 16 {
            format!("{} has {beyond} bit beyond {}", arg.name, arg.bits(!mask))
        } else if mask.count_ones() == 1 {
            let has = if of == "none" { "lacks" } else { "has" };
            format!("{} {has} {}", arg.name, arg.bits(mask))
        } else {
            format!("{} has {of} of {}", arg.name, arg.bits(mask))
        }
    }
}

/// Why something is refused whatever the descriptor, where that is not plain.
fn reason(why: Why) -> Option<String> {
    Some(match why {
        Why::Unmet(Need::Everywhere(rights)) => format!("not every descriptor has `{rights}`"),
        Why::Unmet(Need::Right(_, rights)) => format!("no such descriptor has `{rights}`"),
        Why::Unmet(Need::Fcntl(_, command)) => format!("no such descriptor takes {command:?}"),
        Why::Unmet(Need::Ioctl(..)) => "no descriptor takes a request".to_owned(),
        Why::Unmet(Need::Whole(_)) => "each such descriptor is narrow".to_owned(),
        Why::Unmet(Need::Loose(_)) => "each such descriptor is pinned".to_owned(),
        Why::Unmet(Need::LooseRange(..)) => return None,
        Why::Unmet(Need::MapShared(_)) => {
            "no such descriptor has `MMAP_RW` or is known to be open for reading only".to_owned()
        }
        Why::Unmet(Need::Message(_)) => {
            "a message may hold an address, and no descriptor takes messages of such".to_owned()
        }
        Why::Fact(Fact::SomeNarrow) => "some descriptor is narrow".to_owned(),
        Why::Fact(Fact::Reopens) => "what is narrow could be opened again".to_owned(),
        Why::Fact(Fact::Executes) => "some descriptor may be executed".to_owned(),
        Why::Unless(Fact::MappingsExecute) => {
            "some descriptor may be mapped and not executed".to_owned()
        }
        Why::Unless(Fact::Landlock) => "Landlock is not there to hold it".to_owned(),
        Why::Fact(_) | Why::Unless(_) => return None,
    })
}

fn one_of(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    if values.len() > 1 { format!("one of {}", values.join(", ")) } else { values.concat() }
}

/// Descriptors, where a call may be used on no other.
fn set(these: &Numbers) -> String {
    match these {
        Numbers::Only(_) => format!("{} and no other", some(these)),
        Numbers::AllBut(_) => some(these),
    }
}

fn some(these: &Numbers) -> String {
    let plural = |count: usize| if count > 1 { "s" } else { "" };
    match these {
        Numbers::Only(these) => {
            format!("on descriptor{} {}", plural(these.len()), numbers(these.iter().copied()))
        }
        Numbers::AllBut(others) if others.is_empty() => "on any descriptor".to_owned(),
        Numbers::AllBut(others) => {
            format!("on any descriptor but {}", numbers(others.iter().copied()))
        }
    }
}
