//! The processes of a FreeBSD system by sysctl(3), for tests: a minimal system has no ps(1). It belongs to
//! more than one package.

use std::{io, ptr};

/// `kern.proc.proc`: every process, zombies among them.
pub(crate) fn all() -> io::Result<Vec<libc::kinfo_proc>> {
    let size = size_of::<libc::kinfo_proc>();
    loop {
        let mut length = 0;
        list(ptr::null_mut(), &mut length)?;
        // Others may start meanwhile.
        let room = length / size + 64;
        let mut found = Vec::<libc::kinfo_proc>::with_capacity(room);
        length = room * size;
        match list(found.as_mut_ptr(), &mut length) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
            Err(error) => return Err(error),
            Ok(()) => {
                // SAFETY: the kernel has written so many bytes, and they are there.
                unsafe { found.set_len((length / size).min(room)) };
                return Ok(found);
            }
        }
    }
}

fn list(to: *mut libc::kinfo_proc, length: &mut usize) -> io::Result<()> {
    let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PROC];
    // SAFETY: the name has three components; the kernel writes at most `length` bytes, for which the
    // caller has made room, or none to a null pointer; there is no new value.
    let result =
        unsafe { libc::sysctl(name.as_ptr(), 3, to.cast(), &raw mut *length, ptr::null(), 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
