//! What a call needs of its descriptors: with just that it is allowed, and without any one of it
//! refused.

use super::{super::rule::Fact, *};
use crate::{Fcntls, Ioctls};

/// Allowed with exactly these rights on these arguments, and `ENOTCAPABLE` without any one.
/// Descriptor 3 is the first that is named, 4 the second; the arguments name them.
#[track_caller]
fn needs(name: &str, args: &[u64], rights: &[Rights]) {
    let with = |rights: &[Rights]| {
        (3..).zip(rights).fold(policy(Kind::Enter, Rights::NONE), |policy, (number, rights)| {
            policy.grant(number, *rights)
        })
    };
    expect(&with(rights), name, args, ALLOWED);
    for at in 0..rights.len() {
        for (_, right) in Rights::each() {
            // The bit of its own, without what it implies, where it has one.
            let implied = [Rights::LOOKUP, Rights::SEEK_TELL, Rights::SEEK];
            let own = implied.iter().fold(right, |own, implied| {
                if *implied == right { own } else { own.difference(*implied) }
            });
            if rights[at].contains(right) && !own.is_empty() {
                let mut less = rights.to_vec();
                less[at] = less[at].difference(own);
                expect(&with(&less), name, args, INCAPABLE);
            }
        }
    }
    // The same as a ceiling, on a number that nobody granted.
    let all = rights.iter().fold(Rights::NONE, |all, one| all | *one);
    expect(&policy(Kind::Enter, all), name, args, ALLOWED);
    expect(&policy(Kind::Enter, Rights::ALL.difference(all)), name, args, INCAPABLE);
}

#[test]
fn reading_and_writing() {
    for name in ["read", "readv"] {
        needs(name, &[3, POINTER, 1], &[Rights::READ]);
    }
    for name in ["write", "writev"] {
        needs(name, &[3, POINTER, 1], &[Rights::WRITE]);
    }
    for name in ["pread64", "preadv", "preadv2"] {
        needs(name, &[3, POINTER, 1, 0], &[Rights::PREAD]);
    }
    for name in ["pwrite64", "pwritev", "pwritev2"] {
        needs(name, &[3, POINTER, 1, 0], &[Rights::PWRITE]);
    }
    needs("vmsplice", &[3, POINTER, 1, 0], &[Rights::READ | Rights::WRITE]);
    needs("tee", &[3, 4, 1, 0], &[Rights::READ, Rights::WRITE]);
    needs("sendfile", &[3, 4, 0, 1], &[Rights::WRITE, Rights::READ]);
    needs("sendfile", &[3, 4, POINTER, 1], &[Rights::WRITE, Rights::PREAD]);
    for name in ["splice", "copy_file_range"] {
        needs(name, &[3, 0, 4, 0, 1], &[Rights::READ, Rights::WRITE]);
        needs(name, &[3, POINTER, 4, 0, 1], &[Rights::PREAD, Rights::PWRITE]);
        needs(name, &[3, 0, 4, POINTER, 1], &[Rights::PREAD, Rights::PWRITE]);
        // A pointer whose low half is zero is one.
        needs(name, &[3, 0x1_0000_0000, 4, 0, 1], &[Rights::PREAD, Rights::PWRITE]);
    }
}

#[test]
fn seeking_needs_more_than_asking_for_the_offset() {
    needs("lseek", &[3, 0, 1], &[Rights::SEEK_TELL]);
    needs("lseek", &[3, 0, 0], &[Rights::SEEK]);
    needs("lseek", &[3, 1, 1], &[Rights::SEEK]);
    needs("lseek", &[3, 0, 2], &[Rights::SEEK]);
    let asking = only(Rights::SEEK_TELL);
    expect(&asking, "lseek", &[3, 1 << 32, 1], INCAPABLE);
    expect(&asking, "lseek", &[3, 0, 0], INCAPABLE);
    expect(&only(Rights::READ), "lseek", &[3, 0, 1], INCAPABLE);
}

#[test]
fn files_by_descriptor() {
    for (name, rights) in [
        ("fstat", Rights::FSTAT),
        ("fstatfs", Rights::FSTATFS),
        ("fchmod", Rights::FCHMOD),
        ("fchown", Rights::FCHOWN),
        ("fchdir", Rights::FCHDIR),
        ("fsync", Rights::FSYNC),
        ("fdatasync", Rights::FSYNC),
        ("sync_file_range", Rights::FSYNC),
        ("ftruncate", Rights::FTRUNCATE),
        ("fadvise64", Rights::READ),
        ("readahead", Rights::READ),
        ("getdents", Rights::READ),
        ("getdents64", Rights::READ),
        ("flock", Rights::FLOCK),
        ("fgetxattr", Rights::EXTATTR_GET),
        ("fsetxattr", Rights::EXTATTR_SET | Rights::FCHMOD),
        ("flistxattr", Rights::EXTATTR_LIST),
        ("fremovexattr", Rights::EXTATTR_DELETE),
        ("mq_timedsend", Rights::WRITE),
        ("mq_timedreceive", Rights::READ),
        ("mq_notify", Rights::EVENT),
        ("timerfd_settime", Rights::WRITE),
        ("timerfd_gettime", Rights::READ),
        ("inotify_rm_watch", Rights::INOTIFY_RM),
        ("signalfd", Rights::WRITE),
        ("signalfd4", Rights::WRITE),
    ] {
        needs(name, &[3, POINTER], &[rights]);
    }
    needs("fallocate", &[3, 0, 0, 1], &[Rights::PWRITE]);
    for collapsing in [0x08, 0x20] {
        needs("fallocate", &[3, collapsing, 0, 1], &[Rights::PWRITE | Rights::FTRUNCATE]);
    }
    needs("utimensat", &[3, 0, 0, 0], &[Rights::FUTIMES]);
    needs("futimesat", &[3, 0, 0], &[Rights::FUTIMES]);
    for request in [0x4008_6602, 0x401c_5820] {
        needs("ioctl", &[3, request, POINTER], &[Rights::FCHFLAGS]);
    }
}

#[test]
fn lookups_beneath_a_directory() {
    needs("mkdirat", &[3, POINTER, 0o700], &[Rights::MKDIRAT]);
    needs("unlinkat", &[3, POINTER, 0], &[Rights::UNLINKAT]);
    needs("symlinkat", &[POINTER, 3, POINTER], &[Rights::SYMLINKAT]);
    needs("linkat", &[3, POINTER, 4, POINTER, 0], &[Rights::LINKAT_SOURCE, Rights::LINKAT_TARGET]);
    needs("mknodat", &[3, POINTER, 0o010_644, 0], &[Rights::MKFIFOAT]);
    for kind in [0, 0o100_000, 0o140_000] {
        needs("mknodat", &[3, POINTER, kind, 0], &[Rights::MKNODAT]);
    }
    for device in [0o020_000, 0o060_000] {
        expect(&policy(Kind::Enter, Rights::ALL), "mknodat", &[3, POINTER, device, 1], GLOBAL);
    }
    let moving = [Rights::RENAMEAT_SOURCE, Rights::RENAMEAT_TARGET | Rights::UNLINKAT];
    needs("renameat", &[3, POINTER, 4, POINTER], &moving);
    needs("renameat2", &[3, POINTER, 4, POINTER, 0], &moving);
    let moving = [Rights::RENAMEAT_SOURCE, Rights::RENAMEAT_TARGET];
    needs("renameat2", &[3, POINTER, 4, POINTER, 1], &moving);
}

#[test]
fn opening_needs_what_the_descriptor_will_be_used_for() {
    let (lookup, read, write) = (Rights::LOOKUP, Rights::READ, Rights::WRITE);
    let (seek, create, truncate) = (Rights::SEEK, Rights::CREATE, Rights::FTRUNCATE);
    for (flags, rights) in [
        (libc::O_RDONLY, lookup | read),
        (libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC, lookup | read),
        (libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOATIME | libc::O_NOCTTY, lookup | read),
        (libc::O_WRONLY, lookup | write | seek),
        (libc::O_WRONLY | libc::O_APPEND, lookup | write),
        (libc::O_WRONLY | libc::O_TRUNC, lookup | write | truncate),
        (libc::O_RDWR, lookup | read | write | seek),
        (libc::O_RDWR | libc::O_APPEND, lookup | read | write),
        (libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, lookup | write | seek | create),
        (libc::O_RDONLY | libc::O_TRUNC, lookup | read | truncate),
        (libc::O_RDONLY | libc::O_SYNC, lookup | read | Rights::FSYNC),
        (libc::O_RDONLY | libc::O_DSYNC, lookup | read | Rights::FSYNC),
    ] {
        needs_of_directory(flags, rights);
    }
}

/// As `needs`, with a ceiling of nothing: what is opened has what the ceiling has.
#[track_caller]
fn needs_of_directory(flags: i32, rights: Rights) {
    let args = [3, POINTER, u64::from(flags.cast_unsigned()), 0o600];
    expect(&only(rights), "openat", &args, ALLOWED);
    for (_, right) in Rights::each() {
        let own = match right {
            Rights::LOOKUP | Rights::SEEK => right,
            _ => right.difference(Rights::LOOKUP | Rights::SEEK),
        };
        if rights.contains(right) && !own.is_empty() {
            expect(&only(rights.difference(own)), "openat", &args, INCAPABLE);
        }
    }
}

#[test]
fn opening_that_landlock_does_not_see_is_refused() {
    let directory = policy(Kind::Enter, Rights::ALL);
    for flags in [
        libc::O_PATH,
        libc::O_PATH | libc::O_DIRECTORY,
        libc::O_TMPFILE | libc::O_RDWR,
        libc::O_ACCMODE,
        libc::O_ASYNC,
        1 << 30,
    ] {
        expect(&directory, "openat", &[3, POINTER, u64::from(flags.cast_unsigned()), 0], GLOBAL);
    }
    expect(&directory, "openat2", &[3, POINTER, POINTER, 24], MISSING);
    for flags in [libc::AT_EMPTY_PATH, libc::AT_SYMLINK_FOLLOW] {
        let flags = u64::from(flags.cast_unsigned());
        expect(&directory, "linkat", &[3, POINTER, 4, POINTER, flags], GLOBAL);
    }
    for flags in [2, 4, 3] {
        expect(&directory, "renameat2", &[3, POINTER, 4, POINTER, flags], GLOBAL);
    }
}

#[test]
fn without_landlock_nothing_is_looked_up_or_executed() {
    let mut policy = policy(Kind::Enter, Rights::ALL);
    policy.landlock = false;
    assert!(!policy.fact(Fact::Landlock));
    for (name, args) in [
        ("openat", vec![3, POINTER, 0, 0]),
        ("mkdirat", vec![3, POINTER, 0]),
        ("mknodat", vec![3, POINTER, 0o010_000]),
        ("mknodat", vec![3, POINTER, 0o100_000]),
        ("unlinkat", vec![3, POINTER, 0]),
        ("symlinkat", vec![POINTER, 3, POINTER]),
        ("linkat", vec![3, POINTER, 4, POINTER, 0]),
        ("renameat", vec![3, POINTER, 4, POINTER]),
        ("renameat2", vec![3, POINTER, 4, POINTER, 0]),
        ("execveat", vec![3, POINTER, 0, 0, 0x1000]),
    ] {
        expect(&policy, name, &args, GLOBAL);
    }
}

#[test]
fn mapping() {
    const READ: u64 = libc::PROT_READ as u64;
    const WRITE: u64 = libc::PROT_WRITE as u64;
    const EXEC: u64 = libc::PROT_EXEC as u64;
    let mmap = |prot: u64, flags: i32| [0, 4096, prot, u64::from(flags.cast_unsigned()), 3, 0];
    needs("mmap", &mmap(READ, libc::MAP_PRIVATE), &[Rights::MMAP_R]);
    needs("mmap", &mmap(READ | WRITE, libc::MAP_PRIVATE), &[Rights::MMAP_R]);
    // No access now can be any access later.
    needs("mmap", &mmap(0, libc::MAP_PRIVATE), &[Rights::MMAP_R]);
    needs("mmap", &mmap(READ, libc::MAP_SHARED), &[Rights::MMAP_RW]);
    needs("mmap", &mmap(READ, libc::MAP_SHARED_VALIDATE), &[Rights::MMAP_RW]);
    let mut executing = only(Rights::MMAP_RX);
    expect(&executing, "mmap", &mmap(READ | EXEC, libc::MAP_PRIVATE), ALLOWED);
    expect(&executing, "mmap", &mmap(READ | EXEC, libc::MAP_SHARED), INCAPABLE);
    expect(&executing, "mprotect", &[POINTER, 4096, READ | EXEC], ALLOWED);
    expect(&executing, "pkey_mprotect", &[POINTER, 4096, READ | EXEC, 0], ALLOWED);
    executing = executing.grant(4, Rights::MMAP_R);
    // What was mapped without execution could get it.
    expect(&executing, "mmap", &mmap(READ | EXEC, libc::MAP_PRIVATE), ALLOWED);
    expect(&executing, "mprotect", &[POINTER, 4096, READ | EXEC], INCAPABLE);
    expect(&executing, "pkey_mprotect", &[POINTER, 4096, READ | EXEC, 0], INCAPABLE);
    for name in ["mprotect", "pkey_mprotect"] {
        expect(&executing, name, &[POINTER, 4096, READ | WRITE], ALLOWED);
    }
    let nothing = policy(Kind::Enter, Rights::NONE);
    let anonymous = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    expect(&nothing, "mmap", &mmap(READ | WRITE, anonymous), ALLOWED);
    expect(&nothing, "mmap", &mmap(READ | WRITE, libc::MAP_PRIVATE), INCAPABLE);
    expect(&only(Rights::MMAP_R), "mmap", &mmap(READ | EXEC, libc::MAP_PRIVATE), INCAPABLE);
}

#[test]
fn a_shared_mapping_of_what_is_open_for_reading_only_cannot_be_made_writable() {
    let args = [0, 4096, 1, u64::from(libc::MAP_SHARED.cast_unsigned()), 3, 0];
    let read_only = Object { read_only: true, ..Object::default() };
    expect(&only(Rights::MMAP_R).known(3, read_only), "mmap", &args, ALLOWED);
    expect(&only(Rights::MMAP_R), "mmap", &args, INCAPABLE);
    expect(&only(Rights::MMAP).known(3, read_only), "mmap", &args, INCAPABLE);
}

#[test]
fn sockets() {
    for (name, rights) in [
        ("listen", Rights::LISTEN),
        ("getsockname", Rights::GETSOCKNAME),
        ("getpeername", Rights::GETPEERNAME),
        ("getsockopt", Rights::GETSOCKOPT),
        ("shutdown", Rights::SHUTDOWN),
        ("recvfrom", Rights::READ),
        ("recvmsg", Rights::READ),
        ("recvmmsg", Rights::READ),
    ] {
        needs(name, &[3, 1, POINTER], &[rights]);
    }
    for name in ["accept", "accept4"] {
        expect(&only(Rights::ACCEPT), name, &[3], ALLOWED);
        expect(&only(Rights::SOCK_SERVER.difference(Rights::ACCEPT)), name, &[3], INCAPABLE);
    }
    needs("sendto", &[3, POINTER, 1, 0, 0, 0], &[Rights::WRITE]);
    // The process at the other end.
    expect(&only(Rights::GETSOCKOPT), "getsockopt", &[3, 1, 77, POINTER], GLOBAL);
    expect(&only(Rights::GETSOCKOPT), "getsockopt", &[3, 6, 77, POINTER], ALLOWED);
    // Everything but an address.
    let all = policy(Kind::Enter, Rights::ALL);
    expect(&all, "sendto", &[3, POINTER, 1, 0, POINTER, 16], GLOBAL);
    expect(&all, "sendto", &[3, POINTER, 1, 0, 1 << 40, 16], GLOBAL);
    expect(&all, "sendto", &[3, POINTER, 1, 0x2000_0000, 0, 0], GLOBAL);
    for kind in [libc::SOCK_STREAM, libc::SOCK_SEQPACKET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC] {
        expect(&all, "socketpair", &[1, u64::from(kind.cast_unsigned()), 0, POINTER], ALLOWED);
    }
    for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK] {
        expect(&all, "socketpair", &[1, u64::from(kind.cast_unsigned()), 0, POINTER], GLOBAL);
    }
    // TIPC has stream pairs too, with addresses.
    expect(&all, "socketpair", &[30, 1, 0, POINTER], GLOBAL);
    expect(&all, "socketpair", &[30, 5, 0, POINTER], GLOBAL);
}

#[test]
fn socket_options_that_rule_more_than_the_socket_are_refused() {
    needs("setsockopt", &[3, 1, 2, POINTER, 4], &[Rights::SETSOCKOPT]);
    let all = policy(Kind::Enter, Rights::ALL);
    for (level, option) in [(6, 1), (17, 1), (0, 1), (41, 26), (41, 67)] {
        expect(&all, "setsockopt", &[3, level, option, POINTER, 4], ALLOWED);
    }
    // SO_BINDTODEVICE, SO_ATTACH_FILTER, SO_MARK, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_{C,E}BPF,
    // SO_BINDTOIFINDEX, IPT_SO_SET_REPLACE, IP6T_SO_SET_REPLACE, ARPT; SOL_NETLINK.
    for (level, option) in [
        (1, 76),
        (1, 25),
        (1, 26),
        (1, 36),
        (1, 50),
        (1, 51),
        (1, 52),
        (1, 62),
        (0, 64),
        (41, 64),
        (0, 96),
        (0, 67),
        (270, 1),
        (263, 1),
    ] {
        expect(&all, "setsockopt", &[3, level, option, POINTER, 4], GLOBAL);
    }
}

#[test]
fn a_message_goes_only_where_no_address_can_be() {
    let addressless = Object { addressless: true, ..Object::default() };
    for name in ["sendmsg", "sendmmsg"] {
        let flags =
            |flags| if name == "sendmsg" { [3, POINTER, flags, 0] } else { [3, POINTER, 1, flags] };
        let known = only(Rights::WRITE).known(3, addressless);
        expect(&known, name, &flags(0), ALLOWED);
        expect(&only(Rights::READ).known(3, addressless), name, &flags(0), INCAPABLE);
        expect(&only(Rights::WRITE), name, &flags(0), INCAPABLE);
        expect(&known, name, &flags(0x2000_0000), GLOBAL);
        let mut all = policy(Kind::Enter, Rights::ALL);
        expect(&all, name, &flags(0), ALLOWED);
        all.addressable = true;
        expect(&all, name, &flags(0), INCAPABLE);
        expect(&policy(Kind::Enter, Rights::WRITE), name, &flags(0), INCAPABLE);
    }
}

#[test]
fn readiness() {
    needs("epoll_ctl", &[3, 1, 4, POINTER], &[Rights::KQUEUE_CHANGE, Rights::EVENT]);
    for name in ["epoll_wait", "epoll_pwait", "epoll_pwait2"] {
        needs(name, &[3, POINTER, 1, 0], &[Rights::KQUEUE_EVENT]);
    }
    // These name their descriptors in memory: every one must have the right.
    for (name, some, none) in [
        ("poll", [POINTER, 1, 0], [POINTER, 0, 9]),
        ("ppoll", [POINTER, 1, 0], [POINTER, 0, 9]),
        ("select", [1, POINTER, 0], [0, POINTER, 9]),
        ("pselect6", [1, POINTER, 0], [0, POINTER, 9]),
    ] {
        let all = policy(Kind::Enter, Rights::EVENT);
        expect(&all, name, &some, ALLOWED);
        expect(&all.clone().grant(3, Rights::READ), name, &some, INCAPABLE);
        expect(&only(Rights::EVENT), name, &some, INCAPABLE);
        expect(&only(Rights::READ), name, &none, ALLOWED);
    }
}

#[test]
fn a_rust_program_starts_where_nothing_may_be_watched() {
    const BUSY: Verdict = Verdict::Refuse(libc::EAGAIN);
    for kind in [Kind::Enter, Kind::Limit] {
        let some = policy(kind, Rights::EVENT).grant(3, Rights::READ);
        expect(&some, "poll", &[POINTER, 3, 0], BUSY);
        expect(&some, "poll", &[POINTER, 3, 10], INCAPABLE);
        expect(&some, "poll", &[POINTER, 2, 0], INCAPABLE);
        expect(&some, "ppoll", &[POINTER, 3, POINTER], BUSY);
        expect(&some, "ppoll", &[POINTER, 4, POINTER], INCAPABLE);
        for name in ["poll", "ppoll"] {
            expect(&policy(kind, Rights::EVENT), name, &[POINTER, 3, 0], ALLOWED);
        }
    }
}

#[test]
fn processes_by_descriptor() {
    needs("pidfd_send_signal", &[3, 9, 0, 0], &[Rights::PDKILL]);
    needs("waitid", &[3, 3, POINTER, 4], &[Rights::PDWAIT]);
    // Its whole group.
    expect(&only(Rights::PDKILL), "pidfd_send_signal", &[3, 9, 0, 4], GLOBAL);
    expect(&only(Rights::NONE), "waitid", &[1, 3, POINTER, 4], ALLOWED);
}

#[test]
fn executing() {
    let empty = u64::from(libc::AT_EMPTY_PATH.cast_unsigned());
    needs("execveat", &[3, POINTER, POINTER, POINTER, empty], &[Rights::FEXECVE]);
    needs("execveat", &[3, POINTER, POINTER, POINTER, 0], &[Rights::FEXECVE | Rights::LOOKUP]);
}

#[test]
fn control_commands() {
    let with = |commands| only(Limits::from(Rights::FCNTL).fcntls(commands));
    for (command, takes) in [
        (libc::F_GETFL, Fcntls::GETFL),
        (libc::F_SETFL, Fcntls::SETFL),
        (libc::F_GETOWN, Fcntls::GETOWN),
        (16, Fcntls::GETOWN),
        (11, Fcntls::GETOWN),
    ] {
        let args = [3, u64::from(command.cast_unsigned()), 0];
        expect(&with(takes), "fcntl", &args, ALLOWED);
        expect(&with(Fcntls::ALL.difference(takes)), "fcntl", &args, INCAPABLE);
        let without = Limits::from(Rights::ALL.difference(Rights::FCNTL)).fcntls(takes);
        expect(&only(without), "fcntl", &args, INCAPABLE);
    }
    for lock in [5, 6, 7, 36, 37, 38] {
        needs("fcntl", &[3, lock, POINTER], &[Rights::FLOCK]);
    }
    for size in [1031, 1032] {
        needs("fcntl", &[3, size, 0], &[Rights::FCNTL]);
    }
    for free in [libc::F_GETFD, libc::F_SETFD, libc::F_ADD_SEALS, libc::F_GET_SEALS] {
        expect(&only(Rights::NONE), "fcntl", &[3, u64::from(free.cast_unsigned()), 1], ALLOWED);
    }
    // Signals to others: F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE, F_NOTIFY; and the unknown.
    let all = policy(Kind::Enter, Rights::ALL);
    for away in [8, 15, 10, 1024, 1025, 1026, 1027, 999] {
        expect(&all, "fcntl", &[3, away, POINTER], GLOBAL);
    }
    for owner in [8, 15, 10] {
        expect(&with(Fcntls::GETOWN), "fcntl", &[3, owner, POINTER], INCAPABLE);
        let limited = policy(Kind::Limit, Rights::ALL)
            .grant(3, Limits::from(Rights::FCNTL).fcntls(Fcntls::SETOWN));
        expect(&limited, "fcntl", &[3, owner, POINTER], ALLOWED);
    }
}

#[test]
fn control_requests() {
    let with = |requests: &[u32]| {
        only(Limits::from(Rights::IOCTL).ioctls(Ioctls::only(requests.iter().copied())))
    };
    expect(&with(&[0x5413]), "ioctl", &[3, 0x5413, POINTER], ALLOWED);
    expect(&with(&[0x5413]), "ioctl", &[3, 0x5414, POINTER], INCAPABLE);
    expect(&with(&[]), "ioctl", &[3, 0x5413, POINTER], INCAPABLE);
    // What a driver has is the caller's to name.
    expect(&with(&[0xc0de]), "ioctl", &[3, 0xc0de, POINTER], ALLOWED);
    let all = policy(Kind::Enter, Rights::ALL);
    for harmless in [0x5401, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451] {
        expect(&all, "ioctl", &[3, harmless, POINTER], ALLOWED);
    }
    // TIOCSTI, TIOCLINUX, TIOCSETD, TIOCSCTTY, FIOSETOWN, FICLONE, FICLONERANGE, TIOCGPTPEER,
    // SECCOMP_IOCTL_NOTIF_ADDFD, and what nobody knows.
    for away in [
        0x5412,
        0x541c,
        0x5423,
        0x540e,
        0x8901,
        0x4004_9409,
        0x4020_940d,
        0x5441,
        0x4018_2103,
        0xc0de,
    ] {
        expect(&all, "ioctl", &[3, away, POINTER], INCAPABLE);
    }
    expect(&with(&[0x5412, 0x4008_6602]), "ioctl", &[3, 0x5412, POINTER], INCAPABLE);
    expect(&with(&[0x5412, 0x4008_6602]), "ioctl", &[3, 0x4008_6602, POINTER], INCAPABLE);
    let without = Limits::from(Rights::ALL.difference(Rights::IOCTL)).ioctls(Ioctls::All);
    expect(&only(without), "ioctl", &[3, 0x5413, POINTER], INCAPABLE);
}

#[test]
fn descriptors_that_are_named_in_memory_are_named_by_nobody() {
    for kind in [Kind::Enter, Kind::Limit] {
        let policy = policy(kind, Rights::ALL);
        for name in
            ["io_uring_setup", "io_uring_enter", "io_uring_register", "io_submit", "io_setup"]
        {
            expect(&policy, name, &[3, 1, POINTER], INCAPABLE);
        }
    }
}
