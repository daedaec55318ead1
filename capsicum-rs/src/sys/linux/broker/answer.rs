//! What the broker answers to a call.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use super::super::{
    ENOTCAPABLE,
    call::{
        self,
        notify::{self, Notice},
    },
    process,
};

/// `PATH_MAX`, the zero at the end included.
const LONGEST: usize = 4096;
/// The least size of a page on every architecture.
const PAGE: u64 = 4096;
/// `f_type` of procfs.
const PROC_SUPER_MAGIC: libc::c_long = 0x9fa0;

/// How often a path is looked up that is being changed meanwhile.
const TRIES: usize = 8;

/// Whose authority a process has, in the words of procfs: a broker lends its own to nobody else.
#[derive(Debug, PartialEq, Eq)]
struct Authority(Vec<String>);

impl Authority {
    fn of(status: &str) -> Self {
        let kept = ["Uid:", "Gid:", "Groups:", "CapEff:"];
        let lines = status.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
        Self(lines.map(str::to_owned).collect())
    }
}

pub(super) struct Answers {
    listener: OwnedFd,
    /// The directory `/proc`.
    processes: OwnedFd,
    authority: Authority,
}

impl Answers {
    /// `None` where procfs does not say what it must.
    pub(super) fn new(listener: OwnedFd) -> Option<Self> {
        let processes = OwnedFd::from(File::open("/proc").ok()?);
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let authority = Authority::of(&status);
        // Otherwise the id of a caller is another process's there.
        let own = process::numbered(&status, std::process::id());
        (own && authority.0.len() == 4).then_some(Self { listener, processes, authority })
    }

    /// Answers until no process is left to ask.
    pub(super) fn give(&mut self) {
        while let Some(ready) = notify::heard(&self.listener) {
            if !ready {
                continue;
            }
            // The caller may be gone by now.
            let Ok(notice) = notify::receive(&self.listener) else { continue };
            let answer = self.answer(&notice).and_then(|(file, close_on_exec)| {
                notify::hand_out(&self.listener, notice.id, &file, close_on_exec)
            });
            if let Err(error) = answer {
                let errno = match error.raw_os_error() {
                    // It leads out of the directory.
                    Some(libc::EXDEV) => ENOTCAPABLE,
                    Some(errno) => errno,
                    None => libc::EPERM,
                };
                notify::refuse(&self.listener, notice.id, errno);
            }
        }
    }

    /// openat(2): what it opens, and whether it is close-on-exec.
    fn answer(&self, notice: &Notice) -> io::Result<(OwnedFd, bool)> {
        let errno = io::Error::from_raw_os_error;
        if i64::from(notice.number) != libc::SYS_openat {
            return Err(errno(libc::ENOSYS));
        }
        // The kernel looks at the low halves of what are ints.
        #[allow(clippy::cast_possible_truncation)]
        let low = |arg: usize| notice.args[arg] as u32;
        let (number, flags) = (low(0).cast_signed(), low(2));
        let has = |flag: libc::c_int| flags & flag.cast_unsigned() != 0;

        let directory = self.directory(notice.pid, number)?;
        let mask = self.same_authority(notice.pid)?;
        let path = path(notice.pid, notice.args[1])?;
        // So far the process with this id is the one that asks.
        if !notify::still_waits(&self.listener, notice.id) {
            return Err(errno(libc::ESRCH));
        }
        // Its files are about whoever opens them.
        if call::file_system(directory.as_raw_fd())? == PROC_SUPER_MAGIC {
            return Err(errno(ENOTCAPABLE));
        }
        let mode = if has(libc::O_CREAT) { u64::from(low(3) & 0o7777) } else { 0 };
        // Nothing that is opened may keep the broker waiting, or become its terminal.
        let own = libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;
        notify::set_umask(mask);
        let mut tries = 0;
        let file = loop {
            tries += 1;
            let flags = u64::from(flags | own.cast_unsigned());
            match notify::open_beneath(&directory, &path, flags, mode) {
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && tries < TRIES => {}
                result => break result?,
            }
        };
        if !has(libc::O_NONBLOCK) {
            notify::let_wait(&file)?;
        }
        Ok((file, has(libc::O_CLOEXEC)))
    }

    /// A reference to the directory that has this number in the process.
    fn directory(&self, pid: u32, number: i32) -> io::Result<OwnedFd> {
        let link = format!("{pid}/fd/{number}");
        let link = CString::new(link).map_err(io::Error::other)?;
        notify::refer(&self.processes, &link).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT) => io::Error::from_raw_os_error(libc::EBADF),
            _ => error,
        })
    }

    /// The umask of a process that has the broker's authority, and no other.
    fn same_authority(&self, pid: u32) -> io::Result<libc::mode_t> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        if Authority::of(&status) != self.authority {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let mask = mask.and_then(|mask| libc::mode_t::from_str_radix(mask.trim(), 8).ok());
        mask.ok_or_else(|| io::Error::from_raw_os_error(libc::EPERM))
    }
}

/// The path at an address of a process: copied once, and no further than its end or its page.
fn path(pid: u32, address: u64) -> io::Result<CString> {
    let mut path = Vec::new();
    while path.len() < LONGEST {
        let at = address.wrapping_add(path.len() as u64);
        let rest = usize::try_from(PAGE - at % PAGE).unwrap_or(1).min(LONGEST - path.len());
        let start = path.len();
        path.resize(start + rest, 0);
        let read = notify::read_memory(pid, at, &mut path[start..])?;
        path.truncate(start + read);
        if let Ok(ended) = CStr::from_bytes_until_nul(&path) {
            return Ok(ended.to_owned());
        }
        if read < rest {
            return Err(io::Error::from_raw_os_error(libc::EFAULT));
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(bytes: &[u8]) -> io::Result<CString> {
        path(std::process::id(), bytes.as_ptr().expose_provenance() as u64)
    }

    #[test]
    fn a_path_ends_with_its_zero_and_is_never_too_long() {
        assert_eq!(own(b"a/b\0c\0").unwrap().as_bytes(), b"a/b");
        assert_eq!(own(b"\0").unwrap().as_bytes(), b"");
        let mut long = vec![b'a'; 3 * LONGEST];
        assert_eq!(own(&long).unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));
        long[LONGEST - 1] = 0;
        assert_eq!(own(&long).unwrap().as_bytes().len(), LONGEST - 1);
        assert_eq!(path(std::process::id(), 8).unwrap_err().raw_os_error(), Some(libc::EFAULT));
    }

    #[test]
    fn authority_is_whose_files_may_be_opened() {
        let status =
            "Name:\tx\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0\nCapEff:\t1f\nUmask:\t0022\n";
        let authority = Authority::of(status);
        assert_eq!(authority.0.len(), 4);
        assert_eq!(Authority::of(&status.replace("Name:\tx", "Name:\ty")), authority);
        for (one, other) in
            [("Uid:\t0\t0", "Uid:\t0\t1"), ("Groups:\t0", "Groups:\t"), ("1f", "00")]
        {
            assert_ne!(Authority::of(&status.replace(one, other)), authority, "{one}");
        }
    }
}
