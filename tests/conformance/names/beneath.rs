//! Paths that start at a directory descriptor and lead out of it.

use std::{
    ffi::CStr,
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::symlink,
    },
};

use capsicum_rs::{CapabilityError, Containment, Error, Rights, Sandbox, is_capability_error};

use super::unchanged;
use crate::{
    harness::{Case, Done, Outcome, ensure, refusal, works},
    level::FREEBSD,
    matrix::Place,
    raw::{self, ECAPMODE, ENOTCAPABLE},
    scene::Scene,
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
    /// What Linux answers; FreeBSD says `ENOTCAPABLE`.
    errno: &'static [i32],
}

const fn way(name: &'static str, act: fn(RawFd) -> io::Result<()>) -> Way {
    Way { name, act, errno: &[libc::EACCES] }
}

/// Landlock does not see it, so that the filter refuses it for any path.
const fn unseen(name: &'static str, act: fn(RawFd) -> io::Result<()>) -> Way {
    Way { name, act, errno: &[ECAPMODE] }
}

fn read(dir: RawFd, path: &CStr) -> io::Result<()> {
    raw::openat(dir, path, libc::O_RDONLY).map(drop)
}

fn create(dir: RawFd, path: &CStr) -> io::Result<()> {
    raw::openat(dir, path, libc::O_WRONLY | libc::O_CREAT).map(drop)
}

const WAYS: &[Way] = &[
    way("an absolute path", |dir| read(dir, c"/etc/passwd")),
    way("the root", |dir| read(dir, c"/")),
    way("a path through ..", |dir| read(dir, c"../file")),
    way("the parent directory", |dir| read(dir, c"..")),
    way("a path down and up again", |dir| read(dir, c"sub/../../file")),
    way("a relative symbolic link", |dir| read(dir, c"up")),
    way("an absolute symbolic link", |dir| read(dir, c"away")),
    way("a symbolic link to the parent", |dir| read(dir, c"parent/file")),
    way("truncating through ..", |dir| {
        raw::openat(dir, c"../file", libc::O_WRONLY | libc::O_TRUNC).map(drop)
    }),
    way("creating through ..", |dir| create(dir, c"../new")),
    way("creating through a symbolic link", |dir| create(dir, c"parent/new")),
    way("mkdirat through ..", |dir| raw::mkdirat(dir, c"../new", 0o700).map(drop)),
    way("mkfifoat through ..", |dir| raw::mkfifoat(dir, c"../new", 0o600).map(drop)),
    way("symlinkat through ..", |dir| raw::symlinkat(c"file", dir, c"../new").map(drop)),
    way("unlinkat through ..", |dir| raw::unlinkat(dir, c"../file", 0).map(drop)),
    Way {
        name: "renameat out of it",
        act: |dir| raw::renameat(dir, c"file", dir, c"../new").map(drop),
        errno: &[libc::EACCES, libc::EXDEV],
    },
    Way {
        name: "renameat into it",
        act: |dir| raw::renameat(dir, c"../file", dir, c"new").map(drop),
        errno: &[libc::EACCES, libc::EXDEV],
    },
    Way {
        name: "linkat into it",
        act: |dir| raw::linkat(dir, c"../file", dir, c"new", 0).map(drop),
        errno: &[libc::EACCES, libc::EXDEV],
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
    unseen("O_TMPFILE", |dir| raw::openat(dir, c"..", libc::O_TMPFILE | libc::O_WRONLY).map(drop)),
    #[cfg(target_os = "linux")]
    unseen("a link by AT_EMPTY_PATH", |dir| {
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

/// The attempt is made in a directory of the scene; the scene must stay as it was.
fn unchanged_outside(dir: &std::path::Path) -> Result<(), String> {
    unchanged(&dir.join("outer")).and_then(|()| {
        ensure(dir.join("outer/directory/file").exists(), "the file beneath is gone")?;
        ensure(!dir.join("outer/directory/new").exists(), "something was brought in")
    })
}

fn lead_out(way: &Way, scene: &Scene) -> Outcome {
    enter(scene, |dir| {
        let error = (way.act)(dir).err();
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

/// Enters with everything that lookups can use on one directory.
fn enter(scene: &Scene, body: impl FnOnce(RawFd) -> Outcome) -> Outcome {
    use std::{fs, os::unix::fs::PermissionsExt};
    let outer = works("outer directory", scene.within("outer"))?;
    works("file", outer.file("file"))?;
    let mode = fs::Permissions::from_mode(0o640);
    works("mode", fs::set_permissions(outer.dir.join("file"), mode))?;
    let dir = works("directory", outer.directory("directory"))?;
    let at = outer.dir.join("directory");
    works("sub", fs::create_dir(at.join("sub")))?;
    works("link", symlink("../file", at.join("up")))?;
    works("link", symlink("/etc/passwd", at.join("away")))?;
    works("link", symlink("..", at.join("parent")))?;
    works("link", symlink("file", at.join("within")))?;
    match Sandbox::new().grant(&dir, EVERYTHING).enter() {
        Ok(_) => body(dir.as_raw_fd()),
        Err(error @ Error::Containment { required: Containment::Landlock, .. })
            if scene.level == Containment::Descriptors =>
        {
            Ok(Done::Otherwise(format!("entering says: {error}")))
        }
        Err(error) => Err(format!("enter: {error}")),
    }
}
