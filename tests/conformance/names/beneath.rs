//! Paths that start at a directory descriptor and lead out of it.

use std::{
    ffi::CStr,
    fs, io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::Path,
};

use capsicum_rs::{CapabilityError, Containment, Error, Rights, is_capability_error};

use super::unchanged;
use crate::{
    harness::{Case, Done, Outcome, ensure, refusal, works},
    level,
    level::FREEBSD,
    matrix::Place,
    raw::{self, ECAPMODE, ENOTCAPABLE},
    scene::{CONTENT, Scene},
};

/// Every right that a lookup can use.
const EVERYTHING: Rights = Rights::PREAD
    .union(Rights::PWRITE)
    .union(Rights::LOOKUP)
    .union(Rights::CREATE)
    .union(Rights::FTRUNCATE)
    .union(Rights::FSTAT)
    .union(Rights::FCHMOD)
    .union(Rights::FCHOWN)
    .union(Rights::FUTIMES)
    .union(Rights::MKDIRAT)
    .union(Rights::MKFIFOAT)
    .union(Rights::SYMLINKAT)
    .union(Rights::UNLINKAT)
    .union(Rights::LINKAT_SOURCE)
    .union(Rights::LINKAT_TARGET)
    .union(Rights::RENAMEAT_SOURCE)
    .union(Rights::RENAMEAT_TARGET);

struct Way {
    name: &'static str,
    act: fn(RawFd) -> io::Result<()>,
    /// The path, where it leads to what exists.
    path: &'static CStr,
    /// What Linux answers at the level Landlock; FreeBSD says `ENOTCAPABLE`.
    errno: &'static [i32],
    /// Whether it is refused at every level.
    always: bool,
}

const fn way(name: &'static str, path: &'static CStr, act: fn(RawFd) -> io::Result<()>) -> Way {
    Way { name, act, path, errno: &[libc::EACCES], always: false }
}

/// Landlock does not see it, so that there the filter refuses it for any path.
const fn unseen(name: &'static str, act: fn(RawFd) -> io::Result<()>) -> Way {
    Way { name, act, path: c"../file", errno: &[ECAPMODE], always: false }
}

/// Whatever the level, the filter refuses it.
#[cfg(target_os = "linux")]
const fn refused(name: &'static str, act: fn(RawFd) -> io::Result<()>) -> Way {
    Way { name, act, path: c"", errno: &[ECAPMODE], always: true }
}

fn read(dir: RawFd, path: &CStr) -> io::Result<()> {
    raw::openat(dir, path, libc::O_RDONLY).map(drop)
}

fn create(dir: RawFd, path: &CStr) -> io::Result<()> {
    raw::openat(dir, path, libc::O_WRONLY | libc::O_CREAT).map(drop)
}

const WAYS: &[Way] = &[
    way("an absolute path", c"/etc/passwd", |dir| read(dir, c"/etc/passwd")),
    way("the root", c"/", |dir| read(dir, c"/")),
    way("a path through ..", c"../file", |dir| read(dir, c"../file")),
    way("the parent directory", c"..", |dir| read(dir, c"..")),
    way("a path down and up again", c"sub/../../file", |dir| read(dir, c"sub/../../file")),
    way("a relative symbolic link", c"up", |dir| read(dir, c"up")),
    way("an absolute symbolic link", c"away", |dir| read(dir, c"away")),
    way("a symbolic link to the parent", c"parent/file", |dir| read(dir, c"parent/file")),
    way("truncating through ..", c"../file", |dir| {
        raw::openat(dir, c"../file", libc::O_WRONLY | libc::O_TRUNC).map(drop)
    }),
    way("creating through ..", c"", |dir| create(dir, c"../new")),
    way("creating through a symbolic link", c"", |dir| create(dir, c"parent/new")),
    way("mkdirat through ..", c"", |dir| raw::mkdirat(dir, c"../new", 0o700).map(drop)),
    way("mkfifoat through ..", c"", |dir| raw::mkfifoat(dir, c"../new", 0o600).map(drop)),
    way("symlinkat through ..", c"", |dir| raw::symlinkat(c"file", dir, c"../new").map(drop)),
    way("unlinkat through ..", c"", |dir| raw::unlinkat(dir, c"../file", 0).map(drop)),
    Way {
        name: "renameat out of it",
        act: |dir| raw::renameat(dir, c"file", dir, c"../new").map(drop),
        path: c"",
        errno: &[libc::EACCES, libc::EXDEV],
        always: false,
    },
    Way {
        name: "renameat into it",
        act: |dir| raw::renameat(dir, c"../file", dir, c"new").map(drop),
        path: c"",
        errno: &[libc::EACCES, libc::EXDEV],
        always: false,
    },
    Way {
        name: "linkat into it",
        act: |dir| raw::linkat(dir, c"../file", dir, c"new", 0).map(drop),
        path: c"",
        errno: &[libc::EACCES, libc::EXDEV],
        always: false,
    },
    unseen("fstatat through ..", |dir| raw::fstatat(dir, c"../file").map(drop)),
    unseen("faccessat through ..", |dir| raw::faccessat(dir, c"../file", 0, 0).map(drop)),
    unseen("readlinkat through ..", |dir| raw::readlinkat(dir, c"../file").map(drop)),
    unseen("fchmodat through ..", |dir| raw::fchmodat(dir, c"../file", 0o777, 0).map(drop)),
    unseen("fchownat through ..", |dir| {
        raw::fchownat(dir, c"../file", u32::MAX, u32::MAX, 0).map(drop)
    }),
    unseen("utimensat through ..", |dir| raw::utimensat(dir, c"../file", 1000).map(drop)),
    #[cfg(target_os = "linux")]
    unseen("O_PATH", |dir| raw::openat(dir, c"../file", libc::O_PATH).map(drop)),
    #[cfg(target_os = "linux")]
    refused("O_TMPFILE", |dir| raw::openat(dir, c"..", libc::O_TMPFILE | libc::O_WRONLY).map(drop)),
    #[cfg(target_os = "linux")]
    refused("a link by AT_EMPTY_PATH", |dir| {
        raw::linkat(dir, c"", dir, c"new", libc::AT_EMPTY_PATH).map(drop)
    }),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = WAYS
        .iter()
        .map(|way| {
            let name = format!("{} does not lead out of a directory", way.name);
            Case::new(name, |scene| lead_out(way, scene))
                .leaves(unchanged_outside)
                .at(Place::way(way.name))
        })
        .collect();
    cases.push(Case::new("a path that stays beneath a directory leads to its file", |scene| {
        enter(scene, |dir| {
            works("the file", read(dir, c"file"))?;
            // FreeBSD too has `..` within the directory.
            works("up from within", read(dir, c"sub/../file"))?;
            works("a link within", read(dir, c"within"))?;
            Ok(Done::Held)
        })
    }));
    cases
}

/// The attempt is made in a directory of the scene; outside of it the scene must stay as it was,
/// and nothing may have come in.
fn unchanged_outside(dir: &Path) -> Result<(), String> {
    unchanged(&dir.join("outer"))?;
    for name in ["file", "new"] {
        let path = dir.join("outer/directory").join(name);
        // Reading a fifo would wait for a writer.
        let brought = path.is_file() && fs::read(path).is_ok_and(|content| content == CONTENT);
        ensure(!brought, format!("the file outside was brought in as {name}"))?;
    }
    Ok(())
}

fn lead_out(way: &Way, scene: &Scene) -> Outcome {
    let identity = |stat: fs::Metadata| (stat.dev(), stat.ino());
    let outside: Vec<(u64, u64)> = ["outer", "outer/file", "/", "/etc/passwd"]
        .iter()
        .filter_map(|path| fs::metadata(scene.dir.join(path)).ok().map(identity))
        .collect();
    enter(scene, |dir| {
        let error = (way.act)(dir).err();
        if scene.level == Containment::Directories && !way.always {
            return ended_within(way, dir, &outside);
        }
        let kind = error.as_ref().and_then(is_capability_error);
        let result = error.map_or(Ok(()), Err);
        let errno = if FREEBSD { &[ENOTCAPABLE] } else { way.errno };
        let number = refusal(way.name, result, errno)?;
        let expected = match way.errno {
            [ECAPMODE] if !FREEBSD => CapabilityError::CapabilityMode,
            _ => CapabilityError::NotCapable,
        };
        // Landlock's EXDEV is an ordinary error of rename(2) and link(2) too.
        ensure(
            kind == Some(expected) || way.errno.contains(&libc::EXDEV),
            format!("is_capability_error says {kind:?}"),
        )?;
        Ok(Done::Refused(number))
    })
}

/// With a private root nothing is outside: a path that would lead there ends at the directory or
/// nowhere. What it changed, if anything, is seen afterwards.
fn ended_within(way: &Way, dir: RawFd, outside: &[(u64, u64)]) -> Outcome {
    if !way.path.is_empty()
        && let Ok(stat) = raw::fstatat(dir, way.path)
    {
        let reached = outside.contains(&(stat.st_dev, stat.st_ino));
        ensure(!reached, "it leads to what is outside")?;
    }
    Ok(Done::Held)
}

/// Enters with everything that lookups can use on one directory.
fn enter(scene: &Scene, body: impl FnOnce(RawFd) -> Outcome) -> Outcome {
    let outer = works("outer directory", scene.within("outer"))?;
    works("file", outer.file("file"))?;
    let mode = fs::Permissions::from_mode(0o640);
    works("mode", fs::set_permissions(outer.dir.join("file"), mode))?;
    let dir = works("directory", outer.directory("directory"))?;
    let at = outer.dir.join("directory");
    works("its file", fs::write(at.join("file"), b"beneath"))?;
    works("sub", fs::create_dir(at.join("sub")))?;
    works("link", symlink("../file", at.join("up")))?;
    works("link", symlink("/etc/passwd", at.join("away")))?;
    works("link", symlink("..", at.join("parent")))?;
    works("link", symlink("file", at.join("within")))?;
    match level::sandbox().grant(&dir, EVERYTHING).enter() {
        Ok(_) => body(dir.as_raw_fd()),
        Err(error @ Error::Containment { required: Containment::Landlock, .. })
            if scene.level == Containment::Descriptors =>
        {
            Ok(Done::Otherwise(format!("entering says: {error}")))
        }
        Err(error) => Err(format!("enter: {error}")),
    }
}
