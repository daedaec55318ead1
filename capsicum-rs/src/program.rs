//! Linux: confining a program that knows nothing of capabilities.
//!
//! Such a program names things: paths, addresses, process ids. The caller first takes away what
//! there is to name (a private root, empty network and process namespaces) and then enters here,
//! stating which *names* the filter may leave alone because they lead nowhere that matters.
//! Landlock holds paths beneath the stated descriptors, and the filter refuses the rest: namespaces,
//! `io_uring`, keyrings, tracing, 32-bit entry, execution of anonymous memory, and every system
//! call that the table does not know. Refusals are `EPERM`, which such programs understand.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::{Error, Rights, sys};

bitflags::bitflags! {
    /// Kinds of global names that a confined program may use.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Names: u32 {
        /// Paths in the calls that Landlock holds: open, create, remove, rename, link, mkdir.
        const PATHS = 1;
        /// Paths in calls that disclose what Landlock does not see: stat, access, readlink,
        /// getxattr, statfs, chdir, `O_PATH`.
        const METADATA = 1 << 1;
        /// Calls that alter what Landlock does not see: chmod, chown, utimes, setxattr; by path,
        /// and by descriptor of whatever is open.
        const ATTRIBUTES = 1 << 2;
        /// Execution by path; Landlock holds which.
        const EXECUTE = 1 << 3;
        /// Addresses: socket, connect, bind, messages with an address.
        const SOCKETS = 1 << 4;
        /// Process ids in calls that send signals; Landlock keeps them to the program's own
        /// processes.
        const SIGNALS = 1 << 5;
        /// Process ids in other calls: priorities, limits, affinity, `pidfd_open`.
        const PROCESSES = 1 << 6;
        /// Keys and names of System V and POSIX message queues, semaphores and shared memory.
        const IPC = 1 << 7;
        /// Changing the own user and group ids, within what the kernel allows the program.
        const IDENTITY = 1 << 8;
    }
}

/// What a confined program may do.
///
/// ```no_run
/// use std::os::unix::process::CommandExt;
/// use capsicum_rs::{Rights, program::{Names, Program}};
///
/// let usr = std::fs::File::open("/usr")?;
/// Program::new(Names::PATHS | Names::METADATA | Names::EXECUTE)
///     .beneath(&usr, Rights::READ | Rights::LOOKUP | Rights::FEXECVE)
///     .enter()?;
/// Err(std::process::Command::new("/usr/bin/true").exec())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is confined before `enter`"]
pub struct Program<'fd> {
    names: Names,
    supervised: Names,
    beneath: Vec<(BorrowedFd<'fd>, Rights)>,
    without_landlock: bool,
}

impl<'fd> Program<'fd> {
    /// A program that may use these kinds of names.
    pub fn new(names: Names) -> Self {
        Self { names, supervised: Names::empty(), beneath: Vec::new(), without_landlock: false }
    }

    /// Lets Landlock pass what these rights say beneath this directory, or on this file.
    ///
    /// `READ`, `WRITE`, `FTRUNCATE`, `CREATE`, `MKDIRAT`, `UNLINKAT`, `RENAMEAT_*`, `LINKAT_*`,
    /// `SYMLINKAT`, `MKFIFOAT`, `MKNODAT`, `BINDAT`, `FEXECVE` and `IOCTL` have a meaning here.
    pub fn beneath(mut self, fd: &'fd impl AsFd, rights: Rights) -> Self {
        self.beneath.push((fd.as_fd(), rights));
        self
    }

    /// Leaves the calls that use these kinds of names to a supervisor: another process, which the
    /// program cannot reach, and which reads [`Confined::listener`].
    ///
    /// [`Names::METADATA`] and [`Names::ATTRIBUTES`] can be left to one. It gets each call as
    /// seccomp_unotify(2) has it, looks up the path itself, and answers. It must never let a call go on in the
    /// kernel (`SECCOMP_USER_NOTIF_FLAG_CONTINUE`), since the program can change what a path in its memory says.
    ///
    /// Two calls of `METADATA` pass, since no other process could do them: chdir(2), which changes
    /// nothing but where paths start that are held themselves, and mincore(2). Without a supervisor
    /// that lives, the calls fail with `ENOSYS`.
    pub fn supervised(mut self, names: Names) -> Self {
        self.supervised = names;
        self
    }

    /// Enters on kernels without Landlock too: for callers that made a private root and a process
    /// namespace, where nothing else can be named.
    pub fn without_landlock(mut self) -> Self {
        self.without_landlock = true;
        self
    }

    /// Confines the calling process, from here on and for whatever it executes.
    ///
    /// # Errors
    ///
    /// [`Error::Unenforceable`] where the kernel lacks seccomp filters or Landlock ABI 3, and on
    /// FreeBSD, where capability mode does not admit such programs; also for [`Names::SIGNALS`]
    /// where Landlock does not hold signals (before ABI 6), unless
    /// [`without_landlock`](Self::without_landlock) says that something else does; and for
    /// [`supervised`](Self::supervised) names where another supervisor listens already. [`Error::Threaded`] with more
    /// than one thread.
    ///
    /// Everything that can be known is checked before the first change. If the kernel refuses the
    /// filter all the same, Landlock already holds the process: end it, and execute nothing.
    pub fn enter(self) -> Result<Confined, Error> {
        sys::confine(&sys::Confinement {
            names: self.names,
            supervised: self.supervised,
            beneath: self.beneath.iter().map(|(fd, rights)| (fd.as_raw_fd(), *rights)).collect(),
            without_landlock: self.without_landlock,
        })
    }
}

/// How a program was confined.
#[derive(Debug)]
#[non_exhaustive]
pub struct Confined {
    /// The ABI of Landlock that holds its paths; `None` where there is none.
    pub landlock: Option<u32>,
    /// How many instructions the filter has.
    pub filter_len: usize,
    /// Where a supervisor hears of the calls that are left to it; close-on-exec. The program must
    /// not keep it: whoever has it answers for the program.
    pub listener: Option<OwnedFd>,
}
