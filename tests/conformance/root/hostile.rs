//! Surroundings that mean harm, or are only unusual.

use std::{fs, os::fd::AsRawFd};

use capsicum_rs::{Containment, Rights, Sandbox};

use super::setup::own_mounts;
use crate::{
    harness::{Case, Done, Outcome, refused, works},
    raw::{self, Arg},
    scene::Scene,
};

const LOOK: Rights = Rights::LOOKUP.union(Rights::READ).union(Rights::FSTAT);

fn root() -> Sandbox<'static> {
    Sandbox::new().require(Containment::Directories)
}

pub(super) fn cases() -> Vec<Case> {
    vec![Case::new("a changed root does not lead to the one that it was changed from", chroot)]
}

/// Joining a mount namespace leads to its root, which after chroot(2) is another one.
fn chroot(scene: &Scene) -> Outcome {
    if let Err(reason) = own_mounts() {
        return Ok(Done::Skipped(reason));
    }
    let jail = scene.path("jail");
    works("jail", fs::create_dir(scene.dir.join("jail")))?;
    let (none, root_of) = (Arg::Int(0), Arg::Str(&jail));
    let tmpfs = Arg::Str(c"tmpfs");
    works("mount", raw::syscall(libc::SYS_mount, &[tmpfs, root_of, tmpfs, none, none]))?;
    works("directory", fs::create_dir_all(scene.dir.join("jail/dir")))?;
    works("file", fs::write(scene.dir.join("jail/dir/file"), b"within"))?;
    works("point", fs::create_dir(scene.dir.join("jail/proc")))?;
    let (point, own) = (scene.path("jail/proc"), Arg::Str(c"/proc"));
    let bind = Arg::Int((libc::MS_BIND | libc::MS_REC).cast_signed());
    works("mount", raw::syscall(libc::SYS_mount, &[own, Arg::Str(&point), none, bind, none]))?;
    works("chroot", raw::syscall(libc::SYS_chroot, &[root_of]))?;
    works("chdir", std::env::set_current_dir("/"))?;
    let dir = works("directory", fs::File::open("/dir"))?;
    works("enter", root().grant(&dir, LOOK).enter())?;
    works("fstatat", raw::fstatat(dir.as_raw_fd(), c"file"))?;
    for path in [c"/etc/passwd", c"/etc", c"/dir"] {
        refused("fstatat", raw::fstatat(dir.as_raw_fd(), path), &[libc::ENOENT])?;
    }
    Ok(Done::Held)
}
