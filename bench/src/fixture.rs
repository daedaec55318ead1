//! What is granted: directories, files and sockets, and what others must check for the same.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

use anyhow::{Result, bail};
use capsicum_rs::{Containment, Rights, Sandbox};
use tempfile::TempDir;

/// The first number that is granted.
const FIRST: RawFd = 3;

/// The size of the files, which reads and writes go through from the start.
pub(crate) const FILE: usize = 1 << 20;

const fn hash(index: u32) -> u32 {
    index.wrapping_mul(0x9e37_79b9)
}

/// What a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    Socket,
}

/// Descriptors, and the directories behind them.
pub(crate) struct Fixture {
    descriptors: Vec<(Kind, OwnedFd)>,
    /// Removed in the end.
    _base: TempDir,
}

impl Fixture {
    pub(crate) fn new(grants: usize) -> Result<Self> {
        let base = tempfile::tempdir()?;
        let mut descriptors = Vec::new();
        while descriptors.len() < grants {
            let index = descriptors.len();
            // In no order after the first four: as in `tests::cost` of the library.
            let scrambled = || (u32::try_from(index).ok().map_or(0, hash)) >> 28 & 3;
            let kind = if index < 4 { index } else { scrambled() as usize };
            let next = match kind {
                0 => {
                    let directory = base.path().join(index.to_string());
                    std::fs::create_dir(&directory)?;
                    std::fs::write(directory.join("file"), "contents")?;
                    (Kind::Directory, File::open(&directory)?.into())
                }
                // The first file has contents.
                1 => (Kind::File, crate::sys::memory(if index < 4 { FILE } else { 0 })?),
                _ => {
                    let (one, other) = UnixStream::pair()?;
                    if index == 2 {
                        // The first is connected to the second.
                        descriptors.push((Kind::Socket, one.into()));
                        (Kind::Socket, other.into())
                    } else {
                        (Kind::Socket, one.into())
                    }
                }
            };
            descriptors.push(next);
        }
        descriptors.truncate(grants);
        // The programs that the library's tests print are for these numbers.
        for ((_, fd), number) in descriptors.iter().zip(FIRST..) {
            if fd.as_raw_fd() != number {
                bail!("descriptor {} was to be {number}", fd.as_raw_fd());
            }
        }
        Ok(Self { descriptors, _base: base })
    }

    /// The numbers of a kind.
    pub(crate) fn of(&self, kinds: &[Kind]) -> Vec<RawFd> {
        let found = self.descriptors.iter().filter(|(kind, _)| kinds.contains(kind));
        found.map(|(_, fd)| fd.as_raw_fd()).collect()
    }

    /// `Sandbox::enter` with all of them, at this level.
    pub(crate) fn enter(&self, level: Containment) -> io::Result<usize> {
        let lookups = level >= Containment::Landlock;
        let mut sandbox = Sandbox::new().require(level);
        for (kind, fd) in &self.descriptors {
            let directory = Rights::READ | Rights::FSTAT;
            let rights = match kind {
                Kind::Directory if lookups => directory | Rights::LOOKUP,
                Kind::Directory => directory,
                Kind::File => Rights::READ | Rights::WRITE | Rights::SEEK | Rights::FSTAT,
                Kind::Socket => Rights::READ | Rights::WRITE,
            };
            sandbox = sandbox.grant(fd, rights);
        }
        sandbox.enter().map(|entered| entered.filter_len).map_err(io::Error::other)
    }
}

/// The calls that are checked for their descriptor, and on which kinds they are allowed.
pub(crate) const CHECKED: &[(i64, &[Kind])] = &[
    (libc::SYS_read, &[Kind::File, Kind::Socket, Kind::Directory]),
    (libc::SYS_write, &[Kind::File, Kind::Socket]),
    (libc::SYS_pread64, &[Kind::File]),
    (libc::SYS_lseek, &[Kind::File]),
    (libc::SYS_fstat, &[Kind::File, Kind::Directory]),
    (libc::SYS_openat, &[Kind::Directory]),
    (libc::SYS_sendmsg, &[Kind::Socket]),
];
