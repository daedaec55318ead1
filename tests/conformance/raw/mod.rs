//! System calls as safe functions, and the only `unsafe` of this suite.
//!
//! The wrappers are thin on purpose: a case must know which call the kernel sees, so that the
//! convenience of the standard library (which may choose another call, or retry) is not wanted.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;
mod memory;
mod process;
mod socket;

#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;
pub(crate) use memory::*;
pub(crate) use process::*;
pub(crate) use socket::*;

/// The result of a call that returns -1 and sets `errno`.
pub(crate) fn check<N: Copy + Into<i64>>(result: N) -> io::Result<i64> {
    match result.into() {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

/// A type that a C function takes as it is or as a pointer.
pub(crate) trait Argument {
    /// What the function takes.
    type C;
    fn c(self) -> Self::C;
}

macro_rules! integers {
    ($($t:ty)*) => { $(
        impl Argument for $t {
            type C = $t;
            fn c(self) -> $t {
                self
            }
        }
    )* };
}
integers!(u16 i32 u32 i64 u64 usize);

impl Argument for &CStr {
    type C = *const c_char;
    fn c(self) -> *const c_char {
        self.as_ptr()
    }
}

/// Wrappers of functions that take integers and strings, and return -1 for an error.
macro_rules! calls {
    ($($(#[$meta:meta])* $name:ident($($arg:ident: $type:ty),*);)*) => { $(
        $(#[$meta])*
        pub(crate) fn $name($($arg: $type),*) -> std::io::Result<i64> {
            // SAFETY: the arguments are integers, and strings that outlive the call.
            let result = unsafe { libc::$name($($crate::raw::Argument::c($arg)),*) };
            $crate::raw::check(result)
        }
    )* };
}
pub(crate) use calls;

calls! {
    access(path: &CStr, mode: c_int);
    chdir(path: &CStr);
    chmod(path: &CStr, mode: libc::mode_t);
    chown(path: &CStr, uid: u32, gid: u32);
    chroot(path: &CStr);
    close(fd: RawFd);
    dup(fd: RawFd);
    dup2(fd: RawFd, to: RawFd);
    faccessat(dir: RawFd, path: &CStr, mode: c_int, flags: c_int);
    fchdir(fd: RawFd);
    fchmod(fd: RawFd, mode: libc::mode_t);
    fchmodat(dir: RawFd, path: &CStr, mode: libc::mode_t, flags: c_int);
    fchown(fd: RawFd, uid: u32, gid: u32);
    fchownat(dir: RawFd, path: &CStr, uid: u32, gid: u32, flags: c_int);
    fdatasync(fd: RawFd);
    flock(fd: RawFd, operation: c_int);
    fsync(fd: RawFd);
    ftruncate(fd: RawFd, length: i64);
    link(from: &CStr, to: &CStr);
    linkat(from: RawFd, old: &CStr, to: RawFd, new: &CStr, flags: c_int);
    lseek(fd: RawFd, offset: i64, whence: c_int);
    mkdir(path: &CStr, mode: libc::mode_t);
    mkdirat(dir: RawFd, path: &CStr, mode: libc::mode_t);
    mkfifo(path: &CStr, mode: libc::mode_t);
    mkfifoat(dir: RawFd, path: &CStr, mode: libc::mode_t);
    mknodat(dir: RawFd, path: &CStr, mode: libc::mode_t, device: libc::dev_t);
    rename(from: &CStr, to: &CStr);
    renameat(from: RawFd, old: &CStr, to: RawFd, new: &CStr);
    rmdir(path: &CStr);
    symlink(target: &CStr, path: &CStr);
    symlinkat(target: &CStr, dir: RawFd, path: &CStr);
    truncate(path: &CStr, length: i64);
    unlink(path: &CStr);
    unlinkat(dir: RawFd, path: &CStr, flags: c_int);
}

/// `openat`, always close-on-exec.
pub(crate) fn openat(dir: RawFd, path: &CStr, flags: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the string outlives the call; the mode is read with `O_CREAT` only.
    let fd = unsafe { libc::openat(dir, path.as_ptr(), flags | libc::O_CLOEXEC, 0o644 as c_int) };
    own(fd)
}

/// Takes a descriptor that a call has just returned.
pub(crate) fn own(fd: c_int) -> io::Result<OwnedFd> {
    check(fd)?;
    // SAFETY: the kernel has just returned it, so that nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn read(fd: &impl AsRawFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its length.
    let n = unsafe { libc::read(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
    length(n)
}

pub(crate) fn write(fd: &impl AsRawFd, from: &[u8]) -> io::Result<usize> {
    // SAFETY: the buffer is readable for its length.
    let n = unsafe { libc::write(fd.as_raw_fd(), from.as_ptr().cast(), from.len()) };
    length(n)
}

pub(crate) fn readv(fd: &impl AsRawFd, into: &mut [u8]) -> io::Result<usize> {
    let part = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: one part, which is writable for its length.
    length(unsafe { libc::readv(fd.as_raw_fd(), &raw const part, 1) })
}

pub(crate) fn writev(fd: &impl AsRawFd, from: &[u8]) -> io::Result<usize> {
    let part = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
    // SAFETY: one part, which is readable for its length and not written to.
    length(unsafe { libc::writev(fd.as_raw_fd(), &raw const part, 1) })
}

pub(crate) fn pread(fd: &impl AsRawFd, into: &mut [u8], at: i64) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its length.
    length(unsafe { libc::pread(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), at) })
}

pub(crate) fn pwrite(fd: &impl AsRawFd, from: &[u8], at: i64) -> io::Result<usize> {
    // SAFETY: the buffer is readable for its length.
    length(unsafe { libc::pwrite(fd.as_raw_fd(), from.as_ptr().cast(), from.len(), at) })
}

fn length(n: isize) -> io::Result<usize> {
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// A pipe: the end to read from, and the one to write to.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok((own(ends[0])?, own(ends[1])?))
}

/// fcntl(2) with an integer argument.
pub(crate) fn fcntl(fd: &impl AsRawFd, command: c_int, argument: c_int) -> io::Result<i64> {
    // SAFETY: the commands of this suite that come here take an integer or nothing.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) })
}

/// fcntl(2) with `F_SETLK`: an exclusive lock of the whole file.
pub(crate) fn lock_record(fd: &impl AsRawFd) -> io::Result<i64> {
    // SAFETY: all zeroes is a valid `flock`: the whole file from its start.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = libc::F_WRLCK as _;
    // SAFETY: the structure outlives the call.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLK, &raw mut whole) })
}

/// ioctl(2) of a request that reads or writes one `int`.
pub(crate) fn ioctl_int(fd: &impl AsRawFd, request: u64, value: &mut c_int) -> io::Result<i64> {
    // SAFETY: the requests of this suite that come here take a pointer to an `int`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request as _, std::ptr::from_mut(value)) })
}

/// fstatfs(2).
pub(crate) fn fstatfs(fd: &impl AsRawFd) -> io::Result<i64> {
    // SAFETY: all zeroes is a valid `statfs`.
    let mut out: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: room for the answer.
    check(unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut out) })
}

/// futimens(2): both times become the given second.
pub(crate) fn futimens(fd: &impl AsRawFd, second: i64) -> io::Result<i64> {
    let times = times(second);
    // SAFETY: two times, which outlive the call.
    check(unsafe { libc::futimens(fd.as_raw_fd(), times.as_ptr()) })
}

/// utimensat(2).
pub(crate) fn utimensat(dir: RawFd, path: &CStr, second: i64) -> io::Result<i64> {
    let times = times(second);
    // SAFETY: a string and two times, which outlive the call.
    check(unsafe { libc::utimensat(dir, path.as_ptr(), times.as_ptr(), 0) })
}

fn times(second: i64) -> [libc::timespec; 2] {
    [libc::timespec { tv_sec: second, tv_nsec: 0 }; 2]
}

/// stat(2) with symbolic links followed, relative to a directory.
pub(crate) fn fstatat(dir: RawFd, path: &CStr) -> io::Result<libc::stat> {
    // SAFETY: all zeroes is a valid `stat`.
    let mut out: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a string that outlives the call, and room for the answer.
    check(unsafe { libc::fstatat(dir, path.as_ptr(), &raw mut out, 0) })?;
    Ok(out)
}

/// readlinkat(2).
pub(crate) fn readlinkat(dir: RawFd, path: &CStr) -> io::Result<i64> {
    let mut out = [0u8; 64];
    // SAFETY: a string that outlives the call, and a buffer that is writable for its length.
    let n = unsafe {
        libc::readlinkat(dir, path.as_ptr(), out.as_mut_ptr().cast::<c_char>(), out.len())
    };
    check(n as i64)
}

/// fexecve(2) with the one argument `argument` and an empty environment. Returns only errors.
pub(crate) fn fexecve(fd: &impl AsRawFd, argument: &CStr) -> io::Error {
    let argv = [argument.as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null()];
    execute(fd, &argv, &envp)
}

/// execve(2) with one argument and an empty environment. Returns only errors.
pub(crate) fn execve_with(path: &CStr, argument: &CStr) -> io::Error {
    let argv = [path.as_ptr(), argument.as_ptr(), std::ptr::null()];
    let envp: [*const c_char; 1] = [std::ptr::null()];
    // SAFETY: both lists end with null, and their strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// The same with an argument that says nothing.
pub(crate) fn execve(path: &CStr) -> io::Error {
    execve_with(path, c"")
}

/// `mmap` of a descriptor, unmapped again at once.
pub(crate) fn map(fd: &impl AsRawFd, protection: c_int, flags: c_int) -> io::Result<()> {
    let size = 4096;
    // SAFETY: at an address of the kernel's choice, so that nothing else is replaced.
    let at =
        unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, fd.as_raw_fd(), 0) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    if protection & libc::PROT_WRITE != 0 && flags & libc::MAP_SHARED != 0 {
        // SAFETY: mapped for writing just now.
        unsafe { at.cast::<u8>().write_volatile(b'W') };
    }
    // SAFETY: the mapping made above, which nothing refers to.
    check(unsafe { libc::munmap(at.cast::<c_void>(), size) }).map(drop)
}
