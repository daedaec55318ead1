//! What a policy says of a call, from the table, in plain Rust: what the filter must do too.

use super::{
    ENOTCAPABLE,
    policy::{Policy, Verdict, X32},
    rule::{Need, Step, When},
    syscalls::{Arch, Row, table},
};

/// A system call as a filter sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// `AUDIT_ARCH_*`.
    pub(super) arch: u32,
    pub(super) number: u32,
    pub(super) args: [u64; 6],
}

impl Policy {
    pub(super) fn condition(&self, when: When, args: &[u64; 6]) -> bool {
        // The kernel, too, looks at the low half only of what are ints.
        #[allow(clippy::cast_possible_truncation)]
        let low = |arg: usize| args[arg] as u32;
        match when {
            When::Is(arg, value) => low(arg) == value,
            When::OneOf(arg, values) => values.contains(&low(arg)),
            When::Any(arg, mask) => low(arg) & mask != 0,
            When::Clear(arg, mask) => low(arg) & mask == 0,
            When::Masked(arg, mask, value) => low(arg) & mask == value,
            When::Null(arg) => args[arg] == 0,
            When::Own(arg) => low(arg) == self.pid,
            When::Fact(fact) => self.fact(fact),
            When::Unless(fact) => !self.fact(fact),
            When::Named(names) => self.named(names),
        }
    }

    fn need(&self, need: Need, args: &[u64; 6]) -> bool {
        #[allow(clippy::cast_possible_truncation)]
        let low = |arg: usize| args[arg] as u32;
        match need {
            Need::Right(arg, _)
            | Need::Fcntl(arg, _)
            | Need::Whole(arg)
            | Need::Loose(arg)
            | Need::Contained(arg)
            | Need::Known(arg)
            | Need::Emptied(arg)
            | Need::MapShared(arg)
            | Need::Message(arg) => self.meets(need, &self.held(low(arg)), 0),
            Need::Ioctl(arg, request) => self.meets(need, &self.held(low(arg)), low(request)),
            Need::LooseRange(first, last) => {
                self.pinned_runs().iter().all(|(from, to)| low(first) > *to || low(last) < *from)
            }
            Need::Everywhere(rights) => self.everywhere(rights),
        }
    }

    /// What becomes of a call.
    pub(super) fn verdict(&self, arch: Arch, call: &Call) -> Verdict {
        if call.arch != arch.audit() || arch == Arch::X86_64 && call.number & X32 != 0 {
            return Verdict::Kill;
        }
        table()
            .find(|row| row.number(arch) == Some(call.number))
            .map_or_else(|| self.unknown(), |row| self.by_rule(row, &call.args))
    }

    fn by_rule(&self, row: &Row, args: &[u64; 6]) -> Verdict {
        let all = |when: &[When]| when.iter().all(|when| self.condition(*when, args));
        for step in row.rule() {
            match step {
                Step::Allow(when) if all(when) => return self.allowed(when),
                Step::Refuse(when, refusal) if all(when) => {
                    // A limit says nothing of calls that are no use of a descriptor's rights.
                    return self.refuse(*refusal);
                }
                Step::Need(when, need) if all(when) && !self.need(*need, args) => {
                    return self.unmet(*need);
                }
                _ => {}
            }
        }
        Verdict::Refuse(ENOTCAPABLE)
    }
}
