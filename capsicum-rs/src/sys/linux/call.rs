//! The kernel's calls, each in a few lines: the only `unsafe` of the Linux backend.

pub(super) mod copies;
pub(super) mod mounts;
pub(super) mod notify;
pub(super) mod privilege;

use std::{
    ffi::CStr,
    io,
    mem::MaybeUninit,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    time::Duration,
};

use super::bpf::Insn;

mod ask;

pub(super) use ask::*;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_int(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// open(2) for reading.
pub(super) fn open(path: &CStr) -> io::Result<OwnedFd> {
    mounts::open(path).map_err(io::Error::from_raw_os_error)
}

/// prctl(2) with one argument that is a number.
pub(super) fn prctl(option: u32, arg: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: prctl is variadic over unsigned longs; no option is passed here (PR_SET_NO_NEW_PRIVS,
    // PR_GET_SECCOMP, our own) that takes a pointer.
    check_int(unsafe { libc::prctl(option.cast_signed(), arg, 0_u64, 0_u64, 0_u64) })
}

/// seccomp(2) with `SECCOMP_SET_MODE_FILTER`: installs a program for every thread of the process.
/// A thread that cannot follow is an error (`ESRCH`), and nothing has changed then.
pub(super) fn install(program: &[Insn]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | FLAG_TSYNC_ESRCH;
    // SAFETY: an `Insn` is laid out as a `sock_filter`, `len` of them are there until after the
    // call, and the kernel copies them.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })
    .map(drop)
}

/// seccomp(2) with `SECCOMP_FILTER_FLAG_NEW_LISTENER`: installs a program for the calling thread and
/// returns the descriptor at which a supervisor hears of the calls that the program leaves to it.
/// From Linux 5.19 on, a call that it has heard of is broken off by deadly signals only.
pub(super) fn install_supervised(program: &[Insn]) -> io::Result<OwnedFd> {
    let filter: Vec<libc::sock_filter> = program
        .iter()
        .map(|insn| libc::sock_filter { code: insn.code, jt: insn.jt, jf: insn.jf, k: insn.k })
        .collect();
    let len = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    let set = |flags: libc::c_ulong| {
        // SAFETY: `program` describes `filter`, which lives until after the call; the kernel copies it.
        check(unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
                &raw const program,
            )
        })
    };
    let installed = match set(libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => set(0),
        other => other,
    };
    owned(installed?)
}

/// Whether this would work, in a child that ends at once. It has no exit signal, so that the
/// caller's handler of SIGCHLD does not hear of it. In a process with threads only [`install`] may be
/// tried.
pub(super) fn try_in_child(what: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: without CLONE_VM the child has a copy of everything and goes on as after fork; of a
    // threaded process it makes system calls only, which is what its child may.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone, 0, 0_usize, 0_usize, 0_usize, 0_usize) })?;
    if pid == 0 {
        let errno = what().err().map_or(0, |error| error.raw_os_error().unwrap_or(1));
        exit(u8::try_from(errno).unwrap_or(1));
    }
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut status = 0;
    loop {
        // SAFETY: `status` is what waitpid writes.
        match check_int(unsafe { libc::waitpid(pid, &raw mut status, libc::__WCLONE) }) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    match libc::WEXITSTATUS(status) {
        0 if libc::WIFEXITED(status) => Ok(()),
        0 => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// `SECCOMP_FILTER_FLAG_TSYNC_ESRCH` (Linux 5.7): without it a failure is a thread id.
const FLAG_TSYNC_ESRCH: libc::c_ulong = 16;

/// seccomp(2) with `SECCOMP_GET_ACTION_AVAIL`: whether filters may answer so.
pub(super) fn action_available(action: u32) -> io::Result<()> {
    // SAFETY: the kernel reads the one word that the pointer names.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    })
    .map(drop)
}

/// landlock_create_ruleset(2) with `LANDLOCK_CREATE_RULESET_VERSION`: the ABI.
pub(super) fn landlock_abi() -> io::Result<u32> {
    // SAFETY: asked for its version the call takes a null pointer and a size of zero.
    check(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0, 1)
    })
    .map(|abi| u32::try_from(abi).unwrap_or(0))
}

/// `struct landlock_ruleset_attr`, as far as ABI 6 has it.
#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

/// landlock_create_ruleset(2). Kernels take longer structures than they know, with zeros.
pub(super) fn landlock_create_ruleset(fs: u64, scoped: u64) -> io::Result<OwnedFd> {
    let attr = RulesetAttr { handled_access_fs: fs, handled_access_net: 0, scoped };
    // SAFETY: the kernel reads as many bytes as `attr` has.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size_of_val(&attr), 0)
    })?;
    owned(fd)
}

/// landlock_add_rule(2) with `LANDLOCK_RULE_PATH_BENEATH`.
pub(super) fn landlock_add_rule(ruleset: RawFd, parent_fd: RawFd, access: u64) -> io::Result<()> {
    let attr = PathBeneathAttr { allowed_access: access, parent_fd };
    // SAFETY: the kernel reads a `struct landlock_path_beneath_attr`.
    check(unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, 1, &raw const attr, 0) })
        .map(drop)
}

/// landlock_restrict_self(2).
pub(super) fn landlock_restrict_self(ruleset: RawFd, flags: u32) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, flags) }).map(drop)
}

/// A descriptor that the kernel has just made.
fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = RawFd::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the callers pass what a call that makes a descriptor has just returned, and nobody
    // else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether the process has one thread: unshare(2) of `CLONE_THREAD` changes nothing and fails
/// with `EINVAL` where there are more. It works without procfs and in capability mode.
pub(super) fn single_threaded() -> io::Result<bool> {
    // SAFETY: unshare takes no pointers.
    match check_int(unsafe { libc::unshare(libc::CLONE_THREAD) }) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

/// fcntl(2) with a command that takes no argument.
pub(super) fn fcntl(fd: RawFd, command: libc::c_int) -> io::Result<libc::c_int> {
    // SAFETY: the commands that are passed here (F_GETFD, F_GETFL) take no argument.
    check_int(unsafe { libc::fcntl(fd, command) })
}

/// The mode of fstat(2): the call itself, which glibc 2.33 to 2.38 do not use.
pub(super) fn mode_of(fd: RawFd) -> io::Result<libc::mode_t> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes a `struct stat`, which on both architectures is libc's.
    check(unsafe { libc::syscall(libc::SYS_fstat, fd, stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so that the kernel has filled it.
    Ok(unsafe { stat.assume_init() }.st_mode)
}

/// The type of the file system: `f_type` of fstatfs(2).
pub(super) fn file_system(fd: RawFd) -> io::Result<libc::c_long> {
    let mut stat = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `stat` is what fstatfs writes.
    check_int(unsafe { libc::fstatfs(fd, stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so that the kernel has filled it.
    Ok(unsafe { stat.assume_init() }.f_type)
}

/// The mount, as mountinfo numbers it: `stx_mnt_id` of statx(2), which Linux 5.8 and newer state.
pub(super) fn mount_of(fd: RawFd) -> io::Result<Option<u64>> {
    let stat = statx(fd, libc::STATX_MNT_ID)?;
    Ok((stat.stx_mask & libc::STATX_MNT_ID != 0).then_some(stat.stx_mnt_id))
}

/// statx(2) of a descriptor.
fn statx(fd: RawFd, mask: libc::c_uint) -> io::Result<libc::statx> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    let (path, at) = (c"", stat.as_mut_ptr());
    // SAFETY: the path is a C string, and the kernel writes a `struct statx`.
    check(unsafe {
        libc::syscall(libc::SYS_statx, fd, path.as_ptr(), libc::AT_EMPTY_PATH, mask, at)
    })?;
    // SAFETY: zeroed before and filled by the kernel; it is made of numbers.
    Ok(unsafe { stat.assume_init() })
}

/// getsockopt(2) of an integer at `SOL_SOCKET`.
pub(super) fn socket_option(fd: RawFd, option: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut len = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: `len` is the size of `value`, and the kernel writes no more.
    check_int(unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut len)
    })?;
    Ok(value)
}

/// The highest number that a new descriptor may get, and one more.
pub(super) fn descriptor_limit() -> io::Result<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: `limit` is what getrlimit writes.
    check_int(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so that the kernel has filled it.
    let limit = unsafe { limit.assume_init() };
    Ok(limit.rlim_cur.max(limit.rlim_max))
}

/// setrlimit(2) of the size of cores: the soft limit, which is given back as it was.
pub(super) fn core_limit(soft: u64) -> io::Result<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: `limit` is what getrlimit writes.
    check_int(unsafe { libc::getrlimit(libc::RLIMIT_CORE, limit.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so that the kernel has filled it.
    let mut limit = unsafe { limit.assume_init() };
    let before = std::mem::replace(&mut limit.rlim_cur, soft);
    if before != soft {
        // SAFETY: the kernel reads the structure.
        check_int(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) })?;
    }
    Ok(before)
}

/// fork(2).
pub(super) fn fork() -> io::Result<libc::pid_t> {
    // SAFETY: the callers have one thread, so that the child may do whatever the parent may.
    check_int(unsafe { libc::fork() })
}

/// clone(2) as fork(2), with a pidfd of the child: 0 in the child.
pub(super) fn fork_with_pidfd() -> io::Result<(libc::pid_t, Option<OwnedFd>)> {
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: without CLONE_VM the child has a copy of everything, the stack included, and goes on
    // as after fork; the kernel writes the descriptor to `pidfd` in the parent. The parent_tid is
    // the third argument on both architectures.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, flags, 0_usize, &raw mut pidfd, 0_usize, 0_usize)
    })?;
    let pidfd = if pid == 0 { None } else { Some(owned(pidfd.into())?) };
    Ok((libc::pid_t::try_from(pid).unwrap_or(-1), pidfd))
}

/// io_uring_register(2) with `IORING_UNREGISTER_EVENTFD`, which changes nothing where no eventfd
/// is registered.
pub(super) fn io_uring_register(fd: RawFd) -> io::Result<()> {
    // SAFETY: the operation takes a null pointer and no count.
    check(unsafe {
        libc::syscall(libc::SYS_io_uring_register, fd, 5, std::ptr::null::<libc::c_void>(), 0)
    })
    .map(drop)
}

/// `pidfd_open(2)`.
pub(super) fn pidfd_open(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointers.
    owned(check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?)
}

/// `pidfd_send_signal(2)`.
pub(super) fn pidfd_send_signal(fd: RawFd, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: a null siginfo is what kill(2) would send.
    check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            fd,
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })
    .map(drop)
}

/// How a child ended: `si_code` and `si_status` of waitid(2).
pub(super) struct Ended {
    pub(super) code: libc::c_int,
    pub(super) status: libc::c_int,
}

/// waitid(2) of a pidfd: `None` if the process still runs and `options` has `WNOHANG`.
pub(super) fn wait(fd: RawFd, options: libc::c_int) -> io::Result<Option<Ended>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let id = libc::id_t::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: `info` is what waitid writes.
    check_int(unsafe { libc::waitid(libc::P_PIDFD, id, info.as_mut_ptr(), options) })?;
    // SAFETY: zeroed before and filled by the kernel; a siginfo_t of zeros is valid.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid fills the fields of SIGCHLD, or leaves the zeros.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((pid != 0).then_some(Ended { code: info.si_code, status }))
}

/// poll(2) of one descriptor for reading: whether it is ready.
pub(super) fn readable(fd: RawFd, timeout: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // Rounded up, so that a wait does not end before its time over and over.
    let millis = timeout.as_millis().saturating_add(1);
    let millis = libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX);
    // SAFETY: `poll` is an array of one.
    check_int(unsafe { libc::poll(&raw mut poll, 1, millis) }).map(|ready| ready > 0)
}

/// The descriptor at a number that nobody else in this process owns.
pub(super) fn adopt(number: RawFd) -> OwnedFd {
    // SAFETY: the caller, a process of its own, has closed all others and passes what is left.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// getppid(2).
pub(super) fn parent() -> libc::pid_t {
    // SAFETY: always succeeds.
    unsafe { libc::getppid() }
}

/// Ends the process at once, without exit handlers.
pub(super) fn exit(code: u8) -> ! {
    // SAFETY: _exit returns to nobody.
    unsafe { libc::_exit(code.into()) }
}

/// In a process beside this one: whether unshare(2) grants a user namespace with a mount namespace.
pub(super) fn user_namespaces() -> io::Result<()> {
    let mut granted = Err(libc::ECHILD);
    let work = |granted: &mut Result<(), mounts::Errno>| {
        *granted = mounts::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS);
    };
    let done = mounts::beside(work, &mut granted);
    done.and(granted).map_err(io::Error::from_raw_os_error)
}
