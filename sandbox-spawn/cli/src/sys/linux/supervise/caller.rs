//! The thread that waits for an answer: its memory, its working directory, its descriptors.
//!
//! Its id could pass to another thread when it is killed. So nothing that was found by the id
//! counts before the listener has said, afterwards, that the thread still waits. Its memory is held
//! by a descriptor from then on, and stays its own.

use std::{
    ffi::CString,
    fs::File,
    mem,
    os::{
        fd::{AsFd, OwnedFd, RawFd},
        unix::fs::FileExt,
    },
};

use super::{
    super::calls::Errno,
    kernel,
    listener::{Listener, Waiting},
    trees::{Cursor, Trees, string},
};

/// As much as is read at once: no page is entered that what comes before did not lead to.
const PAGE: u64 = 4096;

/// A thread that waits for an answer.
#[derive(Debug)]
pub(super) struct Caller<'s> {
    waiting: Waiting,
    listener: &'s Listener,
    /// The directory of proc(5).
    processes: &'s OwnedFd,
    memory: File,
}

impl<'s> Caller<'s> {
    pub(super) fn new(
        waiting: Waiting,
        listener: &'s Listener,
        processes: &'s OwnedFd,
    ) -> Result<Self, Errno> {
        let name = string(format!("{}/mem", waiting.thread).into_bytes());
        // A program that hides its memory (`PR_SET_DUMPABLE`) gets no answer.
        let memory = kernel::open(processes.as_fd(), &name).map_err(|_| libc::EPERM)?;
        listener.waits(waiting.id)?;
        Ok(Self { waiting, listener, processes, memory: memory.into() })
    }

    /// Fills a buffer; `EFAULT` where it cannot.
    pub(super) fn read(&self, from: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        self.memory.read_exact_at(buffer, from).map_err(|_| libc::EFAULT)
    }

    /// `N` numbers of 64 bits.
    pub(super) fn numbers<const N: usize>(&self, from: u64) -> Result<[i64; N], Errno> {
        let mut numbers = [0; N];
        for (at, number) in (0_u64..).zip(&mut numbers) {
            let mut bytes = [0; 8];
            self.read(from.checked_add(8 * at).ok_or(libc::EFAULT)?, &mut bytes)?;
            *number = i64::from_ne_bytes(bytes);
        }
        Ok(numbers)
    }

    /// A string of fewer bytes than `most`; `long` where it has no end before.
    pub(super) fn string(&self, from: u64, most: usize, long: Errno) -> Result<CString, Errno> {
        let mut text = vec![0; most];
        let mut length = 0;
        while length < most {
            let at = from.checked_add(length as u64).ok_or(libc::EFAULT)?;
            let left = usize::try_from(PAGE - at % PAGE).unwrap_or(1).min(most - length);
            self.read(at, &mut text[length..length + left])?;
            let part = &text[length..length + left];
            if let Some(end) = part.iter().position(|&byte| byte == 0) {
                text.truncate(length + end);
                return Ok(string(text));
            }
            length += left;
        }
        Err(long)
    }

    /// A path.
    pub(super) fn path(&self, from: u64) -> Result<Vec<u8>, Errno> {
        Ok(self.string(from, kernel::LONGEST, libc::ENAMETOOLONG)?.into_bytes())
    }

    /// Writes to its memory; `EFAULT` where it cannot. A page that it may not write itself is written
    /// where it is its own private copy, which changes nothing for anybody else.
    pub(super) fn write(&self, to: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.memory.write_all_at(bytes, to).map_err(|_| libc::EFAULT)
    }

    fn entry(&self, name: &str) -> CString {
        string(format!("{}/{name}", self.waiting.thread).into_bytes())
    }

    /// What is open at a number: a reference to it.
    pub(super) fn object(&self, number: RawFd) -> Result<OwnedFd, Errno> {
        if number < 0 {
            return Err(libc::EBADF);
        }
        let link = self.entry(&format!("fd/{number}"));
        let object = kernel::refer(self.processes.as_fd(), &link).map_err(|errno| match errno {
            libc::ENOENT => libc::EBADF,
            other => other,
        })?;
        self.listener.waits(self.waiting.id)?;
        Ok(object)
    }

    /// The descriptor itself, with which the caller's own can be used.
    pub(super) fn descriptor(&self, number: RawFd) -> Result<OwnedFd, Errno> {
        let process = kernel::process(self.waiting.thread)
            .or_else(|_| kernel::process(self.process().ok_or(libc::ESRCH)?))?;
        let taken = kernel::take(&process, number)?;
        self.listener.waits(self.waiting.id)?;
        Ok(taken)
    }

    /// The process that the thread is of.
    fn process(&self) -> Option<libc::pid_t> {
        let status = kernel::refer(self.processes.as_fd(), &self.entry("status")).ok()?;
        let status = std::fs::read_to_string(kernel::own_path(&status)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
        line.trim().parse().ok()
    }

    /// The path of its working directory.
    pub(super) fn directory(&self) -> Result<Vec<u8>, Errno> {
        let path = kernel::read_link_at(self.processes.as_fd(), &self.entry("cwd"))?;
        self.listener.waits(self.waiting.id)?;
        Ok(path)
    }

    /// Where a path starts that is not absolute: the directory is opened again, from the top of its
    /// tree, and must be the same.
    pub(super) fn start(&self, trees: &Trees, from: RawFd) -> Result<Cursor, Errno> {
        let name = match from {
            libc::AT_FDCWD => "cwd".to_owned(),
            0.. => format!("fd/{from}"),
            _ => return Err(libc::EBADF),
        };
        let link = self.entry(&name);
        let path = kernel::read_link_at(self.processes.as_fd(), &link)
            .map_err(|errno| if errno == libc::ENOENT { libc::EBADF } else { errno })?;
        // A pipe, a socket, memory.
        let path = match &path[..] {
            b"/" => b"",
            [b'/', ..] => &path[..],
            _ => return Err(libc::ENOTDIR),
        };
        let identity = kernel::identity_at(self.processes.as_fd(), &link)?;
        self.listener.waits(self.waiting.id)?;
        trees.same_directory(path, identity)
    }

    /// An argument as what the kernel takes it for: its low half.
    pub(super) fn int(&self, argument: usize) -> i32 {
        let bytes = self.waiting.args[argument].to_ne_bytes();
        let half = if cfg!(target_endian = "little") { &bytes[..4] } else { &bytes[4..] };
        i32::from_ne_bytes(half.try_into().unwrap_or([0; mem::size_of::<i32>()]))
    }

    /// An argument that is a pointer or a size.
    pub(super) fn word(&self, argument: usize) -> u64 {
        self.waiting.args[argument]
    }

    pub(super) fn number(&self) -> libc::c_long {
        self.waiting.number
    }
}
