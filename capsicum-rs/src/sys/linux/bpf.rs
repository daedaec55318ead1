//! Classic BPF: a graph of instructions, and the program that is made of it.
//!
//! A *node* is an instruction with where it goes on. Nodes are made from the verdicts upwards; what
//! is asked for twice is the same node, so that equal tails of rules are shared. What is known of A
//! where a node is made (the word that it holds, the outcome of the test before) leads past what
//! would be asked again. The program is laid out last, of the nodes that can be reached: its
//! jumps go forward only, so that it is written from its end and knows every distance.

/// An instruction, as `struct sock_filter` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub(super) struct Insn {
    pub(super) code: u16,
    pub(super) jt: u8,
    pub(super) jf: u8,
    pub(super) k: u32,
}

/// Opcodes: those of linux/bpf_common.h, joined as the kernel's checker for seccomp admits them.
pub(super) mod op {
    /// A = the word of the call's data at k.
    pub(in super::super) const LOAD: u16 = 0x20;
    /// A = k.
    pub(in super::super) const LOAD_CONST: u16 = 0x00;
    /// X = A.
    pub(in super::super) const TO_X: u16 = 0x07;
    /// A &= k.
    pub(in super::super) const AND: u16 = 0x54;
    /// A >>= k.
    pub(in super::super) const SHIFT: u16 = 0x74;
    /// A >>= X.
    pub(in super::super) const SHIFT_X: u16 = 0x7c;
    /// Go on k instructions further.
    pub(in super::super) const JUMP: u16 = 0x05;
    /// A == k.
    pub(in super::super) const IF_EQUAL: u16 = 0x15;
    /// A > k.
    pub(in super::super) const IF_ABOVE: u16 = 0x25;
    /// A >= k.
    pub(in super::super) const IF_AT_LEAST: u16 = 0x35;
    /// A & k != 0.
    pub(in super::super) const IF_ANY: u16 = 0x45;
    /// The verdict is k.
    pub(in super::super) const RETURN: u16 = 0x06;
}

/// What a test of A comes to; `None` for an instruction that is no test.
pub(super) fn holds(code: u16, a: u32, k: u32) -> Option<bool> {
    match code {
        op::IF_EQUAL => Some(a == k),
        op::IF_ABOVE => Some(a > k),
        op::IF_AT_LEAST => Some(a >= k),
        op::IF_ANY => Some(a & k != 0),
        _ => None,
    }
}

/// An instruction that is already there, by its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node(u32);

impl Node {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node's instruction: a test goes on at `yes` or at `no`, a verdict nowhere, others at both,
/// which are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    code: u16,
    k: u32,
    yes: Node,
    no: Node,
}

impl Part {
    fn is_test(self) -> bool {
        holds(self.code, 0, 0).is_some()
    }

    /// Short enough to be written again where it is far, instead of a jump to it.
    fn is_ending(self) -> bool {
        self.code == op::RETURN
    }

    fn hash(self) -> usize {
        let mix = |hash: u64, word: u32| {
            (hash.rotate_left(5) ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let hash = [self.k, self.yes.0, self.no.0].into_iter().fold(u64::from(self.code), mix);
        // A product mixes upwards.
        #[allow(clippy::cast_possible_truncation)]
        let hash = (hash >> 32) as usize;
        hash
    }
}

/// What is known of A after a test.
#[derive(Clone, Copy)]
enum Known {
    Equal(u32),
    Other(u32),
    AtLeast(u32),
    Below(u32),
    None(u32),
}

impl Known {
    /// What a later test comes to, as far as that is known.
    fn settles(self, code: u16, k: u32) -> Option<bool> {
        match (self, code) {
            (Self::Equal(a), _) => holds(code, a, k),
            (Self::Other(a), op::IF_EQUAL) if a == k => Some(false),
            (Self::AtLeast(a), op::IF_AT_LEAST) if k <= a => Some(true),
            (Self::AtLeast(a), op::IF_EQUAL) if k < a => Some(false),
            (Self::Below(a), op::IF_AT_LEAST | op::IF_EQUAL) if k >= a => Some(false),
            (Self::None(mask), op::IF_ANY) if k & !mask == 0 => Some(false),
            _ => None,
        }
    }
}

/// A program in the making.
#[derive(Debug)]
pub(super) struct Assembler {
    parts: Vec<Part>,
    /// The nodes by their hashes, and one more: 0 where there is none.
    known: Vec<u32>,
}

impl Default for Assembler {
    fn default() -> Self {
        // Memory that is touched first costs most here: room that is not used costs nothing, but
        // growing does.
        Self { parts: Vec::with_capacity(1024), known: vec![0; 1024] }
    }
}

impl Assembler {
    /// The node with this instruction.
    fn node(&mut self, part: Part) -> Node {
        let mask = self.known.len() - 1;
        let mut at = part.hash() & mask;
        while let Some(index) = self.known[at].checked_sub(1) {
            if self.parts[index as usize] == part {
                return Node(index);
            }
            at = (at + 1) & mask;
        }
        #[allow(clippy::cast_possible_truncation)] // Far more than the kernel takes.
        let node = Node(self.parts.len() as u32);
        self.parts.push(part);
        self.known[at] = node.0 + 1;
        if self.parts.len() * 8 > self.known.len() * 7 {
            self.grow();
        }
        node
    }

    fn grow(&mut self) {
        let mask = self.known.len() * 2 - 1;
        let mut known = vec![0; mask + 1];
        for (index, part) in (1..).zip(&self.parts) {
            let mut at = part.hash() & mask;
            while known[at] != 0 {
                at = (at + 1) & mask;
            }
            known[at] = index;
        }
        self.known = known;
    }

    fn part(&self, node: Node) -> Part {
        self.parts[node.index()]
    }

    /// The end: this verdict.
    pub(super) fn verdict(&mut self, k: u32) -> Node {
        self.node(Part { code: op::RETURN, k, yes: Node(0), no: Node(0) })
    }

    /// An instruction that computes A or X, then `next`.
    pub(super) fn then(&mut self, code: u16, k: u32, next: Node) -> Node {
        // A that nobody looks at.
        let unused = matches!(self.part(next).code, op::RETURN | op::LOAD | op::LOAD_CONST);
        if unused && code != op::TO_X {
            return next;
        }
        self.node(Part { code, k, yes: next, no: next })
    }

    /// A test of A, of which nothing is known.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Node, no: Node) -> Node {
        self.branch_on(None, code, k, yes, no)
    }

    /// A test of A, which holds this word of the call's data.
    pub(super) fn branch_on(
        &mut self,
        word: Option<u32>,
        code: u16,
        k: u32,
        yes: Node,
        no: Node,
    ) -> Node {
        let (after_yes, after_no) = match code {
            op::IF_EQUAL => (Some(Known::Equal(k)), Some(Known::Other(k))),
            op::IF_AT_LEAST => (Some(Known::AtLeast(k)), Some(Known::Below(k))),
            op::IF_ANY => (None, Some(Known::None(k))),
            _ => (None, None),
        };
        let yes = self.past(word, after_yes, yes);
        let no = self.past(word, after_no, no);
        if yes == no {
            return yes;
        }
        self.node(Part { code, k, yes, no })
    }

    /// Where a node comes to, past what is known: the word that A holds already, and tests that
    /// are settled.
    fn past(&self, word: Option<u32>, known: Option<Known>, node: Node) -> Node {
        let mut node = node;
        loop {
            let Part { code, k, yes, no } = self.part(node);
            node = match known.and_then(|known| known.settles(code, k)) {
                Some(true) => yes,
                Some(false) => no,
                None if code == op::LOAD && word == Some(k) => yes,
                None => return node,
            };
        }
    }

    /// The program, from its first instruction: what is reached from `start`.
    pub(super) fn finish(self, start: Node) -> Vec<Insn> {
        // The memory of the table is there already, and longer than what is asked for.
        let mut places = self.known;
        places.truncate(self.parts.len());
        places.fill(NOWHERE);
        let reversed = Vec::with_capacity(self.parts.len());
        let mut layout = Layout { parts: self.parts, reversed, places, relays: Vec::new() };
        layout.write_all(start);
        layout.reversed.reverse();
        layout.reversed
    }
}

/// How far a conditional jump reaches.
const REACH: usize = u8::MAX as usize;
/// The place of what is not written yet.
const NOWHERE: u32 = u32::MAX;

/// Nodes on their way into a program.
struct Layout {
    parts: Vec<Part>,
    /// Last instruction first.
    reversed: Vec<Insn>,
    /// By node: how many instructions follow it.
    places: Vec<u32>,
    /// Jumps to nodes that are far, the latest last: how many follow each.
    relays: Vec<(Node, u32)>,
}

impl Layout {
    /// Writes a node and what follows it. The target that is written last is the next instruction,
    /// to which no jump is needed.
    fn write_all(&mut self, start: Node) {
        let mut pending = Vec::with_capacity(64);
        pending.push(start);
        while let Some(node) = pending.last().copied() {
            let part = self.parts[node.index()];
            let missing = |to: &Node| !part.is_ending() && self.places[to.index()] == NOWHERE;
            if let Some(to) = [part.yes, part.no].into_iter().find(missing) {
                pending.push(to);
                continue;
            }
            pending.pop();
            if self.places[node.index()] == NOWHERE {
                self.write(node);
            }
        }
    }

    /// Writes a node whose targets are there.
    fn write(&mut self, node: Node) {
        let Part { code, k, yes, no } = self.parts[node.index()];
        let (mut jt, mut jf) = (0, 0);
        if self.parts[node.index()].is_test() {
            // The second relay moves the first target by one: `near` leaves room for that.
            let (yes, no) = (self.near(yes), self.near(no));
            (jt, jf) = (self.short(yes), self.short(no));
        } else if code != op::RETURN && self.distance(self.places[yes.index()]) > 0 {
            self.continue_at(yes);
        }
        self.places[node.index()] = self.push(Insn { code, jt, jf, k });
    }

    /// Makes the next instruction lead to a node that is elsewhere: by the node itself where that
    /// is as short as a jump.
    fn continue_at(&mut self, node: Node) {
        let part = self.parts[node.index()];
        if part.is_ending() || part.is_test() {
            self.write(node);
        } else {
            self.jump(self.places[node.index()]);
        }
    }

    fn push(&mut self, insn: Insn) -> u32 {
        self.reversed.push(insn);
        #[allow(clippy::cast_possible_truncation)] // Far more than the kernel takes.
        let place = (self.reversed.len() - 1) as u32;
        place
    }

    /// How many instructions an instruction written now would skip to get there.
    fn distance(&self, place: u32) -> usize {
        self.reversed.len() - 1 - place as usize
    }

    /// The same, for what is near.
    fn short(&self, place: u32) -> u8 {
        #[allow(clippy::cast_possible_truncation)]
        let distance = self.distance(place) as u8;
        distance
    }

    fn jump(&mut self, place: u32) -> u32 {
        let distance = self.distance(place);
        #[allow(clippy::cast_possible_truncation)]
        self.push(Insn { code: op::JUMP, jt: 0, jf: 0, k: distance as u32 })
    }

    /// A place from which a node is reached, near enough for a conditional jump that is written
    /// after at most one more relay.
    fn near(&mut self, to: Node) -> u32 {
        let near = |place: u32| self.distance(place) < REACH;
        let place = self.places[to.index()];
        if near(place) {
            return place;
        }
        let relays = self.relays.iter().rev().take_while(|(_, relay)| near(*relay));
        if let Some((_, relay)) = relays.into_iter().find(|(node, _)| *node == to) {
            return *relay;
        }
        if self.parts[to.index()].is_ending() {
            self.write(to);
            return self.places[to.index()];
        }
        let relay = self.jump(place);
        self.relays.push((to, relay));
        relay
    }
}
