//! cap_fileargs(3)

use std::{
    ffi::{CString, c_char, c_int},
    io,
    mem::MaybeUninit,
    os::fd::{FromRawFd, OwnedFd},
    path::{Path, PathBuf},
    ptr::{self, NonNull},
};

use libc::cap_rights_t;

use super::{
    Casper, Channel,
    bindings::cap_fileargs::{CapFileargs, fileargs_t},
    channel::refusal,
    load,
    text::{c_string, copy},
};
use crate::{Error, FileRules, FileStatus, Service};

// libcap_fileargs copies as many bytes as the system's structure has since FreeBSD 12.
const _: () = assert!(size_of::<libc::stat>() == 224);
const _: () = assert!(size_of::<cap_rights_t>() == 16);

/// `FA_` of cap_fileargs.h.
const OPEN: c_int = 1;
const LSTAT: c_int = 2;
const REALPATH: c_int = 4;

/// The index bits of the two words of a `cap_rights_t` (`CAPRIGHT` of sys/capsicum.h): version 0.
const INDEX: [u64; 2] = [1 << 57, 1 << 58];

/// Files of a fixed list: cap_fileargs(3). A file is asked for by the very name that is in the list.
///
/// The service sends some files before they are asked for, and such a file is as it was then: one that
/// was replaced meanwhile is the old one.
#[derive(Debug)]
pub struct FileArgs {
    /// What the service has sent ahead is kept here.
    files: Wrapped,
    channel: Channel,
    flags: c_int,
}

/// A `fileargs_t` of a channel, which stays its owner's.
#[derive(Debug)]
struct Wrapped {
    raw: NonNull<fileargs_t>,
    table: Table,
}

#[derive(Clone, Copy)]
struct Table(&'static CapFileargs);

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CapFileargs")
    }
}

// SAFETY: memory of malloc(3), which belongs to no thread, and a pointer to the channel beside it.
unsafe impl Send for Wrapped {}

impl Wrapped {
    /// fileargs_wrap(3). It must not be used after the channel.
    fn of(channel: &Channel, flags: c_int) -> Result<Self, Error> {
        const CALL: &str = "fileargs_wrap";
        let table = load::fileargs()?;
        // SAFETY: the channel is open.
        let raw = unsafe { table.fileargs_wrap(channel.raw(), flags) };
        let Some(raw) = NonNull::new(raw) else {
            return Err(Error::System { call: CALL, source: io::Error::last_os_error() });
        };
        Ok(Self { raw, table: Table(table) })
    }

    fn open(&self, name: &CString) -> Result<OwnedFd, Error> {
        const CALL: &str = "fileargs_open";
        // SAFETY: the channel is open, and the name lives until the call returns.
        let descriptor = unsafe { self.table.0.fileargs_open(self.raw.as_ptr(), name.as_ptr()) };
        if descriptor < 0 {
            return Err(refusal(Service::FileArgs, CALL, io::Error::last_os_error()));
        }
        // SAFETY: it was opened for this call, or sent ahead and taken from the cache.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }

    fn lstat(&self, name: &CString) -> Result<FileStatus, Error> {
        const CALL: &str = "fileargs_lstat";
        let mut status: MaybeUninit<libc::stat> = MaybeUninit::uninit();
        // SAFETY: the channel is open, the name lives until the call returns, and the structure is of the
        // system's size.
        let code = unsafe {
            self.table.0.fileargs_lstat(self.raw.as_ptr(), name.as_ptr(), status.as_mut_ptr())
        };
        if code != 0 {
            return Err(refusal(Service::FileArgs, CALL, io::Error::last_os_error()));
        }
        // SAFETY: it was written.
        Ok(read(unsafe { status.assume_init_ref() }))
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        // SAFETY: nobody has it after this. fileargs_unwrap(3) frees it with what was sent ahead, and
        // leaves the channel, which is not its own.
        unsafe { self.table.0.fileargs_unwrap(self.raw.as_ptr(), ptr::null_mut()) };
    }
}

impl FileArgs {
    /// fileargs_cinit(3)
    pub(super) fn open_from(
        casper: &Casper,
        files: &[&Path],
        rules: &FileRules,
    ) -> Result<Self, Error> {
        const CALL: &str = "fileargs_cinit";
        let channel = casper.fileargs_channel()?;
        let names: Vec<CString> =
            files.iter().map(|file| c_string(CALL, file)).collect::<Result<_, _>>()?;
        let count = c_int::try_from(names.len()).unwrap_or(0);
        if count == 0 {
            return Err(Error::Invalid { call: CALL, what: "no files".to_owned() });
        }
        // It takes pointers to what it might change, and does not.
        let mut pointers: Vec<*mut c_char> =
            names.iter().map(|name| name.as_ptr().cast_mut()).collect();
        let mut rights: MaybeUninit<cap_rights_t> = MaybeUninit::uninit();
        let rights = match rules.rights {
            None => ptr::null_mut(),
            Some([low, high]) => {
                let pointer = rights.as_mut_ptr();
                // SAFETY: the structure is these two words.
                unsafe { pointer.cast::<[u64; 2]>().write([low | INDEX[0], high | INDEX[1]]) };
                pointer
            }
        };
        let operation = |on: bool, operation: c_int| if on { operation } else { 0 };
        let operations = operation(rules.open, OPEN)
            | operation(rules.lstat, LSTAT)
            | operation(rules.realpath, REALPATH);
        let flags = rules.flags | libc::O_CLOEXEC;
        let table = load::fileargs()?;
        // SAFETY: libcasper is open, and the names and rights live until the call returns.
        let raw = unsafe {
            table.fileargs_cinit(
                channel.raw(),
                count,
                pointers.as_mut_ptr(),
                flags,
                rules.mode,
                rights,
                operations,
            )
        };
        if raw.is_null() {
            return Err(refusal(Service::FileArgs, CALL, io::Error::last_os_error()));
        }
        // SAFETY: what was just made, and has a channel since there are files. Through the channel, so
        // that its number is looked at.
        let raw = unsafe { table.fileargs_unwrap(raw, ptr::null_mut()) };
        Self::new(Channel::own(raw, Service::FileArgs, CALL)?, flags)
    }

    fn new(channel: Channel, flags: c_int) -> Result<Self, Error> {
        Ok(Self { files: Wrapped::of(&channel, flags)?, channel, flags })
    }

    /// From a channel to this service, and the flags of open(2) that it was made with: fileargs_wrap(3).
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is a channel to another service.
    pub fn from_channel(channel: Channel, flags: i32) -> Result<Self, Error> {
        if channel.service() == Service::FileArgs {
            return Self::new(channel, flags | libc::O_CLOEXEC);
        }
        Err(Error::Invalid {
            call: "fileargs_wrap",
            what: format!("the channel is one to {}", channel.service()),
        })
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The channel, and the flags of open(2): fileargs_unwrap(3). What the service has sent ahead is
    /// dropped. A clone of the channel has the same list; it cannot be narrowed.
    #[must_use]
    pub fn into_channel(self) -> (Channel, i32) {
        (self.channel, self.flags)
    }

    /// Another channel to the same process of the service, with the same list: cap_clone(3). Nothing has
    /// been sent ahead on it.
    ///
    /// # Errors
    /// [`Error::Died`], [`Error::System`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        Self::new(self.channel.try_clone()?, self.flags)
    }

    /// fileargs_open(3): open(2) with the flags and the mode of the list, and the descriptor limited to
    /// its rights.
    ///
    /// # Errors
    /// [`Error::NotCapable`] for a file that is not in the list, [`Error::Died`], [`Error::System`];
    /// [`Error::Invalid`] for a zero byte.
    pub fn open(&self, file: &Path) -> Result<OwnedFd, Error> {
        self.files.open(&c_string("fileargs_open", file)?)
    }

    /// As [`open`](Self::open), of what has the name now: neither is what was sent ahead taken, nor what
    /// comes ahead with the answer kept.
    ///
    /// # Errors
    /// As [`FileArgs::open`].
    pub fn open_anew(&self, file: &Path) -> Result<OwnedFd, Error> {
        let name = c_string("fileargs_open", file)?;
        Wrapped::of(&self.channel, self.flags)?.open(&name)
    }

    /// fileargs_lstat(3). What the service has sent ahead has a status too, which is that of then, however
    /// often it is asked for.
    ///
    /// # Errors
    /// As [`FileArgs::open`].
    pub fn lstat(&self, file: &Path) -> Result<FileStatus, Error> {
        self.files.lstat(&c_string("fileargs_lstat", file)?)
    }

    /// As [`lstat`](Self::lstat), of what has the name now.
    ///
    /// # Errors
    /// As [`FileArgs::open`].
    pub fn lstat_anew(&self, file: &Path) -> Result<FileStatus, Error> {
        let name = c_string("fileargs_lstat", file)?;
        Wrapped::of(&self.channel, self.flags)?.lstat(&name)
    }

    /// fileargs_realpath(3)
    ///
    /// # Errors
    /// As [`FileArgs::open`].
    pub fn realpath(&self, file: &Path) -> Result<PathBuf, Error> {
        const CALL: &str = "fileargs_realpath";
        let name = c_string(CALL, file)?;
        // SAFETY: the channel is open, and the name lives until the call returns. The answer is of malloc(3), and ours.
        unsafe {
            let raw = self.files.raw.as_ptr();
            let path = self.files.table.0.fileargs_realpath(raw, name.as_ptr(), ptr::null_mut());
            if path.is_null() {
                return Err(refusal(Service::FileArgs, CALL, io::Error::last_os_error()));
            }
            let copied = copy(path).into();
            libc::free(path.cast());
            Ok(copied)
        }
    }
}

#[allow(clippy::unnecessary_cast, reason = "a number is wider on one architecture than on another")]
fn read(status: &libc::stat) -> FileStatus {
    FileStatus {
        mode: status.st_mode.into(),
        size: u64::try_from(status.st_size).unwrap_or(0),
        uid: status.st_uid,
        gid: status.st_gid,
        device: status.st_dev,
        inode: status.st_ino,
        links: status.st_nlink,
        special: status.st_rdev,
        block_size: u64::try_from(status.st_blksize).unwrap_or(0),
        blocks: u64::try_from(status.st_blocks).unwrap_or(0),
        accessed: (status.st_atime as i64, status.st_atime_nsec as i64),
        modified: (status.st_mtime as i64, status.st_mtime_nsec as i64),
        changed: (status.st_ctime as i64, status.st_ctime_nsec as i64),
    }
}
