//! The calls of a broker: seccomp_unotify(2), and another process's memory and descriptors.

use std::{
    ffi::CStr,
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    ptr,
    sync::atomic::AtomicU32,
    time::Duration,
};

use super::{check, check_int, owned};

/// A page that a process shares with those that it forks.
#[derive(Debug)]
pub(in super::super) struct Page(ptr::NonNull<[AtomicU32; 2]>);

impl Page {
    /// mmap(2) of zeros.
    pub(in super::super) fn new() -> io::Result<Self> {
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let at = unsafe { libc::mmap(ptr::null_mut(), size_of::<[u32; 2]>(), access, kind, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        ptr::NonNull::new(at.cast()).map(Self).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Its words.
    pub(in super::super) fn words(&self) -> &[AtomicU32; 2] {
        // SAFETY: the mapping is that large, of zeros at first, and lives as long as this.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: nothing refers to it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<[u32; 2]>()) };
    }
}

/// futex(2) with `FUTEX_WAIT`: returns when the word is no longer this, or after a while.
pub(in super::super) fn wait_while(word: &AtomicU32, value: u32, at_most: Duration) {
    let time = libc::timespec {
        tv_sec: at_most.as_secs().cast_signed(),
        tv_nsec: at_most.subsec_nanos().into(),
    };
    // SAFETY: the kernel reads the word and the time.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, value, &raw const time);
    }
}

/// futex(2) with `FUTEX_WAKE`.
pub(in super::super) fn wake(word: &AtomicU32) {
    // SAFETY: the kernel looks at the address alone.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

/// clone(2) as fork(2), but with these descriptors; there is no signal at the child's end. To the
/// child comes no signal either, but SIGKILL: it has the caller's handlers.
pub(in super::super) fn fork_with_these_descriptors() -> io::Result<libc::pid_t> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset fills the set, and the kernel reads it and fills the other.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    // SAFETY: without CLONE_VM the child has a copy of everything else and goes on as after fork;
    // the callers have one thread, so that the child may do whatever the parent may.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, libc::CLONE_FILES, 0_usize, 0_usize, 0_usize, 0_usize)
    });
    if !matches!(pid, Ok(0)) {
        // SAFETY: filled by the call above, which cannot fail with these arguments.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    }
    libc::pid_t::try_from(pid?).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Whether a child of [`fork_with_these_descriptors`] has ended.
pub(in super::super) fn has_ended(pid: libc::pid_t) -> bool {
    // SAFETY: the status is not asked for.
    unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WCLONE | libc::WNOHANG) != 0 }
}

/// Its own descriptors from here on, and none but this: unshare(2) of `CLONE_FILES`, close_range(2).
pub(in super::super) fn keep_only(number: RawFd) -> io::Result<()> {
    // SAFETY: no pointer is passed.
    check_int(unsafe { libc::unshare(libc::CLONE_FILES) })?;
    let number = u32::try_from(number).map_err(|_| io::ErrorKind::InvalidInput)?;
    let close = |first: u32, last: u32| {
        // SAFETY: nothing in this process uses them any more.
        check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
    };
    if number > 0 {
        close(0, number - 1)?;
    }
    close(number + 1, u32::MAX)
}

/// Nobody else looks at this process's memory, which has a copy of the caller's; no group or session
/// of the caller's has it, and it keeps no directory of the caller's in use.
pub(in super::super) fn stand_alone(name: &CStr) {
    // SAFETY: the name and the path are strings; the option takes a number.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        libc::chdir(c"/".as_ptr());
    }
}

/// prctl(2) with `PR_SET_PTRACER`: where Yama asks for it, this process may look at the caller.
/// Kernels without Yama do not know the option.
pub(in super::super) fn may_be_looked_at_by(pid: libc::pid_t) {
    // SAFETY: the option takes a number.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, pid) };
}

/// A call that waits for an answer: `struct seccomp_notif`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Notice {
    pub(in super::super) id: u64,
    pub(in super::super) pid: u32,
    flags: u32,
    pub(in super::super) number: u32,
    arch: u32,
    instruction: u64,
    pub(in super::super) args: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// `struct seccomp_notif_addfd`.
#[repr(C)]
struct AddFd {
    id: u64,
    flags: u32,
    from: u32,
    to: u32,
    new_flags: u32,
}

/// `SECCOMP_IOCTL_NOTIF_*` and `SECCOMP_ADDFD_FLAG_SEND` of linux/seccomp.h.
const RECV: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const ID_VALID: libc::c_ulong = 0x4008_2102;
const ADDFD: libc::c_ulong = 0x4018_2103;
const ADDFD_SEND: u32 = 2;
const _: () = assert!(size_of::<Notice>() == 0x50 && size_of::<Response>() == 0x18);
const _: () = assert!(size_of::<AddFd>() == 0x18);

/// poll(2) of a listener: whether a call waits there; `None` when no process is left to make one.
pub(in super::super) fn heard(listener: &OwnedFd) -> Option<bool> {
    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: `poll` is an array of one.
    let ready = unsafe { libc::poll(&raw mut poll, 1, -1) };
    if ready > 0 && poll.revents & libc::POLLIN == 0 {
        return None;
    }
    Some(ready > 0)
}

/// `SECCOMP_IOCTL_NOTIF_RECV`.
pub(in super::super) fn receive(listener: &OwnedFd) -> io::Result<Notice> {
    let mut notice = MaybeUninit::<Notice>::zeroed();
    // SAFETY: the kernel writes a `struct seccomp_notif` where it finds zeros.
    check_int(unsafe { libc::ioctl(listener.as_raw_fd(), RECV, notice.as_mut_ptr()) })?;
    // SAFETY: made of numbers, zeroed before and filled by the kernel.
    Ok(unsafe { notice.assume_init() })
}

/// `SECCOMP_IOCTL_NOTIF_ID_VALID`: whether the call still waits, so that its process is the one.
pub(in super::super) fn still_waits(listener: &OwnedFd, id: u64) -> bool {
    // SAFETY: the kernel reads the number.
    unsafe { libc::ioctl(listener.as_raw_fd(), ID_VALID, &raw const id) == 0 }
}

/// `SECCOMP_IOCTL_NOTIF_SEND` of an error. One that no longer waits hears nothing.
pub(in super::super) fn refuse(listener: &OwnedFd, id: u64, errno: i32) {
    let response = Response { id, value: 0, error: -errno, flags: 0 };
    // SAFETY: the kernel reads a `struct seccomp_notif_resp`.
    unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw const response) };
}

/// `SECCOMP_IOCTL_NOTIF_ADDFD` with `SEND` (Linux 5.14): the caller gets a descriptor of its own, at
/// the lowest number that is free there, and its call returns that.
pub(in super::super) fn hand_out(
    listener: &OwnedFd,
    id: u64,
    file: &OwnedFd,
    close_on_exec: bool,
) -> io::Result<()> {
    let from = u32::try_from(file.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let new_flags = if close_on_exec { libc::O_CLOEXEC.cast_unsigned() } else { 0 };
    let add = AddFd { id, flags: ADDFD_SEND, from, to: 0, new_flags };
    // SAFETY: the kernel reads a `struct seccomp_notif_addfd`.
    check_int(unsafe { libc::ioctl(listener.as_raw_fd(), ADDFD, &raw const add) }).map(drop)
}

/// process_vm_readv(2) of one stretch: how much was read.
pub(in super::super) fn read_memory(pid: u32, address: u64, into: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let base = usize::try_from(address).map_err(|_| io::ErrorKind::InvalidInput)?;
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(base), iov_len: into.len() };
    let (local, remote) = (&raw const local, &raw const remote);
    // The last of seven arguments goes over the stack, all 64 bits of it.
    let flags = 0_usize;
    // SAFETY: the kernel writes no more than `into` has; the other address is another process's.
    let read = check(unsafe {
        libc::syscall(libc::SYS_process_vm_readv, pid, local, 1_usize, remote, 1_usize, flags)
    })?;
    usize::try_from(read).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// openat(2) with `O_PATH` of a path of this process's own making, links of procfs included.
pub(in super::super) fn refer(directory: &OwnedFd, path: &CStr) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a string.
    owned(check(unsafe { libc::openat(directory.as_raw_fd(), path.as_ptr(), flags) }.into())?)
}

/// openat2(2) of a path that another process has written: beneath the directory, on its own mount,
/// and through no link of procfs.
pub(in super::super) fn open_beneath(
    directory: &OwnedFd,
    path: &CStr,
    flags: u64,
    mode: u64,
) -> io::Result<OwnedFd> {
    let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS | libc::RESOLVE_NO_XDEV;
    let how = [flags, mode, resolve];
    // SAFETY: the path is a string, and the kernel reads a `struct open_how`: three words.
    owned(check(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory.as_raw_fd(),
            path.as_ptr(),
            how.as_ptr(),
            size_of_val(&how),
        )
    })?)
}

/// fcntl(2) with `F_SETFL`: takes `O_NONBLOCK` off again.
pub(in super::super) fn let_wait(file: &OwnedFd) -> io::Result<()> {
    let flags = super::fcntl(file.as_raw_fd(), libc::F_GETFL)? & !libc::O_NONBLOCK;
    // SAFETY: the command takes a number.
    check_int(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
}

/// umask(2).
pub(in super::super) fn set_umask(mask: libc::mode_t) {
    // SAFETY: always succeeds.
    unsafe { libc::umask(mask) };
}
