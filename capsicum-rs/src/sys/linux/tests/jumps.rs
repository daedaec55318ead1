//! Conditional jumps reach 255 instructions: what lies further is reached by relays.

use super::*;
use crate::sys::linux::bpf::{Assembler, op};

/// Both targets at every distance around what a jump reaches, and a second jump that may share the
/// relays of the first.
#[test]
fn a_jump_comes_to_its_target_however_far_it_is() {
    for first in (0..6).chain(245..262).chain(505..520) {
        for second in (0..6).chain(245..262) {
            for third in [0, 1, 126, 253, 254, 255, 256] {
                let mut asm = Assembler::default();
                let yes = asm.verdict(libc::SECCOMP_RET_ERRNO | 1);
                let mut last = asm.verdict(libc::SECCOMP_RET_ERRNO | 3);
                let mut fill = |asm: &mut Assembler, from: u32, count: u32| {
                    for k in 0..count {
                        last = asm.then(op::LOAD_CONST, from + k, last);
                    }
                };
                fill(&mut asm, 1000, first);
                let no = asm.verdict(libc::SECCOMP_RET_ERRNO | 2);
                fill(&mut asm, 2000, second);
                let test = asm.branch(op::IF_EQUAL, 7, yes, no);
                fill(&mut asm, 3000, third);
                let other = asm.branch(op::IF_EQUAL, 8, no, test);
                let start = asm.then(op::LOAD, 0, other);
                let program = asm.finish(start);
                for (number, errno) in [(7, 1), (8, 2), (9, 2)] {
                    let call = Call { arch: 0, number, args: [0; 6] };
                    let verdict = run(&program, &call).verdict;
                    let distances = (first, second, third);
                    assert_eq!(verdict, Verdict::Refuse(errno), "{number} at {distances:?}");
                }
            }
        }
    }
}
