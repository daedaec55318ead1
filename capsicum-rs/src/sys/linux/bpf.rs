//! Classic BPF: instructions, and an assembler that writes a program from its end.
//!
//! Jumps go forward only, so that a program written backwards knows every distance when it
//! writes a jump. A *node* is an instruction that is already there; what is asked for twice is
//! the same node, so that equal tails of rules are shared.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// An instruction, as `struct sock_filter` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// An instruction that is already there: how many follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node(u32);

impl Node {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A hasher for what is hashed here, small numbers of the program's own: the standard one, which
/// bears hostile keys, took a third of the time of compiling.
#[derive(Debug, Default)]
struct Folding(u64);

impl Folding {
    fn fold(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        // The table takes its bits from both ends, and a product mixes upwards.
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.fold((*byte).into());
        }
    }

    fn write_u16(&mut self, word: u16) {
        self.fold(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.fold(word.into());
    }
}

type Known<K> = HashMap<K, Node, BuildHasherDefault<Folding>>;

/// A program in the making.
#[derive(Debug)]
pub(super) struct Assembler {
    /// Last instruction first.
    reversed: Vec<Insn>,
    known: Known<(u16, u32, Node, Node)>,
    /// The latest jump to a node that is far.
    relays: Known<Node>,
}

/// How far a conditional jump reaches.
const REACH: usize = u8::MAX as usize;

impl Default for Assembler {
    fn default() -> Self {
        // Room for what programs mostly have: growing would copy all of it several times.
        Self {
            reversed: Vec::with_capacity(1024),
            known: HashMap::with_capacity_and_hasher(896, BuildHasherDefault::default()),
            relays: HashMap::default(),
        }
    }
}

impl Assembler {
    fn push(&mut self, insn: Insn) -> Node {
        self.reversed.push(insn);
        #[allow(clippy::cast_possible_truncation)] // Far more than the kernel takes.
        Node((self.reversed.len() - 1) as u32)
    }

    /// How many instructions an instruction written now would skip to get there.
    fn distance(&self, to: Node) -> usize {
        self.reversed.len() - 1 - to.index()
    }

    fn jump(&mut self, to: Node) -> Node {
        let distance = self.distance(to);
        #[allow(clippy::cast_possible_truncation)]
        self.push(Insn { code: op::JUMP, jt: 0, jf: 0, k: distance as u32 })
    }

    /// A node near enough for a conditional jump that is written after at most one more relay.
    fn near(&mut self, to: Node) -> Node {
        if self.distance(to) < REACH {
            return to;
        }
        if let Some(relay) = self.relays.get(&to).copied()
            && self.distance(relay) < REACH
        {
            return relay;
        }
        let relay = self.jump(to);
        self.relays.insert(to, relay);
        relay
    }

    /// The end: this verdict.
    pub(super) fn verdict(&mut self, k: u32) -> Node {
        let key = (op::RETURN, k, Node(0), Node(0));
        if let Some(node) = self.known.get(&key) {
            return *node;
        }
        let node = self.push(Insn { code: op::RETURN, jt: 0, jf: 0, k });
        self.known.insert(key, node);
        node
    }

    /// An instruction that computes, then `next`.
    pub(super) fn then(&mut self, code: u16, k: u32, next: Node) -> Node {
        let key = (code, k, next, next);
        if let Some(node) = self.known.get(&key) {
            return *node;
        }
        if next.index() + 1 != self.reversed.len() {
            self.jump(next);
        }
        let node = self.push(Insn { code, jt: 0, jf: 0, k });
        self.known.insert(key, node);
        node
    }

    /// A conditional jump.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Node, no: Node) -> Node {
        if yes == no {
            return yes;
        }
        let key = (code, k, yes, no);
        if let Some(node) = self.known.get(&key) {
            return *node;
        }
        // The second relay moves the first target by one: `near` leaves room for that.
        let far = self.near(yes);
        let other = self.near(no);
        #[allow(clippy::cast_possible_truncation)]
        let insn = Insn { code, jt: self.distance(far) as u8, jf: self.distance(other) as u8, k };
        let node = self.push(insn);
        self.known.insert(key, node);
        node
    }

    /// The program, from its first instruction: what is reached from `start`.
    pub(super) fn finish(mut self, start: Node) -> Vec<Insn> {
        if start.index() + 1 != self.reversed.len() {
            self.jump(start);
        }
        self.reversed.reverse();
        self.reversed
    }
}
