//! A directory that is granted for reading, and is to be altered; and devices in one for writing.

use capsicum_rs::{Rights, Sandbox};

use super::tools::{AT_FDCWD, did, done, read_fd, through_procfs, write_fd};
use crate::{
    attempt::{Attempt, Family, at, call, holder, open, program},
    stage::{Scene, borrowed},
};

pub(crate) const FAMILY: Family = Family {
    name: "what may only be read",
    attacks: &[
        program("opening for writing", |s| {
            s.enter_plain()?;
            write_fd(open!(SYS_openat, s.inside, c"inside", libc::O_WRONLY)?)
        }),
        program("opening for both, by the path from the other directory", |s| {
            s.enter_plain()?;
            write_fd(open!(SYS_openat, s.out, c"../in/inside", libc::O_RDWR)?)
        }),
        program("opening with access mode 3", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.inside, c"inside", 3)?;
            // FS_IOC_SETFLAGS: not to be dumped
            done(call!(SYS_ioctl, file, 0x4008_6602, at(&0x8_0040_u64)))
        }),
        program("truncating what is opened for reading", |s| {
            s.enter_plain()?;
            done(open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY | libc::O_TRUNC))
        }),
        program("creating", |s| {
            s.enter_plain()?;
            done(open!(SYS_openat, s.inside, c"made", libc::O_CREAT | libc::O_WRONLY, 0o600))
        }),
        program("removing", |s| {
            s.enter_plain()?;
            done(call!(SYS_unlinkat, s.inside, c"inside", 0))
        }),
        program("removing, from the other directory", |s| {
            s.enter_plain()?;
            done(call!(SYS_unlinkat, s.out, c"../in/inside", 0))
        }),
        program("moving out", |s| {
            s.enter_plain()?;
            done(call!(SYS_renameat, s.inside, c"inside", s.out, c"moved"))
        }),
        program("moving in", |s| {
            s.enter_plain()?;
            done(call!(SYS_renameat, s.out, c"plain", s.out, c"../in/moved"))
        }),
        program("a link into the directory for writing, and writing there", |s| {
            s.enter_plain()?;
            call!(SYS_linkat, s.out, c"../in/inside", s.out, c"linked", 0)?;
            write_fd(open!(SYS_openat, s.out, c"linked", libc::O_WRONLY)?)
        }),
        program("a symbolic link, and writing through it", |s| {
            s.enter_plain()?;
            call!(SYS_symlinkat, s.path("in/inside"), s.out, c"linked")?;
            write_fd(open!(SYS_openat, s.out, c"linked", libc::O_WRONLY)?)
        }),
        program("opening a descriptor again, for writing", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            write_fd(open!(SYS_openat, AT_FDCWD, through_procfs(file), libc::O_WRONLY)?)
        }),
        program("the mode, by descriptor", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            done(call!(SYS_fchmod, file, 0o666))
        }),
        program("the mode of the directory itself", |s| {
            s.enter_plain()?;
            done(call!(SYS_fchmod, s.inside, 0o777))
        }),
        program("the owner, by descriptor", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            done(call!(SYS_fchown, file, 12345, 12345))
        }),
        program("the times, by descriptor", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            done(call!(SYS_utimensat, file, 0, at(&[1_u64; 4]), 0))
        }),
        program("an attribute, by descriptor", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            done(call!(SYS_fsetxattr, file, c"user.x", b"x", 1, 0))
        }),
        program("the mode, as an access list", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            // struct posix_acl_xattr_header, then user, group and others with rw.
            let mut list = vec![2_u8, 0, 0, 0];
            for tag in [0x01_u8, 0x04, 0x20] {
                list.extend([tag, 0, 6, 0, 0xff, 0xff, 0xff, 0xff]);
            }
            let name = c"system.posix_acl_access";
            done(call!(SYS_fsetxattr, file, name, at(&list[..]), list.len(), 0))
        }),
        program("file flags, by descriptor", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            done(call!(SYS_ioctl, file, 0x4008_6602, at(&0x8_0040_u64)))
        }),
        holder("a lock that is held against others", |s| {
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            let (grant, rights) = (borrowed(file), Rights::READ);
            s.enter_with(Sandbox::new().grant(&grant, rights))?;
            did("it holds a lock", call!(SYS_flock, file, libc::LOCK_EX | libc::LOCK_NB))
        }),
        holder("a lease", |s| {
            s.enter()?;
            let file = open!(SYS_openat, s.inside, c"inside", libc::O_RDONLY)?;
            did("it holds a lease", call!(SYS_fcntl, file, libc::F_SETLEASE, libc::F_RDLCK))
        }),
        holder("notification of changes (F_NOTIFY)", |s| {
            s.enter_plain()?;
            did("it is told of changes", call!(SYS_fcntl, s.inside, libc::F_NOTIFY, 2))
        }),
        program("a character device, made and opened", |s| {
            s.enter_plain()?;
            device(s, libc::S_IFCHR)
        }),
        program("a block device, made", |s| {
            s.enter_plain()?;
            device(s, libc::S_IFBLK)
        }),
    ],
};

/// The device of zeros, or a block device that no driver has.
fn device(s: &Scene, kind: u32) -> Attempt {
    let number = if kind == libc::S_IFCHR { libc::makedev(1, 5) } else { libc::makedev(255, 255) };
    call!(SYS_mknodat, s.out, c"device", kind | 0o600, number)?;
    if kind == libc::S_IFCHR {
        let _ = read_fd(open!(SYS_openat, s.out, c"device", libc::O_RDONLY)?)?;
    }
    done(Ok(0))
}
