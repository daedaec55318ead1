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

/// What a call's steps say, in order: the first that applies decides.
pub(in super::super) fn steps(policy: &Policy, call: &str, steps: &[Reduced]) -> Vec<String> {
    let words = Words { policy, call, several: descriptors(steps).len() > 1 };
    let plain = |step: &Reduced| match &step.action {
        Action::On(arg, these) if step.when.is_empty() => Some(words.only_on(*arg, these)),
        _ => None,
    };
    // Where there is nothing but needs, which descriptors it takes says it all.
    if let [needs @ .., _] = steps
        && let Some(needs) = needs.iter().map(plain).collect()
    {
        return needs;
    }
    steps.iter().map(|step| words.step(step)).collect()
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
        let refused = match action {
            Action::Allow if when.is_empty() => return "otherwise allowed".to_owned(),
            Action::Allow => return format!("allowed where {conditions}"),
            Action::Refuse(errno, why) => {
                let error = error_name(*errno);
                let why =
                    why.and_then(reason).map_or(String::new(), |why| format!(", since {why}"));
                return if when.is_empty() {
                    format!("otherwise {error}{why}")
                } else {
                    format!("{error} where {conditions}{why}")
                };
            }
            Action::On(arg, Numbers::Only(these)) => {
                format!("unless {}", self.on(*arg, these.iter().copied()))
            }
            Action::On(arg, Numbers::AllBut(others)) => {
                let on = self.on(*arg, others.iter().copied());
                if self.several { format!("where {on}") } else { on }
            }
            Action::Request(arg, request, groups) => {
                let name = self.argument(*request).name;
                let groups = groups.iter().map(|(these, taken)| {
                    let on = match these {
                        Numbers::Only(these) => self.on(*arg, these.iter().copied()),
                        Numbers::AllBut(others) if others.is_empty() => "on any".to_owned(),
                        Numbers::AllBut(others) => {
                            format!("on any but {}", numbers(others.iter().copied()))
                        }
                    };
                    format!("{on} and {name} is {}", self.requests(*request, taken))
                });
                format!("unless {}", groups.collect::<Vec<_>>().join(", or "))
            }
            Action::Brokered(arg, Numbers::Only(these)) if these.is_empty() => {
                let what = self.argument(*arg).name;
                return format!("left to the broker, which looks beneath {what}");
            }
            Action::Brokered(arg, Numbers::Only(these) | Numbers::AllBut(these)) => {
                let on = self.on(*arg, these.iter().copied());
                return format!("left to the broker unless {on}");
            }
            Action::Without(first, last, runs) => {
                let runs = runs.iter().flat_map(|(from, to)| *from..=*to);
                format!(
                    "where {} to {} holds any of the descriptors {}",
                    self.argument(*first).name,
                    self.argument(*last).name,
                    numbers(runs),
                )
            }
        };
        let error = self.policy.refusal(Refusal::NotCapable).map(error_name).unwrap_or_default();
        if when.is_empty() {
            format!("{error} {refused}")
        } else {
            format!("{error} where {conditions}, {refused}")
        }
    }

    /// Which descriptors a call takes, if that is all there is to it.
    fn only_on(&self, arg: Arg, these: &Numbers) -> String {
        let which = match these {
            Numbers::Only(these) => {
                let plural = if these.len() > 1 { "s" } else { "" };
                format!("on descriptor{plural} {} and no other", numbers(these.iter().copied()))
            }
            Numbers::AllBut(others) => {
                format!("on any descriptor but {}", numbers(others.iter().copied()))
            }
        };
        if self.several { format!("{} {which}", self.argument(arg).name) } else { which }
    }

    fn on(&self, arg: Arg, these: impl ExactSizeIterator<Item = u32>) -> String {
        let one = these.len() == 1;
        let these = numbers(these);
        match (self.several, one) {
            (false, true) => format!("on descriptor {these}"),
            (false, false) => format!("on descriptors {these}"),
            (true, true) => format!("{} is descriptor {these}", self.argument(arg).name),
            (true, false) => {
                format!("{} is one of the descriptors {these}", self.argument(arg).name)
            }
        }
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
            When::Any(arg, mask) => self.any(arg, mask, "any", "a"),
            When::Clear(arg, mask) => self.any(arg, mask, "none", "no"),
            When::Masked(arg, mask, value) => {
                let arg = self.argument(arg);
                format!("{} & {} is {}", arg.name, arg.mask(mask), arg.value(value))
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
        } else if mask.is_power_of_two() {
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
        Why::Unmet(Need::Contained(_)) => {
            "a directory of another process may arrive over a socket".to_owned()
        }
        Why::Unmet(Need::Loose(_)) => "each such descriptor is pinned".to_owned(),
        Why::Unmet(Need::MapShared(_)) => {
            "no such descriptor has `MMAP_RW` or is known to be open for reading only".to_owned()
        }
        Why::Unmet(Need::Message(_)) => {
            "a message may hold an address, and no descriptor is known to take none".to_owned()
        }
        Why::Fact(Fact::SomeNarrow) => "some descriptor is narrow".to_owned(),
        Why::Fact(Fact::Reopens) => "what is narrow could be opened again".to_owned(),
        Why::Fact(Fact::Executes) => "some descriptor may be executed".to_owned(),
        Why::Unless(Fact::MappingsExecute) => {
            "some descriptor may be mapped and not executed".to_owned()
        }
        Why::Unless(Fact::Watched) => "not every descriptor has `EVENT`".to_owned(),
        Why::Unless(Fact::Landlock) => "Landlock is not there to hold it".to_owned(),
        Why::Unless(Fact::Directories) => {
            "Landlock does not see it, and there is no private root".to_owned()
        }
        Why::Unless(Fact::Statable) => "the path need not be empty".to_owned(),
        Why::Unmet(Need::LooseRange(..) | Need::Known(_) | Need::Emptied(_))
        | Why::Fact(_)
        | Why::Unless(_) => {
            return None;
        }
    })
}

fn one_of(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    if values.len() > 1 { format!("one of {}", values.join(", ")) } else { values.concat() }
}
