//! Surroundings that mean harm, or are only unusual.

use std::{fs, os::fd::AsRawFd};

use capsicum_rs::{Containment, Error, Rights, Sandbox, Support, limit, sandboxed};

use super::found::own_mounts;
use crate::{
    harness::{Case, Done, Outcome, ensure, in_fork, refused, works},
    raw::{self, Arg, ENOTCAPABLE},
    scene::Scene,
};

const LOOK: Rights = Rights::LOOKUP.union(Rights::READ).union(Rights::FSTAT);

fn root() -> Sandbox<'static> {
    Sandbox::new().require(Containment::Directories)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("a changed root does not lead to the one that it was changed from", chroot),
        Case::new("a number above a lowered limit is an error that says so", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            let high = works("fcntl", raw::fcntl(&dir, libc::F_DUPFD_CLOEXEC, 500))?;
            // RLIMIT_NOFILE, soft and hard.
            let limits: Vec<u8> = [100_u64, 1000].into_iter().flat_map(u64::to_ne_bytes).collect();
            let call = [Arg::Int(0), Arg::Int(7), Arg::Bytes(&limits), Arg::Int(0)];
            works("prlimit", raw::syscall(libc::SYS_prlimit64, &call))?;
            unmet(root().ceiling(LOOK), &format!("descriptor {high} cannot be replaced"))
        }),
        Case::new("what is preferred and cannot be joined is told", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            // Its working directory and root belong to another process too.
            let flags = Arg::Int((libc::CLONE_FS | libc::SIGCHLD).into());
            if works("clone", raw::syscall(libc::SYS_clone, &[flags]))? == 0 {
                loop {
                    let _ = raw::syscall(libc::SYS_ppoll, &[]);
                }
            }
            unmet(root().grant(&dir, LOOK), "setns")?;
            let sandbox = Sandbox::new().grant(&dir, LOOK).prefer(Containment::Directories);
            let entered = works("enter", sandbox.enter())?;
            ensure(entered.containment == Containment::Landlock, format!("{entered:?}"))?;
            let [missing] = &entered.missing[..] else { return Err(format!("{entered:?}")) };
            ensure(missing.reason.contains("setns"), format!("{missing:?}")).map(|()| Done::Held)
        }),
        Case::new("a path that may be empty needs LOOKUP where a directory was opened", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            works("inner", scene.directory("dir/inner"))?;
            works("enter", root().ceiling(Rights::READ | Rights::FSTAT).grant(&dir, LOOK).enter())?;
            let inner = works("openat", raw::openat(dir.as_raw_fd(), c"inner", libc::O_DIRECTORY))?;
            works("fstat", raw::fstat(&inner))?;
            refused("fstatat", raw::fstatat(inner.as_raw_fd(), c"file"), &[ENOTCAPABLE])?;
            let refusals = &[ENOTCAPABLE, libc::ENOSYS];
            refused("statx", raw::statx(inner.as_raw_fd(), c"file"), refusals)?;
            Ok(Done::Held)
        }),
        Case::new("a path that may be empty needs LOOKUP after a limit", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            let file = works("file", scene.file("file"))?;
            let other = works("file", scene.file("file"))?;
            let writing = Rights::WRITE | Rights::FSTAT;
            let sandbox = root().grant(&dir, LOOK).grant(&file, writing).grant(&other, writing);
            works("enter", sandbox.enter())?;
            works("limit", limit(&dir, Rights::READ | Rights::FSTAT))?;
            works("limit", limit(&file, Rights::FSTAT))?;
            works("fstat", raw::fstat(&dir))?;
            refused("statx", raw::statx(dir.as_raw_fd(), c"file"), &[ENOTCAPABLE])?;
            // What is known to be no directory leads nowhere.
            works("statx", raw::statx(file.as_raw_fd(), c""))?;
            works("statx", raw::statx(other.as_raw_fd(), c""))?;
            Ok(Done::Held)
        }),
        Case::new("a limit after entering leaves the other grants as they are", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            let file = works("file", scene.file("file"))?;
            works("enter", root().grant(&dir, LOOK).grant(&file, Rights::READ).enter())?;
            works("limit", limit(&dir, Rights::READ | Rights::FSTAT))?;
            works("read", raw::read(&file, &mut [0]))?;
            refused("write", raw::write(&file, b"W"), &[ENOTCAPABLE])?;
            works("getdents", raw::getdents(&dir))?;
            Ok(Done::Held)
        }),
        Case::new(
            "a directory that may be executed does not tell what is outside of it",
            |scene| {
                let dir = works("directory", scene.directory("dir"))?;
                works("staying open", raw::fcntl(&dir, libc::F_SETFD, 0))?;
                works("outside", scene.directory("outside"))?;
                works("enter", root().grant(&dir, Rights::FEXECVE).enter())?;
                let empty = Arg::Int(libc::AT_EMPTY_PATH.into());
                for path in [c"../outside/file", c"../outside", c"/etc/passwd"] {
                    let at = Arg::Int(dir.as_raw_fd().into());
                    let call = [at, Arg::Str(path), Arg::Int(0), Arg::Int(0), empty];
                    refused("execveat", raw::syscall(libc::SYS_execveat, &call), &[libc::ENOENT])?;
                }
                Ok(Done::Held)
            },
        ),
        Case::new("a lock on a directory is not lost by entering", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            let exclusive = Arg::Int(libc::LOCK_EX.into());
            let call = [Arg::Int(dir.as_raw_fd().into()), exclusive];
            works("flock", raw::syscall(libc::SYS_flock, &call))?;
            unmet(root().grant(&dir, LOOK), "flock")
        }),
        Case::new("numbers that are limited and free again break nothing", free_again),
    ];
    cases.extend(processes());
    cases
}

/// What the processes that the set-up starts leave behind.
fn processes() -> Vec<Case> {
    vec![
        Case::new("the first process of a new process namespace is left to the caller", |scene| {
            if let Err(reason) = own_mounts() {
                return Ok(Done::Skipped(reason));
            }
            let dir = works("directory", scene.directory("dir"))?;
            let namespace = Arg::Int(libc::CLONE_NEWPID.into());
            works("unshare", raw::syscall(libc::SYS_unshare, &[namespace]))?;
            let _ = Support::probe();
            unmet(root().grant(&dir, LOOK), "process namespace")?;
            // After the end of its first process a namespace takes no other.
            let child = works("fork", raw::spawn(|| 7))?;
            let status = works("wait", raw::wait(child.pid))?;
            let own = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7;
            ensure(own, format!("it ended with {status:#x}")).map(|()| Done::Held)
        }),
        Case::new("probing is not heard of by the handler of SIGCHLD", |_| {
            let page: &'static raw::SharedPage =
                Box::leak(Box::new(works("page", raw::SharedPage::new())?));
            works("handler", raw::count_signals(page, libc::SIGCHLD))?;
            let support = Support::probe();
            ensure(support.containment >= Containment::Landlock, "what is offered is not known")?;
            let heard = page.counter().load(std::sync::atomic::Ordering::SeqCst);
            ensure(heard == 0, format!("it was heard of {heard} times")).map(|()| Done::Held)
        }),
    ]
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

/// Entering is refused for this reason, and nothing is entered.
fn unmet(sandbox: Sandbox<'_>, words: &str) -> Outcome {
    match sandbox.enter() {
        Err(Error::Containment { required: Containment::Directories, reason, .. }) => {
            ensure(reason.contains(words), format!("it does not say why: {reason}"))?;
            ensure(!sandboxed(), "in capability mode after an error").map(|()| Done::Held)
        }
        other => Err(format!("{other:?}")),
    }
}

/// The set-up opens descriptors, which get numbers that are still limited: it may fail, and must
/// not do so half way.
fn free_again(scene: &Scene) -> Outcome {
    for count in 1..=8 {
        in_fork(|| {
            let file = works("file", scene.file("file"))?;
            let mut files = Vec::new();
            for _ in 0..count {
                files.push(works("dup", file.try_clone())?);
            }
            let dir = works("directory", scene.directory("dir"))?;
            let last = files.last().ok_or("no file")?;
            works("limit", limit(last, LOOK))?;
            drop(files);
            match root().grant(&dir, LOOK).enter() {
                Ok(_) => works("fstatat", raw::fstatat(dir.as_raw_fd(), c"file")).map(drop)?,
                Err(Error::Containment { .. } | Error::Unenforceable { .. }) => {
                    ensure(!sandboxed(), "in capability mode after an error")?;
                    works("metadata", fs::metadata(&scene.dir))?;
                }
                Err(error) => return Err(error.to_string()),
            }
            Ok(Done::Held)
        })?;
    }
    Ok(Done::Held)
}
