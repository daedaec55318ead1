//! cap_fileargs(3)

use std::{
    ffi::{CString, c_char, c_int},
    io,
    mem::MaybeUninit,
    os::fd::{FromRawFd, OwnedFd},
    path::{Path, PathBuf},
    ptr::{self, NonNull},
    time::{Duration, SystemTime},
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
    raw: NonNull<fileargs_t>,
    table: Table,
    flags: c_int,
}

#[derive(Clone, Copy)]
struct Table(&'static CapFileargs);

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CapFileargs")
    }
}

// SAFETY: memory of malloc(3) and a channel, which belong to no thread.
unsafe impl Send for FileArgs {}

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
        Self::wrap(Channel::own(raw, Service::FileArgs, CALL)?, flags)
    }

    /// From a channel to this service, and the flags of open(2) that it was made with: fileargs_wrap(3).
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is a channel to another service.
    pub fn from_channel(channel: Channel, flags: i32) -> Result<Self, Error> {
        if channel.service() == Service::FileArgs {
            return Self::wrap(channel, flags | libc::O_CLOEXEC);
        }
        Err(Error::Invalid {
            call: "fileargs_wrap",
            what: format!("the channel is one to {}", channel.service()),
        })
    }

    fn wrap(channel: Channel, flags: c_int) -> Result<Self, Error> {
        const CALL: &str = "fileargs_wrap";
        let table = load::fileargs()?;
        // SAFETY: the channel is open, and is this one's from now on where there is one.
        let raw = unsafe { table.fileargs_wrap(channel.raw(), flags) };
        let Some(raw) = NonNull::new(raw) else {
            return Err(Error::System { call: CALL, source: io::Error::last_os_error() });
        };
        channel.into_raw();
        Ok(Self { raw, table: Table(table), flags })
    }

    /// The channel, and the flags of open(2): fileargs_unwrap(3). What the service has sent ahead is
    /// dropped. A clone of the channel has the same list; it cannot be narrowed.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn into_channel(self) -> Result<(Channel, i32), Error> {
        let (raw, table, flags) = (self.raw, self.table, self.flags);
        std::mem::forget(self);
        // SAFETY: it is given up here.
        let raw = unsafe { table.0.fileargs_unwrap(raw.as_ptr(), ptr::null_mut()) };
        Ok((Channel::own(raw, Service::FileArgs, "fileargs_unwrap")?, flags))
    }

    /// fileargs_open(3): open(2) with the flags and the mode of the list, and the descriptor limited to
    /// its rights.
    ///
    /// # Errors
    /// [`Error::NotCapable`] for a file that is not in the list, [`Error::Died`], [`Error::System`];
    /// [`Error::Invalid`] for a zero byte.
    pub fn open(&self, file: &Path) -> Result<OwnedFd, Error> {
        const CALL: &str = "fileargs_open";
        let name = c_string(CALL, file)?;
        // SAFETY: open, and the name lives until the call returns.
        let descriptor = unsafe { self.table.0.fileargs_open(self.raw.as_ptr(), name.as_ptr()) };
        if descriptor < 0 {
            return Err(refusal(Service::FileArgs, CALL, io::Error::last_os_error()));
        }
        // SAFETY: it was opened for this call, or sent ahead and taken from the cache.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }

    /// fileargs_lstat(3)
    ///
    /// # Errors
    /// As [`FileArgs::open`].
    pub fn lstat(&self, file: &Path) -> Result<FileStatus, Error> {
        const CALL: &str = "fileargs_lstat";
        let name = c_string(CALL, file)?;
        let mut status: MaybeUninit<libc::stat> = MaybeUninit::uninit();
        // SAFETY: open, the name lives until the call returns, and the structure is of the system's size.
        let code = unsafe {
            self.table.0.fileargs_lstat(self.raw.as_ptr(), name.as_ptr(), status.as_mut_ptr())
        };
        if code != 0 {
            return Err(refusal(Service::FileArgs, CALL, io::Error::last_os_error()));
        }
        // SAFETY: it was written.
        Ok(read(unsafe { status.assume_init_ref() }))
    }

    /// fileargs_realpath(3)
    ///
    /// # Errors
    /// As [`FileArgs::open`].
    pub fn realpath(&self, file: &Path) -> Result<PathBuf, Error> {
        const CALL: &str = "fileargs_realpath";
        let name = c_string(CALL, file)?;
        // SAFETY: open, and the name lives until the call returns. The answer is of malloc(3), and ours.
        unsafe {
            let raw = self.raw.as_ptr();
            let path = self.table.0.fileargs_realpath(raw, name.as_ptr(), ptr::null_mut());
            if path.is_null() {
                return Err(refusal(Service::FileArgs, CALL, io::Error::last_os_error()));
            }
            let copied = copy(path).into();
            libc::free(path.cast());
            Ok(copied)
        }
    }
}

impl Drop for FileArgs {
    fn drop(&mut self) {
        // SAFETY: open, and nobody has it after this.
        unsafe { self.table.0.fileargs_free(self.raw.as_ptr()) };
    }
}

fn read(status: &libc::stat) -> FileStatus {
    let seconds = u64::try_from(status.st_mtime).ok();
    let nanoseconds = u32::try_from(status.st_mtime_nsec).ok();
    let since = seconds.zip(nanoseconds).map(|(whole, part)| Duration::new(whole, part));
    FileStatus {
        mode: status.st_mode.into(),
        size: u64::try_from(status.st_size).unwrap_or(0),
        uid: status.st_uid,
        gid: status.st_gid,
        device: status.st_dev,
        inode: status.st_ino,
        links: status.st_nlink,
        modified: since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)),
    }
}
