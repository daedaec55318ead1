//! The descriptors that are open, and what their objects are.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
};

use super::{call, landlock, policy::Object, rings};
pub(super) use super::{mounts::Mounts, rings::no_rings};
use crate::{Error, Rights};

/// An open descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) number: u32,
    /// The type in the mode of fstat(2); 0 for objects that are no files.
    kind: libc::mode_t,
}

impl Open {
    #[allow(clippy::cast_possible_wrap)]
    pub(super) fn fd(self) -> RawFd {
        self.number as RawFd
    }

    pub(super) fn directory(self) -> bool {
        self.kind == libc::S_IFDIR
    }

    pub(super) fn socket(self) -> bool {
        self.kind == libc::S_IFSOCK
    }

    /// A pidfd; one that cannot be asked counts as one.
    pub(super) fn process(self) -> bool {
        if self.directory() || self.socket() {
            return false;
        }
        let asked = call::wait(self.fd(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
        !asked.is_err_and(|error| matches!(error.raw_os_error(), Some(libc::EBADF | libc::EINVAL)))
    }

    /// On no mount, as pipes, memory and pidfds are: Landlock holds no lookup that comes to it, and
    /// procfs has a link to it. Unlike on a directory, it passes nothing on it. What has no link
    /// that can be opened (a socket, an eventfd) may count too.
    pub(super) fn unmounted(self) -> bool {
        some_unmounted([self])
    }

    /// A file of no mount that may be executed: memory.
    pub(super) fn executable_memory(self) -> bool {
        call::mode_of(self.fd())
            .is_ok_and(|mode| mode & libc::S_IFMT == libc::S_IFREG && mode & 0o111 != 0)
            && self.unmounted()
    }

    pub(super) fn close_on_exec(self) -> bool {
        call::fcntl(self.fd(), libc::F_GETFD).is_ok_and(|flags| flags & libc::FD_CLOEXEC != 0)
    }

    /// An `io_uring`: asked of procfs, or where there is none of the kernel, which answers
    /// `EOPNOTSUPP` for anything else. Where the call itself is refused, by a container's filter,
    /// it answers for a ring what it answers for no descriptor at all.
    pub(super) fn ring(self) -> bool {
        // Its object has no type; a kernel might call that a regular file, of its own file system.
        if !matches!(self.kind, 0 | libc::S_IFREG)
            || call::file_system(self.fd()).is_ok_and(|kind| kind != ANON_INODE_FS_MAGIC)
        {
            return false;
        }
        let answer = |fd| call::io_uring_register(fd).err().and_then(|error| error.raw_os_error());
        match fs::read_link(format!("/proc/self/fd/{}", self.number)) {
            Ok(link) => link.as_os_str().as_bytes() == rings::NAME,
            Err(_) => match answer(self.fd()) {
                Some(libc::EOPNOTSUPP | libc::EBADF) => false,
                refused => refused.is_none() || refused != answer(-1),
            },
        }
    }

    /// Whether descriptors may arrive over it: a Unix socket, or one that cannot be asked.
    pub(super) fn passes_descriptors(self) -> bool {
        let socket = || {
            fs::read_link(format!("/proc/self/fd/{}", self.number))
                .map_or(true, |link| link.as_os_str().as_encoded_bytes().starts_with(b"socket:"))
        };
        match self.kind {
            libc::S_IFSOCK => call::socket_option(self.fd(), libc::SO_DOMAIN)
                .map_or(true, |domain| domain == libc::AF_UNIX),
            // Of no type, or a limit refuses to tell it.
            0 => socket(),
            _ => false,
        }
    }

    /// What is known of the object, as long as it keeps the number, and as far as it makes a
    /// difference to these rights: to mapping it, and to sending messages.
    pub(super) fn object(self, rights: Rights) -> Object {
        let read_only = || {
            call::fcntl(self.fd(), libc::F_GETFL)
                .is_ok_and(|flags| flags & libc::O_ACCMODE == libc::O_RDONLY)
        };
        Object {
            read_only: rights.contains(Rights::MMAP_R) && read_only(),
            addressless: rights.contains(Rights::WRITE) && self.socket() && !self.addressable(),
            contained: false,
            known: self.directory(),
            relimited: false,
        }
    }

    /// A socket whose messages may carry an address: any but connections of Unix and of TCP.
    pub(super) fn addressable(self) -> bool {
        let option = |option| call::socket_option(self.fd(), option).ok();
        if !self.socket() {
            return false;
        }
        match (option(libc::SO_DOMAIN), option(libc::SO_TYPE)) {
            (Some(libc::AF_UNIX), Some(libc::SOCK_STREAM | libc::SOCK_SEQPACKET)) => false,
            (Some(libc::AF_INET | libc::AF_INET6), Some(libc::SOCK_STREAM)) => {
                option(libc::SO_PROTOCOL) != Some(libc::IPPROTO_TCP)
            }
            _ => true,
        }
    }
}

/// Whether one of these is [`unmounted`](Open::unmounted): one ruleset is asked for all.
pub(super) fn some_unmounted(open: impl IntoIterator<Item = Open>) -> bool {
    let mut ruleset: Option<OwnedFd> = None;
    open.into_iter().filter(|open| !open.directory() && !open.socket()).any(|open| {
        if ruleset.is_none() {
            ruleset = landlock::question().ok();
        }
        ruleset.as_ref().is_some_and(|ruleset| landlock::unmounted(ruleset.as_raw_fd(), open.fd()))
    })
}

pub(super) fn failed(what: &str) -> impl FnOnce(io::Error) -> Error + '_ {
    move |error| Error::system(what, error)
}

/// Every open descriptor, close-on-exec ones included, in the order of their numbers.
///
/// Every number below the end of the process's table is tried, where the end can be told. Otherwise
/// they are read from procfs, or in capability mode, where there is none, every number that may be
/// in use is tried.
pub(super) fn descriptors(capability: bool) -> Result<Vec<Open>, Error> {
    if let Some(end) = call::numbers_end() {
        return Ok((0..end).filter_map(|number| open_at(number, false)).collect());
    }
    if capability {
        let limit = call::descriptor_limit().map_err(failed("getrlimit(RLIMIT_NOFILE)"))?;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).min(1 << 20);
        return Ok((0..limit).filter_map(|number| open_at(number, true)).collect());
    }
    let listing = fs::read_dir("/proc/self/fd").map_err(|error| Error::Unenforceable {
        what: "the ceiling on open descriptors".to_owned(),
        reason: format!("they cannot be listed: /proc/self/fd: {error}; mount procfs"),
    })?;
    let mut numbers: Vec<u32> =
        listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    // The descriptor of the listing itself is closed again.
    Ok(numbers.into_iter().filter_map(|number| open_at(number, false)).collect())
}

/// What is open at a number; `limited` where fstat(2) is probably refused.
fn open_at(number: u32, limited: bool) -> Option<Open> {
    let fd = RawFd::try_from(number).ok()?;
    if limited {
        call::fcntl(fd, libc::F_GETFD).ok()?;
    }
    let kind = match call::mode_of(fd) {
        Ok(mode) => mode & libc::S_IFMT,
        // A refusal looks at the number alone.
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => return None,
        Err(_) => {
            call::fcntl(fd, libc::F_GETFD).ok()?;
            if landlock::directory(fd) { libc::S_IFDIR } else { 0 }
        }
    };
    Some(Open { number, kind })
}

/// How many threads the process has, a ring's included; two stands for some where they cannot be
/// counted. The kernel is asked first: most processes have one, and procfs costs far more.
pub(super) fn threads() -> Result<usize, Error> {
    let single = call::single_threaded();
    if single.as_ref().is_ok_and(|single| *single) {
        return Ok(1);
    }
    if let Ok(tasks) = fs::read_dir("/proc/self/task") {
        return Ok(tasks.count());
    }
    single.map(|_| 2).map_err(failed("unshare(CLONE_THREAD)"))
}

/// `f_type` of the file system of objects that are in none.
const ANON_INODE_FS_MAGIC: libc::c_long = 0x0904_1934;
