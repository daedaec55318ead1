//! Programs and processes as a program starts them that does nothing else.

use std::{ffi::CStr, io, mem::MaybeUninit, ptr};

use super::{check, messages::wait};

/// fork(2), _exit(2) in the child, and waitpid(2).
pub(crate) fn fork_and_wait() -> io::Result<bool> {
    // SAFETY: the child calls _exit and nothing else.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: it returns to nobody.
        unsafe { libc::_exit(0) };
    }
    check(pid.into())?;
    wait(pid)
}

/// posix_spawn(3) with one argument at most and without environment, and waitpid(2).
pub(crate) fn spawn_and_wait(path: &CStr, argument: Option<&CStr>) -> io::Result<bool> {
    let argument = argument.map_or(ptr::null(), CStr::as_ptr);
    let arguments = [path.as_ptr().cast_mut(), argument.cast_mut(), ptr::null_mut()];
    let environment = [ptr::null_mut()];
    let mut pid = 0;
    // SAFETY: the path and the arguments are C strings, both lists end with a null, and nothing is
    // asked for besides.
    let error = unsafe {
        let (at, arguments) = (path.as_ptr(), arguments.as_ptr());
        libc::posix_spawn(
            &raw mut pid,
            at,
            ptr::null(),
            ptr::null(),
            arguments,
            environment.as_ptr(),
        )
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    wait(pid)
}

/// The most descriptors that the host lets this process have, which it may have from here on.
pub(crate) fn raise_descriptors() -> io::Result<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: `limit` is what getrlimit writes and setrlimit reads.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()).into())?;
        (*limit.as_mut_ptr()).rlim_cur = (*limit.as_ptr()).rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, limit.as_ptr()).into())?;
        Ok((*limit.as_ptr()).rlim_max)
    }
}
