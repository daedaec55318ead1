//! cap_fileargs(3)
//!
//! The list is the service's limits, which can be set once. What the library would not hold of it is refused
//! before anything is opened. It keeps the rights and its place in a long list in memory of the first
//! connection, and goes on using them for clones when that is closed: whoever has the socket can clone it,
//! close it, and have the service find other things there. So there are neither rights nor long lists.

use std::{
    ffi::OsStr,
    fs,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::Path,
};

use casper_sys::FileRules;

use super::shared::{Of, Shared, framework};
use crate::{
    Error,
    fileargs::{Ahead, Api, FileArgsLimits, Files, OpenFlags, Operations, Status},
    sys,
};

type Channel = casper_sys::FileArgs;
const NAME: &str = <Channel as Of>::NAME;

/// How many files libcap_fileargs opens ahead at a time (`CACHE_SIZE`). It notes a place in longer lists.
const AHEAD: usize = 128;
/// `MAXPATHLEN` of sys/param.h, with the NUL.
const LONGEST: usize = 1024;

/// Where libcasper's process is, and who it is: those of the program when it was started.
#[derive(Debug)]
pub(super) struct Origin {
    user: (u32, u32),
    directory: Option<(u64, u64)>,
}

impl Origin {
    pub(super) fn now() -> Self {
        let directory = fs::metadata(".").ok().map(|found| (found.dev(), found.ino()));
        Self { user: sys::user(), directory }
    }
}

/// What the service is opened with.
pub(super) struct Prepared(Files);

/// What a list comes to, or why the library cannot hold it.
pub(super) fn prepared(files: Files, origin: &Origin) -> Result<(Prepared, FileRules), Error> {
    let failed = |reason| Error::Start { service: NAME.to_owned(), reason };
    let mut files = files.checked().map_err(failed)?;
    if !files.is_of(origin.user) {
        let reason = "the program has become another user since it started libcasper";
        return Err(failed(reason.to_owned()));
    }
    files.paths.sort_unstable();
    files.paths.dedup();
    let refuse = |what: &str, reason: &str| Err(super::no_limit(NAME, what, reason));
    if files.rights.is_some() {
        let reason =
            "libcap_fileargs keeps rights in memory that whoever has the socket can replace";
        return refuse("limit to rights", reason);
    }
    let reads = files.operations.contains(Operations::OPEN) && !files.access.writes();
    if reads && !files.flags.contains(OpenFlags::DIRECTORIES) {
        let reason =
            "libcap_fileargs opens directories for reading as it does files: state `DIRECTORIES`";
        return refuse("refusal of directories", reason);
    }
    let creates = files.flags.contains(OpenFlags::CREATE);
    if files.flags.contains(OpenFlags::TRUNCATE) && !creates {
        let reason =
            "libcap_fileargs would truncate, ahead, files that were not asked for: state `CREATE`";
        return refuse("truncation of one file", reason);
    }
    if files.paths.len() > AHEAD && !creates {
        let reason = "libcap_fileargs keeps its place in longer ones in memory that whoever has the socket \
                      can replace";
        return refuse("list of more than 128 paths", reason);
    }
    if files.paths.iter().any(|path| path.len() >= LONGEST) {
        return refuse("path of more than 1023 bytes", "libcap_fileargs takes none in its list");
    }
    if files.relative()
        && (origin.directory.is_none() || Origin::now().directory != origin.directory)
    {
        let reason = "libcasper is where the program was when it started it";
        return refuse("path from another working directory", reason);
    }
    let has = |operation| !files.paths.is_empty() && files.operations.contains(operation);
    let rules = FileRules {
        open: has(Operations::OPEN),
        lstat: has(Operations::LSTAT),
        realpath: has(Operations::REALPATH),
        flags: files.open_flags(),
        mode: u16::try_from(files.mode).unwrap_or(0),
        rights: None,
    };
    Ok((Prepared(files), rules))
}

impl Prepared {
    pub(super) fn open(
        &self,
        casper: &casper_sys::Casper,
        rules: &FileRules,
    ) -> Result<Channel, casper_sys::Error> {
        let paths = self.0.paths.iter().map(|path| Path::new(OsStr::from_bytes(path)));
        let mut paths: Vec<&Path> = paths.collect();
        // The library takes no empty list. This path is one with which nothing may be done.
        if paths.is_empty() {
            paths.push(Path::new(""));
        }
        casper.file_args(&paths, rules)
    }

    pub(super) fn channel(self, shared: Shared<Channel, FileArgsLimits>) -> Opened {
        let waits = !self.0.flags.contains(OpenFlags::NONBLOCK);
        Opened { shared, waits: waits.then(|| self.0.open_flags()) }
    }
}

/// A channel, and the flags of what was opened, if that waits. Opening it never does.
pub(super) struct Opened {
    shared: Shared<Channel, FileArgsLimits>,
    waits: Option<i32>,
}

impl Clone for Opened {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), waits: self.waits }
    }
}

impl Opened {
    fn limits(&self) -> FileArgsLimits {
        self.shared.limits()
    }

    fn another(&self) -> Result<Self, Error> {
        Ok(Self { shared: self.shared.another()?, waits: self.waits })
    }
}

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.as_fd()
    }
}

/// One with a NUL is in no list; and no C string.
fn asked(path: &[u8]) -> Result<&Path, Error> {
    if path.contains(&0) {
        let what = "a path with a NUL".to_owned();
        return Err(Error::NotCapable { service: NAME.to_owned(), what });
    }
    Ok(Path::new(OsStr::from_bytes(path)))
}

impl Api for Opened {
    framework!(FileArgsLimits);

    fn limit(&self, new: FileArgsLimits) -> Result<(), Error> {
        self.shared.narrow(&new, |_, held| {
            if new == *held {
                return Ok(());
            }
            let reason = "libcap_fileargs is limited when it is opened: open it with fewer paths";
            Err(super::no_limit(NAME, "limit after it was opened", reason))
        })
    }

    /// What the service has sent ahead stays in the library's own cache.
    fn open(&self, path: &[u8], ahead: u8) -> Result<(OwnedFd, Ahead), Error> {
        let path = asked(path)?;
        let file = self.shared.ask(|channel, _| match ahead {
            0 => channel.open_anew(path),
            _ => channel.open(path),
        })?;
        let file = fs::File::from(file);
        if let Some(flags) = self.waits {
            sys::wait_again(&file, flags).map_err(|source| Error::System {
                service: NAME.to_owned(),
                operation: "fcntl".to_owned(),
                source,
            })?;
        }
        Ok((file.into(), Ahead::new()))
    }

    fn lstat(&self, path: &[u8]) -> Result<Status, Error> {
        let path = asked(path)?;
        let found = self.shared.ask(|channel, _| channel.lstat_anew(path))?;
        Ok(Status {
            dev: found.device,
            ino: found.inode,
            mode: found.mode,
            nlink: found.links,
            uid: found.uid,
            gid: found.gid,
            rdev: found.special,
            size: found.size,
            blksize: found.block_size,
            blocks: found.blocks,
            atime: found.accessed,
            mtime: found.modified,
            ctime: found.changed,
        })
    }

    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        let path = asked(path)?;
        let real = self.shared.ask(|channel, _| channel.realpath(path))?;
        Ok(real.into_os_string().into_encoded_bytes())
    }
}
