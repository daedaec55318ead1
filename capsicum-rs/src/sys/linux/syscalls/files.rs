//! Files by descriptor, and lookups beneath a directory.
//!
//! The path is in memory, where no filter sees it: Landlock holds it beneath the directories that
//! are granted. What Landlock does not see (stat, access, readlink, chmod, chown, utimes, `O_PATH`)
//! works by path where a private root leaves nothing else to be reached; elsewhere by descriptor
//! only. `AT_EMPTY_PATH` says that the path may be empty, not that it is.

use super::{
    super::rule::{Arg, Fact, Need, Refusal, Step, When},
    AT_FDCWD, NONE, Row, row, rules,
};
use crate::{Rights, program::Names};

pub(super) const ROWS: &[Row] = &[
    // By descriptor.
    row("fstat", 5, 80, rules!(on 0, FSTAT)),
    row("fstatfs", 138, 44, rules!(on 0, FSTATFS)),
    row("fchmod", 91, 52, rules!(alter 0, FCHMOD)),
    row("fchown", 93, 55, rules!(alter 0, FCHOWN)),
    row("fchdir", 81, 50, rules!(on 0, FCHDIR)),
    row("fsync", 74, 82, rules!(on 0, FSYNC)),
    row("fdatasync", 75, 83, rules!(on 0, FSYNC)),
    row("sync_file_range", 277, 84, rules!(on 0, FSYNC)),
    row("ftruncate", 77, 46, rules!(on 0, FTRUNCATE)),
    row("fallocate", 285, 47, FALLOCATE),
    row("fadvise64", 221, 223, rules!(on 0, READ)),
    row("readahead", 187, 213, rules!(on 0, READ)),
    row("getdents", 78, NONE, rules!(on 0, READ)),
    row("getdents64", 217, 61, rules!(on 0, READ)),
    row("fgetxattr", 193, 10, rules!(on 0, EXTATTR_GET)),
    // The name is in memory: access lists are attributes, and some of them are the mode.
    row("fsetxattr", 190, 7, rules!(alter 0, EXTATTR_SET | FCHMOD)),
    row("flistxattr", 196, 13, rules!(on 0, EXTATTR_LIST)),
    row("fremovexattr", 199, 16, rules!(alter 0, EXTATTR_DELETE)),
    // Beneath a directory, held by Landlock.
    row("openat", 257, 56, OPENAT),
    row("mkdirat", 258, 34, rules!(beneath 0, MKDIRAT)),
    row("mknodat", 259, 33, MKNODAT),
    row("unlinkat", 263, 35, rules!(beneath 0, UNLINKAT)),
    row("symlinkat", 266, 36, rules!(beneath 1, SYMLINKAT)),
    row("linkat", 265, 37, LINKAT),
    row("renameat", 264, 38, RENAMEAT),
    row("renameat2", 316, 276, RENAMEAT2),
    // Beneath a directory, unseen by Landlock.
    row("newfstatat", 262, 79, NEWFSTATAT),
    row("statx", 332, 291, STATX),
    row("faccessat", 269, 48, rules!(unseen 0, FSTATAT, METADATA)),
    row("faccessat2", 439, 439, rules!(unseen 0, FSTATAT, METADATA)),
    row("readlinkat", 267, 78, rules!(unseen 0, LOOKUP, METADATA)),
    row("fchmodat", 268, 53, rules!(unseen 0, FCHMODAT, ATTRIBUTES)),
    row("fchmodat2", 452, 452, rules!(unseen 0, FCHMODAT, ATTRIBUTES)),
    row("fchownat", 260, 54, rules!(unseen 0, FCHOWNAT, ATTRIBUTES)),
    row("utimensat", 280, 88, UTIMENSAT),
    row("futimesat", 261, NONE, UTIMENSAT),
    // Its flags, by which the rights are chosen, are in memory too; programs go on with openat where
    // it does not exist.
    row(
        "openat2",
        437,
        437,
        &[
            Step::Allow(&[When::Named(Names::PATHS.union(Names::METADATA))]),
            Step::Refuse(&[], Refusal::Missing),
        ],
    ),
];

/// `AT_EMPTY_PATH`
const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH.cast_unsigned();

const fn bits(flags: libc::c_int) -> u32 {
    flags.cast_unsigned()
}

const ACCESS: u32 = bits(libc::O_ACCMODE);
const RDONLY: u32 = bits(libc::O_RDONLY);
const WRONLY: u32 = bits(libc::O_WRONLY);
const RDWR: u32 = bits(libc::O_RDWR);
/// The flags of open(2) that change what the new descriptor does, not what is reached.
const PLAIN: u32 = ACCESS
    | bits(
        libc::O_CREAT
            | libc::O_EXCL
            | libc::O_NOCTTY
            | libc::O_TRUNC
            | libc::O_APPEND
            | libc::O_NONBLOCK
            | libc::O_SYNC
            | libc::O_DIRECT
            | libc::O_LARGEFILE
            | libc::O_DIRECTORY
            | libc::O_NOFOLLOW
            | libc::O_NOATIME
            | libc::O_CLOEXEC,
    )
    // The kernel's own O_LARGEFILE, which libc defines as 0 on 64-bit systems: x86_64, aarch64.
    | 0o100_000
    | 0o400_000;

/// The same, and what Landlock does not see.
const REFERRING: u32 = PLAIN | bits(libc::O_PATH);

/// openat(2): the needs are those of FreeBSD's. `O_PATH` is not seen by Landlock, access mode 3
/// opens devices for ioctl(2) without reading or writing, and `O_TMPFILE` makes a file that no
/// `CREATE` is asked for.
///
/// A confined program that may not alter modes makes no file that takes on its owner's ids.
const OPENAT: &[Step] = &[
    Step::Refuse(&[When::Unless(Fact::Alters), makes(2), When::Any(3, SET_ID)], Refusal::Global),
    Step::Allow(&[When::Named(Names::PATHS), When::Clear(2, bits(libc::O_PATH))]),
    Step::Allow(&[When::Named(Names::PATHS.union(Names::METADATA))]),
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::LOOKUP)),
    // The descriptor that is opened gets the ceiling.
    Step::Need(&[], Need::Whole(0)),
    Step::Refuse(&[When::Unless(Fact::Landlock)], Refusal::Global),
    Step::Refuse(&[When::Any(2, !PLAIN), When::Unless(Fact::Directories)], Refusal::Global),
    Step::Refuse(&[When::Any(2, !REFERRING)], Refusal::Global),
    Step::Need(&[When::Any(2, bits(libc::O_PATH))], Need::Contained(0)),
    Step::Refuse(&[When::Masked(2, ACCESS, ACCESS)], Refusal::Global),
    // `/proc/self/fd/N` is a link that comes to the object itself, and Landlock holds back none of
    // those that are on no mount. As the last part of a path it is not followed so.
    Step::Refuse(
        &[When::Fact(Fact::Reopens), When::Clear(2, bits(libc::O_NOFOLLOW))],
        Refusal::NotCapable,
    ),
    Step::Need(&[When::Masked(2, ACCESS, RDONLY)], Need::Right(0, Rights::READ)),
    Step::Need(&[When::Masked(2, ACCESS, RDWR)], Need::Right(0, Rights::READ)),
    Step::Need(&[When::Any(2, WRONLY | RDWR)], Need::Right(0, Rights::WRITE)),
    Step::Need(
        &[When::Any(2, WRONLY | RDWR), When::Clear(2, bits(libc::O_APPEND | libc::O_TRUNC))],
        Need::Right(0, Rights::SEEK),
    ),
    Step::Need(&[When::Any(2, bits(libc::O_CREAT))], Need::Right(0, Rights::CREATE)),
    Step::Need(&[When::Any(2, bits(libc::O_TRUNC))], Need::Right(0, Rights::FTRUNCATE)),
    Step::Need(&[When::Any(2, bits(libc::O_SYNC))], Need::Right(0, Rights::FSYNC)),
    // Landlock has rules for what was open at entry; a broker answers for the rest, if there is one.
    // It is given no references: it could hand out none.
    Step::Need(&[When::Fact(Fact::Brokered), When::Clear(2, bits(libc::O_PATH))], Need::Known(0)),
    Step::Allow(&[]),
];

/// Whether open(2) looks at the mode: `O_CREAT`, and the bit of `O_TMPFILE` that is its own.
pub(super) const fn makes(flags: Arg) -> When {
    When::Any(flags, bits(libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY))
}

/// The bits of a mode with which a program takes on the file's owner or group.
pub(super) const SET_ID: u32 = libc::S_ISUID | libc::S_ISGID;

/// Fifos have a right of their own; the rest are sockets and plain files. A device's number is a
/// global name.
const MKNODAT: &[Step] = &[
    Step::Refuse(&[When::Unless(Fact::Alters), When::Any(2, SET_ID)], Refusal::Global),
    Step::Allow(&[When::Named(Names::PATHS)]),
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Need(&[When::Masked(2, libc::S_IFMT, libc::S_IFIFO)], Need::Right(0, Rights::MKFIFOAT)),
    Step::Refuse(&[When::Unless(Fact::Landlock)], Refusal::Global),
    Step::Allow(&[When::Masked(2, libc::S_IFMT, libc::S_IFIFO)]),
    Step::Need(&[], Need::Right(0, Rights::MKNODAT)),
    Step::Refuse(&[When::Masked(2, libc::S_IFMT, libc::S_IFCHR)], Refusal::Global),
    Step::Refuse(&[When::Masked(2, libc::S_IFMT, libc::S_IFBLK)], Refusal::Global),
    Step::Allow(&[]),
];

/// With flags it would follow a symbolic link, or give a name to any descriptor.
const LINKAT: &[Step] = &[
    Step::Allow(&[When::Named(Names::PATHS)]),
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Refuse(&[When::Is(2, AT_FDCWD)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::LINKAT_SOURCE)),
    Step::Need(&[], Need::Right(2, Rights::LINKAT_TARGET)),
    Step::Refuse(&[When::Unless(Fact::Landlock)], Refusal::Global),
    Step::Refuse(&[When::Any(4, u32::MAX)], Refusal::Global),
    Step::Allow(&[]),
];

/// It may replace a name, which needs what unlinkat(2) needs.
const RENAMEAT: &[Step] = &[
    Step::Allow(&[When::Named(Names::PATHS)]),
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Refuse(&[When::Is(2, AT_FDCWD)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::RENAMEAT_SOURCE)),
    Step::Need(&[], Need::Right(2, Rights::RENAMEAT_TARGET)),
    Step::Need(&[], Need::Right(2, Rights::UNLINKAT)),
    Step::Refuse(&[When::Unless(Fact::Landlock)], Refusal::Global),
    Step::Allow(&[]),
];

/// With `RENAME_NOREPLACE` it does not; `RENAME_EXCHANGE` and `RENAME_WHITEOUT` do more.
const RENAMEAT2: &[Step] = &[
    Step::Allow(&[When::Named(Names::PATHS)]),
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Refuse(&[When::Is(2, AT_FDCWD)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::RENAMEAT_SOURCE)),
    Step::Need(&[], Need::Right(2, Rights::RENAMEAT_TARGET)),
    Step::Need(&[When::Clear(4, libc::RENAME_NOREPLACE)], Need::Right(2, Rights::UNLINKAT)),
    Step::Refuse(&[When::Unless(Fact::Landlock)], Refusal::Global),
    Step::Refuse(&[When::Any(4, !libc::RENAME_NOREPLACE)], Refusal::Global),
    Step::Allow(&[]),
];

/// Before capability mode fstat(3) of a limited descriptor is this call in glibc 2.33 to 2.38.
const NEWFSTATAT: &[Step] = &[
    Step::Allow(&[When::Named(Names::METADATA)]),
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::FSTAT)),
    Step::Need(&[], Need::Emptied(0)),
    Step::Allow(&[When::Any(3, AT_EMPTY_PATH), When::Fact(Fact::Statable)]),
    Step::Refuse(&[When::Any(3, AT_EMPTY_PATH)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::LOOKUP)),
    Step::Refuse(&[When::Unless(Fact::Directories)], Refusal::Global),
    Step::Need(&[], Need::Contained(0)),
    Step::Allow(&[]),
];

/// The same; the standard library goes on with fstat(3) where it does not exist.
const STATX: &[Step] = &[
    Step::Allow(&[When::Named(Names::METADATA)]),
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::FSTAT)),
    Step::Need(&[], Need::Emptied(0)),
    Step::Allow(&[When::Any(2, AT_EMPTY_PATH), When::Fact(Fact::Statable)]),
    Step::Refuse(&[When::Any(2, AT_EMPTY_PATH)], Refusal::Missing),
    Step::Need(&[], Need::Right(0, Rights::LOOKUP)),
    Step::Refuse(&[When::Unless(Fact::Directories)], Refusal::Missing),
    Step::Need(&[], Need::Contained(0)),
    Step::Allow(&[]),
];

/// Without a path it is futimens(3).
const UTIMENSAT: &[Step] = &[
    Step::Allow(&[When::Named(Names::ATTRIBUTES)]),
    Step::Refuse(&[When::Is(0, AT_FDCWD)], Refusal::Global),
    Step::Need(&[], Need::Right(0, Rights::FUTIMES)),
    Step::Refuse(&[When::Unless(Fact::Alters)], Refusal::Global),
    Step::Allow(&[When::Null(1)]),
    Step::Need(&[], Need::Right(0, Rights::LOOKUP)),
    Step::Refuse(&[When::Unless(Fact::Directories)], Refusal::Global),
    Step::Need(&[], Need::Contained(0)),
    Step::Allow(&[]),
];

/// `FALLOC_FL_COLLAPSE_RANGE` and `FALLOC_FL_INSERT_RANGE` change the size by themselves.
const FALLOCATE: &[Step] = &[
    Step::Need(&[], Need::Right(0, Rights::PWRITE)),
    Step::Need(&[When::Any(1, 0x08 | 0x20)], Need::Right(0, Rights::FTRUNCATE)),
    Step::Allow(&[]),
];
