//! What only Linux has.

use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    io, mem,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    ptr,
};

use super::{check, own};

pub(crate) const ECAPMODE: i32 = 134;
pub(crate) const ENOTCAPABLE: i32 = 135;

/// An argument of a system call by its number.
#[derive(Clone, Copy)]
pub(crate) enum Arg<'a> {
    /// A number, or null.
    Int(i64),
    /// A string.
    Str(&'a CStr),
    /// A structure that the kernel reads.
    Bytes(&'a [u8]),
}

impl Arg<'_> {
    fn word(&self) -> usize {
        match self {
            // As the kernel sees it: a register.
            Self::Int(value) => *value as usize,
            Self::Str(text) => text.as_ptr() as usize,
            Self::Bytes(bytes) => bytes.as_ptr() as usize,
        }
    }
}

/// syscall(2): what the kernel answers to this call, without the C library between.
pub(crate) fn syscall(number: c_long, arguments: &[Arg<'_>]) -> io::Result<i64> {
    let mut words = [0usize; 6];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = argument.word();
    }
    // SAFETY: pointers come from references that outlive the call and are read from only; this
    // suite passes no other number for an address that the kernel would write to.
    check(unsafe {
        libc::syscall(number, words[0], words[1], words[2], words[3], words[4], words[5])
    })
}

/// fork(2) and `pidfd_open(2)`; no descriptor in the child.
pub(crate) fn fork_with_descriptor() -> io::Result<(libc::pid_t, Option<OwnedFd>)> {
    let Some(pid) = super::fork()? else { return Ok((0, None)) };
    Ok((pid, Some(pidfd_open(pid)?)))
}

pub(crate) fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    let fd = syscall(libc::SYS_pidfd_open, &[Arg::Int(pid.into()), Arg::Int(0)])?;
    own(fd as c_int)
}

/// Waits for a child.
pub(crate) fn wait_child(child: &super::Child) -> io::Result<c_int> {
    super::wait(child.pid)
}

/// `pidfd_send_signal(2)`.
pub(crate) fn kill_descriptor(fd: &impl AsRawFd, signal: c_int) -> io::Result<()> {
    let fd = Arg::Int(fd.as_raw_fd().into());
    let call = [fd, Arg::Int(signal.into()), Arg::Int(0), Arg::Int(0)];
    syscall(libc::SYS_pidfd_send_signal, &call).map(drop)
}

/// `waitid(P_PIDFD)`.
pub(crate) fn wait_descriptor(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `siginfo_t`.
    let mut out: libc::siginfo_t = unsafe { mem::zeroed() };
    let id = fd.as_raw_fd() as libc::id_t;
    // SAFETY: room for the answer.
    check(unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut out, libc::WEXITED) }).map(drop)
}

/// Kills the children of the case with it, and lets an ordinary user's process see itself.
pub(crate) fn bind_to_parent() -> io::Result<()> {
    let kill = Arg::Int(libc::SIGKILL.into());
    syscall(libc::SYS_prctl, &[Arg::Int(libc::PR_SET_PDEATHSIG.into()), kill])?;
    syscall(libc::SYS_prctl, &[Arg::Int(libc::PR_SET_DUMPABLE.into()), Arg::Int(1)]).map(drop)
}

/// Installs a filter under which this system call does not exist (`ENOSYS`).
pub(crate) fn without_syscall(number: c_long) -> io::Result<()> {
    without_call(number, 0, 0)
}

/// The same, of calls whose argument has all of these bits.
pub(crate) fn without_call(number: c_long, argument: u32, bits: u32) -> io::Result<()> {
    let number = u32::try_from(number).map_err(io::Error::other)?;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 4, number),
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 16 + 8 * argument),
        step(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, bits),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, bits),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    syscall(libc::SYS_prctl, &[Arg::Int(libc::PR_SET_NO_NEW_PRIVS.into()), Arg::Int(1)])?;
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the program outlives the call; the kernel checks it.
    check(unsafe { libc::syscall(libc::SYS_seccomp, mode, 0, &raw const filter) }).map(drop)
}

/// The raw fstat(2): glibc's is `newfstatat` with an empty path, which is a form by path.
pub(crate) fn fstat(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `stat`.
    let mut out: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: room for the answer.
    check(unsafe { libc::syscall(libc::SYS_fstat, fd.as_raw_fd(), &raw mut out) }).map(drop)
}

/// capget(2): the effective, permitted and inheritable sets, in two halves.
pub(crate) fn capabilities() -> io::Result<[u32; 6]> {
    // _LINUX_CAPABILITY_VERSION_3, of the caller.
    let header = [0x2008_0522_u32, 0];
    let mut sets = [0_u32; 6];
    let (header, at) = (header.as_ptr(), sets.as_mut_ptr());
    // SAFETY: the kernel reads the header and writes, in this version, six words.
    check(unsafe { libc::syscall(libc::SYS_capget, header, at) })?;
    Ok(sets)
}

/// capset(2) of all three sets.
pub(crate) fn set_capabilities(sets: &[u32; 6]) -> io::Result<i64> {
    let header = [0x2008_0522_u32, 0];
    // SAFETY: the kernel reads the header and, in this version, six words.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) })
}

/// setresuid(2) of all three ids of this thread.
pub(crate) fn set_user(uid: u32) -> io::Result<i64> {
    let uid = Arg::Int(uid.into());
    syscall(libc::SYS_setresuid, &[uid, uid, uid])
}

/// seccomp(2): a filter that allows everything, and its listener.
pub(crate) fn supervise() -> io::Result<OwnedFd> {
    let code = (libc::BPF_RET | libc::BPF_K) as u16;
    let mut program = [libc::sock_filter { code, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW }];
    let filter = libc::sock_fprog { len: 1, filter: program.as_mut_ptr() };
    syscall(libc::SYS_prctl, &[Arg::Int(libc::PR_SET_NO_NEW_PRIVS.into()), Arg::Int(1)])?;
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: the program outlives the call; the kernel checks it.
    let number =
        check(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const filter) })?;
    own(c_int::try_from(number).map_err(io::Error::other)?)
}

/// The flags of the mount that a descriptor is on: statvfs(3).
pub(crate) fn mount_flags(fd: &impl AsRawFd) -> io::Result<u64> {
    // SAFETY: all zeroes is a valid `statvfs`.
    let mut out: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: room for the answer.
    check(unsafe { libc::fstatvfs(fd.as_raw_fd(), &raw mut out) })?;
    Ok(out.f_flag)
}

/// statx(2) with a path that may be empty.
pub(crate) fn statx(dir: RawFd, path: &CStr) -> io::Result<i64> {
    let mut out = [0_u64; 32];
    let at = out.as_mut_ptr();
    // SAFETY: the path is a string, and the answer has the 256 bytes of a `struct statx`.
    check(unsafe { libc::syscall(libc::SYS_statx, dir, path.as_ptr(), libc::AT_EMPTY_PATH, 0, at) })
}

/// openat(2) with a mode.
pub(crate) fn openat_mode(dir: RawFd, path: &CStr, flags: c_int, mode: u32) -> io::Result<OwnedFd> {
    // SAFETY: a string that outlives the call.
    own(check(unsafe { libc::openat(dir, path.as_ptr(), flags, mode) })? as c_int)
}

/// openat(2) of a path at an address where there is none.
pub(crate) fn openat_at(dir: RawFd, address: usize) -> io::Result<OwnedFd> {
    let path = ptr::without_provenance::<c_char>(address);
    // SAFETY: the kernel finds that nothing is mapped there.
    own(check(unsafe { libc::openat(dir, path, libc::O_RDONLY) })? as c_int)
}

/// umask(2).
pub(crate) fn set_umask(mask: u32) {
    // SAFETY: always succeeds.
    unsafe { libc::umask(mask) };
}

/// The mode that the raw fstat(2) tells.
pub(crate) fn mode(fd: &impl AsRawFd) -> io::Result<u32> {
    // SAFETY: all zeroes is a valid `stat`.
    let mut out: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: room for the answer.
    check(unsafe { libc::syscall(libc::SYS_fstat, fd.as_raw_fd(), &raw mut out) })?;
    Ok(out.st_mode)
}

/// getuid(2), getgid(2).
pub(crate) fn ids() -> (u32, u32) {
    // SAFETY: both always succeed.
    unsafe { (libc::getuid(), libc::getgid()) }
}

/// getdents64(2): how many bytes of entries there are.
pub(crate) fn getdents(fd: &impl AsRawFd) -> io::Result<i64> {
    let mut out = [0u64; 128];
    // SAFETY: the buffer is writable for the length that is passed.
    check(unsafe { libc::syscall(libc::SYS_getdents64, fd.as_raw_fd(), out.as_mut_ptr(), 1024) })
}

/// execveat(2) of the descriptor itself.
pub(super) fn execute(
    fd: &impl AsRawFd,
    argv: &[*const c_char],
    envp: &[*const c_char],
) -> io::Error {
    let flags = libc::AT_EMPTY_PATH;
    // SAFETY: both lists end with null, and their strings outlive the call.
    unsafe {
        let (argv, envp) = (argv.as_ptr(), envp.as_ptr());
        libc::syscall(libc::SYS_execveat, fd.as_raw_fd(), c"".as_ptr(), argv, envp, flags);
    }
    io::Error::last_os_error()
}

/// An event queue: epoll(7).
pub(crate) fn queue() -> io::Result<OwnedFd> {
    // SAFETY: takes an integer only.
    own(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// Has the queue watch a descriptor for reading.
pub(crate) fn watch(queue: &impl AsRawFd, fd: &impl AsRawFd) -> io::Result<()> {
    let (queue, fd) = (queue.as_raw_fd(), fd.as_raw_fd());
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
    // SAFETY: the event outlives the call.
    check(unsafe { libc::epoll_ctl(queue, libc::EPOLL_CTL_ADD, fd, &raw mut event) }).map(drop)
}

/// Takes the events that are there.
pub(crate) fn take_events(queue: &impl AsRawFd) -> io::Result<i64> {
    let mut event = libc::epoll_event { events: 0, u64: 0 };
    // SAFETY: room for one event.
    check(unsafe { libc::epoll_wait(queue.as_raw_fd(), &raw mut event, 1, 0) })
}

const ATTRIBUTE: &CStr = c"user.conformance";

pub(crate) fn set_attribute(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: a string and a value that is readable for its length.
    let done = unsafe {
        libc::fsetxattr(fd.as_raw_fd(), ATTRIBUTE.as_ptr(), c"value".as_ptr().cast(), 5, 0)
    };
    check(done).map(drop)
}

pub(crate) fn get_attribute(fd: &impl AsRawFd) -> io::Result<()> {
    let mut out = [0u8; 16];
    // SAFETY: a string and a buffer that is writable for its length.
    let n = unsafe {
        libc::fgetxattr(fd.as_raw_fd(), ATTRIBUTE.as_ptr(), out.as_mut_ptr().cast(), out.len())
    };
    check(n as i64).map(drop)
}

pub(crate) fn list_attributes(fd: &impl AsRawFd) -> io::Result<()> {
    let mut out = [0 as c_char; 256];
    // SAFETY: a buffer that is writable for its length.
    let n = unsafe { libc::flistxattr(fd.as_raw_fd(), out.as_mut_ptr(), out.len()) };
    check(n as i64).map(drop)
}

pub(crate) fn delete_attribute(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: a string that outlives the call.
    check(unsafe { libc::fremovexattr(fd.as_raw_fd(), ATTRIBUTE.as_ptr()) }).map(drop)
}

/// `FS_NODUMP_FL`, the flag that is harmless everywhere.
const NODUMP: c_int = 0x40;

/// The request that sets a file's flags.
pub(crate) const SET_FLAGS: u64 = libc::FS_IOC_SETFLAGS as u64;

/// The flags of a file, to be set again with one more.
pub(crate) fn file_flags(fd: &impl AsRawFd) -> io::Result<c_int> {
    let mut value = 0;
    super::ioctl_int(fd, libc::FS_IOC_GETFLAGS as u64, &mut value)?;
    Ok(value)
}

/// Sets a file's flags as they were, and the one against dump(8).
pub(crate) fn fchflags_nodump(fd: &impl AsRawFd, others: c_int) -> io::Result<()> {
    super::ioctl_int(fd, SET_FLAGS, &mut { others | NODUMP }).map(drop)
}

/// Whether the file has the flag.
pub(crate) fn has_nodump(fd: &impl AsRawFd) -> bool {
    file_flags(fd).is_ok_and(|flags| flags & NODUMP != 0)
}

pub(crate) fn inotify() -> io::Result<OwnedFd> {
    // SAFETY: takes an integer only.
    own(unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) })
}

pub(crate) fn inotify_add(fd: &impl AsRawFd, path: &CStr) -> io::Result<i64> {
    // SAFETY: a string that outlives the call.
    check(unsafe { libc::inotify_add_watch(fd.as_raw_fd(), path.as_ptr(), libc::IN_CREATE) })
}

pub(crate) fn inotify_rm(fd: &impl AsRawFd, watch: i64) -> io::Result<i64> {
    // SAFETY: takes integers only.
    check(unsafe { libc::inotify_rm_watch(fd.as_raw_fd(), watch as c_int) })
}

pub(crate) fn dup3(fd: RawFd, to: RawFd) -> io::Result<i64> {
    // SAFETY: takes integers only; the suite owns both numbers.
    check(unsafe { libc::dup3(fd, to, libc::O_CLOEXEC) })
}

/// `process_vm_readv` of a byte at an address of another process.
pub(crate) fn read_memory_of(pid: libc::pid_t, at: *const u8) -> io::Result<i64> {
    let mut byte = [0u8];
    let here = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let there = libc::iovec { iov_base: at.cast_mut().cast::<c_void>(), iov_len: 1 };
    // SAFETY: the local part is writable for its length; the other one is in another process.
    let n = unsafe { libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0) };
    check(n as i64)
}

/// ptrace(2) attach, without stopping it.
pub(crate) fn trace(pid: libc::pid_t) -> io::Result<i64> {
    // SAFETY: `PTRACE_SEIZE` takes no addresses.
    check(unsafe {
        libc::ptrace(libc::PTRACE_SEIZE, pid, ptr::null_mut::<c_void>(), ptr::null_mut::<c_void>())
    })
}

/// getrandom(2).
pub(crate) fn getrandom() -> io::Result<i64> {
    let mut out = [0u8; 16];
    // SAFETY: the buffer is writable for its length.
    check(unsafe { libc::getrandom(out.as_mut_ptr().cast(), out.len(), 0) } as i64)
}

/// renameat2(2) that replaces nothing.
pub(crate) fn rename_new(from: RawFd, old: &CStr, to: RawFd, new: &CStr) -> io::Result<()> {
    let no_replace = Arg::Int(libc::RENAME_NOREPLACE.into());
    let from = Arg::Int(from.into());
    let to = Arg::Int(to.into());
    let call = [from, Arg::Str(old), to, Arg::Str(new), no_replace];
    syscall(libc::SYS_renameat2, &call).map(drop)
}

/// setpriority(2) of another process.
pub(crate) fn setpriority(pid: libc::pid_t, priority: c_int) -> io::Result<i64> {
    // SAFETY: takes integers only.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, pid as _, priority) })
}
