//! The calls that a supervisor makes, on references (`O_PATH`) to what it has found. None of them
//! takes a path that a program has written, but for [`open_beneath`].

use std::{
    ffi::CStr,
    mem::{self, MaybeUninit},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use libc::{c_int, c_long};

use super::super::calls::{Errno, checked};

/// The path that is empty.
const HERE: *const libc::c_char = c"".as_ptr();

/// What an object is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: (u32, u32),
    inode: u64,
    mount: u64,
}

fn owned(answer: c_long) -> Result<OwnedFd, Errno> {
    let number = RawFd::try_from(checked(answer)?).map_err(|_| libc::EBADF)?;
    // SAFETY: the kernel just returned this descriptor and nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// How much the kernel says that it wrote.
fn count(answer: c_long) -> Result<usize, Errno> {
    usize::try_from(checked(answer)?).map_err(|_| libc::EIO)
}

/// openat2(2) with `O_PATH`: what is at a path beneath a directory. A link that leads out of it is
/// `EXDEV`, and a link of procfs is never followed.
pub(super) fn open_beneath(
    directory: BorrowedFd<'_>,
    path: &CStr,
    flags: c_int,
    resolve: u64,
) -> Result<OwnedFd, Errno> {
    let how = How {
        flags: u64::from((flags | libc::O_PATH | libc::O_CLOEXEC).cast_unsigned()),
        mode: 0,
        resolve: resolve | libc::RESOLVE_NO_MAGICLINKS,
    };
    // SAFETY: the path is a string, and the kernel reads as many bytes of `how` as it has.
    owned(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            mem::size_of_val(&how),
        )
    })
}

/// `struct open_how`.
#[repr(C)]
struct How {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// openat(2) with `O_PATH`, of paths of this process's own making, links of procfs included.
pub(super) fn refer(directory: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: the path is a string.
    owned(unsafe { libc::openat(directory.as_raw_fd(), path.as_ptr(), flags) }.into())
}

/// open(2) for reading, of a directory or a regular file: these do not wait for anybody.
pub(super) fn open_object(object: &OwnedFd) -> Result<OwnedFd, Errno> {
    let link = own_link(object);
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the path is a string.
    owned(unsafe { libc::open(link.as_ptr().cast(), flags) }.into())
}

/// openat(2) for reading and writing, of a path of this process's own making.
pub(super) fn open(directory: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the path is a string.
    owned(unsafe { libc::openat(directory.as_raw_fd(), path.as_ptr(), flags) }.into())
}

/// statx(2) of what a path of this process's own making leads to.
pub(super) fn identity_at(directory: BorrowedFd<'_>, path: &CStr) -> Result<Identity, Errno> {
    let status = statx_at(directory, path, 0, libc::STATX_INO | libc::STATX_MNT_ID)?;
    Ok(Identity {
        device: (status.stx_dev_major, status.stx_dev_minor),
        inode: status.stx_ino,
        mount: status.stx_mnt_id,
    })
}

/// statx(2).
pub(super) fn identity(file: BorrowedFd<'_>) -> Result<Identity, Errno> {
    identity_at(file, c"")
}

fn statx_at(
    directory: BorrowedFd<'_>,
    path: &CStr,
    flags: c_int,
    mask: u32,
) -> Result<libc::statx, Errno> {
    let mut status = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a string, and the kernel writes one `statx`.
    checked(unsafe {
        libc::syscall(
            libc::SYS_statx,
            directory.as_raw_fd(),
            path.as_ptr(),
            flags | libc::AT_EMPTY_PATH,
            mask,
            status.as_mut_ptr(),
        )
    })?;
    // SAFETY: zeroed before, and filled by the kernel; it is made of numbers.
    Ok(unsafe { status.assume_init() })
}

/// statx(2) with the flags and the mask that a program gave.
pub(super) fn statx(file: &OwnedFd, flags: c_int, mask: u32) -> Result<libc::statx, Errno> {
    statx_at(file.as_fd(), c"", flags, mask)
}

/// newfstatat(2), with flags that a program gave. libc's structure is the kernel's.
pub(super) fn status(file: &OwnedFd, flags: c_int) -> Result<libc::stat, Errno> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel writes one `stat`.
    checked(unsafe {
        libc::syscall(
            libc::SYS_newfstatat,
            file.as_raw_fd(),
            HERE,
            status.as_mut_ptr(),
            flags | libc::AT_EMPTY_PATH,
        )
    })?;
    // SAFETY: zeroed before, and filled by the kernel; it is made of numbers.
    Ok(unsafe { status.assume_init() })
}

/// The type bits of a mode.
pub(super) fn kind(file: &OwnedFd) -> Result<libc::mode_t, Errno> {
    Ok(status(file, 0)?.st_mode & libc::S_IFMT)
}

/// faccessat2(2), with flags that a program gave.
pub(super) fn access(file: &OwnedFd, mode: c_int, flags: c_int) -> Result<(), Errno> {
    let flags = flags | libc::AT_EMPTY_PATH;
    // SAFETY: the path is a string.
    checked(unsafe { libc::syscall(libc::SYS_faccessat2, file.as_raw_fd(), HERE, mode, flags) })
        .map(drop)
}

/// readlinkat(2): the text of a link, at most as long as a path.
pub(super) fn read_link_at(directory: BorrowedFd<'_>, path: &CStr) -> Result<Vec<u8>, Errno> {
    let mut text = vec![0_u8; LONGEST];
    // SAFETY: the path is a string, and the kernel writes no more than the buffer has.
    let length = count(unsafe {
        libc::readlinkat(directory.as_raw_fd(), path.as_ptr(), text.as_mut_ptr().cast(), text.len())
    } as c_long)?;
    if length == text.len() {
        return Err(libc::ENAMETOOLONG);
    }
    text.truncate(length);
    Ok(text)
}

/// `PATH_MAX`: as long as a path may be, the NUL at its end included.
pub(super) const LONGEST: usize = 4096;

/// readlinkat(2) of a reference to a link.
pub(super) fn read_link(link: &OwnedFd) -> Result<Vec<u8>, Errno> {
    read_link_at(link.as_fd(), c"")
}

/// fstatfs(2).
pub(super) fn file_system(file: &OwnedFd) -> Result<libc::statfs, Errno> {
    let mut status = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the kernel writes one `statfs`.
    checked(unsafe { libc::fstatfs(file.as_raw_fd(), status.as_mut_ptr()) }.into())?;
    // SAFETY: zeroed before, and filled by the kernel; it is made of numbers.
    Ok(unsafe { status.assume_init() })
}

/// This process's own link to a reference, for calls that take no reference. It is the object
/// itself that it leads to, be that a link.
fn own_link(file: &OwnedFd) -> Vec<u8> {
    format!("/proc/self/fd/{}\0", file.as_raw_fd()).into_bytes()
}

/// The same as a path.
pub(super) fn own_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The path by which the kernel knows an object.
pub(super) fn path_of(file: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let link = own_link(file);
    let link = CStr::from_bytes_with_nul(&link).map_err(|_| libc::EINVAL)?;
    // SAFETY: the kernel is asked for an absolute path, so that no directory is looked at.
    read_link_at(unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }, link)
}

/// getxattr(2).
pub(super) fn attribute(file: &OwnedFd, name: &CStr, value: &mut [u8]) -> Result<usize, Errno> {
    let link = own_link(file);
    // SAFETY: both are strings, and the kernel writes no more than the buffer has.
    count(unsafe {
        libc::getxattr(link.as_ptr().cast(), name.as_ptr(), value.as_mut_ptr().cast(), value.len())
    } as c_long)
}

/// listxattr(2).
pub(super) fn attributes(file: &OwnedFd, list: &mut [u8]) -> Result<usize, Errno> {
    let link = own_link(file);
    // SAFETY: the path is a string, and the kernel writes no more than the buffer has.
    count(unsafe { libc::listxattr(link.as_ptr().cast(), list.as_mut_ptr().cast(), list.len()) }
        as c_long)
}

/// inotify_add_watch(2).
pub(super) fn watch(by: &OwnedFd, file: &OwnedFd, mask: u32) -> Result<i64, Errno> {
    let link = own_link(file);
    // SAFETY: the path is a string.
    checked(unsafe { libc::inotify_add_watch(by.as_raw_fd(), link.as_ptr().cast(), mask) }.into())
}

/// chmod(2).
pub(super) fn set_mode(file: &OwnedFd, mode: libc::mode_t) -> Result<(), Errno> {
    let link = own_link(file);
    // SAFETY: the path is a string.
    checked(unsafe { libc::chmod(link.as_ptr().cast(), mode) }.into()).map(drop)
}

/// fchownat(2).
pub(super) fn set_owner(file: &OwnedFd, user: u32, group: u32) -> Result<(), Errno> {
    // SAFETY: the path is a string.
    let answer =
        unsafe { libc::fchownat(file.as_raw_fd(), HERE, user, group, libc::AT_EMPTY_PATH) };
    checked(answer.into()).map(drop)
}

/// utimensat(2): access and modification; now, for `None`.
pub(super) fn set_times(file: &OwnedFd, times: Option<[libc::timespec; 2]>) -> Result<(), Errno> {
    let times = times.as_ref().map_or(std::ptr::null(), |times| times.as_ptr());
    // SAFETY: the path is a string, and the kernel reads two times, or none.
    checked(unsafe {
        libc::syscall(libc::SYS_utimensat, file.as_raw_fd(), HERE, times, libc::AT_EMPTY_PATH)
    })
    .map(drop)
}

/// setxattr(2).
pub(super) fn set_attribute(
    file: &OwnedFd,
    name: &CStr,
    value: &[u8],
    flags: c_int,
) -> Result<(), Errno> {
    let link = own_link(file);
    // SAFETY: both are strings, and the kernel reads no more than the buffer has.
    let answer = unsafe {
        libc::setxattr(
            link.as_ptr().cast(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            flags,
        )
    };
    checked(answer.into()).map(drop)
}

/// removexattr(2).
pub(super) fn remove_attribute(file: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let link = own_link(file);
    // SAFETY: both are strings.
    checked(unsafe { libc::removexattr(link.as_ptr().cast(), name.as_ptr()) }.into()).map(drop)
}

/// `pidfd_open(2)`, of a process.
pub(super) fn process(pid: libc::pid_t) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointer is passed.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
}

/// `pidfd_getfd(2)`: another process's descriptor.
pub(super) fn take(process: &OwnedFd, number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointer is passed.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

/// The bytes of a structure.
///
/// # Safety
///
/// `T` is made of numbers, and what padding it has was zeroed or written by the kernel.
unsafe fn raw<T>(value: &T) -> &[u8] {
    // SAFETY: the caller vouches for every byte, and the slice lives as long as the value.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), mem::size_of::<T>()) }
}

/// What the kernel writes for a call, byte by byte.
pub(super) trait Raw {
    fn bytes(&self) -> &[u8];
}

impl Raw for libc::stat {
    fn bytes(&self) -> &[u8] {
        // SAFETY: made of numbers, and zeroed before it was filled.
        unsafe { raw(self) }
    }
}

impl Raw for libc::statx {
    fn bytes(&self) -> &[u8] {
        // SAFETY: made of numbers, and zeroed before it was filled.
        unsafe { raw(self) }
    }
}

impl Raw for libc::statfs {
    fn bytes(&self) -> &[u8] {
        // SAFETY: made of numbers, and zeroed before it was filled.
        unsafe { raw(self) }
    }
}

/// Structures of zeros, to be filled in.
pub(super) fn blank_status() -> libc::stat {
    // SAFETY: it is made of numbers.
    unsafe { mem::zeroed() }
}

/// What statfs(2) says of the root of a sandbox that has one of its own: an empty file system in
/// memory.
pub(super) fn blank_file_system() -> libc::statfs {
    // SAFETY: it is made of numbers.
    let mut status: libc::statfs = unsafe { mem::zeroed() };
    (status.f_type, status.f_bsize, status.f_namelen) = (libc::TMPFS_MAGIC, 4096, 255);
    status
}

/// The same for statx(2).
pub(super) fn blank_statx() -> libc::statx {
    // SAFETY: it is made of numbers.
    unsafe { mem::zeroed() }
}
