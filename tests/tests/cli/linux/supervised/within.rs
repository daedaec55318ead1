//! System calls as a hostile program makes them, and how it tells what they came to.

use std::{ffi::CString, io, os::unix::ffi::OsStrExt, path::Path, ptr};

use libc::c_long;

pub(super) const CWD: usize = libc::AT_FDCWD as usize;
pub(super) const EMPTY: usize = libc::AT_EMPTY_PATH as usize;
pub(super) const NOFOLLOW: usize = libc::AT_SYMLINK_NOFOLLOW as usize;
/// An address at which there is nothing.
pub(super) const NOWHERE: usize = 16;

/// A system call; its error number where it fails.
pub(super) fn sys(number: c_long, arguments: &[usize]) -> Result<i64, i32> {
    let mut words = [0; 6];
    words[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: the probes pass addresses of what outlives the call and is as large as it reads or
    // writes, or such as the kernel refuses.
    let answer = unsafe {
        libc::syscall(number, words[0], words[1], words[2], words[3], words[4], words[5])
    };
    if answer < 0 {
        Err(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        Ok(answer)
    }
}

/// What a result is called in the list of what is expected.
pub(super) fn name(result: Result<i64, i32>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(errno) => match errno {
            libc::EPERM => "EPERM",
            libc::ENOENT => "ENOENT",
            libc::EBADF => "EBADF",
            libc::EACCES => "EACCES",
            libc::EFAULT => "EFAULT",
            libc::ENOTDIR => "ENOTDIR",
            libc::EINVAL => "EINVAL",
            libc::EROFS => "EROFS",
            libc::ELOOP => "ELOOP",
            libc::ENAMETOOLONG => "ENAMETOOLONG",
            libc::ENOSYS => "ENOSYS",
            libc::ERANGE => "ERANGE",
            libc::E2BIG => "E2BIG",
            libc::EXDEV => "EXDEV",
            libc::ENODATA => "ENODATA",
            libc::EOPNOTSUPP => "EOPNOTSUPP",
            other => return format!("error {other}"),
        }
        .to_owned(),
    }
}

/// Tells what a probe came to.
pub(super) fn say(probe: &str, said: impl Into<String>) {
    println!("probe\t{probe}\t{}", said.into());
}

/// Tells what a call came to.
pub(super) fn tell(probe: &str, result: Result<i64, i32>) {
    say(probe, name(result));
}

pub(super) fn string(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).unwrap()
}

/// A call with a path among its arguments, at the place of `usize::MAX`.
pub(super) fn with(
    number: c_long,
    path: impl AsRef<Path>,
    arguments: &[usize],
) -> Result<i64, i32> {
    let path = string(path);
    let words: Vec<usize> = arguments
        .iter()
        .map(|&word| if word == PATH { path.as_ptr().addr() } else { word })
        .collect();
    sys(number, &words)
}

/// Stands for the path in the arguments of [`with`].
pub(super) const PATH: usize = usize::MAX;

/// newfstatat(2): the size, the type, and whatever else a probe asks.
pub(super) fn status(from: usize, path: impl AsRef<Path>, flags: usize) -> Result<libc::stat, i32> {
    // SAFETY: it is made of numbers.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    let to = (&raw mut status).addr();
    with(libc::SYS_newfstatat, path, &[from, PATH, to, flags])?;
    Ok(status)
}

/// The size that newfstatat(2) states.
pub(super) fn size(from: usize, path: impl AsRef<Path>, flags: usize) -> Result<i64, i32> {
    status(from, path, flags).map(|status| status.st_size)
}

/// Opens for reading.
pub(super) fn open(path: impl AsRef<Path>, flags: i32) -> Result<usize, i32> {
    let number = with(libc::SYS_openat, path, &[CWD, PATH, flags as usize, 0])?;
    Ok(usize::try_from(number).unwrap())
}

/// Two pages, of which the second one is not there: the address of the second one.
pub(super) fn edge() -> usize {
    // SAFETY: a new mapping, wherever there is room.
    let pages = unsafe {
        libc::mmap(
            ptr::null_mut(),
            8192,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(pages, libc::MAP_FAILED);
    // SAFETY: the second half of the mapping that was just made.
    unsafe { libc::munmap(pages.add(4096), 4096) };
    pages.addr() + 4096
}

/// Puts bytes in memory right before an address.
pub(super) fn put_before(address: usize, bytes: &[u8]) -> usize {
    let at = address - bytes.len();
    // SAFETY: the callers pass the end of a page of their own.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(at).copy_from(bytes.as_ptr(), bytes.len()) };
    at
}
