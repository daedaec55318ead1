//! An interpreter of classic BPF as seccomp runs it, so that a filter can be asked what it says of
//! a call without a process. It refuses what the kernel's checker refuses.

use super::{
    bpf::{Insn, op},
    model::Call,
    policy::Verdict,
};

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    /// How many instructions were executed.
    pub(super) executed: usize,
    /// Whether an argument was loaded: then the kernel cannot remember the verdict.
    pub(super) looked_at_arguments: bool,
}

/// The word of the call's data at an offset: little endian, as both architectures are.
fn word(call: &Call, offset: u32) -> u32 {
    #[allow(clippy::cast_possible_truncation)]
    match offset {
        0 => call.number,
        4 => call.arch,
        // The instruction pointer is nobody's business.
        16..64 if offset.is_multiple_of(4) => {
            let arg = call.args[(offset as usize - 16) / 8];
            (if offset.is_multiple_of(8) { arg } else { arg >> 32 }) as u32
        }
        _ => panic!("no word at {offset}"),
    }
}

/// Runs a program.
///
/// # Panics
///
/// On what the kernel would not load: an unknown instruction, a jump out of the program.
pub(super) fn run(program: &[Insn], call: &Call) -> Outcome {
    assert!(!program.is_empty() && program.len() <= 4096, "{} instructions", program.len());
    let (mut a, mut x, mut at, mut executed, mut arguments) = (0_u32, 0_u32, 0, 0, false);
    loop {
        let Insn { code, jt, jf, k } = program[at];
        at += 1;
        executed += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            op::LOAD => {
                arguments |= k >= 16;
                a = word(call, k);
            }
            op::LOAD_CONST => a = k,
            op::TO_X => x = a,
            op::AND => a &= k,
            op::SHIFT => a >>= k,
            // The kernel's compilers disagree about more than 31.
            op::SHIFT_X => a = a.checked_shr(x).expect("a shift of less than 32"),
            op::JUMP => at += k as usize,
            op::IF_EQUAL => jump(a == k),
            op::IF_ABOVE => jump(a > k),
            op::IF_AT_LEAST => jump(a >= k),
            op::IF_ANY => jump(a & k != 0),
            op::RETURN => {
                let verdict = match k & libc::SECCOMP_RET_ACTION_FULL {
                    libc::SECCOMP_RET_ALLOW => Verdict::Allow,
                    libc::SECCOMP_RET_USER_NOTIF => Verdict::Notify,
                    libc::SECCOMP_RET_KILL_PROCESS => Verdict::Kill,
                    libc::SECCOMP_RET_ERRNO => {
                        Verdict::Refuse((k & libc::SECCOMP_RET_DATA).cast_signed())
                    }
                    libc::SECCOMP_RET_TRAP => {
                        Verdict::Trap((k & libc::SECCOMP_RET_DATA).cast_signed())
                    }
                    other => panic!("no such verdict: {other:#x}"),
                };
                return Outcome { verdict, executed, looked_at_arguments: arguments };
            }
            other => panic!("no such instruction: {other:#x}"),
        }
    }
}
