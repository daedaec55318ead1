//! The second filter of a worker: what would let a process outlive whoever ends it, or hold up whoever
//! receives from it.
//!
//! The filter of capability mode has been set before; of two refusals the kernel takes one, and a call
//! passes only where both pass it. So this one need know nothing of rights.

use std::io;

use libc::{c_int, c_long, sock_filter};

use super::{super::posix::check, control};

/// `BPF_LD|BPF_W|BPF_ABS`, `BPF_JMP|BPF_JEQ|BPF_K`, `BPF_JMP|BPF_JSET|BPF_K`, `BPF_RET|BPF_K` of
/// linux/bpf_common.h.
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const ANY: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Where `struct seccomp_data` has the number of the call, and the low half of an argument.
const NUMBER: u32 = 0;
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

const ALLOW: u32 = 0x7fff_0000;
const REFUSE: u32 = 0x0005_0000 | libc::EPERM.cast_unsigned();

fn instruction(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// Skips so many instructions where the comparison holds, and so many where not.
fn compare(code: u16, k: u32, holds: u8, not: u8) -> sock_filter {
    sock_filter { code, jt: holds, jf: not, k }
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

/// The calls that are clone(2) in older words, where there are any.
#[cfg(target_arch = "x86_64")]
const FORKS: &[c_long] = &[libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: &[c_long] = &[];

const GROUPS: [c_long; 2] = [libc::SYS_setsid, libc::SYS_setpgid];
const CREDENTIALS: [c_long; 8] = [
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
];
const EXECUTIONS: [c_long; 2] = [libc::SYS_execve, libc::SYS_execveat];

/// The program. Refused are:
///
/// - what changes credentials, upon which the kernel forgets the signal at the parent's death;
/// - prctl(2) `PR_SET_DUMPABLE`, and `PR_SET_PDEATHSIG` of another signal than `SIGKILL`;
/// - setsid(2) and setpgid(2): the group of a worker is how its descendants are found;
/// - unless it may start processes, clone(2) of anything but a thread, fork(2) and vfork(2).
///   clone3(2), whose flags are in memory, is refused by the first filter;
/// - then also execve(2) and execveat(2). A thread that executes something becomes the first one, and
///   has no signal at the parent's death; and what was executed is dumpable. Where processes may be
///   started there is a guard;
/// - where its refusals are told, rt_sigaction(2) of `SIGSYS`, which they raise: who could handle it could go
///   on after one;
/// - setsockopt(2) `SO_LINGER`: who closes such a socket last waits until its peer has taken everything,
///   and that may be whoever the worker sends it to.
fn program(processes: bool, told: bool) -> Vec<sock_filter> {
    let mut program = vec![
        instruction(LOAD, NUMBER),
        compare(EQUAL, number(libc::SYS_prctl), 0, 7),
        instruction(LOAD, argument(0)),
        compare(EQUAL, libc::PR_SET_DUMPABLE.cast_unsigned(), 3, 0),
        compare(EQUAL, libc::PR_SET_PDEATHSIG.cast_unsigned(), 0, 3),
        instruction(LOAD, argument(1)),
        compare(EQUAL, libc::SIGKILL.cast_unsigned(), 1, 0),
        instruction(RETURN, REFUSE),
        instruction(RETURN, ALLOW),
    ];
    let forks: &[c_long] = if processes { &[] } else { FORKS };
    let executions: &[c_long] = if processes { &[] } else { &EXECUTIONS };
    for call in GROUPS.iter().chain(&CREDENTIALS).chain(forks).chain(executions) {
        program.push(compare(EQUAL, number(*call), 0, 1));
        program.push(instruction(RETURN, REFUSE));
    }
    if told {
        program.extend([
            compare(EQUAL, number(libc::SYS_rt_sigaction), 0, 4),
            instruction(LOAD, argument(0)),
            compare(EQUAL, libc::SIGSYS.cast_unsigned(), 0, 1),
            instruction(RETURN, REFUSE),
            instruction(RETURN, ALLOW),
        ]);
    }
    program.extend([
        compare(EQUAL, number(libc::SYS_setsockopt), 0, 6),
        instruction(LOAD, argument(1)),
        compare(EQUAL, libc::SOL_SOCKET.cast_unsigned(), 0, 3),
        instruction(LOAD, argument(2)),
        compare(EQUAL, libc::SO_LINGER.cast_unsigned(), 0, 1),
        instruction(RETURN, REFUSE),
        instruction(RETURN, ALLOW),
    ]);
    if !processes {
        program.extend([
            compare(EQUAL, number(libc::SYS_clone), 0, 3),
            instruction(LOAD, argument(0)),
            compare(ANY, libc::CLONE_THREAD.cast_unsigned(), 1, 0),
            instruction(RETURN, REFUSE),
        ]);
    }
    program.push(instruction(RETURN, ALLOW));
    program
}

/// seccomp(2), for this process and its children, for ever. The caller has one thread.
pub(super) fn install(processes: bool, told: bool) -> io::Result<()> {
    let program = program(processes, told);
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the structure describes the program, which lives until after the call.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter)
    };
    check(c_int::try_from(result).unwrap_or(-1))?;
    // It must be there: an option that is refused from here on.
    match control(libc::PR_SET_PDEATHSIG, 0) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Ok(()),
        _ => Err(io::Error::other("it does not hold")),
    }
}
