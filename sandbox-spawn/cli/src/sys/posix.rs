//! What both systems do alike.

use std::{
    ffi::CString,
    io::{self, IsTerminal},
    mem::MaybeUninit,
    os::{fd::RawFd, unix::ffi::OsStrExt},
    path::Path,
};

/// Whether one of the standard streams is a terminal.
pub(crate) fn on_a_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// Whether an open descriptor is a directory, by fstat(2).
pub(crate) fn is_directory(descriptor: RawFd) -> bool {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat writes one `stat` to a buffer of that size and reads nothing of ours.
    let answer = unsafe { libc::fstat(descriptor, status.as_mut_ptr()) };
    // SAFETY: fstat filled the buffer, since it answered 0.
    answer == 0 && unsafe { status.assume_init() }.st_mode & libc::S_IFMT == libc::S_IFDIR
}

/// Whether the caller itself may use a path in the way that it wants to grant, by faccessat(2)
/// with its effective ids.
pub(crate) fn may(path: &Path, directory: bool, write: bool) -> io::Result<()> {
    let mut mode = libc::R_OK;
    if directory {
        mode |= libc::X_OK;
    }
    if write {
        mode |= libc::W_OK;
    }
    access(path, mode)
}

/// Whether a path is a file that the caller may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, libc::X_OK).is_ok()
}

fn access(path: &Path, mode: libc::c_int) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path is a string that ends in NUL and outlives the call.
    let answer = unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
