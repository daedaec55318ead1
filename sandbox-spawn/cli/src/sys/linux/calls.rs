//! The system calls of the set-up, one function each. All are async-signal-safe; an error is an
//! `errno` value.

use std::{
    ffi::CStr,
    mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use libc::{c_int, c_long, c_uint, c_ulong, pid_t};

/// An `errno` value.
pub(super) type Errno = c_int;

const FSCONFIG_SET_STRING: c_uint = 1;
const FSCONFIG_CMD_CREATE: c_uint = 6;
const FSOPEN_CLOEXEC: c_uint = 1;
const FSMOUNT_CLOEXEC: c_uint = 1;

/// The `errno` of the last call.
pub(super) fn errno() -> Errno {
    // SAFETY: libc's pointer to the calling thread's errno is always valid.
    unsafe { *libc::__errno_location() }
}

pub(super) fn checked(answer: c_long) -> Result<c_long, Errno> {
    if answer < 0 { Err(errno()) } else { Ok(answer) }
}

fn descriptor(answer: c_long) -> Result<OwnedFd, Errno> {
    let number = RawFd::try_from(checked(answer)?).map_err(|_| libc::EBADF)?;
    // SAFETY: the kernel just returned this descriptor and nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// clone(2) without a stack of its own: fork(2) into new namespaces.
pub(super) fn fork_into(namespaces: c_int) -> Result<pid_t, Errno> {
    let flags = c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with no stack given, the child runs on a copy of this one, as
    // after fork. The process has one thread, so that no lock is held by a thread that the child
    // lacks. The four remaining arguments are unused, in whatever order the machine has them.
    let pid = checked(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    pid_t::try_from(pid).map_err(|_| libc::EOVERFLOW)
}

/// Ends the process at once.
pub(super) fn exit(code: c_int) -> ! {
    // SAFETY: _exit takes any value and does not return.
    unsafe { libc::_exit(code) }
}

/// open_tree(2): a detached copy of what is mounted at a path, with everything beneath it.
pub(super) fn clone_tree(path: &CStr, recursive: bool) -> Result<OwnedFd, Errno> {
    let place = refer(path)?;
    let empty = libc::AT_EMPTY_PATH.cast_unsigned();
    let mut flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | empty;
    if recursive {
        flags |= libc::AT_RECURSIVE.cast_unsigned();
    }
    let path = c"".as_ptr();
    // SAFETY: the path is a string that outlives the call.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, place.as_raw_fd(), path, flags) })
}

/// mount_setattr(2): adds attributes to a mount and to all beneath it if `recursive`.
pub(super) fn restrict_mount(
    mount: &OwnedFd,
    attributes: u64,
    recursive: bool,
) -> Result<(), Errno> {
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    let change = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        // Whatever is mounted on the host later stays there.
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: the path is a string, and the kernel reads as many bytes of `change` as it has.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            mem::size_of_val(&change),
        )
    })
    .map(drop)
}

/// move_mount(2): attaches a detached mount at a path from `directory`.
pub(super) fn attach(mount: &OwnedFd, directory: RawFd, path: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are strings that outlive the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            directory,
            path.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// fsopen(2), fsconfig(2), fsmount(2): a new detached file system.
pub(super) fn new_mount(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: u64,
) -> Result<OwnedFd, Errno> {
    // SAFETY: the name is a string that outlives the call.
    let context =
        descriptor(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    for (key, value) in options {
        // SAFETY: key and value are strings that outlive the call.
        checked(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                FSCONFIG_SET_STRING,
                key.as_ptr(),
                value.as_ptr(),
                0,
            )
        })?;
    }
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
pub(super) fn make_mounts_private() -> Result<(), Errno> {
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the target is a string; source, type and data are not used with these flags.
    let answer =
        unsafe { libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), flags, ptr::null()) };
    checked(answer.into()).map(drop)
}

/// fchdir(2), then pivot_root(2) onto the same place, then umount2(2) of the old root, which lies
/// on top of the new one.
pub(super) fn take_as_root(root: &OwnedFd) -> Result<(), Errno> {
    let here = c".".as_ptr();
    // SAFETY: no pointer is passed.
    checked(unsafe { libc::fchdir(root.as_raw_fd()) }.into())?;
    // SAFETY: both paths are strings.
    checked(unsafe { libc::syscall(libc::SYS_pivot_root, here, here) })?;
    // SAFETY: the path is a string.
    checked(unsafe { libc::umount2(here, libc::MNT_DETACH) }.into())?;
    change_directory(c"/")
}

/// chdir(2).
pub(super) fn change_directory(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path is a string.
    checked(unsafe { libc::chdir(path.as_ptr()) }.into()).map(drop)
}

/// mkdirat(2); a directory that is there already will do.
pub(super) fn make_directory(root: &OwnedFd, path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path is a string.
    let answer = unsafe { libc::mkdirat(root.as_raw_fd(), path.as_ptr(), 0o755) };
    match checked(answer.into()) {
        Ok(_) | Err(libc::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// openat(2): an empty file to mount on; a file that is there already will do.
pub(super) fn make_file(root: &OwnedFd, path: &CStr) -> Result<(), Errno> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    // SAFETY: the path is a string.
    let answer = unsafe { libc::openat(root.as_raw_fd(), path.as_ptr(), flags, 0o444) };
    match descriptor(answer.into()) {
        Ok(_) | Err(libc::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// symlinkat(2); what is there already stays.
pub(super) fn make_link(root: &OwnedFd, path: &CStr, text: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are strings.
    let answer = unsafe { libc::symlinkat(text.as_ptr(), root.as_raw_fd(), path.as_ptr()) };
    match checked(answer.into()) {
        Ok(_) | Err(libc::EEXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// openat2(2) with `O_PATH`: a reference to a path without links.
///
/// Its links were followed when it was decided what to grant. Whoever owns a directory on the way
/// could have put one there since, to something that would not have been granted.
pub(super) fn refer(path: &CStr) -> Result<OwnedFd, Errno> {
    refer_with(path, 0)
}

/// The same; at the end of the path may be a link, which is referred to itself.
pub(super) fn refer_to_link(path: &CStr) -> Result<OwnedFd, Errno> {
    refer_with(path, libc::O_NOFOLLOW)
}

fn refer_with(path: &CStr, flags: c_int) -> Result<OwnedFd, Errno> {
    #[repr(C)]
    struct How {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    let flags = u64::from((flags | libc::O_PATH | libc::O_CLOEXEC).cast_unsigned());
    let how = How { flags, mode: 0, resolve: libc::RESOLVE_NO_SYMLINKS };
    // SAFETY: the path is a string, and the kernel reads as many bytes of `how` as it has.
    descriptor(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw const how,
            mem::size_of_val(&how),
        )
    })
}

/// open(2), write(2) of a whole small text.
pub(super) fn write_file(path: &CStr, text: &[u8]) -> Result<(), Errno> {
    // SAFETY: the path is a string.
    let file =
        descriptor(unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) }.into())?;
    // SAFETY: the buffer is as long as stated.
    let written = unsafe { libc::write(file.as_raw_fd(), text.as_ptr().cast(), text.len()) };
    match usize::try_from(written) {
        Ok(length) if length == text.len() => Ok(()),
        Ok(_) => Err(libc::EIO),
        Err(_) => Err(errno()),
    }
}

/// write(2) of a message that fits in a pipe; whether anybody reads it is not our concern.
pub(super) fn say(descriptor: RawFd, text: &[u8]) {
    // SAFETY: the buffer is as long as stated.
    let _ = unsafe { libc::write(descriptor, text.as_ptr().cast(), text.len()) };
}

/// sethostname(2).
pub(super) fn set_host_name(name: &[u8]) -> Result<(), Errno> {
    // SAFETY: the buffer is as long as stated.
    checked(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into()).map(drop)
}

/// prctl(2) with integers only.
pub(super) fn control(option: c_int, a: c_ulong, b: c_ulong) -> Result<(), Errno> {
    let none: c_ulong = 0;
    // SAFETY: the callers in this crate pass options that take integers.
    checked(unsafe { libc::prctl(option, a, b, none, none) }.into()).map(drop)
}

/// close_range(2) with `CLOSE_RANGE_CLOEXEC`: execution closes everything from `first` on.
pub(super) fn close_on_exec_from(first: c_uint) -> Result<(), Errno> {
    // SAFETY: no pointer is passed; descriptors stay open until execution.
    checked(unsafe {
        libc::syscall(libc::SYS_close_range, first, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })
    .map(drop)
}

/// Gives up every capability and every way to regain one by execution.
pub(super) fn drop_capabilities() -> Result<(), Errno> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    // _LINUX_CAPABILITY_VERSION_3
    let header = Header { version: 0x2008_0522, pid: 0 };
    let none = [0_u32; 6];
    // PR_CAP_AMBIENT_CLEAR_ALL is 4. Kernels that lack it have no ambient set.
    let _ = control(libc::PR_CAP_AMBIENT, 4, 0);
    // Fails without CAP_SETPCAP, and past the last capability: there is nothing to drop then that
    // `no_new_privs` does not hold.
    for capability in 0..64 {
        let _ = control(libc::PR_CAPBSET_DROP, capability, 0);
    }
    // SAFETY: the kernel reads the header and, in this version, two times three words.
    checked(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// setrlimit(2): no core dumps.
pub(super) fn no_core_dumps() -> Result<(), Errno> {
    let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads one `rlimit`.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const nothing) }.into()).map(drop)
}

/// pipe2(2): reading end, writing end.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two descriptors.
    checked(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }.into())?;
    // SAFETY: the kernel just returned these descriptors and nothing else knows of them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// kill(2).
pub(super) fn kill(pid: pid_t, signal: c_int) {
    // SAFETY: no pointer is passed.
    unsafe { libc::kill(pid, signal) };
}

/// getppid(2).
pub(super) fn parent() -> pid_t {
    // SAFETY: always succeeds.
    unsafe { libc::getppid() }
}

/// getpgid(2); of the caller for 0.
pub(super) fn group_of(pid: pid_t) -> pid_t {
    // SAFETY: takes no pointer.
    unsafe { libc::getpgid(pid) }
}

/// What waitpid(2) found.
pub(super) enum Reaped {
    /// This process ended, with what a shell would exit with for it.
    Ended(pid_t, u8),
    /// Children are there, and none has ended.
    Running,
    /// There are no children.
    NoChildren,
}

/// waitpid(2) for any child.
pub(super) fn reap(block: bool) -> Reaped {
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one int.
        let pid =
            unsafe { libc::waitpid(-1, &raw mut status, if block { 0 } else { libc::WNOHANG }) };
        return match pid {
            0 => Reaped::Running,
            -1 if errno() == libc::EINTR => continue,
            -1 => Reaped::NoChildren,
            pid => Reaped::Ended(pid, exit_code(status)),
        };
    }
}

/// waitpid(2) for one child.
pub(super) fn reap_one(child: pid_t) {
    // SAFETY: the status is not asked for.
    while unsafe { libc::waitpid(child, ptr::null_mut(), 0) } == -1 && errno() == libc::EINTR {}
}

fn exit_code(status: c_int) -> u8 {
    let code = if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    };
    u8::try_from(code & 0xff).unwrap_or(u8::MAX)
}

/// close_range(2).
pub(super) fn close_range(first: c_uint, last: c_uint) {
    // SAFETY: the callers own these descriptors or are about to end without using them.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

/// dup2(2).
pub(super) fn replace(number: RawFd, with: &OwnedFd) {
    // SAFETY: the callers replace standard streams, which nothing owns.
    unsafe { libc::dup2(with.as_raw_fd(), number) };
}

#[cfg(test)]
mod tests {
    use std::{ffi::CString, fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_link_that_was_put_on_the_way_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(base.join("real/beneath")).unwrap();
        symlink("real", base.join("link")).unwrap();
        let at = |path: &str| CString::new(base.join(path).into_os_string().into_encoded_bytes());
        refer(&at("real/beneath").unwrap()).unwrap();
        for path in ["link", "link/beneath"] {
            let path = at(path).unwrap();
            assert_eq!(refer(&path).unwrap_err(), libc::ELOOP);
            assert_eq!(clone_tree(&path, true).unwrap_err(), libc::ELOOP);
        }
    }
}
