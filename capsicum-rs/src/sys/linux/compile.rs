//! The compiler: from a policy and the table to a program of classic BPF.
//!
//! A search tree over the numbers of system calls leads to the code of each rule. Which numbers
//! are exceptions to the ceiling is known for every need, so that a descriptor is tested against
//! a bitmap, 32 numbers at a time. Calls whose verdict depends on nothing are decided before any
//! argument is loaded: the kernel then remembers the verdict.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    bpf::{Assembler, Insn, Node, op},
    policy::{Held, Policy, Verdict, X32},
    requests,
    rule::{Fact, Need, Refusal, Rule, Step, When},
    search::{Compiled, Runs, search},
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
        Verdict::Trap(errno) => libc::SECCOMP_RET_TRAP | errno.cast_unsigned(),
        Verdict::Notify => libc::SECCOMP_RET_USER_NOTIF,
        Verdict::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    }
}

/// Up to this many runs of numbers are compared; more are a bitmap.
const FEW: usize = 3;

/// Numbers that are tested together.
#[derive(Default)]
struct Set {
    /// Of the grants that are alike, those with these numbers.
    groups: Vec<bool>,
    /// In ascending order.
    numbers: Vec<u32>,
    /// Where there are more than [`FEW`] runs: by every 32nd number that has some of them, those.
    bitmaps: Vec<(u32, u32)>,
}

impl Set {
    fn of(groups: Vec<bool>, mut numbers: Vec<u32>) -> Self {
        numbers.sort_unstable();
        let runs = numbers.chunk_by(|number, next| number.checked_add(1) == Some(*next)).count();
        let mut bitmaps: Vec<(u32, u32)> = Vec::new();
        if runs > FEW {
            for number in &numbers {
                match bitmaps.last_mut() {
                    Some((at, bitmap)) if *at == number / 32 => *bitmap |= 1 << (number % 32),
                    _ => bitmaps.push((number / 32, 1 << (number % 32))),
                }
            }
        }
        Self { groups, numbers, bitmaps }
    }
}

struct Compiler<'a> {
    policy: &'a Policy,
    /// What the numbers that are not granted may be used for.
    rest: Held,
    /// The grants that are the same, and their numbers: a need is asked once for each.
    alike: Vec<(&'a Held, Vec<u32>)>,
    /// Those that are exceptions together, as far as it was asked.
    sets: Vec<Rc<Set>>,
    /// Memory for the next question.
    groups: Vec<bool>,
    /// The facts that were asked for.
    facts: Vec<(Fact, bool)>,
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
    let mut compiler = Compiler {
        policy,
        rest: policy.rest(),
        alike,
        sets: Vec::new(),
        groups: Vec::new(),
        facts: Vec::new(),
        asm: Assembler::default(),
    };
    let unknown = compiler.asm.verdict(code(policy.unknown()));
    // Rows share rules: each is compiled once.
    let mut compiled = Compiled::default();
    let mut leaves: Vec<Node> = Vec::with_capacity(512);
    for row in table() {
        let Some(number) = row.number(arch) else { continue };
        let (number, rule) = (number as usize, row.rule());
        if leaves.len() <= number {
            leaves.resize(number + 1, unknown);
        }
        leaves[number] = compiled.get(rule, || compiler.rule(rule));
    }
    let leaves = (0..).zip(leaves);
    let kill = compiler.asm.verdict(code(Verdict::Kill));
    let known = compiler.search(NUMBER, &Runs::of(leaves, unknown));
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

    /// Where A, which holds a word of the call's data, has a leaf go there, else go to `other`.
    fn search(&mut self, word: u32, runs: &Runs) -> Node {
        search(&mut self.asm, Some(word), runs)
    }

    /// Whether an argument has one of these values.
    fn one_of(&mut self, arg: usize, values: &[u32], yes: Node, no: Node) -> Node {
        let mut values = values.to_vec();
        values.sort_unstable();
        let found = self.search(low(arg), &Runs::of(values.into_iter().map(|v| (v, yes)), no));
        self.load(low(arg), found)
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
                Step::Allow(when) => self.verdict(self.policy.allowed(when)),
                Step::Refuse(_, refusal) => self.refuse(*refusal),
                Step::Need(_, need) => {
                    let unmet = self.verdict(self.policy.unmet(*need));
                    self.need(*need, next, unmet)
                }
            };
            next = when.iter().rev().fold(action, |yes, when| self.condition(*when, yes, next));
        }
        next
    }

    /// Whether the policy leaves a condition open.
    fn may_hold(&mut self, when: When) -> bool {
        match when {
            When::Fact(fact) => self.fact(fact),
            When::Unless(fact) => !self.fact(fact),
            When::Named(names) => self.policy.named(names),
            _ => true,
        }
    }

    /// What the policy says of a fact: asked once, since it is asked of every grant.
    fn fact(&mut self, fact: Fact) -> bool {
        if let Some((_, known)) = self.facts.iter().find(|(known, _)| *known == fact) {
            return *known;
        }
        let answer = self.policy.fact(fact);
        self.facts.push((fact, answer));
        answer
    }

    fn condition(&mut self, when: When, yes: Node, no: Node) -> Node {
        match when {
            // Those that do not hold were left out before.
            When::Fact(_) | When::Unless(_) | When::Named(_) => yes,
            When::Is(arg, value) => self.test(low(arg), op::IF_EQUAL, value, yes, no),
            When::Own(arg) => self.test(low(arg), op::IF_EQUAL, self.policy.pid, yes, no),
            When::Any(arg, mask) => self.test(low(arg), op::IF_ANY, mask, yes, no),
            When::Clear(arg, mask) => self.test(low(arg), op::IF_ANY, mask, no, yes),
            When::OneOf(arg, values) => self.one_of(arg, values, yes, no),
            When::Masked(arg, mask, value) => {
                let equal = self.asm.branch(op::IF_EQUAL, value, yes, no);
                if yes == no {
                    return yes;
                }
                let masked = self.asm.then(op::AND, mask, equal);
                self.load(low(arg), masked)
            }
            When::Null(arg) => {
                let low_half = self.test(low(arg), op::IF_EQUAL, 0, yes, no);
                self.test(high(arg), op::IF_EQUAL, 0, low_half, no)
            }
        }
    }

    /// Loads a word and tests it.
    fn test(&mut self, word: u32, code: u16, k: u32, yes: Node, no: Node) -> Node {
        if yes == no {
            return yes;
        }
        let test = self.asm.branch_on(Some(word), code, k, yes, no);
        self.load(word, test)
    }

    /// Loads a word for what follows.
    fn load(&mut self, word: u32, next: Node) -> Node {
        self.asm.then(op::LOAD, word, next)
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
            | Need::Known(arg)
            | Need::Emptied(arg)
            | Need::MapShared(arg)
            | Need::Message(arg) => {
                let policy = self.policy;
                let rest = policy.meets(need, &self.rest, 0);
                let exceptions = self.set(|held| policy.meets(need, held, 0) != rest);
                let (others, these) = if rest { (yes, no) } else { (no, yes) };
                self.member(arg, &exceptions, these, others)
            }
        }
    }

    /// The numbers of all grants that are so.
    fn set(&mut self, of: impl Fn(&Held) -> bool) -> Rc<Set> {
        let mut groups = std::mem::take(&mut self.groups);
        groups.clear();
        groups.extend(self.alike.iter().map(|(held, _)| of(held)));
        if let Some(known) = self.sets.iter().find(|known| groups.iter().eq(&known.groups)) {
            self.groups = groups;
            return known.clone();
        }
        let these = self.alike.iter().zip(&groups).filter(|(_, these)| **these);
        let numbers = these.flat_map(|((_, numbers), _)| numbers.iter().copied()).collect();
        let set = Rc::new(Set::of(groups, numbers));
        self.sets.push(set.clone());
        set
    }

    /// Whether the descriptor in an argument is one of these.
    fn member(&mut self, arg: usize, set: &Set, yes: Node, no: Node) -> Node {
        if set.numbers.is_empty() || yes == no {
            return no;
        }
        let word = low(arg);
        if set.bitmaps.is_empty() {
            let found = self.search(word, &Runs::of(set.numbers.iter().map(|n| (*n, yes)), no));
            return self.load(word, found);
        }
        let bit = self.asm.branch(op::IF_ANY, 1, yes, no);
        let mut shift = |(at, bitmap): (u32, u32)| {
            let shifted = self.asm.then(op::SHIFT_X, 0, bit);
            (at, self.asm.then(op::LOAD_CONST, bitmap, shifted))
        };
        if let [(0, bitmap)] = set.bitmaps[..] {
            let (_, test) = shift((0, bitmap));
            let test = self.asm.then(op::TO_X, 0, test);
            return self.test(word, op::IF_AT_LEAST, 32, no, test);
        }
        let leaves: Vec<(u32, Node)> = set.bitmaps.iter().copied().map(&mut shift).collect();
        // The shift must be below 32.
        let found = search(&mut self.asm, None, &Runs::of(leaves, no));
        let found = self.asm.then(op::SHIFT, 5, found);
        let found = self.asm.then(op::LOAD, word, found);
        let found = self.asm.then(op::TO_X, 0, found);
        let found = self.asm.then(op::AND, 31, found);
        self.load(word, found)
    }

    /// No pinned number from the first to the last: run by run of those.
    fn loose_range(&mut self, first: usize, last: usize, yes: Node, no: Node) -> Node {
        self.policy.pinned_runs().into_iter().fold(yes, |next, (from, to)| {
            let reaches = self.test(low(last), op::IF_AT_LEAST, from, no, next);
            self.test(low(first), op::IF_ABOVE, to, next, reaches)
        })
    }

    /// Descriptors with the same requests are tested together.
    fn ioctl(&mut self, fd: usize, request: usize, yes: Node, no: Node) -> Node {
        let rest = requests::taken(&self.policy.ceiling);
        let mut groups: BTreeMap<BTreeSet<u32>, Vec<u32>> = BTreeMap::new();
        for (held, numbers) in &self.alike {
            let taken = requests::taken(&held.limits);
            if taken != rest {
                groups.entry(taken).or_default().extend(numbers);
            }
        }
        let others = self.request(request, &rest, yes, no);
        groups.into_iter().fold(others, |next, (taken, numbers)| {
            let these = self.request(request, &taken, yes, no);
            self.member(fd, &Set::of(Vec::new(), numbers), these, next)
        })
    }

    fn request(&mut self, arg: usize, taken: &BTreeSet<u32>, yes: Node, no: Node) -> Node {
        let runs = Runs::of(taken.iter().map(|request| (*request, yes)), no);
        let found = self.search(low(arg), &runs);
        self.load(low(arg), found)
    }
}
