//! Confined programs: what names they may use, and what no name brings.

use super::*;
use crate::program::Names;

fn program(names: Names) -> Policy {
    policy(Kind::Confine(names, Names::empty()), Rights::ALL)
}

/// Allowed with these names, and refused without any of them.
#[track_caller]
fn with(names: Names, name: &str, args: &[u64]) {
    expect(&program(names), name, args, ALLOWED);
    for one in names.iter() {
        let without = ask(&program(Names::all().difference(one)), name, args);
        assert!(without == DENIED || without == MISSING, "{name} without {one:?}: {without:?}");
    }
}

#[test]
fn paths() {
    for name in
        ["mkdir", "rmdir", "unlink", "rename", "link", "symlink", "truncate", "sync", "syncfs"]
    {
        with(Names::PATHS, name, &[POINTER, POINTER]);
    }
    with(Names::PATHS, "creat", &[POINTER, 0o644]);
    with(Names::PATHS, "mknod", &[POINTER, 0o644]);
    with(Names::PATHS, "open", &[POINTER, 0]);
    with(Names::PATHS.union(Names::METADATA), "open", &[POINTER, 0o10_000_000]);
    with(Names::PATHS, "openat", &[CWD, POINTER, 0]);
    with(Names::PATHS.union(Names::METADATA), "openat", &[CWD, POINTER, 0o10_000_000]);
    with(Names::PATHS.union(Names::METADATA), "openat2", &[CWD, POINTER, POINTER, 24]);
    with(Names::PATHS, "mkdirat", &[CWD, POINTER, 0]);
    with(Names::PATHS, "mknodat", &[CWD, POINTER, 0o010_000]);
    with(Names::PATHS, "unlinkat", &[CWD, POINTER, 0]);
    with(Names::PATHS, "symlinkat", &[POINTER, CWD, POINTER]);
    with(Names::PATHS, "linkat", &[CWD, POINTER, CWD, POINTER, 0x400]);
    with(Names::PATHS, "renameat", &[CWD, POINTER, CWD, POINTER]);
    with(Names::PATHS, "renameat2", &[CWD, POINTER, CWD, POINTER, 2]);
}

#[test]
fn metadata_and_attributes() {
    for name in [
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
        "mincore",
    ] {
        with(Names::METADATA, name, &[POINTER, POINTER]);
    }
    for name in ["newfstatat", "statx", "faccessat", "faccessat2", "readlinkat"] {
        for directory in [CWD, 3] {
            with(Names::METADATA, name, &[directory, POINTER, 0, 0x1000]);
        }
    }
    for name in [
        "chmod",
        "chown",
        "lchown",
        "utime",
        "utimes",
        "setxattr",
        "lsetxattr",
        "removexattr",
        "lremovexattr",
    ] {
        with(Names::ATTRIBUTES, name, &[POINTER, POINTER]);
    }
    for name in ["fchmodat", "fchmodat2", "fchownat", "utimensat", "futimesat"] {
        for directory in [CWD, 3] {
            with(Names::ATTRIBUTES, name, &[directory, POINTER, 0, 0]);
        }
    }
}

#[test]
fn execution_is_by_path() {
    with(Names::EXECUTE, "execve", &[POINTER, POINTER, POINTER]);
    // Anonymous memory has no path that Landlock could hold.
    expect(&program(Names::all()), "execveat", &[3, POINTER, 0, 0, 0x1000], DENIED);
    expect(&program(Names::all()), "execveat", &[CWD, POINTER, 0, 0, 0], DENIED);
    expect(&program(Names::all()), "memfd_create", &[POINTER, 1], DENIED);
    expect(&program(Names::all()), "memfd_create", &[POINTER, 8], ALLOWED);
}

#[test]
fn sockets() {
    for family in [1, 2, 10] {
        with(Names::SOCKETS, "socket", &[family, 1, 0]);
    }
    with(Names::SOCKETS, "socket", &[16, 3, 0]);
    // Other netlink protocols, vsock, packets, kernel crypto, Bluetooth.
    for (family, protocol) in [(16, 9), (16, 16), (40, 0), (17, 0), (38, 0), (31, 0)] {
        expect(&program(Names::all()), "socket", &[family, 3, protocol], DENIED);
    }
    with(Names::SOCKETS, "bind", &[3, POINTER, 16]);
    with(Names::SOCKETS, "connect", &[3, POINTER, 16]);
    with(Names::SOCKETS, "socketpair", &[1, 2, 0, POINTER]);
    with(Names::SOCKETS, "sendto", &[3, POINTER, 1, 0, POINTER, 16]);
    with(Names::SOCKETS, "sendto", &[3, POINTER, 1, 0x2000_0000, 0, 0]);
    with(Names::SOCKETS, "sendmsg", &[3, POINTER, 0x2000_0000]);
    with(Names::SOCKETS, "sendmmsg", &[3, POINTER, 1, 0x2000_0000]);
    expect(&program(Names::all()), "socketpair", &[30, 2, 0, POINTER], DENIED);
    expect(&program(Names::all()), "sendto", &[3, POINTER, 1, 0, POINTER, 16], ALLOWED);
    expect(&program(Names::all()), "sendmsg", &[3, POINTER, 0x2000_0000], ALLOWED);
    expect(&program(Names::all()), "sendmmsg", &[3, POINTER, 1, 0x2000_0000], ALLOWED);
    let mut addressable = program(Names::all());
    addressable.addressable = true;
    expect(&addressable, "sendmsg", &[3, POINTER, 0], ALLOWED);
    expect(&addressable, "sendmmsg", &[3, POINTER, 1, 0], ALLOWED);
    expect(&addressable, "sendto", &[3, POINTER, 1, 0, POINTER, 16], ALLOWED);
}

#[test]
fn processes() {
    for name in ["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"] {
        let mut unscoped = program(Names::SIGNALS);
        unscoped.signal_scope = false;
        expect(&unscoped, name, &[1, 1, 15], ALLOWED);
    }
    for owner in [8, 15, 10] {
        with(Names::SIGNALS, "fcntl", &[3, owner, 1234]);
    }
    // F_SETLEASE, F_NOTIFY.
    for command in [1024, 1026] {
        expect(&program(Names::all()), "fcntl", &[3, command, 1], DENIED);
    }
    for name in ["kill", "rt_sigqueueinfo"] {
        expect(&program(Names::all().difference(Names::SIGNALS)), name, &[1, 15], DENIED);
    }
    let mut unscoped = program(Names::all().difference(Names::SIGNALS));
    unscoped.signal_scope = false;
    for name in ["tkill", "tgkill", "rt_tgsigqueueinfo"] {
        expect(&unscoped, name, &[1, 1, 15], DENIED);
    }
    for name in [
        "get_robust_list",
        "prlimit64",
        "sched_setaffinity",
        "sched_getaffinity",
        "sched_getparam",
        "sched_setparam",
        "sched_getscheduler",
        "sched_setscheduler",
        "sched_getattr",
        "sched_setattr",
        "sched_rr_get_interval",
        "getpgid",
        "getsid",
        "setpgid",
        "getpriority",
        "setpriority",
        "ioprio_get",
        "ioprio_set",
        "pidfd_open",
    ] {
        with(Names::PROCESSES, name, &[1234, 1234]);
    }
    for name in ["clock_gettime", "clock_getres", "clock_nanosleep", "timer_create"] {
        with(Names::PROCESSES, name, &[u64::from(!1234_u32 << 3 | 2), POINTER]);
    }
    with(Names::PROCESSES, "ioctl", &[0, 0x5410, POINTER]);
    with(Names::IDENTITY, "setgroups", &[0, POINTER]);
    with(Names::PROCESSES, "capget", &[POINTER, POINTER]);
    for name in [
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
    ] {
        with(Names::IPC, name, &[POINTER, 0]);
    }
}

#[test]
fn what_may_only_be_read_is_not_altered_by_descriptor() {
    for name in ["fchmod", "fchown", "fsetxattr", "fremovexattr"] {
        with(Names::ATTRIBUTES, name, &[3, 1, 1]);
    }
    for name in ["utimensat", "futimesat"] {
        expect(&program(Names::ATTRIBUTES), name, &[3, 0, POINTER], ALLOWED);
        expect(&program(Names::all().difference(Names::ATTRIBUTES)), name, &[3, 0, 0], DENIED);
    }
    for request in [0x4008_6602, 0x401c_5820] {
        with(Names::ATTRIBUTES, "ioctl", &[3, request, POINTER]);
    }
}

#[test]
fn the_group_that_the_program_was_started_in_is_not_named() {
    for (name, group) in
        [("setpriority", 1), ("getpriority", 1), ("ioprio_set", 2), ("ioprio_get", 2)]
    {
        expect(&program(Names::all()), name, &[group, 0, 19], DENIED);
        expect(&program(Names::all()), name, &[group, 7, 19], ALLOWED);
    }
    for name in ["kill", "rt_sigqueueinfo"] {
        let mut unscoped = program(Names::all());
        expect(&unscoped, name, &[0, 9], ALLOWED);
        unscoped.signal_scope = false;
        expect(&unscoped, name, &[0, 9], DENIED);
        expect(&unscoped, name, &[7, 9], ALLOWED);
    }
}

#[test]
fn no_name_brings_what_reaches_beyond_the_program() {
    for name in [
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "kcmp",
        "pidfd_getfd",
        "perf_event_open",
        "bpf",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "keyctl",
        "add_key",
        "request_key",
        "name_to_handle_at",
        "open_by_handle_at",
        "fanotify_init",
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
        "unshare",
        "setns",
        "reboot",
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "swapon",
        "acct",
        "syslog",
        "iopl",
        "ioperm",
        "sethostname",
        "clock_settime",
        "settimeofday",
        "adjtimex",
    ] {
        expect(&program(Names::all()), name, &[3, POINTER, POINTER], DENIED);
    }
    expect(&program(Names::all()), "clone", &[0x1000_0011, 0], DENIED);
    expect(&program(Names::all()), "clone3", &[POINTER, 88], MISSING);
    expect(&program(Names::all()), "ioctl", &[0, 0x5412, POINTER], DENIED);
    expect(&program(Names::all()), "seccomp", &[1, 8, POINTER], DENIED);
}

#[test]
fn a_confined_program_uses_its_descriptors_freely_and_may_narrow_itself() {
    let none = program(Names::empty());
    for (name, args) in [
        ("read", vec![3, POINTER, 1]),
        ("close", vec![3]),
        ("close_range", vec![3, u64::from(u32::MAX), 0]),
        ("dup2", vec![3, 4]),
        ("poll", vec![POINTER, 1, 0]),
        ("fcntl", vec![3, 2, 1]),
        ("mmap", vec![0, 1, 5, 2, 3, 0]),
        ("mprotect", vec![POINTER, 1, 5]),
        ("seccomp", vec![1, 1, POINTER]),
        ("prctl", vec![38, 1]),
        ("clone", vec![17, 0]),
    ] {
        expect(&none, name, &args, ALLOWED);
    }
    // It is not in capability mode, and does not say so.
    expect(&none, "prctl", &[u64::from(u32::from_be_bytes(*b"CAPS")), 0], DENIED);
}

/// What a supervisor answers for, and the program may not use by itself.
const ANSWERED: Names = Names::METADATA.union(Names::ATTRIBUTES);

fn supervised() -> Policy {
    policy(Kind::Confine(Names::all().difference(ANSWERED), ANSWERED), Rights::ALL)
}

#[test]
fn what_landlock_does_not_see_goes_to_the_supervisor() {
    for name in [
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
        "fchmod",
        "fchown",
        "fsetxattr",
        "fremovexattr",
    ] {
        expect(&supervised(), name, &[POINTER, POINTER], Verdict::Notify);
    }
    for name in [
        "newfstatat",
        "statx",
        "faccessat",
        "faccessat2",
        "readlinkat",
        "fchmodat",
        "fchmodat2",
        "fchownat",
        "utimensat",
        "futimesat",
        "openat2",
    ] {
        for directory in [CWD, 3] {
            expect(&supervised(), name, &[directory, POINTER, 0, 0x1000], Verdict::Notify);
        }
    }
    // Without a path, too.
    expect(&supervised(), "utimensat", &[3, 0, POINTER, 0], Verdict::Notify);
    // O_PATH
    expect(&supervised(), "open", &[POINTER, 0o10_000_000], Verdict::Notify);
    expect(&supervised(), "openat", &[CWD, POINTER, 0o10_000_000], Verdict::Notify);
}

#[test]
fn what_landlock_holds_does_not_go_to_the_supervisor() {
    expect(&supervised(), "open", &[POINTER, 0o101], ALLOWED);
    expect(&supervised(), "openat", &[CWD, POINTER, 0o101], ALLOWED);
    for name in ["read", "write", "fstat", "fchdir", "mkdir", "unlink", "rename", "execve"] {
        expect(&supervised(), name, &[3, POINTER], ALLOWED);
    }
}

#[test]
fn no_supervisor_goes_to_a_directory_for_the_program() {
    for name in ["chdir", "mincore"] {
        expect(&supervised(), name, &[POINTER], ALLOWED);
        // Whoever answers for attributes alone does not answer for these.
        let only = policy(Kind::Confine(Names::PATHS, Names::ATTRIBUTES), Rights::ALL);
        expect(&only, name, &[POINTER], DENIED);
    }
}

#[test]
fn a_supervisor_answers_for_no_other_names() {
    let policy = policy(Kind::Confine(Names::empty(), ANSWERED), Rights::ALL);
    for name in ["open", "mkdir", "execve", "socket", "kill", "shmget", "setgroups"] {
        expect(&policy, name, &[2, 1, 0], DENIED);
    }
    // Nor does it make listeners of its own of the program's.
    expect(&supervised(), "seccomp", &[1, 8, POINTER], DENIED);
    // The flags of inodes are in no name's gift.
    expect(&supervised(), "ioctl", &[3, 0x4008_6602, POINTER], DENIED);
}

#[test]
fn who_may_not_alter_modes_makes_no_file_that_takes_on_ids() {
    let without = Names::all().difference(Names::ATTRIBUTES);
    for names in [program(without), supervised()] {
        for bits in [0o4000, 0o2000, 0o6000] {
            // O_CREAT, and O_TMPFILE.
            for flags in [0o101, 0o20_200_001] {
                expect(&names, "open", &[POINTER, flags, bits | 0o755], DENIED);
                expect(&names, "openat", &[CWD, POINTER, flags, bits | 0o755], DENIED);
                expect(&names, "open", &[POINTER, flags, 0o1777], ALLOWED);
                expect(&names, "openat", &[CWD, POINTER, flags, 0o1777], ALLOWED);
            }
            // Nobody looks at what is there where nothing is made; O_DIRECTORY makes nothing.
            for flags in [0, 0o200_000] {
                expect(&names, "open", &[POINTER, flags, bits], ALLOWED);
                expect(&names, "openat", &[CWD, POINTER, flags, bits], ALLOWED);
            }
            expect(&names, "creat", &[POINTER, bits], DENIED);
            expect(&names, "mknod", &[POINTER, 0o100_000 | bits], DENIED);
            expect(&names, "mknodat", &[CWD, POINTER, 0o100_000 | bits], DENIED);
        }
        expect(&names, "creat", &[POINTER, 0o777], ALLOWED);
        expect(&names, "mknodat", &[CWD, POINTER, 0o010_777], ALLOWED);
    }
    for (name, args) in [
        ("open", [POINTER, 0o101, 0o4755, 0]),
        ("openat", [CWD, POINTER, 0o101, 0o4755]),
        ("creat", [POINTER, 0o4755, 0, 0]),
        ("mknod", [POINTER, 0o104_755, 0, 0]),
        ("mknodat", [CWD, POINTER, 0o104_755, 0]),
    ] {
        expect(&program(Names::all()), name, &args, ALLOWED);
    }
}
