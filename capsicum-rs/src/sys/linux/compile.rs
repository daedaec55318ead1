//! The compiler: from a policy and the table to a program of classic BPF.
//!
//! A search tree over the numbers of system calls leads to the code of each rule. Which numbers
//! are exceptions to the ceiling is known for every need, so that a descriptor is tested against
//! a bitmap, 32 numbers at a time. Calls whose verdict depends on nothing are decided before any
//! argument is loaded: the kernel then remembers the verdict.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    bpf::{Assembler, Insn, Node, op},
    policy::{Held, Policy, Verdict, X32},
    requests,
    rule::{Need, Refusal, Rule, Step, When},
    syscalls::{Arch, table},
};

/// Where the words of a call are, in bytes: `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

#[allow(clippy::cast_possible_truncation)]
const fn low(arg: usize) -> u32 {
    16 + 8 * arg as u32
}

const fn high(arg: usize) -> u32 {
    low(arg) + 4
}

/// What the kernel takes for a verdict: `SECCOMP_RET_*`.
pub(super) const fn code(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Allow => libc::SECCOMP_RET_ALLOW,
        Verdict::Refuse(errno) => libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(),
        Verdict::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    }
}

/// Up to this many exceptions are compared one by one; more are a bitmap.
const FEW: usize = 3;

struct Compiler<'a> {
    policy: &'a Policy,
    /// What the numbers that are not granted may be used for.
    rest: Held,
    /// The grants that are the same, and their numbers: a need is asked once for each.
    alike: Vec<(&'a Held, Vec<u32>)>,
    asm: Assembler,
}

/// The program that holds the policy.
pub(super) fn compile(policy: &Policy, arch: Arch) -> Vec<Insn> {
    let mut alike: Vec<(&Held, Vec<u32>)> = Vec::new();
    for (number, held) in &policy.granted {
        match alike.iter_mut().find(|(other, _)| *other == held) {
            Some((_, numbers)) => numbers.push(*number),
            None => alike.push((held, vec![*number])),
        }
    }
    let mut compiler = Compiler { policy, rest: policy.rest(), alike, asm: Assembler::default() };
    let rules: BTreeMap<u32, Rule> =
        table().filter_map(|row| Some((row.number(arch)?, row.rule()))).collect();
    let unknown = compiler.asm.verdict(code(policy.unknown()));
    let mut leaves = BTreeMap::new();
    for (number, rule) in rules {
        leaves.insert(number, compiler.rule(rule));
    }
    let kill = compiler.asm.verdict(code(Verdict::Kill));
    let known = compiler.search(&leaves, unknown);
    let native = match arch {
        Arch::X86_64 => compiler.asm.branch(op::IF_ANY, X32, kill, known),
        Arch::Aarch64 => known,
    };
    let native = compiler.asm.then(op::LOAD, NUMBER, native);
    let start = compiler.asm.branch(op::IF_EQUAL, arch.audit(), native, kill);
    let start = compiler.asm.then(op::LOAD, ARCH, start);
    compiler.asm.finish(start)
}

impl Compiler<'_> {
    fn verdict(&mut self, verdict: Verdict) -> Node {
        self.asm.verdict(code(verdict))
    }

    fn refuse(&mut self, refusal: Refusal) -> Node {
        self.verdict(self.policy.refuse(refusal))
    }

    /// Where A, a number, has a leaf go there, else go to `other`.
    fn search(&mut self, leaves: &BTreeMap<u32, Node>, other: Node) -> Node {
        // Runs of numbers with the same leaf, gaps included: each from its first number.
        let mut runs: Vec<(u32, Node)> = Vec::new();
        let mut push = |from: u32, node: Node| {
            if runs.last().is_none_or(|(_, last)| *last != node) {
                runs.push((from, node));
            }
        };
        let mut next = Some(0);
        for (number, leaf) in leaves {
            if next.is_some_and(|next| next < *number) {
                push(next.unwrap_or(0), other);
            }
            push(*number, *leaf);
            next = number.checked_add(1);
        }
        if let Some(next) = next {
            push(next, other);
        }
        self.bisect(&runs)
    }

    fn bisect(&mut self, runs: &[(u32, Node)]) -> Node {
        if let [(_, node)] = runs {
            return *node;
        }
        let (lower, upper) = runs.split_at(runs.len() / 2);
        let yes = self.bisect(upper);
        let no = self.bisect(lower);
        self.asm.branch(op::IF_AT_LEAST, upper[0].0, yes, no)
    }

    fn rule(&mut self, rule: Rule) -> Node {
        // A rule's last step is unconditional, so that this end is never reached.
        let mut next = self.refuse(Refusal::NotCapable);
        for step in rule.iter().rev() {
            let (Step::Allow(when) | Step::Refuse(when, _) | Step::Need(when, _)) = step;
            if !when.iter().all(|when| self.may_hold(*when)) {
                continue;
            }
            let action = match step {
                Step::Allow(_) => self.verdict(Verdict::Allow),
                Step::Refuse(_, refusal) => self.refuse(*refusal),
                Step::Need(_, need) => {
                    let unmet = self.refuse(Refusal::NotCapable);
                    self.need(*need, next, unmet)
                }
            };
            next = when.iter().rev().fold(action, |yes, when| self.condition(*when, yes, next));
        }
        next
    }

    /// Whether the policy leaves a condition open.
    fn may_hold(&self, when: When) -> bool {
        match when {
            When::Fact(fact) => self.policy.fact(fact),
            When::Unless(fact) => !self.policy.fact(fact),
            When::Named(names) => self.policy.named(names),
            _ => true,
        }
    }

    fn condition(&mut self, when: When, yes: Node, no: Node) -> Node {
        let (arg, test) = match when {
            // Those that do not hold were left out before.
            When::Fact(_) | When::Unless(_) | When::Named(_) => return yes,
            When::Is(arg, value) => (arg, self.asm.branch(op::IF_EQUAL, value, yes, no)),
            When::Own(arg) => (arg, self.asm.branch(op::IF_EQUAL, self.policy.pid, yes, no)),
            When::Any(arg, mask) => (arg, self.asm.branch(op::IF_ANY, mask, yes, no)),
            When::Clear(arg, mask) => (arg, self.asm.branch(op::IF_ANY, mask, no, yes)),
            When::OneOf(arg, values) => {
                let leaves = values.iter().map(|value| (*value, yes)).collect();
                (arg, self.search(&leaves, no))
            }
            When::Masked(arg, mask, value) => {
                let equal = self.asm.branch(op::IF_EQUAL, value, yes, no);
                (arg, if yes == no { yes } else { self.asm.then(op::AND, mask, equal) })
            }
            When::Null(arg) => {
                let low_half = self.asm.branch(op::IF_EQUAL, 0, yes, no);
                let low_half = self.load(low(arg), low_half, yes == no);
                let high_half = self.asm.branch(op::IF_EQUAL, 0, low_half, no);
                return self.load(high(arg), high_half, yes == no);
            }
        };
        self.load(low(arg), test, yes == no)
    }

    /// Loads a word, unless both answers are the same.
    fn load(&mut self, word: u32, next: Node, decided: bool) -> Node {
        if decided { next } else { self.asm.then(op::LOAD, word, next) }
    }

    fn need(&mut self, need: Need, yes: Node, no: Node) -> Node {
        match need {
            Need::Everywhere(rights) => {
                if self.policy.everywhere(rights) {
                    yes
                } else {
                    no
                }
            }
            Need::LooseRange(first, last) => self.loose_range(first, last, yes, no),
            Need::Ioctl(arg, request) => self.ioctl(arg, request, yes, no),
            Need::Right(arg, _)
            | Need::Fcntl(arg, _)
            | Need::Whole(arg)
            | Need::Loose(arg)
            | Need::Contained(arg)
            | Need::MapShared(arg)
            | Need::Message(arg) => {
                let policy = self.policy;
                let rest = policy.meets(need, &self.rest, 0);
                let exceptions = self.numbers(|held| policy.meets(need, held, 0) != rest);
                let (others, these) = if rest { (yes, no) } else { (no, yes) };
                self.member(arg, &exceptions, these, others)
            }
        }
    }

    fn numbers(&self, of: impl Fn(&Held) -> bool) -> BTreeSet<u32> {
        let found = self.alike.iter().filter(|(held, _)| of(held));
        found.flat_map(|(_, numbers)| numbers.iter().copied()).collect()
    }

    /// Whether the descriptor in an argument is one of these.
    fn member(&mut self, arg: usize, numbers: &BTreeSet<u32>, yes: Node, no: Node) -> Node {
        if numbers.is_empty() || yes == no {
            return no;
        }
        if numbers.len() <= FEW {
            let leaves = numbers.iter().map(|number| (*number, yes)).collect();
            let found = self.search(&leaves, no);
            return self.asm.then(op::LOAD, low(arg), found);
        }
        let mut words: BTreeMap<u32, u32> = BTreeMap::new();
        for number in numbers {
            *words.entry(number / 32).or_default() |= 1 << (number % 32);
        }
        let bit = self.asm.branch(op::IF_ANY, 1, yes, no);
        let mut leaves = BTreeMap::new();
        for (word, bitmap) in words {
            let test = self.asm.then(op::SHIFT_X, 0, bit);
            let test = self.asm.then(op::LOAD_CONST, bitmap, test);
            // The shift must be below 32.
            let test = self.asm.then(op::TO_X, 0, test);
            let test = self.asm.then(op::AND, 31, test);
            leaves.insert(word, self.asm.then(op::LOAD, low(arg), test));
        }
        let found = self.search(&leaves, no);
        let found = self.asm.then(op::SHIFT, 5, found);
        self.asm.then(op::LOAD, low(arg), found)
    }

    /// No pinned number from the first to the last: run by run of those.
    fn loose_range(&mut self, first: usize, last: usize, yes: Node, no: Node) -> Node {
        self.policy.pinned_runs().into_iter().fold(yes, |next, (from, to)| {
            let reaches = self.asm.branch(op::IF_AT_LEAST, from, no, next);
            let reaches = self.asm.then(op::LOAD, low(last), reaches);
            let starts = self.asm.branch(op::IF_ABOVE, to, next, reaches);
            self.asm.then(op::LOAD, low(first), starts)
        })
    }

    /// Descriptors with the same requests are tested together.
    fn ioctl(&mut self, fd: usize, request: usize, yes: Node, no: Node) -> Node {
        let rest = requests::taken(&self.policy.ceiling);
        let mut groups: BTreeMap<BTreeSet<u32>, BTreeSet<u32>> = BTreeMap::new();
        for (number, held) in &self.policy.granted {
            let taken = requests::taken(&held.limits);
            if taken != rest {
                groups.entry(taken).or_default().insert(*number);
            }
        }
        let others = self.request(request, &rest, yes, no);
        groups.iter().fold(others, |next, (taken, numbers)| {
            let these = self.request(request, taken, yes, no);
            self.member(fd, numbers, these, next)
        })
    }

    fn request(&mut self, arg: usize, taken: &BTreeSet<u32>, yes: Node, no: Node) -> Node {
        if taken.is_empty() {
            return no;
        }
        let leaves = taken.iter().map(|request| (*request, yes)).collect();
        let found = self.search(&leaves, no);
        self.load(low(arg), found, yes == no)
    }
}
