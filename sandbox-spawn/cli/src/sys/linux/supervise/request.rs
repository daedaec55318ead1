//! What a call asks for, from its number and arguments: one row for each call, as the table of the
//! filter has them. Pointers are not followed here.

use libc::{c_int, c_long};

use super::{super::calls::Errno, caller::Caller};

/// A pointer into the caller's memory.
pub(super) type Pointer = u64;

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// What a path leads to, from a directory.
    Path { from: c_int, path: Pointer, follow: bool, may_be_empty: bool },
    /// What is open at a number.
    Descriptor(c_int),
}

/// Times, in the caller's memory.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "the older calls are there on x86_64 alone")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// `struct utimbuf`
    Seconds(Pointer),
    /// Two `struct timeval`.
    Microseconds(Pointer),
    /// Two `struct timespec`.
    Nanoseconds(Pointer),
}

/// Questions, which change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Status {
        to: Pointer,
        flags: c_int,
    },
    Statx {
        to: Pointer,
        flags: c_int,
        mask: u32,
    },
    Access {
        mode: c_int,
        flags: c_int,
    },
    Link {
        to: Pointer,
        size: c_int,
    },
    FileSystem {
        to: Pointer,
    },
    Attribute {
        name: Pointer,
        to: Pointer,
        size: u64,
    },
    Attributes {
        to: Pointer,
        size: u64,
    },
    Watch {
        by: c_int,
        mask: u32,
    },
    /// open(2) with `O_PATH`.
    Refer {
        flags: c_int,
    },
}

/// Changes to what Landlock does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Mode(u32),
    Owner(u32, u32),
    Times(Times),
    Attribute { name: Pointer, value: Pointer, size: u64, flags: c_int },
    NoAttribute { name: Pointer },
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Ask(Subject, Question),
    Alter(Subject, Change),
    /// openat2(2), whose flags are in memory.
    Open {
        from: c_int,
        path: Pointer,
        how: Pointer,
        size: u64,
    },
    /// getcwd(2)
    WorkingDirectory {
        to: Pointer,
        size: u64,
    },
}

use Change::{Mode, NoAttribute, Owner};
use Question::{Access, Attributes, FileSystem, Link, Refer, Status, Statx, Watch};
use Request::{Alter, Ask};

/// `__NR_fchmodat2`, which is the same everywhere; libc knows it for some systems only.
const FCHMODAT2: c_long = 452;

/// A path from the working directory.
fn here(path: Pointer, follow: bool) -> Subject {
    Subject::Path { from: libc::AT_FDCWD, path, follow, may_be_empty: false }
}

/// A path from a directory.
fn from(from: c_int, path: Pointer) -> Subject {
    Subject::Path { from, path, follow: true, may_be_empty: false }
}

/// A path from a directory, with the flags of `*at` calls.
fn at(from: c_int, path: Pointer, flags: c_int) -> Subject {
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    Subject::Path { from, path, follow, may_be_empty: flags & libc::AT_EMPTY_PATH != 0 }
}

/// The flags that say nothing of the path.
fn others(flags: c_int) -> c_int {
    flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH)
}

/// The flags of stat calls that say nothing of the path.
fn of_status(flags: c_int) -> Result<c_int, Errno> {
    let others = others(flags);
    // The kernel does not look at unknown ones where the path is empty.
    let known = libc::AT_NO_AUTOMOUNT | libc::AT_STATX_SYNC_TYPE;
    if others & !known == 0 { Ok(others) } else { Err(libc::EINVAL) }
}

/// Flags of calls that take none but those of the path.
fn no_others(flags: c_int) -> Result<(), Errno> {
    if others(flags) == 0 { Ok(()) } else { Err(libc::EINVAL) }
}

/// What a call asks for; `ENOSYS` where nobody answers it.
pub(super) fn request(call: &Caller<'_>) -> Result<Request, Errno> {
    let (int, word) = (|argument| call.int(argument), |argument| call.word(argument));
    #[allow(clippy::cast_sign_loss)]
    let bits = |argument| call.int(argument) as u32;
    Ok(match call.number() {
        libc::SYS_newfstatat => {
            Ask(at(int(0), word(1), int(3)), Status { to: word(2), flags: of_status(int(3))? })
        }
        libc::SYS_statx => Ask(
            at(int(0), word(1), int(2)),
            Statx { to: word(4), flags: of_status(int(2))?, mask: bits(3) },
        ),
        libc::SYS_faccessat => Ask(from(int(0), word(1)), Access { mode: int(2), flags: 0 }),
        libc::SYS_faccessat2 => {
            Ask(at(int(0), word(1), int(3)), Access { mode: int(2), flags: others(int(3)) })
        }
        libc::SYS_readlinkat => {
            let path =
                Subject::Path { from: int(0), path: word(1), follow: false, may_be_empty: true };
            Ask(path, Link { to: word(2), size: int(3) })
        }
        libc::SYS_statfs => Ask(here(word(0), true), FileSystem { to: word(1) }),
        libc::SYS_getxattr | libc::SYS_lgetxattr => Ask(
            here(word(0), call.number() == libc::SYS_getxattr),
            Question::Attribute { name: word(1), to: word(2), size: word(3) },
        ),
        libc::SYS_listxattr | libc::SYS_llistxattr => Ask(
            here(word(0), call.number() == libc::SYS_listxattr),
            Attributes { to: word(1), size: word(2) },
        ),
        libc::SYS_inotify_add_watch => Ask(
            here(word(1), bits(2) & libc::IN_DONT_FOLLOW == 0),
            Watch { by: int(0), mask: bits(2) & !libc::IN_DONT_FOLLOW },
        ),
        libc::SYS_getcwd => Request::WorkingDirectory { to: word(0), size: word(1) },
        libc::SYS_openat => refer(int(0), word(1), int(2)),
        libc::SYS_openat2 => {
            Request::Open { from: int(0), path: word(1), how: word(2), size: word(3) }
        }
        libc::SYS_fchmod => Alter(Subject::Descriptor(int(0)), Mode(bits(1))),
        libc::SYS_fchmodat => Alter(from(int(0), word(1)), Mode(bits(2))),
        FCHMODAT2 => {
            no_others(int(3))?;
            Alter(at(int(0), word(1), int(3)), Mode(bits(2)))
        }
        libc::SYS_fchown => Alter(Subject::Descriptor(int(0)), Owner(bits(1), bits(2))),
        libc::SYS_fchownat => {
            no_others(int(4))?;
            Alter(at(int(0), word(1), int(4)), Owner(bits(2), bits(3)))
        }
        libc::SYS_utimensat => {
            no_others(int(3))?;
            let times = Change::Times(Times::Nanoseconds(word(2)));
            match word(1) {
                0 if int(3) & libc::AT_EMPTY_PATH == 0 && int(3) != 0 => return Err(libc::EINVAL),
                0 if int(0) == libc::AT_FDCWD => return Err(libc::EFAULT),
                0 => Alter(Subject::Descriptor(int(0)), times),
                path => Alter(at(int(0), path, int(3)), times),
            }
        }
        libc::SYS_setxattr | libc::SYS_lsetxattr => Alter(
            here(word(0), call.number() == libc::SYS_setxattr),
            Change::Attribute { name: word(1), value: word(2), size: word(3), flags: int(4) },
        ),
        libc::SYS_fsetxattr => Alter(
            Subject::Descriptor(int(0)),
            Change::Attribute { name: word(1), value: word(2), size: word(3), flags: int(4) },
        ),
        libc::SYS_removexattr | libc::SYS_lremovexattr => Alter(
            here(word(0), call.number() == libc::SYS_removexattr),
            NoAttribute { name: word(1) },
        ),
        libc::SYS_fremovexattr => Alter(Subject::Descriptor(int(0)), NoAttribute { name: word(1) }),
        _ => return older(call),
    })
}

/// open(2) with `O_PATH`.
fn refer(from: c_int, path: Pointer, flags: c_int) -> Request {
    let follow = flags & libc::O_NOFOLLOW == 0;
    Ask(Subject::Path { from, path, follow, may_be_empty: false }, Refer { flags })
}

/// Calls that newer architectures do without.
#[cfg(target_arch = "x86_64")]
fn older(call: &Caller<'_>) -> Result<Request, Errno> {
    let (int, word) = (|argument| call.int(argument), |argument| call.word(argument));
    #[allow(clippy::cast_sign_loss)]
    let bits = |argument| call.int(argument) as u32;
    Ok(match call.number() {
        libc::SYS_stat | libc::SYS_lstat => {
            Ask(here(word(0), call.number() == libc::SYS_stat), Status { to: word(1), flags: 0 })
        }
        libc::SYS_access => Ask(here(word(0), true), Access { mode: int(1), flags: 0 }),
        libc::SYS_readlink => Ask(here(word(0), false), Link { to: word(1), size: int(2) }),
        libc::SYS_open => refer(libc::AT_FDCWD, word(0), int(1)),
        libc::SYS_chmod => Alter(here(word(0), true), Mode(bits(1))),
        libc::SYS_chown | libc::SYS_lchown => {
            Alter(here(word(0), call.number() == libc::SYS_chown), Owner(bits(1), bits(2)))
        }
        libc::SYS_utime => Alter(here(word(0), true), Change::Times(Times::Seconds(word(1)))),
        libc::SYS_utimes => Alter(here(word(0), true), Change::Times(Times::Microseconds(word(1)))),
        libc::SYS_futimesat => {
            let times = Change::Times(Times::Microseconds(word(2)));
            match word(1) {
                0 if int(0) == libc::AT_FDCWD => return Err(libc::EFAULT),
                0 => Alter(Subject::Descriptor(int(0)), times),
                path => Alter(from(int(0), path), times),
            }
        }
        _ => return Err(libc::ENOSYS),
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn older(_: &Caller<'_>) -> Result<Request, Errno> {
    Err(libc::ENOSYS)
}
