//! Namespaces, mounts and roots.

use super::tools::{by_path, did, done, read, read_fd};
use crate::{
    attempt::{Attempt, Family, Got, Stop, at, at_mut, call, holder, open, program},
    raw,
};

pub(crate) const FAMILY: Family = Family {
    name: "namespaces and mounts",
    attacks: &[
        program("unshare: a user namespace", |s| {
            s.enter()?;
            did("it has all capabilities in one", call!(SYS_unshare, libc::CLONE_NEWUSER))
        }),
        program("unshare: a mount namespace", |s| {
            s.enter()?;
            let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS;
            did("it has one", call!(SYS_unshare, flags))
        }),
        program("unshare: a network", |s| {
            s.enter()?;
            let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNET;
            did("it has one", call!(SYS_unshare, flags))
        }),
        program("clone: a user namespace", |s| {
            s.enter()?;
            cloned(call!(SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD, 0, 0, 0, 0)?)
        }),
        program("clone: process ids of its own", |s| {
            s.enter()?;
            let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::SIGCHLD;
            cloned(call!(SYS_clone, flags, 0, 0, 0, 0)?)
        }),
        program("clone3: a user namespace", |s| {
            s.enter()?;
            let mut arguments = [0_u64; 8];
            arguments[0] = libc::CLONE_NEWUSER as u64;
            arguments[4] = libc::SIGCHLD as u64;
            cloned(call!(SYS_clone3, at(&arguments), 64)?)
        }),
        program("setns: the namespaces of another process", |s| {
            s.enter()?;
            let process = open!(SYS_pidfd_open, s.other.pid, 0)?;
            did("it joined one", call!(SYS_setns, process, libc::CLONE_NEWUTS))
        }),
        holder("setns by a descriptor of before", |s| {
            let process = open!(SYS_pidfd_open, s.other.pid, 0)?;
            s.enter()?;
            did("it joined one", call!(SYS_setns, process, libc::CLONE_NEWUTS))
        }),
        holder("the owner of a namespace by ioctl (NS_GET_PARENT, NS_GET_USERNS)", |s| {
            let namespace = open!(SYS_openat, -100, c"/proc/self/ns/uts", libc::O_RDONLY)?;
            s.enter()?;
            did("it has its user namespace", open!(SYS_ioctl, namespace, 0xb701, 0))
        }),
        program("mount: a bind mount of a file outside", |s| {
            s.enter()?;
            privileged()?;
            let (from, to) = (s.secret(), s.path("out/plain"));
            call!(SYS_mount, from, to.as_c_str(), 0, libc::MS_BIND, 0)?;
            let got = by_path(&to);
            let _ = call!(SYS_umount2, s.path("out/plain"), libc::MNT_DETACH);
            got
        }),
        program("mount: a new file system over a granted directory", |s| {
            s.enter()?;
            privileged()?;
            let to = s.path("out");
            done(call!(SYS_mount, c"none", to, c"tmpfs", 0, 0))
        }),
        program("open_tree: a copy of the mounts", |s| {
            s.enter()?;
            privileged()?;
            let tree = open!(SYS_open_tree, -100, s.path("outside"), 1)?;
            read(tree, c"secret")
        }),
        program("open_tree: a descriptor alone", |s| {
            s.enter()?;
            let tree = open!(SYS_open_tree, s.out, c"../outside", 0)?;
            read(tree, c"secret")
        }),
        program("open_tree_attr", |s| {
            s.enter()?;
            privileged()?;
            let attributes = [0_u64; 4];
            let path = s.path("outside");
            let words = [raw::number(-100), raw::text(&path), 1, at(&attributes), 32];
            let tree = crate::attempt::numbered("open_tree_attr", 467, &words)?;
            read(i32::try_from(tree).unwrap_or(-1), c"secret")
        }),
        program("fsopen, fsmount: procfs without a name", |s| {
            s.enter()?;
            let context = open!(SYS_fsopen, c"proc", 0)?;
            call!(SYS_fsconfig, context, 6, 0, 0, 0)?;
            let mount = open!(SYS_fsmount, context, 0, 0)?;
            let mut path = b"self/root".to_vec();
            path.extend(s.secret().as_bytes());
            read(mount, &std::ffi::CString::new(path).unwrap_or_default())
        }),
        holder("fspick", |s| {
            s.enter()?;
            privileged()?;
            did("it has the settings of a mount", open!(SYS_fspick, -100, c"/", 0))
        }),
        holder("mount_setattr", |s| {
            s.enter()?;
            privileged()?;
            let attributes = [0_u64; 4];
            // Of a path that is no mount: whoever may do this at all is told so.
            let (path, at) = (s.path("out"), at(&attributes));
            match call!(SYS_mount_setattr, -100, path, 0, at, 32) {
                Err(Stop::At(_, error)) if error.raw_os_error() == Some(libc::EINVAL) => {
                    Ok(Got::Did("it may change mounts"))
                }
                other => did("it may change mounts", other),
            }
        }),
        holder("listmount", |s| {
            s.enter()?;
            // struct mnt_id_req: size, spare, LSMT_ROOT, parameter, namespace
            let request = [32_u64, u64::MAX, 0, 0];
            let mut mounts = [0_u64; 8];
            let (asked, to) = (at(&request), at_mut(&mut mounts));
            let listed = crate::attempt::numbered("listmount", 458, &[asked, to, 8, 0])?;
            if listed == 0 {
                return Err(Stop::Nothing("no mounts"));
            }
            Ok(Got::Did("it listed mounts"))
        }),
        holder("statmount", |s| {
            // The root's mount, whose number is known from before.
            let mut about = [0_u64; 32];
            call!(SYS_statx, -100, c"/", 0, 0x4000, at_mut(&mut about))?;
            s.enter()?;
            let request = [32_u64, about[18], 0x02, 0];
            let mut answer = [0_u8; 1024];
            let (asked, to) = (at(&request), at_mut(&mut answer));
            let told = crate::attempt::numbered("statmount", 457, &[asked, to, 1024, 0]);
            did("it learnt of a mount", told)
        }),
        holder("pivot_root", |s| {
            s.enter()?;
            privileged()?;
            // Of a directory that is no mount: whoever may do this at all is told so.
            match call!(SYS_pivot_root, s.path("out"), s.path("out")) {
                Err(Stop::At(_, error))
                    if [libc::EINVAL, libc::EBUSY].contains(&error.raw_os_error().unwrap_or(0)) =>
                {
                    Ok(Got::Did("it may change the root"))
                }
                other => did("it may change the root", other),
            }
        }),
        holder("umount", |s| {
            s.enter()?;
            privileged()?;
            match call!(SYS_umount2, s.path("out"), 0) {
                Err(Stop::At(_, error)) if error.raw_os_error() == Some(libc::EINVAL) => {
                    Ok(Got::Did("it may take mounts away"))
                }
                other => did("it may take mounts away", other),
            }
        }),
        program("chroot", |s| {
            s.enter()?;
            privileged()?;
            call!(SYS_chroot, s.path("outside"))?;
            read(-100, c"/secret")
        }),
        program("chroot beneath, and up from a directory outside of it", |s| {
            s.enter()?;
            privileged()?;
            call!(SYS_fchdir, s.inside)?;
            call!(SYS_chroot, s.path("out"))?;
            read_fd(open!(SYS_openat, -100, c"../outside/secret", libc::O_RDONLY)?)
        }),
    ],
};

/// Somebody without privilege makes a namespace first, where there are such privileges.
fn privileged() -> Result<(), Stop> {
    if !raw::root() {
        call!(SYS_unshare, libc::CLONE_NEWUSER | libc::CLONE_NEWNS)?;
    }
    Ok(())
}

/// In the child and in the parent of it.
#[allow(clippy::unnecessary_wraps)] // It ends attacks.
fn cloned(pid: usize) -> Attempt {
    if pid == 0 {
        raw::exit(0);
    }
    raw::wait(i32::try_from(pid).unwrap_or(-1));
    Ok(Got::Did("it has a child in one"))
}
