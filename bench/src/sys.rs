//! The kernel's calls, each in a few lines: the only `unsafe` of the figures.

mod messages;
mod names;
mod programs;
mod root;

pub(crate) use messages::{pair, pin, pin_process, receive, receive_both, send_with, start, wait};
pub(crate) use names::{local_time, user_by_name};
pub(crate) use programs::{fork_and_wait, raise_descriptors, spawn_and_wait};
pub(crate) use root::private_root;

use std::{
    ffi::CStr,
    io,
    mem::MaybeUninit,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::atomic::AtomicU64,
    time::Duration,
};

use crate::program::Insn;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    let fd = RawFd::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the callers pass what a call that makes a descriptor has just returned.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes what was inherited, other than the standard streams.
pub(crate) fn close_inherited() -> io::Result<()> {
    // SAFETY: nothing has been opened yet that anything here would own.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) }).map(drop)
}

/// Words that children write and the parent reads.
pub(crate) fn shared(words: usize) -> io::Result<&'static [AtomicU64]> {
    // SAFETY: new memory at an address that the kernel chooses.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            words * size_of::<AtomicU64>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is that long, aligned to a page, zeroed, and never unmapped.
    Ok(unsafe { std::slice::from_raw_parts(at.cast(), words) })
}

/// Runs `work` in a forked child, and says whether it came to its end.
pub(crate) fn in_child(work: impl FnOnce() -> bool) -> io::Result<bool> {
    // SAFETY: this program has one thread, so that the child may do whatever the parent may.
    let pid = check(unsafe { libc::fork() }.into())?;
    if pid == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: _exit returns to nobody.
        unsafe { libc::_exit(i32::from(!done)) };
    }
    let mut status = 0;
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: `status` is what waitpid writes.
    check(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into())?;
    Ok(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0)
}

/// Ends the process if it has not ended by then: a child that is refused its exit must not hang.
pub(crate) fn deadline(seconds: u32) {
    // SAFETY: alarm takes no pointers.
    unsafe { libc::alarm(seconds) };
}

/// What the calling thread has used of a processor: other processes do not count.
pub(crate) fn processor_time() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `time` is what the call writes; zeros are a valid timespec where it fails.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr());
        time.assume_init()
    };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// memfd_create(2), of this size.
pub(crate) fn memory(size: usize) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC;
    // SAFETY: the name is a C string.
    let fd = owned(unsafe { libc::memfd_create(c"figures".as_ptr(), flags) }.into())?;
    std::io::Write::write_all(&mut std::fs::File::from(fd.try_clone()?), &vec![1; size])?;
    Ok(fd)
}

/// read(2).
pub(crate) fn read(fd: RawFd, buffer: &mut [u8]) -> isize {
    // SAFETY: the kernel writes no more than the buffer's length.
    unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) }
}

/// write(2).
pub(crate) fn write(fd: RawFd, buffer: &[u8]) -> isize {
    // SAFETY: the kernel reads no more than the buffer's length.
    unsafe { libc::write(fd, buffer.as_ptr().cast(), buffer.len()) }
}

/// pread(2) from the start.
pub(crate) fn pread(fd: RawFd, buffer: &mut [u8]) -> isize {
    // SAFETY: the kernel writes no more than the buffer's length.
    unsafe { libc::pread(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) }
}

/// lseek(2) to the start.
pub(crate) fn rewind(fd: RawFd) -> bool {
    // SAFETY: lseek takes no pointers.
    unsafe { libc::lseek(fd, 0, libc::SEEK_SET) == 0 }
}

/// fstat(2): the call itself, for which some versions of glibc make another.
pub(crate) fn fstat(fd: RawFd) -> bool {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel writes a `struct stat`.
    unsafe { libc::syscall(libc::SYS_fstat, fd, stat.as_mut_ptr()) == 0 }
}

/// getpid(2).
pub(crate) fn getpid() -> bool {
    // SAFETY: the call takes no arguments.
    unsafe { libc::syscall(libc::SYS_getpid) > 0 }
}

/// openat(2) for reading, and close(2).
pub(crate) fn open_and_close(directory: RawFd, name: &CStr) -> bool {
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::openat(directory, name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    // SAFETY: nobody else has the descriptor.
    fd >= 0 && unsafe { libc::close(fd) } == 0
}

/// sendmsg(2) of one buffer.
pub(crate) fn send(fd: RawFd, buffer: &[u8]) -> isize {
    let mut part =
        libc::iovec { iov_base: buffer.as_ptr().cast_mut().cast(), iov_len: buffer.len() };
    // SAFETY: zeros are a valid msghdr: no address, no control data.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    // SAFETY: the message names one buffer, which is only read.
    unsafe { libc::sendmsg(fd, &raw const message, 0) }
}

/// prctl(2) of `PR_SET_NO_NEW_PRIVS`.
pub(crate) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: the option takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64) }.into())
        .map(drop)
}

/// seccomp(2) with the flags that the library uses.
pub(crate) fn install(program: &[Insn]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    // TSYNC and TSYNC_ESRCH.
    // SAFETY: an `Insn` is laid out as a sock_filter, `len` of them are there, and the kernel copies.
    check(unsafe {
        let filter = libc::SECCOMP_SET_MODE_FILTER;
        libc::syscall(libc::SYS_seccomp, filter, 1 | 16, &raw const program)
    })
    .map(drop)
}

/// setrlimit(2): no cores.
pub(crate) fn no_cores() -> io::Result<()> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: `limit` is what getrlimit writes and setrlimit reads.
    check(unsafe {
        libc::getrlimit(libc::RLIMIT_CORE, limit.as_mut_ptr());
        (*limit.as_mut_ptr()).rlim_cur = 0;
        libc::setrlimit(libc::RLIMIT_CORE, limit.as_ptr()).into()
    })
    .map(drop)
}

/// landlock_create_ruleset(2) of its version.
pub(crate) fn landlock_abi() -> io::Result<libc::c_long> {
    // SAFETY: asked for its version the call takes a null pointer and a size of zero.
    check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0_usize, 0_usize, 1) })
}

/// The three calls of Landlock: everything is held, and reading passes beneath the directories.
pub(crate) fn landlock(abi: libc::c_long, directories: &[RawFd]) -> io::Result<()> {
    #[repr(C, packed)]
    struct Beneath {
        access: u64,
        parent: RawFd,
    }
    // IOCTL_DEV came with ABI 5, scopes with 6.
    let (held, scoped) = (if abi >= 5 { 0xffff } else { 0x7fff }, if abi >= 6 { 3 } else { 0 });
    let attributes: [u64; 3] = [held, 0, scoped];
    // SAFETY: the kernel reads the three words of a `struct landlock_ruleset_attr`.
    let ruleset = check(unsafe {
        let at = attributes.as_ptr();
        libc::syscall(libc::SYS_landlock_create_ruleset, at, size_of_val(&attributes), 0)
    })?;
    for directory in directories {
        // READ_FILE and READ_DIR.
        let beneath = Beneath { access: 4 | 8, parent: *directory };
        // SAFETY: the kernel reads a `struct landlock_path_beneath_attr`.
        check(unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, ruleset, 1, &raw const beneath, 0)
        })?;
    }
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) })?;
    owned(ruleset).map(drop)
}

/// open(2) for reading.
pub(crate) fn open_file(path: &CStr) -> io::Result<OwnedFd> {
    open_with(path, libc::O_RDONLY)
}

fn open_with(path: &CStr, flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the path is a C string.
    owned(check(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) }.into())?)
}

/// read(2) to the end.
pub(crate) fn read_all(fd: RawFd) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match read(fd, &mut buffer) {
            0 => return Ok(()),
            -1 => return Err(io::Error::last_os_error()),
            _ => {}
        }
    }
}

/// fstatfs(2), whatever it says.
pub(crate) fn fstatfs(fd: RawFd) {
    let mut stat = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `stat` is what fstatfs writes.
    unsafe { libc::fstatfs(fd, stat.as_mut_ptr()) };
}

/// getsockopt(2) of an integer.
pub(crate) fn socket_option(fd: RawFd, option: libc::c_int) {
    let (mut value, mut len): (libc::c_int, libc::socklen_t) = (0, 4);
    // SAFETY: `value` is four bytes long, as `len` says.
    unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut len);
    }
}

/// `PROCMAP_QUERY` for the next shared mapping of a file: where it ends.
pub(crate) fn next_mapping(maps: RawFd, address: u64) -> io::Result<Option<u64>> {
    // `struct procmap_query`: size, flags, address, and from the fifth word on what is answered.
    let mut query = [0_u64; 13];
    (query[0], query[1], query[2]) = (104, 0x38, address);
    // SAFETY: the structure is that long, and names no other memory.
    match check(unsafe { libc::ioctl(maps, 0xc068_6611, query.as_mut_ptr()) }.into()) {
        Ok(_) => Ok(Some(query[4])),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// statx(2) for the number of the mount that is never used again.
pub(crate) fn mount_of(fd: RawFd) -> io::Result<u64> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is a C string, and the kernel writes a `struct statx`.
    check(unsafe {
        let (path, at) = (c"".as_ptr(), stat.as_mut_ptr());
        libc::syscall(libc::SYS_statx, fd, path, libc::AT_EMPTY_PATH, 0x4000, at)
    })?;
    // SAFETY: zeroed before and filled by the kernel; it is made of numbers.
    Ok(unsafe { stat.assume_init() }.stx_mnt_id)
}

/// listmount(2), up to 256.
pub(crate) fn mounts_beneath(mount: u64) -> io::Result<Vec<u64>> {
    let (request, mut mounts) = ([24, mount, 0], vec![0_u64; 256]);
    // SAFETY: the kernel reads the three words and writes no more than there is room for.
    let count = check(unsafe {
        let at = mounts.as_mut_ptr();
        libc::syscall(458, request.as_ptr(), at, mounts.len(), 0)
    })?;
    mounts.truncate(usize::try_from(count).unwrap_or(0));
    Ok(mounts)
}

/// statmount(2) for the type of the file system.
pub(crate) fn mount_kind(mount: u64) {
    let (request, mut state) = ([24, mount, 1], [0_u64; 64]);
    // SAFETY: the kernel reads the three words and writes no more than 512 bytes.
    unsafe { libc::syscall(457, request.as_ptr(), state.as_mut_ptr(), 512, 0) };
}

/// readlinkat(2), whatever it says.
pub(crate) fn link(directory: RawFd, name: &CStr) {
    let mut path = [0_u8; 256];
    // SAFETY: the name is a C string, and the kernel writes no more than the path has room for.
    unsafe {
        libc::readlinkat(directory, name.as_ptr(), path.as_mut_ptr().cast(), path.len());
    }
}
