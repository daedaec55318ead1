//! Processes, threads, signals, time, and what a process knows of itself.

use super::{
    super::{
        probe,
        rule::{Fact, Need, Refusal, Step, When},
    },
    AT_FDCWD, NONE, Row, row, rules,
};
use crate::{Rights, program::Names};

pub(super) const ROWS: &[Row] = &[
    // Starting and ending.
    row("clone", 56, 220, CLONE),
    row("fork", 57, NONE, rules!(free)),
    row("vfork", 58, NONE, rules!(free)),
    row("exit", 60, 93, rules!(free)),
    row("exit_group", 231, 94, rules!(free)),
    row("wait4", 61, 260, rules!(free)),
    row("waitid", 247, 95, WAITID),
    row("execve", 59, 221, rules!(named EXECUTE)),
    row("execveat", 322, 281, EXECVEAT),
    row("set_tid_address", 218, 96, rules!(free)),
    row("set_robust_list", 273, 99, rules!(free)),
    row("get_robust_list", 274, 100, rules!(own 0)),
    row("rseq", 334, 293, rules!(free)),
    row("arch_prctl", 158, NONE, rules!(free)),
    row("prctl", 157, 167, PRCTL),
    row("restart_syscall", 219, 128, rules!(free)),
    // Futexes are addresses.
    row("futex", 202, 98, rules!(free)),
    row("futex_waitv", 449, 449, rules!(free)),
    row("futex_wake", 454, 454, rules!(free)),
    row("futex_wait", 455, 455, rules!(free)),
    row("futex_requeue", 456, 456, rules!(free)),
    // Narrowing further. A listener (SECCOMP_FILTER_FLAG_NEW_LISTENER) could put descriptors at
    // numbers of its choice.
    row("seccomp", 317, 277, SECCOMP),
    row("landlock_create_ruleset", 444, 444, rules!(free)),
    row("landlock_add_rule", 445, 445, rules!(free)),
    row("landlock_restrict_self", 446, 446, rules!(free)),
    row("setrlimit", 160, 164, SETRLIMIT),
    row("prlimit64", 302, 261, PRLIMIT),
    row("umask", 95, 166, rules!(free)),
    row("setsid", 112, 157, rules!(free)),
    // The id of any process is in memory: it would tell who is there, and with which capabilities.
    row("capget", 125, 90, rules!(named PROCESSES)),
    row("capset", 126, 91, rules!(free)),
    row("setuid", 105, 146, rules!(free)),
    row("setgid", 106, 144, rules!(free)),
    row("setreuid", 113, 145, rules!(free)),
    row("setregid", 114, 143, rules!(free)),
    row("setresuid", 117, 147, rules!(free)),
    row("setresgid", 119, 149, rules!(free)),
    row("setfsuid", 122, 151, rules!(free)),
    row("setfsgid", 123, 152, rules!(free)),
    row("setgroups", 116, 159, rules!(named IDENTITY)),
    // Signals.
    row("rt_sigaction", 13, 134, rules!(free)),
    row("rt_sigprocmask", 14, 135, rules!(free)),
    row("rt_sigreturn", 15, 139, rules!(free)),
    row("rt_sigpending", 127, 136, rules!(free)),
    row("rt_sigsuspend", 130, 133, rules!(free)),
    row("rt_sigtimedwait", 128, 137, rules!(free)),
    row("sigaltstack", 131, 132, rules!(free)),
    row("pause", 34, NONE, rules!(free)),
    row("kill", 62, 129, KILL),
    row("rt_sigqueueinfo", 129, 138, KILL),
    row("tkill", 200, 130, THREAD_KILL),
    row("tgkill", 234, 131, THREAD_KILL),
    row("rt_tgsigqueueinfo", 297, 240, THREAD_KILL),
    row("pidfd_send_signal", 424, 424, PIDFD_SEND_SIGNAL),
    row("pidfd_open", 434, 434, rules!(named PROCESSES)),
    // It takes any descriptor of any process, with a new number.
    row("pidfd_getfd", 438, 438, rules!(global)),
    // Time.
    row("clock_gettime", 228, 113, CLOCK),
    row("clock_getres", 229, 114, CLOCK),
    row("clock_nanosleep", 230, 115, CLOCK),
    row("nanosleep", 35, 101, rules!(free)),
    row("gettimeofday", 96, 169, rules!(free)),
    row("time", 201, NONE, rules!(free)),
    row("times", 100, 153, rules!(free)),
    row("alarm", 37, NONE, rules!(free)),
    row("getitimer", 36, 102, rules!(free)),
    row("setitimer", 38, 103, rules!(free)),
    row("timer_create", 222, 107, CLOCK),
    row("timer_settime", 223, 110, rules!(free)),
    row("timer_gettime", 224, 108, rules!(free)),
    row("timer_getoverrun", 225, 109, rules!(free)),
    row("timer_delete", 226, 111, rules!(free)),
    // Scheduling, of the own process.
    row("sched_yield", 24, 124, rules!(free)),
    row("getcpu", 309, 168, rules!(free)),
    row("sched_get_priority_max", 146, 125, rules!(free)),
    row("sched_get_priority_min", 147, 126, rules!(free)),
    // pthread_getattr_np(3) asks by thread id, and does without where the call does not exist.
    row(
        "sched_getaffinity",
        204,
        123,
        &[
            Step::Allow(&[When::Named(Names::PROCESSES)]),
            Step::Allow(&[When::Is(0, 0)]),
            Step::Refuse(&[], Refusal::Missing),
        ],
    ),
    row("sched_setaffinity", 203, 122, rules!(own 0)),
    row("sched_getparam", 143, 121, rules!(own 0)),
    row("sched_setparam", 142, 118, rules!(own 0)),
    row("sched_getscheduler", 145, 120, rules!(own 0)),
    row("sched_setscheduler", 144, 119, SETSCHEDULER),
    row("sched_getattr", 315, 275, rules!(own 0)),
    // What it sets is in memory: SCHED_FIFO of a process of root's leaves no time to others.
    row("sched_setattr", 314, 274, rules!(named PROCESSES)),
    row("sched_rr_get_interval", 148, 127, rules!(own 0)),
    row("getpriority", 140, 141, PRIORITY),
    row("setpriority", 141, 140, SETPRIORITY),
    row("ioprio_get", 252, 31, IOPRIO),
    row("ioprio_set", 251, 30, SETIOPRIO),
    // What a process is.
    row("getpid", 39, 172, rules!(free)),
    row("getppid", 110, 173, rules!(free)),
    row("gettid", 186, 178, rules!(free)),
    row("getpgrp", 111, NONE, rules!(free)),
    row("getpgid", 121, 155, rules!(own 0)),
    row("getsid", 124, 156, rules!(own 0)),
    row("setpgid", 109, 154, SETPGID),
    row("getuid", 102, 174, rules!(free)),
    row("geteuid", 107, 175, rules!(free)),
    row("getgid", 104, 176, rules!(free)),
    row("getegid", 108, 177, rules!(free)),
    row("getresuid", 118, 148, rules!(free)),
    row("getresgid", 120, 150, rules!(free)),
    row("getgroups", 115, 158, rules!(free)),
    row("getrlimit", 97, 163, rules!(free)),
    // Of itself, its children or the calling thread: there is no other to name.
    row("getrusage", 98, 165, rules!(free)),
    row("getrandom", 318, 278, rules!(free)),
    row("uname", 63, 160, rules!(free)),
    row("sysinfo", 99, 179, rules!(free)),
    // 0xffffffff asks; anything else could make what is readable executable.
    row(
        "personality",
        135,
        92,
        &[Step::Allow(&[When::Is(0, u32::MAX)]), Step::Refuse(&[], Refusal::Global)],
    ),
];

const fn bits(flags: libc::c_int) -> u32 {
    flags.cast_unsigned()
}

/// No namespace, no tracing, and no child in the parent's place. (clone3(2) has its flags in memory
/// and no row: libc goes on with this call where that one does not exist.) The low byte is the signal that
/// the parent gets.
const CLONE: &[Step] = &[
    Step::Refuse(
        &[When::Any(
            0,
            bits(
                libc::CLONE_NEWNS
                    | libc::CLONE_NEWCGROUP
                    | libc::CLONE_NEWUTS
                    | libc::CLONE_NEWIPC
                    | libc::CLONE_NEWUSER
                    | libc::CLONE_NEWPID
                    | libc::CLONE_NEWNET
                    | libc::CLONE_PTRACE
                    | libc::CLONE_PARENT,
            ),
        )],
        Refusal::Global,
    ),
    Step::Allow(&[]),
];

/// A process has its own children only to wait for; one named by a descriptor needs a right.
const WAITID: &[Step] =
    &[Step::Need(&[When::Is(0, libc::P_PIDFD)], Need::Right(1, Rights::PDWAIT)), Step::Allow(&[])];

/// fexecve(3). The path may be empty or not, which no filter sees: Landlock holds it to what may
/// be executed. A confined program executes by path alone, since Landlock does not see anonymous
/// memory.
const EXECVEAT: &[Step] = &[
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::FEXECVE)),
    Step::Need(&[When::Clear(4, bits(libc::AT_EMPTY_PATH))], Need::Right(0, Rights::LOOKUP)),
    Step::Refuse(&[When::Unless(Fact::Landlock)], Refusal::Global),
    // The path need not be empty: a program without names of programs executes none.
    Step::Refuse(&[When::Unless(Fact::Capability)], Refusal::Global),
    Step::Allow(&[]),
];

/// What concerns the calling process alone and gives it nothing.
const PRCTL: &[Step] = &[
    Step::Refuse(&[When::Is(0, probe::OPTION)], Refusal::Probe),
    Step::Allow(&[When::OneOf(
        0,
        &[
            bits(libc::PR_SET_PDEATHSIG),
            bits(libc::PR_GET_PDEATHSIG),
            bits(libc::PR_GET_DUMPABLE),
            bits(libc::PR_SET_DUMPABLE),
            bits(libc::PR_GET_KEEPCAPS),
            bits(libc::PR_SET_KEEPCAPS),
            bits(libc::PR_SET_NAME),
            bits(libc::PR_GET_NAME),
            bits(libc::PR_GET_SECCOMP),
            bits(libc::PR_SET_SECCOMP),
            bits(libc::PR_CAPBSET_READ),
            bits(libc::PR_CAPBSET_DROP),
            bits(libc::PR_GET_SECUREBITS),
            bits(libc::PR_SET_SECUREBITS),
            bits(libc::PR_SET_TIMERSLACK),
            bits(libc::PR_GET_TIMERSLACK),
            bits(libc::PR_SET_CHILD_SUBREAPER),
            bits(libc::PR_GET_CHILD_SUBREAPER),
            bits(libc::PR_SET_NO_NEW_PRIVS),
            bits(libc::PR_GET_NO_NEW_PRIVS),
            bits(libc::PR_SET_THP_DISABLE),
            bits(libc::PR_GET_THP_DISABLE),
            bits(libc::PR_CAP_AMBIENT),
            // PR_GET_SPECULATION_CTRL and PR_SET_SPECULATION_CTRL, which libc has for x86_64 only.
            52,
            53,
            bits(libc::PR_SET_VMA),
        ],
    )]),
    Step::Refuse(&[], Refusal::Global),
];

/// `RLIMIT_CORE`, whose type differs between C libraries.
const CORE: u32 = 4;

/// A core is a file that the kernel writes to the working directory. Landlock holds that back;
/// without it entering sets the limit of cores to 0, and here it stays.
const SETRLIMIT: &[Step] = &[
    Step::Refuse(
        &[When::Fact(Fact::Capability), When::Unless(Fact::Landlock), When::Is(0, CORE)],
        Refusal::Global,
    ),
    Step::Allow(&[]),
];

/// The same, of the own process, where the new limit is not null.
const PRLIMIT: &[Step] = &[
    Step::Allow(&[When::Named(Names::PROCESSES)]),
    Step::Allow(&[When::Is(0, 0), When::Null(2)]),
    Step::Refuse(
        &[When::Fact(Fact::Capability), When::Unless(Fact::Landlock), When::Is(1, CORE)],
        Refusal::Global,
    ),
    Step::Allow(&[When::Is(0, 0)]),
    Step::Refuse(&[], Refusal::Global),
];

/// `SECCOMP_FILTER_FLAG_*`: `TSYNC`, `LOG`, `SPEC_ALLOW`, `TSYNC_ESRCH`.
const NARROWING: u32 = 1 | 2 | 4 | 16;

const SECCOMP: &[Step] =
    &[Step::Refuse(&[When::Any(1, !NARROWING)], Refusal::Global), Step::Allow(&[])];

/// To the process that entered, where Landlock sees to it that its id does not come to name
/// another one.
///
/// The own group (0) is the one that the caller was started in: where Landlock does not hold
/// signals, those outside of the process namespace would get them too.
const KILL: &[Step] = &[
    Step::Refuse(&[When::Unless(Fact::SignalScope), When::Is(0, 0)], Refusal::Global),
    Step::Allow(&[When::Named(Names::SIGNALS)]),
    Step::Allow(&[When::Fact(Fact::SignalScope), When::Own(0)]),
    Step::Refuse(&[], Refusal::Global),
];

/// raise(3), abort(3), pthread_kill(3). Landlock keeps them within the processes that entered;
/// where it does not, they are refused, and abort(3) ends the process by other means.
const THREAD_KILL: &[Step] = &[
    Step::Allow(&[When::Named(Names::SIGNALS)]),
    Step::Allow(&[When::Fact(Fact::SignalScope)]),
    Step::Refuse(&[], Refusal::Global),
];

/// The flags could name the process's whole group.
const PIDFD_SEND_SIGNAL: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::PDKILL)),
    Step::Refuse(&[When::Any(3, !3)], Refusal::Global),
    Step::Allow(&[]),
];

/// Negative clocks are those of other processes and of devices, but for the ones of threads
/// (their low bits are 6), of which the kernel knows the caller's own only.
const CLOCK: &[Step] = &[
    Step::Allow(&[When::Clear(0, 1 << 31)]),
    Step::Allow(&[When::Masked(0, 7, 6)]),
    Step::Allow(&[When::Named(Names::PROCESSES)]),
    Step::Refuse(&[], Refusal::Global),
];

/// `PRIO_PROCESS` of 0. The own group (`PRIO_PGRP` of 0) is the one that the caller was started in,
/// and processes outside of the process namespace may be in it too; a group of its own has a
/// number.
const PRIORITY: &[Step] = &[
    Step::Refuse(&[When::Is(0, 1), When::Is(1, 0)], Refusal::Global),
    Step::Allow(&[When::Named(Names::PROCESSES)]),
    Step::Allow(&[When::Is(0, 0), When::Is(1, 0)]),
    Step::Refuse(&[], Refusal::Global),
];

/// The same, and no better than where a process starts: a process of root's could leave no time to
/// others.
const SETPRIORITY: &[Step] = &[
    Step::Refuse(&[When::Is(0, 1), When::Is(1, 0)], Refusal::Global),
    Step::Allow(&[When::Named(Names::PROCESSES)]),
    Step::Allow(&[When::Is(0, 0), When::Is(1, 0), When::Clear(2, 1 << 31)]),
    Step::Refuse(&[], Refusal::Global),
];

/// Of the own process, and none of real time: `SCHED_OTHER`, `SCHED_BATCH`, `SCHED_IDLE`, each also
/// with `SCHED_RESET_ON_FORK`.
const SETSCHEDULER: &[Step] = &[
    Step::Allow(&[When::Named(Names::PROCESSES)]),
    Step::Allow(&[When::Is(0, 0), When::OneOf(1, &[0, 3, 5, RESET, RESET | 3, RESET | 5])]),
    Step::Refuse(&[], Refusal::Global),
];

const RESET: u32 = bits(libc::SCHED_RESET_ON_FORK);

/// `IOPRIO_CLASS_RT`, in the bits above 13, and the bits of all classes.
const REAL_TIME: u32 = 1 << 13;
const CLASSES: u32 = 7 << 13;

/// Of the own process, and no class of real time, which leaves a disk to nobody else.
const SETIOPRIO: &[Step] = &[
    Step::Refuse(&[When::Is(0, 2), When::Is(1, 0)], Refusal::Global),
    Step::Allow(&[When::Named(Names::PROCESSES)]),
    Step::Refuse(&[When::Masked(2, CLASSES, REAL_TIME)], Refusal::Global),
    Step::Allow(&[When::Is(0, 1), When::Is(1, 0)]),
    Step::Refuse(&[], Refusal::Global),
];

/// `IOPRIO_WHO_PROCESS` of 0, and the same of `IOPRIO_WHO_PGRP`.
const IOPRIO: &[Step] = &[
    Step::Refuse(&[When::Is(0, 2), When::Is(1, 0)], Refusal::Global),
    Step::Allow(&[When::Named(Names::PROCESSES)]),
    Step::Allow(&[When::Is(0, 1), When::Is(1, 0)]),
    Step::Refuse(&[], Refusal::Global),
];

/// A group of its own.
const SETPGID: &[Step] = &[
    Step::Allow(&[When::Named(Names::PROCESSES)]),
    Step::Allow(&[When::Is(0, 0), When::Is(1, 0)]),
    Step::Refuse(&[], Refusal::Global),
];
