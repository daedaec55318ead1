//! Calls on descriptors that are not about files, sockets or processes alone.

use super::{
    super::{
        requests,
        rule::{Fact, Need, Refusal, Step, When},
    },
    NONE, Row, row, rules,
};
use crate::{Fcntls, Rights, program::Names};

pub(super) const ROWS: &[Row] = &[
    // Reading and writing.
    row("read", 0, 63, rules!(on 0, READ)),
    row("readv", 19, 65, rules!(on 0, READ)),
    row("pread64", 17, 67, rules!(on 0, PREAD)),
    row("preadv", 295, 69, rules!(on 0, PREAD)),
    row("preadv2", 327, 286, rules!(on 0, PREAD)),
    row("write", 1, 64, rules!(on 0, WRITE)),
    row("writev", 20, 66, rules!(on 0, WRITE)),
    row("pwrite64", 18, 68, rules!(on 0, PWRITE)),
    row("pwritev", 296, 70, rules!(on 0, PWRITE)),
    row("pwritev2", 328, 287, rules!(on 0, PWRITE)),
    row("lseek", 8, 62, LSEEK),
    row("sendfile", 40, 71, SENDFILE),
    row("splice", 275, 76, SPLICE),
    row("copy_file_range", 326, 285, SPLICE),
    row(
        "tee",
        276,
        77,
        &[
            Step::Need(&[], Need::Right(0, Rights::READ)),
            Step::Need(&[], Need::Right(1, Rights::WRITE)),
            Step::Allow(&[]),
        ],
    ),
    // The end of the pipe decides whether it reads or writes.
    row("vmsplice", 278, 75, rules!(on 0, READ | WRITE)),
    // Numbers.
    row("close", 3, 57, &[Step::Need(&[], Need::Loose(0)), Step::Allow(&[])]),
    row("close_range", 436, 436, &[Step::Need(&[], Need::LooseRange(0, 1)), Step::Allow(&[])]),
    row("dup", 32, 23, &[Step::Need(&[], Need::Whole(0)), Step::Allow(&[])]),
    row("dup2", 33, NONE, ONTO),
    row("dup3", 292, 24, ONTO),
    row("fcntl", 72, 25, FCNTL),
    row("ioctl", 16, 29, IOCTL),
    row("flock", 73, 32, rules!(on 0, FLOCK)),
    // New objects without a name.
    row("pipe", 22, NONE, rules!(free)),
    row("pipe2", 293, 59, rules!(free)),
    row("eventfd", 284, NONE, rules!(free)),
    row("eventfd2", 290, 19, rules!(free)),
    row("memfd_create", 319, 279, MEMFD),
    row("timerfd_create", 283, 85, rules!(free)),
    row("timerfd_settime", 286, 86, rules!(on 0, WRITE)),
    row("timerfd_gettime", 287, 87, rules!(on 0, READ)),
    // An existing descriptor's mask is changed where one is named.
    row("signalfd", 282, NONE, SIGNALFD),
    row("signalfd4", 289, 74, SIGNALFD),
    // Readiness.
    row("epoll_create", 213, NONE, rules!(free)),
    row("epoll_create1", 291, 20, rules!(free)),
    row(
        "epoll_ctl",
        233,
        21,
        &[
            Step::Need(&[], Need::Right(0, Rights::KQUEUE_CHANGE)),
            Step::Need(&[], Need::Right(2, Rights::EVENT)),
            Step::Allow(&[]),
        ],
    ),
    row("epoll_wait", 232, NONE, rules!(on 0, KQUEUE_EVENT)),
    row("epoll_pwait", 281, 22, rules!(on 0, KQUEUE_EVENT)),
    row("epoll_pwait2", 441, 441, rules!(on 0, KQUEUE_EVENT)),
    row("poll", 7, NONE, POLL),
    row("ppoll", 271, 73, PPOLL),
    row("select", 23, NONE, SELECT),
    row("pselect6", 270, 72, SELECT),
    row("inotify_init", 253, NONE, rules!(free)),
    row("inotify_init1", 294, 26, rules!(free)),
    row("inotify_rm_watch", 255, 28, rules!(on 0, INOTIFY_RM)),
    // Message queues that were opened before.
    row("mq_timedsend", 242, 182, rules!(on 0, WRITE)),
    row("mq_timedreceive", 243, 183, rules!(on 0, READ)),
    row("mq_notify", 244, 184, rules!(on 0, EVENT)),
    // Descriptors named in memory, where no filter sees them.
    row("io_uring_setup", 425, 425, IN_MEMORY),
    row("io_uring_enter", 426, 426, IN_MEMORY),
    row("io_uring_register", 427, 427, IN_MEMORY),
    row("io_submit", 209, 2, IN_MEMORY),
    row("io_setup", 206, 0, IN_MEMORY),
];

/// Asking for the offset needs less than moving it.
const LSEEK: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::SEEK_TELL)),
    Step::Allow(&[When::Null(1), When::Is(2, libc::SEEK_CUR.cast_unsigned())]),
    Step::Need(&[], Need::Right(0, Rights::SEEK)),
    Step::Allow(&[]),
];

const SENDFILE: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::WRITE)),
    Step::Need(&[], Need::Right(1, Rights::READ)),
    Step::Allow(&[When::Null(2)]),
    Step::Need(&[], Need::Right(1, Rights::SEEK)),
    Step::Allow(&[]),
];

/// splice(2) and copy_file_range(2): (in, offset, out, offset).
const SPLICE: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::READ)),
    Step::Need(&[], Need::Right(2, Rights::WRITE)),
    Step::Allow(&[When::Null(1), When::Null(3)]),
    // Either offset may be null, and the right is asked for on both: simpler than exact, and
    // never wider.
    Step::Need(&[], Need::Right(0, Rights::SEEK)),
    Step::Need(&[], Need::Right(2, Rights::SEEK)),
    Step::Allow(&[]),
];

const ONTO: &[Step] =
    &[Step::Need(&[], Need::Whole(0)), Step::Need(&[], Need::Loose(1)), Step::Allow(&[])];

const IN_MEMORY: &[Step] = &[Step::Refuse(&[], Refusal::NotCapable)];

const SIGNALFD: &[Step] = &[
    Step::Allow(&[When::Is(0, u32::MAX)]),
    Step::Need(&[], Need::Right(0, Rights::WRITE)),
    Step::Allow(&[]),
];

/// The descriptors are in memory; without any it is a sleep. A Rust program asks at its start for
/// its three standard streams, and ends itself on most errors; on `EAGAIN` it asks fcntl(2).
const POLL: &[Step] = &[
    Step::Allow(&[When::Is(1, 0)]),
    Step::Refuse(&[When::Unless(Fact::Watched), When::Is(1, 3), When::Null(2)], Refusal::Busy),
    Step::Need(&[], Need::Everywhere(Rights::EVENT)),
    Step::Allow(&[]),
];

/// The same; the time is in memory too.
const PPOLL: &[Step] = &[
    Step::Allow(&[When::Is(1, 0)]),
    Step::Refuse(&[When::Unless(Fact::Watched), When::Is(1, 3)], Refusal::Busy),
    Step::Need(&[], Need::Everywhere(Rights::EVENT)),
    Step::Allow(&[]),
];

const SELECT: &[Step] = &[
    Step::Allow(&[When::Is(0, 0)]),
    Step::Need(&[], Need::Everywhere(Rights::EVENT)),
    Step::Allow(&[]),
];

/// Anonymous memory that may be executed is a program out of nowhere: where anything may be
/// executed, so may memory, through procfs and past Landlock. There only memory that is sealed against execution (Linux 6.3) may be had.
const MEMFD: &[Step] = &[
    Step::Refuse(
        &[When::Fact(Fact::Executes), When::Clear(1, libc::MFD_NOEXEC_SEAL)],
        Refusal::Global,
    ),
    Step::Allow(&[]),
];

const fn command(number: libc::c_int) -> u32 {
    number.cast_unsigned()
}

/// What `FCNTL` governs, locks, and the descriptor's own flag. Leases, `F_NOTIFY`, `F_SETSIG` and
/// `F_SETOWN` would have the kernel send signals to others, and are not there.
const FCNTL: &[Step] = &[
    Step::Need(
        &[When::OneOf(1, &[command(libc::F_DUPFD), command(libc::F_DUPFD_CLOEXEC)])],
        Need::Whole(0),
    ),
    // Executing a program would free the number of a pinned descriptor.
    Step::Need(&[When::Is(1, command(libc::F_SETFD)), When::Fact(Fact::Executes)], Need::Loose(0)),
    Step::Allow(&[When::OneOf(
        1,
        &[
            command(libc::F_DUPFD),
            command(libc::F_DUPFD_CLOEXEC),
            command(libc::F_GETFD),
            command(libc::F_SETFD),
            command(libc::F_ADD_SEALS),
            command(libc::F_GET_SEALS),
        ],
    )]),
    Step::Need(&[When::Is(1, command(libc::F_GETFL))], Need::Fcntl(0, Fcntls::GETFL)),
    Step::Need(&[When::Is(1, command(libc::F_SETFL))], Need::Fcntl(0, Fcntls::SETFL)),
    // A terminal makes its foreground group the owner by itself.
    Step::Refuse(
        &[When::Is(1, command(libc::F_SETFL)), When::Any(2, command(libc::O_ASYNC))],
        Refusal::Global,
    ),
    Step::Need(&[When::OneOf(1, OWNER_GET)], Need::Fcntl(0, Fcntls::GETOWN)),
    Step::Need(&[When::OneOf(1, OWNER_SET)], Need::Fcntl(0, Fcntls::SETOWN)),
    Step::Allow(&[When::OneOf(1, OWNER_SET), When::Named(Names::SIGNALS)]),
    Step::Need(&[When::OneOf(1, LOCKS)], Need::Right(0, Rights::FLOCK)),
    Step::Allow(&[When::OneOf(1, &[command(libc::F_GETFL), command(libc::F_SETFL)])]),
    Step::Allow(&[When::OneOf(1, OWNER_GET)]),
    Step::Allow(&[When::OneOf(1, LOCKS)]),
    Step::Need(&[], Need::Right(0, Rights::FCNTL)),
    Step::Allow(&[When::OneOf(1, &[command(libc::F_GETPIPE_SZ), command(libc::F_SETPIPE_SZ)])]),
    Step::Refuse(&[], Refusal::Global),
];

/// `F_GETOWN`, `F_GETOWN_EX`, `F_GETSIG`.
const OWNER_GET: &[u32] = &[9, 16, 11];
/// `F_SETOWN`, `F_SETOWN_EX`, `F_SETSIG`.
const OWNER_SET: &[u32] = &[8, 15, 10];
/// `F_GETLK`, `F_SETLK`, `F_SETLKW` and those of open file descriptions.
const LOCKS: &[u32] = &[5, 6, 7, 36, 37, 38];

/// The flags of inodes are fchflags(2)'s; the rest is `IOCTL`'s, request by request: see
/// [`requests`](super::super::requests).
const IOCTL: &[Step] = &[
    Step::Need(
        &[When::OneOf(1, &[requests::FIOCLEX, requests::FIONCLEX]), When::Fact(Fact::Executes)],
        Need::Loose(0),
    ),
    Step::Need(&[When::OneOf(1, requests::SET_INODE_FLAGS)], Need::Right(0, Rights::FCHFLAGS)),
    Step::Refuse(
        &[When::OneOf(1, requests::SET_INODE_FLAGS), When::Unless(Fact::Alters)],
        Refusal::Global,
    ),
    Step::Allow(&[When::OneOf(1, requests::SET_INODE_FLAGS)]),
    // Shells give the terminal to a group of processes.
    Step::Allow(&[When::Is(1, requests::TIOCSPGRP), When::Named(Names::PROCESSES)]),
    Step::Need(&[], Need::Ioctl(0, 1)),
    Step::Allow(&[]),
];
