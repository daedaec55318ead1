//! What sysctl(3) says. These names can be read in capability mode too, unless stated otherwise.

use std::{ffi::CStr, io, ptr};

use super::calls::checked;

/// Reads a value of at most as many bytes as there is room for.
fn read<'room>(name: &CStr, room: &'room mut [u8]) -> io::Result<&'room [u8]> {
    let mut length = room.len();
    // SAFETY: the name ends with a nul; the kernel writes at most `length` bytes to `room`, which
    // has that many, and says in `length` how many it wrote; there is no new value.
    checked(unsafe {
        libc::sysctlbyname(name.as_ptr(), room.as_mut_ptr().cast(), &raw mut length, ptr::null(), 0)
    })?;
    room.get(..length).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// A `bool` of the kernel.
pub(super) fn flag(name: &CStr) -> io::Result<bool> {
    Ok(read(name, &mut [0; 8])?.iter().any(|byte| *byte != 0))
}

/// The release, as `uname -r` says it: `14.3-RELEASE`.
pub(super) fn release() -> String {
    let mut room = [0; 256];
    match read(c"kern.osrelease", &mut room) {
        Ok(text) => String::from_utf8_lossy(text).trim_end_matches('\0').to_owned(),
        Err(_) => "of unknown release".to_owned(),
    }
}

/// How many descriptors the calling process has open.
pub(super) fn open_descriptors() -> io::Result<usize> {
    // Process 0 is the caller; the kernel counts for no other.
    let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_NFDS, 0];
    let mut count: libc::c_int = 0;
    let mut length = size_of_val(&count);
    // SAFETY: the name has the four components that are stated; the kernel writes one integer to
    // `count`, whose size `length` says; there is no new value.
    checked(unsafe {
        libc::sysctl(name.as_ptr(), 4, (&raw mut count).cast(), &raw mut length, ptr::null(), 0)
    })?;
    usize::try_from(count).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// How many threads the calling process has; refused in capability mode.
pub(super) fn threads() -> io::Result<usize> {
    let own = std::process::id().cast_signed();
    let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, own];
    // SAFETY: `kinfo_proc` is integers, arrays and pointers, for all of which zero is a value.
    let mut process: libc::kinfo_proc = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&process);
    // SAFETY: the name has the four components that are stated; the kernel writes at most one
    // `kinfo_proc`, whose size `length` says; there is no new value.
    checked(unsafe {
        libc::sysctl(name.as_ptr(), 4, (&raw mut process).cast(), &raw mut length, ptr::null(), 0)
    })?;
    usize::try_from(process.ki_numthreads).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}
