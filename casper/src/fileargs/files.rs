//! What the service is opened with: the paths, and how each of them is opened.

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path},
};

use capsicum_rs::Rights;
use serde::{Deserialize, Serialize};

use super::Operations;
use crate::sys;

/// How many paths there may be, and how many bytes they may have: more than the arguments of a program.
const MOST: usize = 1 << 17;
const MOST_BYTES: usize = 8 << 20;

bitflags::bitflags! {
    /// How paths are opened, besides the access: open(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct OpenFlags: u8 {
        /// `O_CREAT`: a file that is not there is made, with the mode of [`Files::mode`].
        const CREATE = 1;
        /// `O_EXCL`: one that is there already is an error.
        const EXCLUSIVE = 1 << 1;
        /// `O_TRUNC`
        const TRUNCATE = 1 << 2;
        /// `O_APPEND`, which whoever has the file takes off again by fcntl(2): no limit to what is written where.
        const APPEND = 1 << 3;
        /// `O_NOFOLLOW`: a symbolic link is an error.
        const NOFOLLOW = 1 << 4;
        /// `O_NONBLOCK` stays on what was opened. Opening itself never waits.
        const NONBLOCK = 1 << 5;
        /// `O_SYNC`
        const SYNC = 1 << 6;
        /// Directories are opened too, for reading. In capability mode a directory is more than its
        /// list: what is beneath can be opened from it, as far as its rights and the ceiling go.
        /// Without, one is `EISDIR`.
        const DIRECTORIES = 1 << 7;
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Access {
    /// `O_RDONLY`
    #[default]
    Read,
    /// `O_WRONLY`
    Write,
    /// `O_RDWR`
    ReadWrite,
}

impl Access {
    pub(crate) fn writes(self) -> bool {
        self != Self::Read
    }
}

/// What [`FileArgs`](super::FileArgs) is opened with: fileargs_init(3).
///
/// ```
/// use casper::fileargs::{Access, Files, OpenFlags};
///
/// let inputs = Files::new(std::env::args_os().skip(1));
/// let outputs = Files::new(["out.txt"])
///     .access(Access::Write)
///     .flags(OpenFlags::CREATE | OpenFlags::TRUNCATE)
///     .mode(0o644);
/// # let _ = (inputs, outputs);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use = "nothing is opened before `Casper::open_with`"]
pub struct Files {
    pub(crate) paths: Vec<Vec<u8>>,
    pub(crate) access: Access,
    pub(crate) flags: OpenFlags,
    pub(crate) mode: u32,
    pub(crate) operations: Operations,
    pub(crate) rights: Option<u128>,
    ceiling: Option<u128>,
    /// Who opens the service: it must be who its process is.
    user: (u32, u32),
}

impl Files {
    /// These paths, to be opened for reading. Those that do not start with `/` are from the working
    /// directory that the program has when it opens the service.
    pub fn new<P: AsRef<OsStr>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self {
            paths: paths.into_iter().map(|path| path.as_ref().as_bytes().to_owned()).collect(),
            access: Access::Read,
            flags: OpenFlags::empty(),
            mode: 0o600,
            operations: Operations::OPEN,
            rights: None,
            ceiling: None,
            user: (0, 0),
        }
    }

    /// What for, other than for reading.
    pub fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// How.
    pub fn flags(self, flags: OpenFlags) -> Self {
        Self { flags, ..self }
    }

    /// The mode of files that are [made](OpenFlags::CREATE), less the umask of the program when it
    /// called `init`: 0600 unless stated. Set-id bits and the like are refused.
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// What may be asked: [`Operations::OPEN`] unless stated.
    pub fn operations(self, operations: Operations) -> Self {
        Self { operations, ..self }
    }

    /// What is opened is received with these rights at most.
    ///
    /// FreeBSD sets them on each descriptor. On Linux rights belong to numbers, so that what is received
    /// has the ceiling of its receiver, less what the [access](Self::access) leaves out. Opening the
    /// service is an error there unless all of that is within these rights, and so without a
    /// [`ceiling`](Self::ceiling).
    ///
    /// libcasper keeps them where who has the channel can replace them: opening it with any is
    /// [`Error::Unsupported`](crate::Error::Unsupported).
    ///
    /// Without a statement what is opened is good for what it was opened for.
    pub fn rights(self, rights: Rights) -> Self {
        Self { rights: Some(rights.bits()), ..self }
    }

    /// The ceiling of whoever is going to ask, in capability mode, which only the program can know:
    /// it must not ask before it has entered, nor send the channel to who has more.
    pub fn ceiling(self, ceiling: Rights) -> Self {
        Self { ceiling: Some(ceiling.bits()), ..self }
    }

    /// As what the program is now, or why that cannot be.
    pub(crate) fn checked(mut self) -> Result<Self, String> {
        let bytes = self.paths.iter().try_fold(0_usize, |sum, path| sum.checked_add(path.len()));
        if self.paths.len() > MOST || bytes.is_none_or(|bytes| bytes > MOST_BYTES) {
            return Err(format!("more than {MOST} paths, or {MOST_BYTES} bytes of them"));
        }
        if let Some(path) = self.paths.iter().find(|path| path.contains(&0)) {
            return Err(format!("no path has a NUL: {}", path.escape_ascii()));
        }
        if let Some(path) = self.paths.iter().find(|path| is_of_a_process(path)) {
            return Err(format!(
                "{} is another file in each process: open it before, or read the standard input",
                path.escape_ascii()
            ));
        }
        if self.flags.intersects(OpenFlags::TRUNCATE | OpenFlags::APPEND) && !self.access.writes() {
            return Err("what is open for reading is neither truncated nor appended to".to_owned());
        }
        if self.flags.contains(OpenFlags::DIRECTORIES) && self.access.writes() {
            return Err("directories are opened for reading only".to_owned());
        }
        if self.flags.contains(OpenFlags::EXCLUSIVE) && !self.flags.contains(OpenFlags::CREATE) {
            return Err("only what is made can be made exclusively".to_owned());
        }
        if self.mode & !0o777 != 0 {
            return Err(format!("the mode {:o} has more than permissions", self.mode));
        }
        if let Some(rights) = self.rights {
            let ceiling = self.ceiling.map(Rights::from_bits_retain);
            sys::rights_hold(Rights::from_bits_retain(rights), ceiling, self.access)?;
        }
        self.user = sys::user();
        Ok(self)
    }

    /// Whether some path is from the working directory.
    pub(crate) fn relative(&self) -> bool {
        self.paths.iter().any(|path| !path.starts_with(b"/"))
    }

    pub(crate) fn is_of(&self, user: (u32, u32)) -> bool {
        self.user == user
    }

    /// open(2)'s flags. It never waits for the other end of a FIFO, or for a device; and no terminal
    /// becomes the service's.
    pub(crate) fn open_flags(&self) -> i32 {
        let access = match self.access {
            Access::Read => libc::O_RDONLY,
            Access::Write => libc::O_WRONLY,
            Access::ReadWrite => libc::O_RDWR,
        };
        let flags = [
            (OpenFlags::CREATE, libc::O_CREAT),
            (OpenFlags::EXCLUSIVE, libc::O_EXCL),
            (OpenFlags::TRUNCATE, libc::O_TRUNC),
            (OpenFlags::APPEND, libc::O_APPEND),
            (OpenFlags::NOFOLLOW, libc::O_NOFOLLOW),
            (OpenFlags::SYNC, libc::O_SYNC),
        ];
        let stated = flags.iter().filter(|(flag, _)| self.flags.contains(*flag));
        let fixed = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        stated.fold(access | fixed, |all, (_, flag)| all | flag)
    }

    /// Whether opening a path changes nothing, so that it may be opened ahead.
    pub(super) fn idle(&self) -> bool {
        !self.access.writes() && !self.flags.contains(OpenFlags::CREATE)
    }

    /// Writes it down for the service's process.
    pub(super) fn write(&self) -> io::Result<std::fs::File> {
        let bytes = postcard::to_allocvec(self).map_err(io::Error::other)?;
        let mut file = sys::memory()?;
        io::Write::write_all(&mut file, &bytes)?;
        io::Seek::rewind(&mut file)?;
        Ok(file)
    }

    /// Reads what was written.
    pub(super) fn read(file: std::fs::File) -> Result<Self, String> {
        let most = (MOST_BYTES + 16 * MOST) as u64;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, most), &mut bytes)
            .map_err(|error| error.to_string())?;
        postcard::from_bytes(&bytes).map_err(|error| error.to_string())
    }
}

/// Whether a path names what it is in the process that opens it, which is not the program.
fn is_of_a_process(path: &[u8]) -> bool {
    let mut parts = Vec::new();
    for part in Path::new(OsStr::from_bytes(path)).components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(name) => parts.push(name.as_bytes()),
            _ => {}
        }
    }
    if !path.starts_with(b"/") {
        return false;
    }
    matches!(
        parts[..],
        [b"dev", b"fd" | b"stdin" | b"stdout" | b"stderr", ..]
            | [b"proc", b"self" | b"thread-self" | b"curproc", ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_process_are_none_of_the_programs() {
        for path in
            ["/dev/stdin", "/dev/fd/3", "//dev/./fd", "/tmp/../dev/fd/0", "/proc/self/environ"]
        {
            assert!(is_of_a_process(path.as_bytes()), "{path}");
            assert!(Files::new([path]).checked().is_err(), "{path}");
        }
        for path in ["/dev/null", "/dev/fdx", "dev/fd/0", "/proc/cpuinfo", "", "/"] {
            assert!(!is_of_a_process(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(Files::new(["a", ""]).checked().is_ok());
        assert!(Files::new(["a\0b"]).checked().is_err());
        assert!(Files::new(vec!["a"; MOST + 1]).checked().is_err());
        assert!(Files::new(["a".repeat(MOST_BYTES + 1)]).checked().is_err());
        assert!(Files::new(["a"]).flags(OpenFlags::TRUNCATE).checked().is_err());
        assert!(Files::new(["a"]).flags(OpenFlags::EXCLUSIVE).checked().is_err());
        assert!(Files::new(["a"]).mode(0o4755).checked().is_err());
        let writes = Files::new(["a"]).access(Access::ReadWrite);
        assert!(writes.clone().flags(OpenFlags::DIRECTORIES).checked().is_err());
        assert!(writes.flags(OpenFlags::TRUNCATE).checked().is_ok());
    }

    #[test]
    fn what_is_written_is_read() {
        let files = Files::new(["a", "/b"]).mode(0o640).checked().unwrap();
        let read = Files::read(files.write().unwrap()).unwrap();
        assert_eq!((&read.paths, read.mode), (&files.paths, 0o640));
        assert!(read.is_of(sys::user()) && read.relative());
    }
}
