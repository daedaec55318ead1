//! `FileArgs`: the files that a program was told of when it was started, after cap_fileargs(3).

mod cache;
mod files;
mod limits;
mod portable;
mod receipt;
mod service;
mod status;

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use capsicum_channel::Frames;
use sandbox_spawn::Worker;

use cache::Cache;
pub use files::{Access, Files, OpenFlags};
pub use limits::{FileArgsLimits, Operations};
pub use status::Status;

use service::Serving;

use crate::{
    Casper, Channel, Error, Open, Opener,
    provider::{self, Provider},
};

/// A channel to the service `system.fileargs`.
///
/// It opens the paths that it was [opened with](Files), and no others, in the one way that was stated.
/// A path is asked for exactly as it was stated, byte by byte. It is looked up when it is asked for, from
/// the working directory of the start: what a name leads to then is what is opened.
///
/// - On Linux the process of the service can open only what the paths lead to when it starts: where
///   another file has taken a path's place since, or a symbolic link leads elsewhere, that is `EACCES`.
///   On FreeBSD it opens whatever is there, as with libcasper.
/// - Opening never waits: a FIFO for reading is opened whether or not there is a writer, and for
///   writing without a reader it is `ENXIO`.
/// - On Linux with Landlock ABI 5 a device that was opened takes no ioctl(2) of its driver's.
/// - A directory is `EISDIR`, unless [`OpenFlags::DIRECTORIES`] says otherwise.
///
/// With a file that is opened for reading, up to 31 regular files that follow in the list come along (fewer under a low `RLIMIT_NOFILE`, and while
/// clients do not receive what they were sent),
/// which are then opened without asking, once each. Such a file is what had the name then. It
/// is read as it is: what is written to it meanwhile is seen; that another file has taken its name is not.
/// [`uncached`](Self::uncached) asks each time.
///
/// From libcasper ([`Casper::native`]) it is as the library has it: what it cannot hold is
/// [`Error::Unsupported`], and nothing is opened. It opens directories for reading as it does files, so that
/// [`OpenFlags::DIRECTORIES`] has to be stated; a list has 128 paths at most unless files are
/// [made](OpenFlags::CREATE), and `TRUNCATE` needs `CREATE`; there are neither [`Files::rights`] nor limits
/// after it was opened. Paths that do not start with `/` are from where the program was when libcasper was
/// started, or an error. All of the list, FIFOs and devices too, comes along with the first answer.
///
/// What is received in capability mode has there, on Linux, the rights of the ceiling, which must have
/// what the program wants to do with it, `READ` at least. See [`Files::rights`].
///
/// ```
/// use std::io::Read;
///
/// use capsicum_rs::{Rights, Sandbox};
/// use casper::{Casper, fileargs::FileArgs};
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<FileArgs>()];
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     sandbox_spawn::init(WORKERS)?;
///     // For the example; in a program: `std::env::args_os().skip(1)`.
///     let paths = ["Cargo.toml", "src/lib.rs"];
///     let files = FileArgs::from_args(&Casper::start()?, paths)?;
///     Sandbox::new()
///         .grant(&files, casper::RIGHTS)
///         .ceiling(Rights::READ | Rights::SEEK | Rights::FSTAT)
///         .enter()?;
///
///     for path in paths {
///         let mut text = String::new();
///         files.open(path)?.read_to_string(&mut text)?;
///         assert!(text.lines().count() > 10);
///     }
///     assert!(matches!(files.open("/etc/passwd"), Err(casper::Error::NotCapable { .. })));
///     Ok(())
/// }
/// ```
pub struct FileArgs {
    channel: Box<dyn Api>,
    cache: Arc<Cache>,
    ahead: u8,
}

/// How many files are opened ahead.
const AHEAD: u8 = 31;

/// Files that came along, and their paths.
pub(crate) type Ahead = Vec<(Vec<u8>, OwnedFd)>;

/// What a provider does.
pub(crate) trait Api: AsFd + Send + Sync {
    fn limit(&self, limits: FileArgsLimits) -> Result<(), Error>;
    fn limits(&self) -> Result<FileArgsLimits, Error>;
    fn try_clone(&self) -> Result<Box<dyn Api>, Error>;
    fn to_frames(&self) -> Result<Frames, Error>;
    fn within(&self, time: Duration) -> Box<dyn Api>;
    fn open(&self, path: &[u8], ahead: u8) -> Result<(OwnedFd, Ahead), Error>;
    fn lstat(&self, path: &[u8]) -> Result<Status, Error>;
    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, Error>;
}

impl FileArgs {
    /// Opens the service with a program's arguments, to be opened for reading. For anything else,
    /// [`Casper::open_with`] takes [`Files`].
    ///
    /// # Errors
    ///
    /// [`Error::Start`]. [`Error::Unsupported`] from libcasper, which wants to be told
    /// [`OpenFlags::DIRECTORIES`].
    pub fn from_args<P: AsRef<OsStr>>(
        casper: &Casper,
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Self, Error> {
        casper.open_with(Files::new(paths))
    }

    fn new(channel: Box<dyn Api>) -> Self {
        Self { channel, cache: Arc::default(), ahead: AHEAD }
    }

    /// Opens a file: fileargs_open(3).
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] for a path that is not in the list or not within the limits, or without
    /// [`Operations::OPEN`]; [`Error::System`] with the errno of open(2).
    pub fn open(&self, path: impl AsRef<Path>) -> Result<File, Error> {
        let path = path.as_ref().as_os_str().as_bytes();
        if self.ahead > 0
            && let Some(file) = self.cache.take(path)
        {
            return Ok(file.into());
        }
        let (file, ahead) = self.channel.open(path, self.ahead)?;
        if self.ahead > 0 {
            self.cache.replace(ahead);
        }
        Ok(file.into())
    }

    /// What a path is, without following a symbolic link: fileargs_lstat(3).
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`], as of [`open`](Self::open) with [`Operations::LSTAT`]; [`Error::System`].
    pub fn lstat(&self, path: impl AsRef<Path>) -> Result<Status, Error> {
        self.channel.lstat(path.as_ref().as_os_str().as_bytes())
    }

    /// Where a path leads: fileargs_realpath(3).
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`], as of [`open`](Self::open) with [`Operations::REALPATH`];
    /// [`Error::System`].
    pub fn realpath(&self, path: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let real = self.channel.realpath(path.as_ref().as_os_str().as_bytes())?;
        Ok(OsString::from_vec(real).into())
    }

    /// The same channel, on which nothing is opened ahead: each file is looked up when it is asked for.
    #[must_use]
    pub fn uncached(self) -> Self {
        Self { channel: self.channel, cache: Arc::default(), ahead: 0 }
    }

    /// Limits this channel to what `limits` allow, for good: cap_limit_set(3). Channels that were cloned
    /// from it before keep what they have. Files that were opened ahead are closed.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] where that would be wider than what it is limited to, which then stays.
    /// [`Error::Unsupported`] on a channel of libcasper's, whose list is for good.
    pub fn limit(&self, limits: FileArgsLimits) -> Result<(), Error> {
        self.channel.limit(limits)?;
        self.cache.replace(Vec::new());
        Ok(())
    }

    /// What this channel is limited to: cap_limit_get(3). Beyond that, nothing is possible that it was
    /// not opened with.
    ///
    /// # Errors
    ///
    /// What became of the service.
    pub fn limits(&self) -> Result<FileArgsLimits, Error> {
        self.channel.limits()
    }

    /// Another channel, with the limits of this one: cap_clone(3). Each can be narrowed by itself, and
    /// their requests do not wait for each other.
    ///
    /// # Errors
    ///
    /// As of [`to_frames`](Self::to_frames).
    pub fn try_clone(&self) -> Result<Self, Error> {
        let channel = self.channel.try_clone()?;
        Ok(Self { channel, cache: Arc::default(), ahead: self.ahead })
    }

    /// The socket of another channel with the limits of this one: to send to another process, as a
    /// [`Handle`](capsicum_channel::Handle), or to grant to a worker with
    /// [`casper::RIGHTS`](crate::RIGHTS). There `From` makes a channel of it again.
    ///
    /// # Errors
    ///
    /// Those of [`Channel::to_frames`](crate::Channel::to_frames); [`Error::Unsupported`] for a channel of
    /// libcasper's.
    pub fn to_frames(&self) -> Result<Frames, Error> {
        self.channel.to_frames()
    }

    /// The same channel, on which each request ends after this time at the latest. Without, it takes as
    /// long as it takes; so it does in any case on a channel of libcasper's.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        let channel = self.channel.within(time);
        Self { channel, cache: Arc::clone(&self.cache), ahead: self.ahead }
    }
}

impl Open for FileArgs {
    type Setup = Files;

    const WORKER: Worker = crate::service::worker::<Serving>();

    fn open(opener: Opener<'_>, setup: Files) -> Result<Self, Error> {
        match opener.provider {
            Provider::Portable => {
                let channel = <Channel<Serving> as Open>::open(opener, setup)?;
                Ok(Self::new(Box::new(channel)))
            }
            Provider::Native(libcasper) => provider::lock(libcasper).fileargs(setup).map(Self::new),
        }
    }
}

/// A channel that nothing has been asked on, as [`to_frames`](FileArgs::to_frames) makes it.
impl From<Frames> for FileArgs {
    fn from(frames: Frames) -> Self {
        Self::new(Box::new(Channel::<Serving>::from(frames)))
    }
}

/// To grant it when entering capability mode, with [`casper::RIGHTS`](crate::RIGHTS).
impl AsFd for FileArgs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

impl std::fmt::Debug for FileArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FileArgs").field(&self.as_fd()).finish()
    }
}
