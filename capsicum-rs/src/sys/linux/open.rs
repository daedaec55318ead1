//! The descriptors that are open, and what their objects are.

use std::{
    fs,
    io::{self, Read},
    os::fd::RawFd,
    path::{Path, PathBuf},
};

use super::{call, landlock, policy::Object};
use crate::Error;

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
        !self.directory() && !self.socket() && landlock::unmounted(self.fd())
    }

    /// A file of no mount that may be executed: memory.
    pub(super) fn executable_memory(self) -> bool {
        self.unmounted()
            && call::mode_of(self.fd())
                .is_ok_and(|mode| mode & libc::S_IFMT == libc::S_IFREG && mode & 0o111 != 0)
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
            Ok(link) => link == Path::new("anon_inode:[io_uring]"),
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

    /// What is known of the object, as long as it keeps the number.
    pub(super) fn object(self) -> Object {
        let flags = call::fcntl(self.fd(), libc::F_GETFL);
        Object {
            read_only: flags.is_ok_and(|flags| flags & libc::O_ACCMODE == libc::O_RDONLY),
            addressless: self.socket() && !self.addressable(),
            contained: false,
        }
    }

    /// A socket whose messages may carry an address: any but connections of Unix and of TCP.
    pub(super) fn addressable(self) -> bool {
        let option = |option| call::socket_option(self.fd(), option).ok();
        if !self.socket() {
            return false;
        }
        !matches!(
            (option(libc::SO_DOMAIN), option(libc::SO_TYPE), option(libc::SO_PROTOCOL)),
            (Some(libc::AF_UNIX), Some(libc::SOCK_STREAM | libc::SOCK_SEQPACKET), _)
                | (
                    Some(libc::AF_INET | libc::AF_INET6),
                    Some(libc::SOCK_STREAM),
                    Some(libc::IPPROTO_TCP),
                )
        )
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> Error + '_ {
    move |error| Error::system(what, error)
}

/// A file of procfs: these state no size, and what reads them without one does so in many bits.
fn contents(path: &str) -> io::Result<Vec<u8>> {
    let mut contents = Vec::with_capacity(1 << 15);
    fs::File::open(path)?.read_to_end(&mut contents)?;
    Ok(contents)
}

/// Every open descriptor, close-on-exec ones included.
///
/// With procfs it is read from there; in capability mode, where there is none, every number that
/// may be in use is tried.
pub(super) fn descriptors(capability: bool) -> Result<Vec<Open>, Error> {
    let numbers: Vec<u32> = if capability {
        let limit = call::descriptor_limit().map_err(failed("getrlimit(RLIMIT_NOFILE)"))?;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).min(1 << 20);
        (0..limit).collect()
    } else {
        let listing = fs::read_dir("/proc/self/fd").map_err(|error| Error::Unenforceable {
            what: "the ceiling on open descriptors".to_owned(),
            reason: format!("they cannot be listed: /proc/self/fd: {error}; mount procfs"),
        })?;
        listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
    };
    Ok(numbers
        .into_iter()
        .filter_map(|number| {
            let fd = RawFd::try_from(number).ok()?;
            // Also leaves out the descriptor of the listing itself.
            call::fcntl(fd, libc::F_GETFD).ok()?;
            let kind = match call::mode_of(fd) {
                Ok(mode) => mode & libc::S_IFMT,
                Err(_) if landlock::directory(fd) => libc::S_IFDIR,
                Err(_) => 0,
            };
            Some(Open { number, kind })
        })
        .collect())
}

/// Refuses rings of `io_uring`, open or only mapped: what is written to one takes effect without a
/// system call of the process, so that no filter sees it.
pub(super) fn no_rings(open: &[Open]) -> Result<(), Error> {
    let ring = |what: String| Error::Unenforceable {
        what,
        reason: "it is an io_uring, which no filter sees: close and unmap it before".to_owned(),
    };
    if let Some(found) = open.iter().find(|open| open.ring()) {
        return Err(ring(format!("capability mode with descriptor {}", found.number)));
    }
    // One that is registered only, with memory of the process's own, shows by its thread alone.
    if threads()? > 1 {
        let tasks = fs::read_dir("/proc/self/task").map_err(failed("/proc/self/task"))?;
        for task in tasks.filter_map(Result::ok) {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            if works_for_a_ring(&stat) {
                let thread = task.file_name();
                return Err(ring(format!("capability mode with the thread {}", thread.display())));
            }
        }
    }
    let maps = contents("/proc/self/maps").map_err(failed("/proc/self/maps"))?;
    // Paths need not be UTF-8; the search in text is the fast one.
    if String::from_utf8_lossy(&maps).contains("anon_inode:[io_uring]") {
        return Err(ring("capability mode with a mapped ring".to_owned()));
    }
    Ok(())
}

/// `PF_IO_WORKER` among the flags in `/proc/PID/stat`, which follow the name in parentheses, the
/// state and five numbers. The name itself is set only when the thread first runs.
fn works_for_a_ring(stat: &str) -> bool {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let flags = after_name.split_ascii_whitespace().nth(6).and_then(|flags| flags.parse().ok());
    flags.is_some_and(|flags: u64| flags & 0x10 != 0)
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
/// `f_type` of procfs.
const PROC_SUPER_MAGIC: libc::c_long = 0x9fa0;

/// What the process sees of mounts.
pub(super) struct Mounts {
    mounts: Vec<Mount>,
    procfs: Vec<PathBuf>,
}

/// A line of mountinfo.
struct Mount {
    id: u64,
    parent: u64,
    point: PathBuf,
}

impl Mounts {
    pub(super) fn read() -> Result<Self, Error> {
        let table = contents("/proc/self/mountinfo").map_err(failed("/proc/self/mountinfo"))?;
        Ok(Self::parse(&table))
    }

    /// proc(5): `id parent major:minor root point options … - type source options`.
    fn parse(table: &[u8]) -> Self {
        use std::os::unix::ffi::OsStringExt;
        let mut mounts = Self { mounts: Vec::new(), procfs: Vec::new() };
        for line in table.split(|byte| *byte == b'\n') {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
            let number = |at: usize| -> Option<u64> {
                std::str::from_utf8(fields.get(at)?).ok()?.parse().ok()
            };
            let (Some(id), Some(parent), Some(point)) = (number(0), number(1), fields.get(4))
            else {
                continue;
            };
            let point = PathBuf::from(std::ffi::OsString::from_vec(unescape(point)));
            let separator = fields.iter().position(|field| *field == b"-");
            let kind = separator.and_then(|at| fields.get(at + 1));
            if kind.is_some_and(|kind| *kind == b"proc") {
                mounts.procfs.push(point.clone());
            }
            mounts.mounts.push(Mount { id, parent, point });
        }
        mounts
    }

    /// The mount that a lookup of this path, which has no links, ends on: the deepest, and the last
    /// of those that are mounted one on another.
    pub(super) fn holder(&self, path: &Path) -> Option<u64> {
        let above = || self.mounts.iter().filter(|mount| path.starts_with(&mount.point));
        let deepest = above().map(|mount| mount.point.components().count()).max()?;
        let at: Vec<&Mount> =
            above().filter(|mount| mount.point.components().count() == deepest).collect();
        let covered = |mount: &&Mount| at.iter().any(|other| other.parent == mount.id);
        let mut tops = at.iter().copied().filter(|mount| !covered(mount));
        tops.next().filter(|_| tops.next().is_none()).map(|mount| mount.id)
    }

    /// Why a lookup beneath this directory could reach procfs, whose magic links lead to every
    /// descriptor and to the root; `None` where it could not.
    pub(super) fn reach_procfs(&self, directory: Open) -> Option<String> {
        let number = directory.number;
        if call::file_system(directory.fd()).ok() == Some(PROC_SUPER_MAGIC) {
            return Some("it is on procfs, whose links lead to every descriptor".to_owned());
        }
        let mount = call::mount_of(directory.fd()).ok().flatten().or_else(|| {
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
            info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
        });
        if !mount.is_some_and(|mount| self.mounts.iter().any(|other| other.id == mount)) {
            return Some(
                "its mount is not one of this process's, so that what is mounted beneath \
                         cannot be known"
                    .to_owned(),
            );
        }
        let path = fs::read_link(format!("/proc/self/fd/{number}")).unwrap_or_default();
        if !path.is_absolute() {
            return Some("its path cannot be known".to_owned());
        }
        let point = self.procfs.iter().find(|point| point.starts_with(&path))?;
        Some(format!(
            "procfs is mounted beneath it, on {}, and its links lead to every descriptor",
            point.display()
        ))
    }
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let octal = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) if *first == b'\\' => {
                plain.push(byte);
                rest = &tail[3..];
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_of_a_ring_is_known_by_its_flags_whatever_its_name() {
        assert!(works_for_a_ring("7 (a) 1 2 3) S 1 1 1 0 -1 4194384 0 0"));
        assert!(!works_for_a_ring("7 (16 16) S 1 1 1 0 -1 4194304 0 0"));
        assert!(!works_for_a_ring(""));
    }

    #[test]
    fn mountinfo_names_procfs_also_where_its_path_has_spaces() {
        let mounts = Mounts::parse(
            b"22 1 8:1 / / rw shared:1 - ext4 /dev/root rw\n\
              23 22 0:5 / /my\\040root/proc rw,nosuid shared:2 master:3 - proc proc rw\n",
        );
        let ids: Vec<u64> = mounts.mounts.iter().map(|mount| mount.id).collect();
        assert_eq!(ids, [22, 23]);
        assert_eq!(mounts.procfs, [PathBuf::from("/my root/proc")]);
    }

    #[test]
    fn a_path_is_held_by_the_deepest_mount_and_the_last_on_its_point() {
        let mounts = Mounts::parse(
            b"22 1 8:1 / / rw - ext4 /dev/root rw\n\
              23 22 0:5 / /a rw - tmpfs none rw\n\
              24 23 8:1 /x /a rw - ext4 /dev/root rw\n\
              25 24 8:1 / /a/b\\040c rw - ext4 /dev/root rw\n",
        );
        let holder = |path: &str| mounts.holder(Path::new(path));
        assert_eq!(holder("/"), Some(22));
        assert_eq!(holder("/ab"), Some(22));
        assert_eq!(holder("/a"), Some(24));
        assert_eq!(holder("/a/b"), Some(24));
        assert_eq!(holder("/a/b c/d"), Some(25));
        assert_eq!(holder("relative"), None);
    }
}
