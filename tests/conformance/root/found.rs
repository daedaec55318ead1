//! Directories are found again by their paths, or entering says which is not.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd},
};

use capsicum_rs::{Containment, Error, Rights, Sandbox, sandboxed};

use crate::{
    harness::{Case, Done, Outcome, ensure, works},
    raw,
    scene::Scene,
};

const LOOK: Rights = Rights::LOOKUP.union(Rights::READ).union(Rights::FSTAT);

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a directory that was deleted is an error that names it", |scene| {
            let dir = works("directory", scene.directory("gone"))?;
            works("removing", fs::remove_dir_all(scene.dir.join("gone")))?;
            named(&dir, "deleted")
        }),
        Case::new("a directory in the place of another is an error that names it", |scene| {
            let dir = works("directory", scene.directory("gone"))?;
            works("removing", fs::remove_dir_all(scene.dir.join("gone")))?;
            // What procfs says of the deleted one is the path of this one.
            works("another", fs::create_dir(scene.dir.join("gone (deleted)")))?;
            named(&dir, "another directory is where")
        }),
        Case::new("a directory that was moved is found where it is", |scene| {
            let dir = works("directory", scene.directory("before"))?;
            works(
                "moving",
                fs::rename(scene.dir.join("before"), scene.dir.join("after \\ moved")),
            )?;
            let sandbox = Sandbox::new().grant(&dir, LOOK).require(Containment::Directories);
            works("enter", sandbox.enter())?;
            works("fstatat", raw::fstatat(dir.as_raw_fd(), c"file"))?;
            Ok(Done::Held)
        }),
        Case::new("a directory that something is mounted over is an error", |scene| {
            if let Err(reason) = own_mounts() {
                return Ok(Done::Skipped(reason));
            }
            let dir = works("directory", scene.directory("covered"))?;
            works("mount", mount_over(scene, "covered"))?;
            named(&dir, "mounted over it")
        }),
        Case::new("a directory of another namespace is an error", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            if let Err(reason) = own_mounts() {
                return Ok(Done::Skipped(reason));
            }
            named(&dir, "its own mount is not one of this process's")
        }),
        Case::new("what is mounted beneath a directory is part of its tree", |scene| {
            if let Err(reason) = own_mounts() {
                return Ok(Done::Skipped(reason));
            }
            let dir = works("directory", scene.directory("dir"))?;
            works("point", fs::create_dir(scene.dir.join("dir/sub")))?;
            works("mount", mount_over(scene, "dir/sub"))?;
            works("file", fs::write(scene.dir.join("dir/sub/within"), b"within"))?;
            let sandbox = Sandbox::new().grant(&dir, LOOK).require(Containment::Directories);
            works("enter", sandbox.enter())?;
            works("fstatat", raw::fstatat(dir.as_raw_fd(), c"sub/within"))?;
            Ok(Done::Held)
        }),
        Case::new("a directory that leads to procfs is an error that says so", |_| {
            let root = works("root", fs::File::open("/"))?;
            named(&root, "procfs")
        }),
        Case::new(
            "what is preferred and not to be had is told, and a lower level is entered",
            |scene| {
                works("filter", raw::without_syscall(libc::SYS_pivot_root))?;
                let dir = works("directory", scene.directory("dir"))?;
                let sandbox = Sandbox::new().grant(&dir, LOOK).prefer(Containment::Directories);
                let entered = works("enter", sandbox.enter())?;
                ensure(entered.containment == Containment::Landlock, format!("{entered:?}"))?;
                let [missing] = &entered.missing[..] else { return Err(format!("{entered:?}")) };
                let said =
                    missing.what.contains("Directories") && missing.reason.contains("pivot_root");
                ensure(said, format!("{missing:?}")).map(|()| Done::Held)
            },
        ),
    ]
}

fn named(dir: &(impl AsFd + AsRawFd), words: &str) -> Outcome {
    match Sandbox::new().grant(dir, LOOK).require(Containment::Directories).enter() {
        Err(Error::Containment { required: Containment::Directories, reason, .. }) => {
            let number = format!("descriptor {}", dir.as_raw_fd());
            ensure(reason.contains(&number), format!("it does not name {number}: {reason}"))?;
            ensure(reason.contains(words), format!("it does not say why: {reason}"))?;
            ensure(!sandboxed(), "in capability mode after an error").map(|()| Done::Held)
        }
        other => Err(format!("{other:?}")),
    }
}

/// A namespace of its own, in which the process may mount.
pub(super) fn own_mounts() -> Result<(), String> {
    let user = works("capabilities", raw::capabilities())?[0] == 0;
    let namespaces = if user { libc::CLONE_NEWUSER | libc::CLONE_NEWNS } else { libc::CLONE_NEWNS };
    let number = |value: i64| raw::Arg::Int(value);
    let (uid, gid) = raw::ids();
    raw::syscall(libc::SYS_unshare, &[number(namespaces.into())])
        .map_err(|error| format!("no namespace to mount in: {error}"))?;
    if user {
        works("groups", fs::write("/proc/self/setgroups", "deny"))?;
        works("ids", fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")))?;
        works("ids", fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")))?;
    }
    let private = number((libc::MS_REC | libc::MS_PRIVATE).cast_signed());
    let root = raw::Arg::Str(c"/");
    let none = number(0);
    works("mount", raw::syscall(libc::SYS_mount, &[none, root, none, private, none])).map(drop)
}

/// Mounts an empty file system over a directory of the scene.
fn mount_over(scene: &Scene, name: &str) -> io::Result<()> {
    let target = scene.path(name);
    let (tmpfs, none) = (raw::Arg::Str(c"tmpfs"), raw::Arg::Int(0));
    let arguments = [tmpfs, raw::Arg::Str(&target), tmpfs, none, none];
    raw::syscall(libc::SYS_mount, &arguments).map(drop)
}
