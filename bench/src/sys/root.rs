//! A private root, by the calls that it takes at least.

use std::{
    ffi::{CStr, CString},
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::ffi::OsStringExt,
    },
};

use super::{check, open_with, owned};

/// Everything has a copy of its tree on its number, and the root is empty.
pub(crate) fn private_root(directories: &[RawFd]) -> io::Result<()> {
    let path = |fd: &RawFd| {
        let link = std::fs::read_link(format!("/proc/self/fd/{fd}"))?;
        Ok(CString::new(link.into_os_string().into_vec())?)
    };
    let paths = directories.iter().map(path).collect::<io::Result<Vec<CString>>>()?;
    // SAFETY: the calls take no pointers and always succeed.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let user = if uid == 0 { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS | user) }.into())?;
    if user != 0 {
        write(c"/proc/self/setgroups", "deny")?;
        write(c"/proc/self/uid_map", &format!("{uid} {uid} 1"))?;
        write(c"/proc/self/gid_map", &format!("{gid} {gid} 1"))?;
    }
    private()?;
    for (fd, path) in directories.iter().zip(&paths) {
        replace(*fd, path)?;
    }
    cover()?;
    if user != 0 { drop_capabilities() } else { Ok(()) }
}

fn write(path: &CStr, text: &str) -> io::Result<()> {
    let file = open_with(path, libc::O_WRONLY)?;
    // SAFETY: the kernel reads no more than the text's length.
    let written = unsafe { libc::write(file.as_raw_fd(), text.as_ptr().cast(), text.len()) };
    check(written.try_into().unwrap_or(-1)).map(drop)
}

/// mount(2): nothing propagates.
fn private() -> io::Result<()> {
    let (none, flags) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
    // SAFETY: the target is a C string, and the other pointers are not used with these flags.
    check(unsafe { libc::mount(none, c"/".as_ptr(), none, flags, none.cast()) }.into()).map(drop)
}

/// open_tree(2), mount_setattr(2), openat(2), dup3(2).
fn replace(fd: RawFd, path: &CStr) -> io::Result<()> {
    let recursive = libc::AT_RECURSIVE.cast_unsigned();
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | recursive;
    // SAFETY: the path is a C string.
    let tree = owned(check(unsafe {
        libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags)
    })?)?;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOEXEC,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let empty = c"".as_ptr();
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is a C string, and the kernel reads as many bytes as the structure has.
    check(unsafe {
        let (at, size) = (&raw const attributes, size_of_val(&attributes));
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), empty, flags, at, size)
    })?;
    let flags = libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string.
    let directory = unsafe { libc::openat(tree.as_raw_fd(), c".".as_ptr(), flags) };
    let directory = owned(check(directory.into())?)?;
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::dup3(directory.as_raw_fd(), fd, libc::O_CLOEXEC) }.into()).map(drop)
}

/// A new tmpfs becomes the root, and the old one is gone.
fn cover() -> io::Result<()> {
    let sealed = libc::MOUNT_ATTR_RDONLY
        | libc::MOUNT_ATTR_NOSUID
        | libc::MOUNT_ATTR_NODEV
        | libc::MOUNT_ATTR_NOEXEC;
    let (none, here) = (std::ptr::null::<libc::c_char>(), c".".as_ptr());
    // SAFETY: the names and paths are C strings, and a null pointer is where none is read.
    unsafe {
        let context = owned(check(libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 1))?)?;
        let context = context.as_raw_fd();
        check(libc::syscall(libc::SYS_fsconfig, context, 6, none, none, 0))?;
        let root = owned(check(libc::syscall(libc::SYS_fsmount, context, 1, sealed))?)?;
        let (root, flags) = (root.as_raw_fd(), libc::MOVE_MOUNT_F_EMPTY_PATH);
        let (empty, at) = (c"".as_ptr(), c"/".as_ptr());
        check(libc::syscall(libc::SYS_move_mount, root, empty, libc::AT_FDCWD, at, flags))?;
        check(libc::fchdir(root).into())?;
        check(libc::syscall(libc::SYS_pivot_root, here, here))?;
        check(libc::umount2(here, libc::MNT_DETACH).into()).map(drop)
    }
}

/// Those that the user namespace brought.
fn drop_capabilities() -> io::Result<()> {
    // SAFETY: the options take numbers only; past the last capability it is an error.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, 4_u64, 0_u64, 0_u64, 0_u64);
        let drop = |capability: u64| {
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0_u64, 0_u64, 0_u64) == 0
        };
        (0..64).take_while(|capability| drop(*capability)).count();
    }
    let (header, none) = ([0x2008_0522_u32, 0], [0_u32; 6]);
    // SAFETY: the kernel reads two and six words.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) }).map(drop)
}
