//! The layout of programs: conditional jumps reach 255 instructions, and what lies further is
//! reached by relays; what is known is asked once. A program must say what its graph says.

use proptest::{collection, prelude::*};

use super::*;
use crate::sys::linux::bpf::{Assembler, Node, op};

fn ask_of(program: &[Insn], args: [u64; 6]) -> Verdict {
    run(program, &Call { arch: 0, number: 0, args }).verdict
}

/// Both targets at every distance around what a jump reaches, with a second jump that may share
/// the relays of the first.
#[test]
fn a_jump_comes_to_its_target_however_far_it_is() {
    for first in (0..6).chain(245..262).chain(505..520) {
        for second in (0..6).chain(245..262) {
            for third in [0, 1, 126, 253, 254, 255, 256] {
                let mut asm = Assembler::default();
                let [yes, no, rest] = [1, 2, 3].map(|errno| {
                    // Not an ending, which would be written again where it is needed.
                    let verdict = asm.verdict(libc::SECCOMP_RET_ERRNO | errno);
                    let other = asm.verdict(libc::SECCOMP_RET_ALLOW);
                    let test = asm.branch(op::IF_EQUAL, 77, other, verdict);
                    asm.then(op::LOAD, 16 + 8 * 4, test)
                });
                // Tests of other arguments, one after the other, that lie between.
                let fill = |asm: &mut Assembler, arg: u32, count: u32, last: Node| {
                    (0..count).fold(last, |next, k| {
                        let test = asm.branch(op::IF_EQUAL, 1000 + k, rest, next);
                        asm.then(op::LOAD, 16 + 8 * arg, test)
                    })
                };
                let low = fill(&mut asm, 1, first, no);
                let middle = fill(&mut asm, 2, second, low);
                let test = asm.branch(op::IF_EQUAL, 7, yes, middle);
                let test = asm.then(op::LOAD, 16, test);
                let high = fill(&mut asm, 3, third, test);
                let other = asm.branch(op::IF_EQUAL, 8, no, high);
                let start = asm.then(op::LOAD, 16, other);
                let program = asm.finish(start);
                let distances = (first, second, third);
                for (number, errno) in [(7, 1), (8, 2), (9, 2)] {
                    let verdict = ask_of(&program, [number, 0, 0, 0, 0, 0]);
                    assert_eq!(verdict, Verdict::Refuse(errno), "{number} at {distances:?}");
                }
                for (arg, count) in [(1, first), (2, second), (3, third)] {
                    for k in (0..u64::from(count)).step_by(100) {
                        let mut args = [0; 6];
                        args[arg] = 1000 + k;
                        let verdict = ask_of(&program, args);
                        assert_eq!(verdict, Verdict::Refuse(3), "{arg} {k} at {distances:?}");
                    }
                }
            }
        }
    }
}

/// A node of a graph: a word is loaded, and one of these tests is made of it.
#[derive(Clone, Debug)]
struct Ask {
    argument: usize,
    code: u16,
    k: u32,
    yes: prop::sample::Index,
    no: prop::sample::Index,
}

prop_compose! {
    fn asks()(
        argument in 0..3_usize,
        code in prop::sample::select(vec![
            op::IF_EQUAL, op::IF_EQUAL, op::IF_ABOVE, op::IF_AT_LEAST, op::IF_ANY,
        ]),
        k in 0..6_u32,
        yes in any::<prop::sample::Index>(),
        no in any::<prop::sample::Index>(),
    ) -> Ask {
        Ask { argument, code, k, yes, no }
    }
}

/// What a graph says, without the assembler: nodes are counted from the verdicts on.
fn says(graph: &[Ask], args: &[u64; 6]) -> i32 {
    let mut at = VERDICTS + graph.len() - 1;
    while let Some(ask) = at.checked_sub(VERDICTS).map(|at| &graph[at]) {
        let (a, k) = (args[ask.argument], u64::from(ask.k));
        let holds = match ask.code {
            op::IF_EQUAL => a == k,
            op::IF_ABOVE => a > k,
            op::IF_AT_LEAST => a >= k,
            _ => a & k != 0,
        };
        at = if holds { ask.yes } else { ask.no }.index(at);
    }
    i32::try_from(at).expect("there are few verdicts") + 1
}

const VERDICTS: usize = 3;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_program_says_what_its_graph_says(
        graph in collection::vec(asks(), 1..1200),
        calls in collection::vec(prop::array::uniform3(0..7_u64), 60),
    ) {
        let mut asm = Assembler::default();
        let mut nodes: Vec<Node> = (1..=3)
            .map(|errno| asm.verdict(libc::SECCOMP_RET_ERRNO | errno))
            .collect();
        for ask in &graph {
            let (yes, no) = (nodes[ask.yes.index(nodes.len())], nodes[ask.no.index(nodes.len())]);
            #[allow(clippy::cast_possible_truncation)]
            let word = 16 + 8 * ask.argument as u32;
            let test = asm.branch_on(Some(word), ask.code, ask.k, yes, no);
            nodes.push(asm.then(op::LOAD, word, test));
        }
        let program = asm.finish(nodes[nodes.len() - 1]);
        prop_assume!(program.len() <= 4096);
        for [a, b, c] in calls {
            let args = [a, b, c, 0, 0, 0];
            prop_assert_eq!(ask_of(&program, args), Verdict::Refuse(says(&graph, &args)));
        }
    }
}
