//! What is mounted beneath directories: part of their trees, or left out.

use std::{fs, os::fd::AsRawFd};

use capsicum_rs::{Containment, Error, Rights, Sandbox, sandboxed};

use super::found::{LOOK, mount_over, own_mounts};
use crate::{
    harness::{Case, Done, ensure, refused, works},
    raw,
};

pub(super) fn cases() -> Vec<Case> {
    vec![
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
        Case::new("what is mounted beneath can be left out of a tree", |scene| {
            if let Err(reason) = own_mounts() {
                return Ok(Done::Skipped(reason));
            }
            let dir = works("directory", scene.directory("dir"))?;
            works("point", fs::create_dir(scene.dir.join("dir/sub")))?;
            works("hidden", fs::write(scene.dir.join("dir/sub/hidden"), b"hidden"))?;
            works("mount", mount_over(scene, "dir/sub"))?;
            works("file", fs::write(scene.dir.join("dir/sub/within"), b"within"))?;
            let sandbox = || Sandbox::new().grant(&dir, LOOK).without_submounts();
            match sandbox().enter() {
                Err(Error::Unenforceable { reason, .. }) => {
                    ensure(reason.contains("Directories"), reason)?;
                }
                other => return Err(format!("{other:?}")),
            }
            works("enter", sandbox().require(Containment::Directories).enter())?;
            let within = raw::fstatat(dir.as_raw_fd(), c"sub/within");
            refused("fstatat", within, &[libc::ENOENT])?;
            works("fstatat", raw::fstatat(dir.as_raw_fd(), c"sub/hidden"))?;
            Ok(Done::Held)
        }),
        Case::new("mounts are left out only where nothing leads to them by another way", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            let (ours, _theirs) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
            let sandbox = Sandbox::new().grant(&dir, LOOK).grant(&ours, Rights::READ);
            let sandbox = sandbox.without_submounts().require(Containment::Directories);
            match sandbox.enter() {
                Err(Error::Unenforceable { reason, .. }) => {
                    ensure(reason.contains("arrive"), reason)?;
                    ensure(!sandboxed(), "in capability mode after an error").map(|()| Done::Held)
                }
                other => Err(format!("{other:?}")),
            }
        }),
        Case::new("a root without its mounts does not lead to procfs", |_| {
            let root = works("root", fs::File::open("/"))?;
            let sandbox = Sandbox::new().grant(&root, LOOK).without_submounts();
            match sandbox.require(Containment::Directories).enter() {
                Ok(_) => {}
                // What a mount hides stays hidden.
                Err(Error::Containment { reason, .. }) if reason.contains("must stay") => {
                    return Ok(Done::Otherwise(reason));
                }
                Err(error) => return Err(format!("enter: {error}")),
            }
            let at = root.as_raw_fd();
            works("fstatat", raw::fstatat(at, c"etc/passwd"))?;
            refused("fstatat", raw::fstatat(at, c"proc/self"), &[libc::ENOENT])?;
            refused("readlinkat", raw::readlinkat(at, c"proc/self/exe"), &[libc::ENOENT])?;
            Ok(Done::Held)
        }),
    ]
}
