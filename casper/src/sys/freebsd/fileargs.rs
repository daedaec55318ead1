//! Holding what `FileArgs` sends to rights.

use std::{
    ffi::{CString, c_int},
    fs::File,
    io,
    os::fd::{FromRawFd, OwnedFd},
    path::Path,
};

use capsicum_channel::Handle;
use capsicum_rs::Rights;

use crate::fileargs::{Access, OpenFlags};

/// `O_SEARCH`: a directory is opened for lookups alone.
pub(crate) const SEARCH: i32 = libc::O_EXEC;

/// open(2). `std` has no way to open with just these flags.
pub(crate) fn open(path: &[u8], flags: c_int, mode: u32) -> io::Result<File> {
    let path = CString::new(path)?;
    loop {
        // SAFETY: the path is a C string, and the mode is there for `O_CREAT`.
        let fd = unsafe { libc::open(path.as_ptr(), flags, mode) };
        if fd >= 0 {
            // SAFETY: the kernel has just made it, and nobody else has it.
            return Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// They always do: they are the descriptor's.
#[allow(clippy::unnecessary_wraps, reason = "Linux cannot hold all")]
pub(crate) fn rights_hold(_: Rights, _: Option<Rights>, _: Access) -> Result<(), String> {
    Ok(())
}

/// It is sent with these.
pub(crate) fn with_rights(file: OwnedFd, rights: Rights) -> Handle<OwnedFd> {
    Handle::limited(file, rights)
}

/// Nothing but capability mode holds a process to files, and in that there are no paths.
#[allow(clippy::unnecessary_wraps, reason = "Linux can fail")]
pub(crate) fn keep_to<'a>(
    _: impl Iterator<Item = &'a Path>,
    _: Access,
    _: OpenFlags,
) -> Result<(), String> {
    Ok(())
}
