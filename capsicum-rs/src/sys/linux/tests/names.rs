//! Global names: nothing that a process may be granted brings them back.

use super::*;

/// Everything is granted, but for the mode.
fn everything() -> Policy {
    policy(Kind::Enter, Rights::ALL)
}

#[test]
#[allow(clippy::too_many_lines)] // A list.
fn every_global_name_of_capability_mode_is_refused() {
    for name in [
        "open",
        "creat",
        "mkdir",
        "rmdir",
        "mknod",
        "unlink",
        "rename",
        "link",
        "symlink",
        "truncate",
        "stat",
        "lstat",
        "access",
        "readlink",
        "statfs",
        "getxattr",
        "lgetxattr",
        "listxattr",
        "llistxattr",
        "inotify_add_watch",
        "chdir",
        "getcwd",
        "chmod",
        "chown",
        "lchown",
        "utime",
        "utimes",
        "setxattr",
        "lsetxattr",
        "removexattr",
        "lremovexattr",
        "name_to_handle_at",
        "open_by_handle_at",
        "fanotify_init",
        "fanotify_mark",
        "shmget",
        "shmat",
        "shmctl",
        "shmdt",
        "semget",
        "semop",
        "semtimedop",
        "semctl",
        "msgget",
        "msgsnd",
        "msgrcv",
        "msgctl",
        "mq_open",
        "mq_unlink",
        "add_key",
        "request_key",
        "keyctl",
        "capget",
        "ptrace",
        "kcmp",
        "perf_event_open",
        "bpf",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "open_tree",
        "move_mount",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "statmount",
        "listmount",
        "unshare",
        "setns",
        "sync",
        "syncfs",
        "sethostname",
        "setdomainname",
        "settimeofday",
        "clock_settime",
        "clock_adjtime",
        "adjtimex",
        "reboot",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "finit_module",
        "delete_module",
        "swapon",
        "swapoff",
        "quotactl",
        "quotactl_fd",
        "acct",
        "syslog",
        "vhangup",
        "iopl",
        "ioperm",
        "execve",
        "pidfd_open",
        "pidfd_getfd",
        "process_vm_readv",
        "process_vm_writev",
        "process_madvise",
        "process_mrelease",
        "move_pages",
        "migrate_pages",
        "remap_file_pages",
        "userfaultfd",
        "mincore",
        "socket",
        "bind",
        "connect",
        "setgroups",
    ] {
        expect(&everything(), name, &[3, POINTER, POINTER, POINTER], GLOBAL);
    }
}

#[test]
fn the_working_directory_is_a_global_name() {
    for (name, args) in [
        ("openat", vec![CWD, POINTER, 0]),
        ("mkdirat", vec![CWD, POINTER, 0]),
        ("mknodat", vec![CWD, POINTER, 0o010_000]),
        ("mknodat", vec![CWD, POINTER, 0o020_000]),
        ("unlinkat", vec![CWD, POINTER, 0]),
        ("symlinkat", vec![POINTER, CWD, POINTER]),
        ("linkat", vec![CWD, POINTER, 3, POINTER, 0]),
        ("linkat", vec![3, POINTER, CWD, POINTER, 0]),
        ("renameat", vec![CWD, POINTER, 3, POINTER]),
        ("renameat", vec![3, POINTER, CWD, POINTER]),
        ("renameat2", vec![CWD, POINTER, 3, POINTER, 0]),
        ("renameat2", vec![3, POINTER, CWD, POINTER, 0]),
        ("newfstatat", vec![CWD, POINTER, POINTER, 0]),
        ("faccessat", vec![CWD, POINTER, 0]),
        ("faccessat2", vec![CWD, POINTER, 0, 0]),
        ("readlinkat", vec![CWD, POINTER, POINTER, 9]),
        ("fchmodat", vec![CWD, POINTER, 0]),
        ("fchmodat2", vec![CWD, POINTER, 0, 0]),
        ("fchownat", vec![CWD, POINTER, 0, 0, 0]),
        ("utimensat", vec![CWD, POINTER, 0, 0]),
        ("utimensat", vec![CWD, 0, 0, 0]),
        ("futimesat", vec![CWD, POINTER, 0]),
        ("execveat", vec![CWD, POINTER, 0, 0, 0]),
    ] {
        expect(&everything(), name, &args, GLOBAL);
        // Whatever the rights: it is a name before it is a descriptor.
        expect(&policy(Kind::Enter, Rights::NONE), name, &args, GLOBAL);
        // The high half is not the kernel's.
        let args: Vec<u64> =
            args.iter().map(|arg| if *arg == CWD { *arg & 0xffff_ffff } else { *arg }).collect();
        expect(&everything(), name, &args, GLOBAL);
    }
    expect(&everything(), "statx", &[CWD, POINTER, 0, 0, POINTER], GLOBAL);
}

#[test]
fn what_landlock_does_not_see_is_refused_by_path() {
    for (name, args, rights) in [
        ("newfstatat", vec![3, POINTER, POINTER, 0], Rights::FSTATAT),
        // The path may be empty; that it is cannot be seen.
        ("newfstatat", vec![3, POINTER, POINTER, 0x1000], Rights::FSTAT),
        ("faccessat", vec![3, POINTER, 0], Rights::FSTATAT),
        ("faccessat2", vec![3, POINTER, 0, 0x1000], Rights::FSTATAT),
        ("readlinkat", vec![3, POINTER, POINTER, 9], Rights::LOOKUP),
        ("fchmodat", vec![3, POINTER, 0], Rights::FCHMODAT),
        ("fchmodat2", vec![3, POINTER, 0, 0x1000], Rights::FCHMODAT),
        ("fchownat", vec![3, POINTER, 0, 0, 0x1000], Rights::FCHOWNAT),
        ("utimensat", vec![3, POINTER, 0, 0x1000], Rights::FUTIMESAT),
        ("futimesat", vec![3, POINTER, 0], Rights::FUTIMESAT),
    ] {
        expect(&everything(), name, &args, GLOBAL);
        expect(&only(Rights::ALL.difference(rights)), name, &args, INCAPABLE);
        for (_, right) in Rights::each().filter(|(_, right)| rights.contains(*right)) {
            expect(&only(Rights::ALL.difference(right)), name, &args, INCAPABLE);
        }
        let limited = policy(Kind::Limit, Rights::ALL);
        expect(&limited.clone().grant(3, rights), name, &args, ALLOWED);
        expect(&limited.grant(3, Rights::READ), name, &args, INCAPABLE);
    }
    for (flags, rights) in [(0x1000, Rights::FSTAT), (0, Rights::FSTATAT)] {
        let args = [3, POINTER, flags, 0, POINTER];
        expect(&everything(), "statx", &args, MISSING);
        for (_, right) in Rights::each().filter(|(_, right)| rights.contains(*right)) {
            expect(&only(Rights::ALL.difference(right)), "statx", &args, INCAPABLE);
        }
        expect(&only(Rights::ALL.difference(rights)), "statx", &args, INCAPABLE);
        let limited = policy(Kind::Limit, Rights::ALL);
        expect(&limited.clone().grant(3, rights), "statx", &args, ALLOWED);
        expect(&limited.grant(3, Rights::READ), "statx", &args, INCAPABLE);
    }
}

#[test]
fn addresses_name_something_before_capability_mode_only() {
    for (name, args, rights) in [
        ("bind", vec![3, POINTER, 16], Rights::BIND),
        ("connect", vec![3, POINTER, 16], Rights::CONNECT),
        ("sendto", vec![3, POINTER, 1, 0, POINTER, 16], Rights::CONNECT | Rights::WRITE),
    ] {
        let limited = policy(Kind::Limit, Rights::ALL);
        expect(&limited.clone().grant(3, rights), name, &args, ALLOWED);
        expect(&limited.grant(3, Rights::ALL.difference(rights)), name, &args, INCAPABLE);
        expect(&only(rights), name, &args, GLOBAL);
        // Whatever the rights, as on FreeBSD.
        expect(&only(Rights::WRITE), name, &args, GLOBAL);
    }
    let limited = policy(Kind::Limit, Rights::ALL).grant(3, Rights::WRITE);
    expect(&limited, "sendto", &[3, POINTER, 1, 0, POINTER, 16], INCAPABLE);
    expect(&limited, "sendmsg", &[3, POINTER, 0], INCAPABLE);
    expect(&limited, "sendmmsg", &[3, POINTER, 1, 0], INCAPABLE);
}

#[test]
fn namespaces_tracing_and_the_parents_place_cannot_be_cloned() {
    for flag in [
        0x0002_0000_u64,
        0x0200_0000,
        0x0400_0000,
        0x0800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
        0x2000,
        0x8000,
    ] {
        expect(&everything(), "clone", &[flag | 0x11, 0, 0, 0, 0], GLOBAL);
    }
    // A process, a thread, and a process with its descriptor.
    for flags in [0x11, 0x003d_0f00, 0x1011] {
        expect(&policy(Kind::Enter, Rights::NONE), "clone", &[flags, 0, 0, 0, 0], ALLOWED);
    }
    expect(&everything(), "clone3", &[POINTER, 88], MISSING);
    expect(&everything(), "unshare", &[0x1001_0000], GLOBAL);
    expect(&everything(), "unshare", &[0x0001_0000], ALLOWED);
}

#[test]
fn other_processes_cannot_be_named() {
    for (name, at) in [
        ("get_robust_list", 0),
        ("prlimit64", 0),
        ("sched_setaffinity", 0),
        ("sched_getparam", 0),
        ("sched_setparam", 0),
        ("sched_getscheduler", 0),
        ("sched_getattr", 0),
        ("sched_rr_get_interval", 0),
        ("getpgid", 0),
        ("getsid", 0),
    ] {
        let mut args = [POINTER; 4];
        args[at] = 1;
        expect(&everything(), name, &args, GLOBAL);
        args[at] = 0;
        expect(&policy(Kind::Enter, Rights::NONE), name, &args, ALLOWED);
    }
    expect(&everything(), "sched_getaffinity", &[1, 8, POINTER], MISSING);
    expect(&everything(), "sched_getaffinity", &[0, 8, POINTER], ALLOWED);
    for name in ["getpriority", "setpriority", "setpgid"] {
        expect(&everything(), name, &[0, 0, 5], ALLOWED);
        expect(&everything(), name, &[0, 1, 5], GLOBAL);
        expect(&everything(), name, &[1, 0, 5], GLOBAL);
        expect(&everything(), name, &[2, 0, 5], GLOBAL);
    }
    expect(&everything(), "sched_setattr", &[0, POINTER, 0], GLOBAL);
    expect(&everything(), "sched_setscheduler", &[1, 0, POINTER], GLOBAL);
    for name in ["ioprio_get", "ioprio_set"] {
        expect(&everything(), name, &[1, 0, 0], ALLOWED);
        expect(&everything(), name, &[1, 1, 0], GLOBAL);
        expect(&everything(), name, &[2, 0, 0], GLOBAL);
        expect(&everything(), name, &[3, 0, 0], GLOBAL);
    }
    expect(&everything(), "personality", &[0xffff_ffff], ALLOWED);
    expect(&everything(), "personality", &[0x0040_0000], GLOBAL);
}

#[test]
fn signals_stay_within_the_processes_that_entered() {
    let mut policy = everything();
    for name in ["kill", "rt_sigqueueinfo"] {
        expect(&policy, name, &[u64::from(OWN), 15], ALLOWED);
        for other in [0, 1, u64::MAX, 0xffff_ffff, u64::from(OWN) + 1] {
            expect(&policy, name, &[other, 15], GLOBAL);
        }
    }
    for name in ["tkill", "tgkill", "rt_tgsigqueueinfo"] {
        expect(&policy, name, &[1, 1, 6], ALLOWED);
    }
    // Without Landlock's scope an id may come to name another process.
    policy.signal_scope = false;
    for name in ["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"] {
        expect(&policy, name, &[u64::from(OWN), u64::from(OWN), 6], GLOBAL);
    }
}

#[test]
fn clocks_of_other_processes_cannot_be_read() {
    for name in ["clock_gettime", "clock_getres", "clock_nanosleep", "timer_create"] {
        for own in [0, 1, 2, 3, 7, 11] {
            expect(&everything(), name, &[own, POINTER], ALLOWED);
        }
        // A thread's: the kernel knows those of the same process only.
        expect(&everything(), name, &[u64::from(!1234_u32 << 3 | 6), POINTER], ALLOWED);
        // A process's, and a device's.
        for other in [!1234_u32 << 3 | 2, !1234_u32 << 3, !1_u32 << 3 | 3] {
            expect(&everything(), name, &[u64::from(other), POINTER], GLOBAL);
        }
    }
}

#[test]
fn a_process_may_narrow_itself_and_nothing_else() {
    let nothing = policy(Kind::Enter, Rights::NONE);
    for option in [
        1,
        2,
        3,
        4,
        7,
        8,
        15,
        16,
        21,
        22,
        23,
        24,
        27,
        28,
        29,
        30,
        36,
        37,
        38,
        39,
        41,
        42,
        47,
        52,
        53,
        0x5356_4d41,
    ] {
        expect(&nothing, "prctl", &[option, 1], ALLOWED);
    }
    // PR_SET_MM, PR_SET_PTRACER, PR_SCHED_CORE, PR_SET_IO_FLUSHER, PR_SET_SYSCALL_USER_DISPATCH.
    for option in [35, 0x5961_6d61, 62, 57, 59, 999] {
        expect(&everything(), "prctl", &[option, 1], GLOBAL);
    }
    for flags in [0, 1, 2, 4, 16, 17] {
        expect(&nothing, "seccomp", &[1, flags, POINTER], ALLOWED);
    }
    // SECCOMP_FILTER_FLAG_NEW_LISTENER puts descriptors where it likes.
    for flags in [8, 9, 32, 64] {
        expect(&everything(), "seccomp", &[1, flags, POINTER], GLOBAL);
    }
    expect(&nothing, "seccomp", &[2, 0, POINTER], ALLOWED);
}

#[test]
fn the_filter_says_that_it_is_there() {
    let option = u64::from(u32::from_be_bytes(*b"CAPS"));
    expect(&everything(), "prctl", &[option, 0], GLOBAL);
    let mut limited = policy(Kind::Limit, Rights::ALL);
    expect(&limited, "prctl", &[option, 0], INCAPABLE);
    // In capability mode it is for the other filter to say.
    limited.capability = true;
    expect(&limited, "prctl", &[option, 0], ALLOWED);
}

#[test]
#[allow(clippy::too_many_lines)] // A list.
fn what_libc_needs_is_free() {
    let nothing = policy(Kind::Enter, Rights::NONE);
    for name in [
        "brk",
        "munmap",
        "mremap",
        "msync",
        "madvise",
        "mlock",
        "mlock2",
        "mlockall",
        "munlock",
        "munlockall",
        "mseal",
        "pkey_alloc",
        "pkey_free",
        "membarrier",
        "mbind",
        "get_mempolicy",
        "set_mempolicy",
        "fork",
        "vfork",
        "exit",
        "exit_group",
        "wait4",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "arch_prctl",
        "restart_syscall",
        "futex",
        "futex_waitv",
        "futex_wake",
        "futex_wait",
        "futex_requeue",
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "setrlimit",
        "umask",
        "setsid",
        "capset",
        "setuid",
        "setgid",
        "setreuid",
        "setregid",
        "setresuid",
        "setresgid",
        "setfsuid",
        "setfsgid",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "rt_sigpending",
        "rt_sigsuspend",
        "rt_sigtimedwait",
        "sigaltstack",
        "pause",
        "nanosleep",
        "gettimeofday",
        "time",
        "times",
        "alarm",
        "getitimer",
        "setitimer",
        "timer_settime",
        "timer_gettime",
        "timer_getoverrun",
        "timer_delete",
        "sched_yield",
        "getcpu",
        "sched_get_priority_max",
        "sched_get_priority_min",
        "getpid",
        "getppid",
        "gettid",
        "getpgrp",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
        "getresuid",
        "getresgid",
        "getgroups",
        "getrlimit",
        "getrusage",
        "getrandom",
        "uname",
        "sysinfo",
        "pipe",
        "pipe2",
        "eventfd",
        "eventfd2",
        "timerfd_create",
        "epoll_create",
        "epoll_create1",
        "inotify_init",
        "inotify_init1",
    ] {
        expect(&nothing, name, &[7, 7, 7, 7, 7], ALLOWED);
    }
    for name in ["signalfd", "signalfd4"] {
        expect(&nothing, name, &[u64::MAX, POINTER, 8], ALLOWED);
    }
}
