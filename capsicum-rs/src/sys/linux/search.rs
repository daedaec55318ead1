//! Searching: which node a number leads to, by few comparisons and in a short program.

use super::{
    bpf::{Assembler, Node, op},
    rule::{Rule, Step},
};

/// The numbers from one on that lead to the same node, up to those of the next run.
#[derive(Clone, Copy, Debug)]
struct Run {
    from: u32,
    to: u32,
    node: Node,
}

impl Run {
    fn is_single(self) -> bool {
        self.from == self.to
    }
}

/// What every number leads to, run by run.
#[derive(Debug)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// These numbers, which ascend, lead to nodes of their own, and all others to `other`.
    pub(super) fn of(leaves: impl IntoIterator<Item = (u32, Node)>, other: Node) -> Self {
        let leaves = leaves.into_iter();
        let mut runs = Self(Vec::with_capacity(leaves.size_hint().0 / 2 + 4));
        let mut next = Some(0);
        for (number, leaf) in leaves {
            if let Some(from) = next.filter(|from| *from < number) {
                runs.push(Run { from, to: number - 1, node: other });
            }
            runs.push(Run { from: number, to: number, node: leaf });
            next = number.checked_add(1);
        }
        if let Some(from) = next {
            runs.push(Run { from, to: u32::MAX, node: other });
        }
        runs
    }

    fn push(&mut self, run: Run) {
        match self.0.last_mut() {
            Some(last) if last.node == run.node => last.to = run.to,
            _ => self.0.push(run),
        }
    }
}

/// Single numbers are compared one after the other up to this many.
const CHAIN: usize = 5;
/// The longest stretch that is looked at for such numbers, in runs.
const STRETCH: usize = 2 * CHAIN + 1;

/// Where A, which holds this word of the call's data, is a number: go where that leads.
///
/// Runs between others that lead to the same are single numbers mostly. So stretches are cut off
/// in which all runs but single ones lead to the same node; one comparison for each of those does
/// what two boundaries would. A stretch is found by halving.
pub(super) fn search(asm: &mut Assembler, word: Option<u32>, runs: &Runs) -> Node {
    let mut stretches = Vec::new();
    let mut rest = &runs.0[..];
    while let Some(first) = rest.first() {
        let (stretch, others) = rest.split_at(cut(rest));
        stretches.push((first.from, chain(asm, word, stretch)));
        rest = others;
    }
    halve(asm, word, &stretches)
}

/// How many runs are best taken as one stretch.
fn cut(runs: &[Run]) -> usize {
    let mut counts: [(Option<Node>, usize); STRETCH] = [(None, 0); STRETCH];
    // The node of runs of more than one number.
    let mut wide = None;
    let (mut best, mut saved) = (1, 0);
    for (at, run) in runs.iter().take(STRETCH).enumerate() {
        if !run.is_single() {
            if wide.is_some_and(|node| node != run.node) {
                break;
            }
            wide = Some(run.node);
        }
        let found = counts.iter_mut().find(|(node, _)| node.is_none_or(|node| node == run.node));
        if let Some((node, count)) = found {
            *node = Some(run.node);
            *count += 1;
        }
        let usual = counts.iter().filter(|(node, _)| wide.is_none() || *node == wide);
        let usual = usual.map(|(_, count)| *count).max().unwrap_or(0);
        // One boundary for each run but the first, against one comparison for each exception.
        let exceptions = at + 1 - usual;
        if exceptions > CHAIN {
            break;
        }
        if at - exceptions.min(at) > saved {
            (best, saved) = (at + 1, at - exceptions);
        }
    }
    best
}

/// Compares the exceptions of a stretch one after the other.
fn chain(asm: &mut Assembler, word: Option<u32>, stretch: &[Run]) -> Node {
    let count = |node: Node| stretch.iter().filter(|run| run.node == node).count();
    let usual = stretch
        .iter()
        .max_by_key(|run| (!run.is_single(), count(run.node)))
        .map_or(stretch[0].node, |run| run.node);
    let exceptions = stretch.iter().rev().filter(|run| run.node != usual);
    exceptions.fold(usual, |next, run| asm.branch_on(word, op::IF_EQUAL, run.from, run.node, next))
}

fn halve(asm: &mut Assembler, word: Option<u32>, stretches: &[(u32, Node)]) -> Node {
    if let [(_, node)] = stretches {
        return *node;
    }
    let (lower, upper) = stretches.split_at(stretches.len() / 2);
    let yes = halve(asm, word, upper);
    let no = halve(asm, word, lower);
    asm.branch_on(word, op::IF_AT_LEAST, upper[0].0, yes, no)
}

/// The rules that are compiled already, by where they are: rows share them.
pub(super) struct Compiled {
    rules: Vec<(*const Step, Node)>,
    /// At the hash of each, or behind it: its place, and one more.
    known: [u8; 512],
}

impl Default for Compiled {
    fn default() -> Self {
        Self { rules: Vec::with_capacity(128), known: [0; 512] }
    }
}

impl Compiled {
    /// The node of a rule.
    pub(super) fn get(&mut self, rule: Rule, compile: impl FnOnce() -> Node) -> Node {
        let mask = self.known.len() - 1;
        let mut at = rule.as_ptr().addr().wrapping_mul(0x9e37_79b9) >> 12 & mask;
        while let Some(place) = self.known[at].checked_sub(1) {
            let (known, node) = self.rules[usize::from(place)];
            if known == rule.as_ptr() {
                return node;
            }
            at = (at + 1) & mask;
        }
        let node = compile();
        // Of more, should there ever be so many, the last ones are compiled again.
        if let Ok(place) = u8::try_from(self.rules.len() + 1) {
            self.known[at] = place;
            self.rules.push((rule.as_ptr(), node));
        }
        node
    }
}
