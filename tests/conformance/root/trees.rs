//! What a tree holds, and what it leads to.

use std::{
    fs::{self, File},
    os::fd::{AsRawFd, OwnedFd},
};

use capsicum_rs::{Containment, Limits, Rights, Sandbox};

use crate::{
    harness::{Case, Done, Outcome, ensure, refused, works},
    raw::{self, ECAPMODE, ENOTCAPABLE},
    scene::Scene,
};

const LOOK: Rights = Rights::LOOKUP.union(Rights::READ).union(Rights::FSTAT);
const CHANGE: Rights =
    LOOK.union(Rights::PWRITE).union(Rights::CREATE).union(Rights::FCHMOD).union(Rights::FUTIMES);

fn root() -> Sandbox<'static> {
    Sandbox::new().require(Containment::Directories)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("two descriptors of one directory have each its own rights", own_rights),
        Case::new("a tree is read-only and not executable unless a right says so", attributes),
        Case::new("an inner tree does not lead to the outer one that is granted too", nested),
        Case::new("no capability is left of a user namespace", capabilities),
        Case::new("a directory that arrives later leads nowhere", arrived),
        Case::new("a directory that was on its way leads nowhere", |scene| {
            late(scene, true, Limits::from(LOOK))
        }),
        Case::new("a directory without LOOKUP is no start of a path", no_lookup),
        Case::new("fstat(3) of the C library works, whatever its version", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            let file = works("file", scene.file("file"))?;
            works("enter", root().ceiling(LOOK).grant(&dir, LOOK).enter())?;
            works("fstat", fs::File::from(file).metadata())?;
            works("fstat", fs::File::from(dir).metadata())?;
            Ok(Done::Held)
        }),
        Case::new("the root is empty and stays so", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            let own = works("root", fs::metadata("/"))?;
            let rights = CHANGE | Rights::MKDIRAT | Rights::SYMLINKAT;
            works("enter", root().ceiling(rights).grant(&dir, rights).enter())?;
            let at = dir.as_raw_fd();
            let now = works("fstatat", raw::fstatat(at, c"/"))?;
            let same = std::os::unix::fs::MetadataExt::dev(&own) == now.st_dev;
            ensure(!same, "it is the old root")?;
            for name in [c"/etc", c"/proc", c"/dev/null", c"/../etc"] {
                refused("fstatat", raw::fstatat(at, name), &[libc::ENOENT])?;
            }
            let nothing = &[libc::EROFS, libc::EACCES];
            refused("mkdirat", raw::mkdirat(at, c"/new", 0o700), nothing)?;
            refused("symlinkat", raw::symlinkat(c"file", at, c"/new"), nothing)?;
            refused("fchmodat", raw::fchmodat(at, c"/", 0o777, 0), &[libc::EROFS])?;
            Ok(Done::Held)
        }),
        Case::new("a directory keeps how it was opened", kept),
        Case::new("entering again keeps the level and narrows", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            works("enter", root().grant(&dir, CHANGE).enter())?;
            let again = works("again", Sandbox::new().grant(&dir, LOOK).enter())?;
            ensure(again.containment == Containment::Directories, format!("{again:?}"))?;
            works("fstatat", raw::fstatat(dir.as_raw_fd(), c"file"))?;
            let chmod = raw::fchmodat(dir.as_raw_fd(), c"file", 0o600, 0);
            refused("fchmodat", chmod, &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }),
        Case::new("a limit after entering holds by path too", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            works("enter", root().grant(&dir, CHANGE).enter())?;
            works("limit", capsicum_rs::limit(&dir, Rights::LOOKUP | Rights::READ))?;
            refused("fstatat", raw::fstatat(dir.as_raw_fd(), c"file"), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }),
    ]
}

fn own_rights(scene: &Scene) -> Outcome {
    let reads = works("directory", scene.directory("dir"))?;
    let changes = works("directory", scene.directory("dir"))?;
    works("enter", root().grant(&reads, LOOK).grant(&changes, CHANGE).enter())?;
    let (reads, changes) = (reads.as_raw_fd(), changes.as_raw_fd());
    refused("fchmodat", raw::fchmodat(reads, c"file", 0o600, 0), &[ENOTCAPABLE])?;
    refused("utimensat", raw::utimensat(reads, c"file", 1), &[ENOTCAPABLE])?;
    let writing = libc::O_WRONLY | libc::O_APPEND;
    refused("openat", raw::openat(reads, c"file", writing), &[ENOTCAPABLE])?;
    works("fchmodat", raw::fchmodat(changes, c"file", 0o600, 0))?;
    works("utimensat", raw::utimensat(changes, c"file", 1))?;
    works("openat", raw::openat(changes, c"file", writing))?;
    works("fstatat", raw::fstatat(reads, c"file"))?;
    Ok(Done::Held)
}

fn attributes(scene: &Scene) -> Outcome {
    let flags = [
        (LOOK, libc::ST_RDONLY | libc::ST_NOEXEC),
        (LOOK | Rights::PWRITE, libc::ST_NOEXEC),
        (LOOK | Rights::FEXECVE, libc::ST_RDONLY),
        (LOOK | Rights::MMAP_RX, libc::ST_RDONLY),
        (LOOK | Rights::FTRUNCATE | Rights::FEXECVE, 0),
    ];
    let mut dirs = Vec::new();
    for _ in &flags {
        let dir = works("directory", scene.directory("dir"))?;
        // What is pinned must stay where something is executed.
        works("staying open", raw::fcntl(&dir, libc::F_SETFD, 0))?;
        dirs.push(dir);
    }
    // It has nothing beyond reading as it is.
    let before = works("fstatfs", raw::mount_flags(&dirs[0]))?;
    let sandbox = dirs
        .iter()
        .zip(&flags)
        .fold(root(), |sandbox, (dir, (rights, _))| sandbox.grant(dir, *rights | Rights::FSTATFS));
    works("enter", sandbox.enter())?;
    for (dir, (rights, expected)) in dirs.iter().zip(&flags) {
        let now = works("fstatfs", raw::mount_flags(dir))?;
        let kinds = libc::ST_RDONLY | libc::ST_NOEXEC;
        let expected = expected | before & kinds | libc::ST_NOSUID;
        ensure(
            now & (kinds | libc::ST_NOSUID) == expected,
            format!("a tree with {rights} has the flags {now:#x}, not {expected:#x}"),
        )?;
    }
    Ok(Done::Held)
}

fn nested(scene: &Scene) -> Outcome {
    let outer = works("directory", scene.directory("outer"))?;
    let inner = works("directory", scene.directory("outer/inner"))?;
    let own = works("metadata", fs::metadata(scene.dir.join("outer/inner")))?;
    works("enter", root().grant(&outer, CHANGE).grant(&inner, LOOK).enter())?;
    let up = works("fstatat", raw::fstatat(inner.as_raw_fd(), c".."))?;
    let within = std::os::unix::fs::MetadataExt::ino(&own) == up.st_ino;
    ensure(within, "it leads up")?;
    let chmod = raw::fchmodat(inner.as_raw_fd(), c"file", 0o600, 0);
    refused("fchmodat", chmod, &[ENOTCAPABLE])?;
    works("fchmodat", raw::fchmodat(outer.as_raw_fd(), c"inner/file", 0o600, 0))?;
    Ok(Done::Held)
}

fn capabilities(scene: &Scene) -> Outcome {
    let dir = works("directory", scene.directory("dir"))?;
    // In capability mode capget(2) is refused: the id of any process is in its memory.
    let status = works("open", File::open("/proc/thread-self/status"))?;
    let before = works("status", held(&status))?;
    let sandbox = root().ceiling(LOOK).grant(&dir, LOOK).grant(&status, Rights::PREAD);
    works("enter", sandbox.enter())?;
    ensure(works("status", held(&status))? == before, "it has other capabilities")?;
    if before.iter().all(|set| set.ends_with(NONE_HELD)) {
        for capability in 0..40 {
            let number = [raw::Arg::Int(libc::PR_CAPBSET_READ.into()), raw::Arg::Int(capability)];
            let held = works("prctl", raw::syscall(libc::SYS_prctl, &number))?;
            ensure(held == 0, format!("{capability} is in the bounding set"))?;
        }
    }
    // What it is to others it still is.
    let stat = works("fstatat", raw::fstatat(dir.as_raw_fd(), c"file"))?;
    ensure((stat.st_uid, stat.st_gid) == raw::ids(), "its ids are others").map(|()| Done::Held)
}

/// No capability, as proc(5) writes it.
const NONE_HELD: &str = "0000000000000000";

/// The inheritable, permitted and effective sets of a process, as its status tells them.
fn held(status: &File) -> std::io::Result<Vec<String>> {
    let mut text = vec![0; 8192];
    let len = std::os::unix::fs::FileExt::read_at(status, &mut text, 0)?;
    let text = String::from_utf8_lossy(&text[..len]);
    let sets = text
        .lines()
        .filter(|line| ["CapInh", "CapPrm", "CapEff"].iter().any(|set| line.starts_with(set)));
    let sets: Vec<String> = sets.map(str::to_owned).collect();
    if sets.len() == 3 { Ok(sets) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}

fn arrived(scene: &Scene) -> Outcome {
    late(scene, false, Limits::from(CHANGE))
}

/// A directory comes over a socket, after entering or before.
fn late(scene: &Scene, queued: bool, ceiling: Limits) -> Outcome {
    let outside = works("directory", scene.directory("outside"))?;
    let granted = works("directory", scene.directory("granted"))?;
    let (ours, theirs) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
    let number = outside.as_raw_fd();
    if queued {
        works("sendmsg", raw::sendmsg(&theirs, Some(number)))?;
        drop(outside);
    } else {
        // The other end is another process's, outside of the sandbox.
        let child =
            works("fork", raw::spawn(|| i32::from(raw::sendmsg(&theirs, Some(number)).is_err())))?;
        works("wait", raw::wait(child.pid))?;
        drop(outside);
    }
    drop(theirs);
    let sandbox = root().ceiling(ceiling).grant(&granted, CHANGE | Rights::MKDIRAT);
    works("enter", sandbox.enter())?;
    let Some(late) = works("recvmsg", raw::recvmsg(&ours))? else {
        return Err("nothing arrived".to_owned());
    };
    let at = late.as_raw_fd();
    let unseen = &[ENOTCAPABLE, ECAPMODE];
    for path in [c"file", c"../granted/file", c"..", c"."] {
        refused("fstatat", raw::fstatat(at, path), unseen)?;
        refused("faccessat", raw::faccessat(at, path, 0, 0), unseen)?;
        refused("fchmodat", raw::fchmodat(at, path, 0o777, 0), unseen)?;
        refused("fchownat", raw::fchownat(at, path, u32::MAX, u32::MAX, 0), unseen)?;
        refused("utimensat", raw::utimensat(at, path, 1), unseen)?;
        refused("readlinkat", raw::readlinkat(at, path), unseen)?;
        refused("O_PATH", raw::openat(at, path, libc::O_PATH), unseen)?;
        refused("statx", raw::statx(at, path), &[libc::ENOSYS, ENOTCAPABLE])?;
    }
    refused("openat", raw::openat(at, c"file", libc::O_RDONLY), &[libc::EACCES])?;
    refused("openat", raw::openat(at, c"../outside/file", libc::O_RDONLY), &[libc::EACCES])?;
    works("fstatat of the grant", raw::fstatat(granted.as_raw_fd(), c"file"))?;
    Ok(Done::Held)
}

fn no_lookup(scene: &Scene) -> Outcome {
    let dir = works("directory", scene.directory("dir"))?;
    works("enter", root().grant(&dir, Rights::READ | Rights::FSTAT).enter())?;
    works("getdents", raw::getdents(&dir))?;
    works("fstat", raw::fstat(&dir))?;
    let at = dir.as_raw_fd();
    refused("fstatat", raw::fstatat(at, c"file"), &[ENOTCAPABLE])?;
    refused("statx", raw::statx(at, c"file"), &[libc::ENOSYS])?;
    refused("readlinkat", raw::readlinkat(at, c"file"), &[ENOTCAPABLE])?;
    Ok(Done::Held)
}

fn kept(scene: &Scene) -> Outcome {
    let reading = works("directory", scene.directory("dir"))?;
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let referring = works("directory", scene.open("dir", flags))?;
    let stays = works("open", scene.open("dir", libc::O_RDONLY))?;
    works("fcntl", raw::fcntl(&stays, libc::F_SETFD, 0))?;
    let closes = raw::fcntl(&referring, libc::F_GETFD, 0).is_ok_and(|flags| flags != 0);
    works(
        "enter",
        root().grant(&reading, LOOK).grant(&referring, LOOK).grant(&stays, LOOK).enter(),
    )?;
    works("getdents", raw::getdents(&reading))?;
    refused("getdents", raw::getdents(&referring), &[libc::EBADF])?;
    works("fstatat", raw::fstatat(referring.as_raw_fd(), c"file"))?;
    let now = |fd: &OwnedFd| raw::fcntl(fd, libc::F_GETFD, 0).is_ok_and(|flags| flags != 0);
    ensure(now(&referring) == closes && !now(&stays), "close-on-exec was changed")?;
    Ok(Done::Held)
}
