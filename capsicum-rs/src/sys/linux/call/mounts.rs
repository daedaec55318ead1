//! The calls that make a root, one function each, all async-signal-safe: no memory is allocated,
//! and an error is an `errno` value.

use std::{
    ffi::CStr,
    mem::MaybeUninit,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use libc::{c_int, c_long, c_uint, c_void};

/// An `errno` value.
pub(in super::super) type Errno = c_int;

fn checked(answer: c_long) -> Result<c_long, Errno> {
    // SAFETY: libc's pointer to the calling thread's errno is always valid.
    if answer < 0 { Err(unsafe { *libc::__errno_location() }) } else { Ok(answer) }
}

fn descriptor(answer: c_long) -> Result<OwnedFd, Errno> {
    let number = RawFd::try_from(checked(answer)?).map_err(|_| libc::EBADF)?;
    // SAFETY: the kernel just returned this descriptor and nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// How large the stack of [`beside`] is: what runs there calls the kernel and little else.
const STACK: usize = 64 << 10;

/// clone(2) with this memory and these descriptors, but namespaces and capabilities of its own:
/// runs `work` in another process while this thread waits for its end. Whether it came to its end.
///
/// The other process has no exit signal, and none reaches it: the caller's handlers do not run.
pub(in super::super) fn beside<T>(work: fn(&mut T), on: &mut T) -> Result<bool, Errno> {
    struct Task<'a, T> {
        work: fn(&mut T),
        on: &'a mut T,
        done: bool,
    }
    extern "C" fn start<T>(task: *mut c_void) -> c_int {
        // SAFETY: `beside` passes its own task, and waits; nobody else uses it meanwhile.
        let task = unsafe { &mut *task.cast::<Task<'_, T>>() };
        (task.work)(task.on);
        task.done = true;
        0
    }
    let mut task = Task { work, on, done: false };
    // Of what is aligned as a stack must be.
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end;
    let (all, mut before) = (full_signal_set(), MaybeUninit::<libc::sigset_t>::uninit());
    // SAFETY: both sets are signal sets; the kernel fills the second.
    let blocked =
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, before.as_mut_ptr()) };
    if blocked != 0 {
        return Err(blocked);
    }
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    // SAFETY: the child runs `start` on a stack of its own, which outlives it, on memory that this
    // thread leaves alone until the child has ended (CLONE_VFORK). All signals are blocked, so that
    // no handler runs there.
    let pid =
        unsafe { libc::clone(start::<T>, top.cast(), flags, (&raw mut task).cast::<c_void>()) };
    let pid = checked(pid.into());
    if let Ok(pid) = pid {
        let pid = libc::pid_t::try_from(pid).unwrap_or(-1);
        // SAFETY: the status is not asked for.
        while unsafe { libc::waitpid(pid, ptr::null_mut(), libc::__WCLONE) } == -1
            && checked(-1) == Err(libc::EINTR)
        {}
    }
    // SAFETY: `before` was filled by the call above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    pid.map(|_| task.done)
}

fn full_signal_set() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is what sigfillset fills, which does not fail.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        set.assume_init()
    }
}

/// unshare(2).
pub(in super::super) fn unshare(namespaces: c_int) -> Result<(), Errno> {
    // SAFETY: no pointer is passed.
    checked(unsafe { libc::unshare(namespaces) }.into()).map(drop)
}

/// setns(2) with a descriptor of one namespace.
pub(in super::super) fn join(namespace: &OwnedFd, kind: c_int) -> Result<(), Errno> {
    // SAFETY: no pointer is passed.
    checked(unsafe { libc::setns(namespace.as_raw_fd(), kind) }.into()).map(drop)
}

/// open(2) for reading.
pub(in super::super) fn open(path: &CStr) -> Result<OwnedFd, Errno> {
    // SAFETY: the path is a string.
    descriptor(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) }.into())
}

/// openat(2) of the directory itself, with these flags.
pub(in super::super) fn open_itself(directory: &OwnedFd, flags: c_int) -> Result<OwnedFd, Errno> {
    let flags = flags | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a string; no file is made, so that no mode is read.
    descriptor(unsafe { libc::openat(directory.as_raw_fd(), c".".as_ptr(), flags) }.into())
}

/// open(2), write(2) of a whole small text.
pub(in super::super) fn write_file(path: &CStr, text: &[u8]) -> Result<(), Errno> {
    // SAFETY: the path is a string.
    let file =
        descriptor(unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) }.into())?;
    // SAFETY: the buffer is as long as stated.
    let written = unsafe { libc::write(file.as_raw_fd(), text.as_ptr().cast(), text.len()) };
    match usize::try_from(checked(written.try_into().unwrap_or(-1))?) {
        Ok(length) if length == text.len() => Ok(()),
        _ => Err(libc::EIO),
    }
}

/// openat2(2) with `O_PATH` of a directory, by a path without links.
pub(in super::super) fn refer(path: &CStr) -> Result<OwnedFd, Errno> {
    #[repr(C)]
    struct How {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    let flags = u64::from((libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC).cast_unsigned());
    let how = How { flags, mode: 0, resolve: libc::RESOLVE_NO_SYMLINKS };
    // SAFETY: the path is a string, and the kernel reads as many bytes of `how` as it has.
    descriptor(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw const how,
            size_of_val(&how),
        )
    })
}

/// open_tree(2) with `OPEN_TREE_CLONE`: a detached copy of what is mounted there and beneath.
pub(in super::super) fn clone_tree(directory: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | (libc::AT_EMPTY_PATH | libc::AT_RECURSIVE).cast_unsigned();
    // SAFETY: the path is a string that outlives the call.
    descriptor(unsafe {
        libc::syscall(libc::SYS_open_tree, directory.as_raw_fd(), c"".as_ptr(), flags)
    })
}

/// mount_setattr(2): adds attributes to a mount and to all beneath it, and makes them private.
pub(in super::super) fn restrict_mount(mount: &OwnedFd, attributes: u64) -> Result<(), Errno> {
    let change = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        // Whatever is mounted elsewhere later stays there.
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: the path is a string, and the kernel reads as many bytes of `change` as it has.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const change,
            size_of_val(&change),
        )
    })
    .map(drop)
}

/// statx(2): the device and the inode.
pub(in super::super) fn identity(directory: &OwnedFd) -> Result<(u64, u64), Errno> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    let at = stat.as_mut_ptr();
    // SAFETY: the path is a string, and the kernel writes a `struct statx`.
    checked(unsafe {
        libc::syscall(
            libc::SYS_statx,
            directory.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_INO,
            at,
        )
    })?;
    // SAFETY: zeroed before and filled by the kernel; it is made of numbers.
    let stat = unsafe { stat.assume_init() };
    Ok((libc::makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino))
}

/// `FSCONFIG_CMD_CREATE`, `FSOPEN_CLOEXEC`, `FSMOUNT_CLOEXEC` of linux/mount.h.
const FSCONFIG_CMD_CREATE: c_uint = 6;
const FSOPEN_CLOEXEC: c_uint = 1;
const FSMOUNT_CLOEXEC: c_uint = 1;

/// fsopen(2), fsconfig(2), fsmount(2): a new detached tmpfs with nothing in it.
pub(in super::super) fn new_tmpfs(attributes: u64) -> Result<OwnedFd, Errno> {
    let name = c"tmpfs".as_ptr();
    // SAFETY: the name is a string that outlives the call.
    let context = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, name, FSOPEN_CLOEXEC) })?;
    let none = ptr::null::<libc::c_char>();
    // SAFETY: this command takes neither key nor value.
    checked(unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), FSCONFIG_CMD_CREATE, none, none, 0)
    })?;
    let attributes = c_uint::try_from(attributes).map_err(|_| libc::EINVAL)?;
    // SAFETY: no pointer is passed.
    descriptor(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes)
    })
}

/// mount(2): makes every mount of this namespace private, so that nothing propagates.
pub(in super::super) fn make_mounts_private() -> Result<(), Errno> {
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the target is a string; source, type and data are not used with these flags.
    let answer =
        unsafe { libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), flags, ptr::null()) };
    checked(answer.into()).map(drop)
}

/// move_mount(2): attaches a detached mount over the root.
pub(in super::super) fn cover_root(mount: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: both paths are strings that outlive the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            c"/".as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// fchdir(2), then pivot_root(2) onto the same place, then umount2(2) of the old root, which lies
/// on top of the new one.
pub(in super::super) fn take_as_root(root: &OwnedFd) -> Result<(), Errno> {
    let here = c".".as_ptr();
    // SAFETY: no pointer is passed.
    checked(unsafe { libc::fchdir(root.as_raw_fd()) }.into())?;
    // SAFETY: both paths are strings.
    checked(unsafe { libc::syscall(libc::SYS_pivot_root, here, here) })?;
    // SAFETY: the path is a string.
    checked(unsafe { libc::umount2(here, libc::MNT_DETACH) }.into()).map(drop)
}

/// dup3(2): the object takes the number.
pub(in super::super) fn replace(
    number: RawFd,
    with: &OwnedFd,
    close_on_exec: bool,
) -> Result<(), Errno> {
    let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
    // SAFETY: whoever owns the number keeps it: it stays open, on the same directory.
    checked(unsafe { libc::dup3(with.as_raw_fd(), number, flags) }.into()).map(drop)
}

/// Whether [`replace`] would work, as far as can be known without doing it: nothing changes.
pub(in super::super) fn rehearse_replace(number: RawFd, with: &OwnedFd) -> Result<(), Errno> {
    let itself = with.as_raw_fd();
    // A filter may refuse the call on a number that was limited and given to this descriptor.
    // SAFETY: no pointer is passed, and the kernel refuses to make a descriptor take its own place.
    match checked(unsafe { libc::dup3(itself, itself, 0) }.into()) {
        Err(libc::EINVAL) => {}
        result => return result.and(Err(libc::EINVAL)),
    }
    // A descriptor stays open where the limit is lowered, but nothing takes its place then.
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: `limit` is what getrlimit writes.
    checked(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) }.into())?;
    // SAFETY: the call succeeded, so that the kernel has filled it.
    let limit = unsafe { limit.assume_init() }.rlim_cur;
    let within = libc::rlim_t::try_from(number).is_ok_and(|number| number < limit);
    if within { Ok(()) } else { Err(libc::EBADF) }
}
