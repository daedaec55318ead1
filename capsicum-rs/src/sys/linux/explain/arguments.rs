//! What the kernel calls the arguments that rules look at, and their values.

use super::super::{rule::Arg, syscalls::AT_FDCWD};

/// An argument of a system call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    /// What its values, or its bits, are called.
    words: Words,
}

type Words = &'static [(u32, &'static str)];

impl Argument {
    /// An argument by the name of its call, and where it stands.
    pub(super) fn of(call: &str, arg: Arg) -> Self {
        let (name, words) = lookup(call, arg);
        Self { name, words }
    }

    /// What a value is called.
    pub(super) fn value(self, value: u32) -> String {
        match self.words.iter().find(|(word, _)| *word == value) {
            Some((_, name)) => (*name).to_owned(),
            None if value > 0xffff => format!("{value:#x}"),
            None => value.to_string(),
        }
    }

    /// What a mask is called.
    pub(super) fn mask(self, mask: u32) -> String {
        match (self.name, mask) {
            ("flags", 0x3) => "O_ACCMODE".to_owned(),
            ("mode", libc::S_IFMT) => "S_IFMT".to_owned(),
            ("type", 0xf) => "SOCK_TYPE_MASK".to_owned(),
            _ => format!("{mask:#x}"),
        }
    }

    /// What bits are called, joined.
    pub(super) fn bits(self, mut bits: u32) -> String {
        let mut names: Vec<String> = Vec::new();
        // Wide ones first, since O_SYNC has a bit of another flag's.
        let mut words: Vec<_> = self.words.iter().filter(|(word, _)| *word != 0).collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.count_ones()));
        for (word, name) in words {
            if bits & word == *word {
                names.push((*name).to_owned());
                bits &= !word;
            }
        }
        if bits != 0 || names.is_empty() {
            names.push(format!("{bits:#x}"));
        }
        names.join("|")
    }
}

/// The common ones: the descriptor is the first argument, and so are process ids.
fn lookup(call: &str, arg: Arg) -> (&'static str, Words) {
    match (call, arg) {
        ("tee" | "splice" | "copy_file_range", 0) => ("fd_in", &[]),
        ("tee", 1) | ("splice" | "copy_file_range", 2) => ("fd_out", &[]),
        ("splice" | "copy_file_range", 1) => ("off_in", &[]),
        ("splice" | "copy_file_range", 3) => ("off_out", &[]),
        ("sendfile", 0) => ("out_fd", &[]),
        ("sendfile", 1) => ("in_fd", &[]),
        ("lseek", 1) | ("sendfile", 2) => ("offset", &[]),
        ("lseek", 2) => ("whence", &[(1, "SEEK_CUR")]),
        ("close_range", 0) => ("first", &[]),
        ("close_range", 1) => ("last", &[]),
        ("dup2" | "dup3", 0) => ("oldfd", &[]),
        ("dup2" | "dup3", 1) => ("newfd", &[]),
        ("fcntl", 1) => ("cmd", FCNTL),
        ("fcntl", 2) => ("arg", OPEN),
        ("ioctl", 1) => ("request", IOCTL),
        ("signalfd" | "signalfd4", 0) => ("fd", &[(u32::MAX, "-1")]),
        ("epoll_ctl", 0) => ("epfd", &[]),
        ("poll" | "ppoll", 1) | ("select" | "pselect6", 0) => ("nfds", &[]),
        ("poll" | "ppoll", 2) => ("timeout", &[]),
        ("memfd_create", 1) => ("flags", &[(0x8, "MFD_NOEXEC_SEAL")]),
        ("linkat" | "renameat" | "renameat2", 0) => ("olddirfd", DIRECTORY),
        ("symlinkat", 1) | ("linkat" | "renameat" | "renameat2", 2) => ("newdirfd", DIRECTORY),
        ("linkat", 4) => ("flags", &[(u32::MAX, "all bits")]),
        ("renameat2", 4) => ("flags", &[(1, "RENAME_NOREPLACE")]),
        ("openat", 2) | ("open", 1) => ("flags", OPEN),
        ("mknodat", 2) => ("mode", MODE),
        ("newfstatat", 3) | ("statx", 2) | ("execveat", 4) => {
            ("flags", &[(0x1000, "AT_EMPTY_PATH")])
        }
        ("utimensat" | "futimesat", 1) => ("path", &[]),
        ("fallocate", 1) => {
            ("mode", &[(0x08, "FALLOC_FL_COLLAPSE_RANGE"), (0x20, "FALLOC_FL_INSERT_RANGE")])
        }
        ("mmap" | "mprotect" | "pkey_mprotect", 2) => ("prot", &[(4, "PROT_EXEC")]),
        ("mmap", 3) => ("flags", &[(0x1, "MAP_SHARED"), (0x20, "MAP_ANONYMOUS")]),
        ("madvise", 2) => ("advice", &[(100, "MADV_HWPOISON"), (101, "MADV_SOFT_OFFLINE")]),
        ("clone" | "unshare", 0) => ("flags", CLONE),
        ("waitid", 0) => ("idtype", &[(3, "P_PIDFD")]),
        ("waitid", 1) => ("id", &[]),
        ("prctl", 0) => ("option", PRCTL),
        ("seccomp", 1) => ("flags", SECCOMP),
        ("setrlimit", 0) | ("prlimit64", 1) => ("resource", &[(4, "RLIMIT_CORE")]),
        ("prlimit64", 2) => ("new_limit", &[]),
        ("pidfd_send_signal" | "sendto" | "sendmmsg", 3) | ("sendmsg", 2) => {
            ("flags", &[(0x2000_0000, "MSG_FASTOPEN")])
        }
        ("pidfd_send_signal", 0) => ("pidfd", &[]),
        ("getpriority" | "setpriority" | "ioprio_get" | "ioprio_set", 0) => ("which", &[]),
        ("getpriority" | "setpriority" | "ioprio_get" | "ioprio_set", 1) => ("who", &[]),
        ("setpriority", 2) => ("prio", &[]),
        ("ioprio_set", 2) => ("ioprio", &[]),
        ("sched_setscheduler", 1) => ("policy", &[]),
        ("setpgid", 1) => ("pgid", &[]),
        ("personality", 0) => ("persona", &[]),
        ("socket" | "socketpair", 0) => ("domain", &[(1, "AF_UNIX")]),
        ("socketpair", 1) => ("type", &[(1, "SOCK_STREAM"), (5, "SOCK_SEQPACKET")]),
        ("socket", 2) => ("protocol", &[]),
        ("getsockopt" | "setsockopt", 1) => ("level", LEVEL),
        ("getsockopt" | "setsockopt", 2) => ("optname", &[]),
        ("sendto", 4) => ("addr", &[]),
        (_, 0) if call.starts_with("clock_") || call == "timer_create" => ("clockid", &[]),
        (_, 0) if call.ends_with("at") || call.ends_with("at2") || call == "statx" => {
            ("dirfd", DIRECTORY)
        }
        (
            "kill" | "rt_sigqueueinfo" | "prlimit64" | "setpgid" | "get_robust_list" | "getpgid"
            | "getsid",
            0,
        ) => ("pid", &[]),
        (_, 0) if call.starts_with("sched_") => ("pid", &[]),
        ("epoll_ctl", 2) | ("mmap", 4) | (_, 0) => ("fd", &[]),
        (_, 1) => ("the second argument", &[]),
        (_, 2) => ("the third argument", &[]),
        (_, 3) => ("the fourth argument", &[]),
        (_, 4) => ("the fifth argument", &[]),
        _ => ("the sixth argument", &[]),
    }
}

const DIRECTORY: Words = &[(AT_FDCWD, "AT_FDCWD")];

const fn bits(flags: libc::c_int) -> u32 {
    flags.cast_unsigned()
}

const OPEN: Words = &[
    (bits(libc::O_RDONLY), "O_RDONLY"),
    (bits(libc::O_WRONLY), "O_WRONLY"),
    (bits(libc::O_RDWR), "O_RDWR"),
    (bits(libc::O_CREAT), "O_CREAT"),
    (bits(libc::O_EXCL), "O_EXCL"),
    (bits(libc::O_NOCTTY), "O_NOCTTY"),
    (bits(libc::O_TRUNC), "O_TRUNC"),
    (bits(libc::O_APPEND), "O_APPEND"),
    (bits(libc::O_NONBLOCK), "O_NONBLOCK"),
    (bits(libc::O_DSYNC), "O_DSYNC"),
    (bits(libc::O_SYNC), "O_SYNC"),
    (bits(libc::O_ASYNC), "O_ASYNC"),
    (bits(libc::O_DIRECT), "O_DIRECT"),
    (bits(libc::O_DIRECTORY), "O_DIRECTORY"),
    (bits(libc::O_NOFOLLOW), "O_NOFOLLOW"),
    (bits(libc::O_NOATIME), "O_NOATIME"),
    (bits(libc::O_CLOEXEC), "O_CLOEXEC"),
    (bits(libc::O_PATH), "O_PATH"),
];

const MODE: Words =
    &[(libc::S_IFIFO, "S_IFIFO"), (libc::S_IFCHR, "S_IFCHR"), (libc::S_IFBLK, "S_IFBLK")];

const CLONE: Words = &[
    (bits(libc::CLONE_NEWNS), "CLONE_NEWNS"),
    (bits(libc::CLONE_NEWCGROUP), "CLONE_NEWCGROUP"),
    (bits(libc::CLONE_NEWUTS), "CLONE_NEWUTS"),
    (bits(libc::CLONE_NEWIPC), "CLONE_NEWIPC"),
    (bits(libc::CLONE_NEWUSER), "CLONE_NEWUSER"),
    (bits(libc::CLONE_NEWPID), "CLONE_NEWPID"),
    (bits(libc::CLONE_NEWNET), "CLONE_NEWNET"),
    (bits(libc::CLONE_PTRACE), "CLONE_PTRACE"),
    (bits(libc::CLONE_PARENT), "CLONE_PARENT"),
    (bits(libc::CLONE_THREAD), "CLONE_THREAD"),
];

const SECCOMP: Words = &[
    (1, "SECCOMP_FILTER_FLAG_TSYNC"),
    (2, "SECCOMP_FILTER_FLAG_LOG"),
    (4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
    (16, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
];

const LEVEL: Words = &[
    (bits(libc::SOL_SOCKET), "SOL_SOCKET"),
    (bits(libc::IPPROTO_IP), "IPPROTO_IP"),
    (bits(libc::IPPROTO_TCP), "IPPROTO_TCP"),
    (bits(libc::IPPROTO_UDP), "IPPROTO_UDP"),
    (bits(libc::IPPROTO_IPV6), "IPPROTO_IPV6"),
];

const FCNTL: Words = &[
    (bits(libc::F_DUPFD), "F_DUPFD"),
    (bits(libc::F_GETFD), "F_GETFD"),
    (bits(libc::F_SETFD), "F_SETFD"),
    (bits(libc::F_GETFL), "F_GETFL"),
    (bits(libc::F_SETFL), "F_SETFL"),
    (5, "F_GETLK"),
    (6, "F_SETLK"),
    (7, "F_SETLKW"),
    (8, "F_SETOWN"),
    (9, "F_GETOWN"),
    (10, "F_SETSIG"),
    (11, "F_GETSIG"),
    (15, "F_SETOWN_EX"),
    (16, "F_GETOWN_EX"),
    (36, "F_OFD_GETLK"),
    (37, "F_OFD_SETLK"),
    (38, "F_OFD_SETLKW"),
    (bits(libc::F_DUPFD_CLOEXEC), "F_DUPFD_CLOEXEC"),
    (bits(libc::F_SETPIPE_SZ), "F_SETPIPE_SZ"),
    (bits(libc::F_GETPIPE_SZ), "F_GETPIPE_SZ"),
    (bits(libc::F_ADD_SEALS), "F_ADD_SEALS"),
    (bits(libc::F_GET_SEALS), "F_GET_SEALS"),
];

const IOCTL: Words = &[
    (0x5410, "TIOCSPGRP"),
    (0x5450, "FIONCLEX"),
    (0x5451, "FIOCLEX"),
    (0x4008_6602, "FS_IOC_SETFLAGS"),
    (0x401c_5820, "FS_IOC_FSSETXATTR"),
];

const PRCTL: Words = &[
    (super::super::probe::OPTION, "the question whether a filter is there"),
    (bits(libc::PR_SET_PDEATHSIG), "PR_SET_PDEATHSIG"),
    (bits(libc::PR_GET_PDEATHSIG), "PR_GET_PDEATHSIG"),
    (bits(libc::PR_GET_DUMPABLE), "PR_GET_DUMPABLE"),
    (bits(libc::PR_SET_DUMPABLE), "PR_SET_DUMPABLE"),
    (bits(libc::PR_GET_KEEPCAPS), "PR_GET_KEEPCAPS"),
    (bits(libc::PR_SET_KEEPCAPS), "PR_SET_KEEPCAPS"),
    (bits(libc::PR_SET_NAME), "PR_SET_NAME"),
    (bits(libc::PR_GET_NAME), "PR_GET_NAME"),
    (bits(libc::PR_GET_SECCOMP), "PR_GET_SECCOMP"),
    (bits(libc::PR_SET_SECCOMP), "PR_SET_SECCOMP"),
    (bits(libc::PR_CAPBSET_READ), "PR_CAPBSET_READ"),
    (bits(libc::PR_CAPBSET_DROP), "PR_CAPBSET_DROP"),
    (bits(libc::PR_GET_SECUREBITS), "PR_GET_SECUREBITS"),
    (bits(libc::PR_SET_SECUREBITS), "PR_SET_SECUREBITS"),
    (bits(libc::PR_SET_TIMERSLACK), "PR_SET_TIMERSLACK"),
    (bits(libc::PR_GET_TIMERSLACK), "PR_GET_TIMERSLACK"),
    (bits(libc::PR_SET_CHILD_SUBREAPER), "PR_SET_CHILD_SUBREAPER"),
    (bits(libc::PR_GET_CHILD_SUBREAPER), "PR_GET_CHILD_SUBREAPER"),
    (bits(libc::PR_SET_NO_NEW_PRIVS), "PR_SET_NO_NEW_PRIVS"),
    (bits(libc::PR_GET_NO_NEW_PRIVS), "PR_GET_NO_NEW_PRIVS"),
    (bits(libc::PR_SET_THP_DISABLE), "PR_SET_THP_DISABLE"),
    (bits(libc::PR_GET_THP_DISABLE), "PR_GET_THP_DISABLE"),
    (bits(libc::PR_CAP_AMBIENT), "PR_CAP_AMBIENT"),
    (52, "PR_GET_SPECULATION_CTRL"),
    (53, "PR_SET_SPECULATION_CTRL"),
    (bits(libc::PR_SET_VMA), "PR_SET_VMA"),
];
