//! What lstat(2) tells.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

use serde::{Deserialize, Serialize};

/// A file, as lstat(2) tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The device that it is on.
    pub dev: u64,
    /// Its number there.
    pub ino: u64,
    /// Its kind and its permissions.
    pub mode: u32,
    /// How many names it has.
    pub nlink: u64,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The device that it is, if it is one.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// Bytes that are best read at once.
    pub blksize: u64,
    /// Blocks of 512 bytes that it takes.
    pub blocks: u64,
    /// When it was last read: seconds since 1970, and nanoseconds.
    pub atime: (i64, i64),
    /// When its content last changed.
    pub mtime: (i64, i64),
    /// When anything of it last changed.
    pub ctime: (i64, i64),
}

impl Status {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            mode: metadata.mode(),
            nlink: metadata.nlink(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            rdev: metadata.rdev(),
            size: metadata.size(),
            blksize: metadata.blksize(),
            blocks: metadata.blocks(),
            atime: (metadata.atime(), metadata.atime_nsec()),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// `S_IFMT` and what it can be, which both systems have the same numbers for.
    fn kind(&self) -> u32 {
        self.mode & 0o170_000
    }

    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind() == 0o100_000
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind() == 0o040_000
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.kind() == 0o120_000
    }
}
