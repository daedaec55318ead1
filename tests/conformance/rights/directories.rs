//! Rights to make, remove and rename names beneath a directory.

use std::{
    fs, io,
    os::{fd::AsRawFd, unix::fs::FileTypeExt},
    path::Path,
};

use capsicum_rs::Rights;

use super::{Mode, Row, Subject};
use crate::{raw, scene::Scene};

fn directory(scene: &Scene) -> io::Result<Subject> {
    scene.directory("dir").map(Subject::new)
}

fn new(dir: &Path) -> bool {
    dir.join("dir/new").symlink_metadata().is_ok()
}

fn moved(dir: &Path) -> bool {
    dir.join("to/new").exists() && !dir.join("from/file").exists()
}

fn linked(dir: &Path) -> bool {
    dir.join("to/new").exists() && dir.join("from/file").exists()
}

/// The rights to a directory into which something is renamed, where the name may exist.
const ONTO: Rights = Rights::RENAMEAT_TARGET.union(Rights::UNLINKAT);

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("mkdirat", Rights::MKDIRAT, directory, |s| {
            raw::mkdirat(s.fd.as_raw_fd(), c"new", 0o700).map(drop)
        })
        .traced(new),
        Row::new("mkfifoat", Rights::MKFIFOAT, directory, |s| {
            raw::mkfifoat(s.fd.as_raw_fd(), c"new", 0o600).map(drop)
        })
        .traced(|dir| {
            dir.join("dir/new").symlink_metadata().is_ok_and(|new| new.file_type().is_fifo())
        }),
        // A device needs privilege; a plain file does not on Linux, and FreeBSD makes none.
        Row::new("mknodat", Rights::MKNODAT, directory, |s| {
            let kind = if cfg!(target_os = "freebsd") { libc::S_IFCHR } else { libc::S_IFREG };
            raw::mknodat(s.fd.as_raw_fd(), c"new", kind | 0o600, 0).map(drop)
        })
        .traced(new),
        Row::new("symlinkat", Rights::SYMLINKAT, directory, |s| {
            raw::symlinkat(c"file", s.fd.as_raw_fd(), c"new").map(drop)
        })
        .traced(new),
        Row::new("unlinkat", Rights::UNLINKAT, directory, |s| {
            raw::unlinkat(s.fd.as_raw_fd(), c"file", 0).map(drop)
        })
        .traced(|dir| dir.join("dir").exists() && !dir.join("dir/file").exists()),
        Row::new("unlinkat of a directory", Rights::UNLINKAT, with_subdirectory, |s| {
            raw::unlinkat(s.fd.as_raw_fd(), c"sub", libc::AT_REMOVEDIR).map(drop)
        })
        .traced(|dir| dir.join("dir").exists() && !dir.join("dir/sub").exists()),
        Row::new(
            "linkat from",
            Rights::LINKAT_SOURCE,
            |scene| Ok(from(scene)?.with(scene.directory("to")?, Rights::LINKAT_TARGET)),
            |s| link(s.fd.as_raw_fd(), s.other().as_raw_fd()),
        )
        .mode(Mode::Across)
        .traced(linked),
        Row::new(
            "linkat to",
            Rights::LINKAT_TARGET,
            |scene| Ok(to(scene)?.with(scene.directory("from")?, Rights::LINKAT_SOURCE)),
            |s| link(s.other().as_raw_fd(), s.fd.as_raw_fd()),
        )
        .mode(Mode::Across)
        .traced(linked),
        Row::new(
            "renameat from",
            Rights::RENAMEAT_SOURCE,
            |scene| Ok(from(scene)?.with(scene.directory("to")?, ONTO)),
            |s| rename(s.fd.as_raw_fd(), s.other().as_raw_fd(), c"new"),
        )
        .mode(Mode::Across)
        .traced(moved),
        Row::new(
            "renameat to",
            Rights::RENAMEAT_TARGET,
            |scene| Ok(to(scene)?.with(scene.directory("from")?, Rights::RENAMEAT_SOURCE)),
            |s| rename(s.other().as_raw_fd(), s.fd.as_raw_fd(), c"new"),
        )
        .and(if cfg!(target_os = "freebsd") { Rights::NONE } else { Rights::UNLINKAT })
        .mode(Mode::Across)
        .traced(moved),
        Row::new(
            "renameat onto a name",
            Rights::UNLINKAT,
            |scene| Ok(to(scene)?.with(scene.directory("from")?, Rights::RENAMEAT_SOURCE)),
            |s| rename(s.other().as_raw_fd(), s.fd.as_raw_fd(), c"file"),
        )
        .and(Rights::RENAMEAT_TARGET)
        .mode(Mode::Across)
        .traced(|dir| dir.join("to/file").exists() && !dir.join("from/file").exists()),
        within("linkat within", Rights::LINKAT_SOURCE, Rights::LINKAT_TARGET, link_within),
        within("linkat within", Rights::LINKAT_TARGET, Rights::LINKAT_SOURCE, link_within),
        within("renameat within", Rights::RENAMEAT_SOURCE, ONTO, rename_within),
        within(
            "renameat within",
            Rights::RENAMEAT_TARGET,
            Rights::RENAMEAT_SOURCE | Rights::UNLINKAT,
            rename_within,
        ),
        #[cfg(target_os = "linux")]
        Row::new(
            "renameat2 to a new name",
            Rights::RENAMEAT_TARGET,
            |scene| Ok(to(scene)?.with(scene.directory("from")?, Rights::RENAMEAT_SOURCE)),
            |s| raw::rename_new(s.other().as_raw_fd(), c"file", s.fd.as_raw_fd(), c"new"),
        )
        .mode(Mode::Across)
        .traced(moved),
    ]
}

/// Both names are beneath the one directory.
fn within(
    operation: &'static str,
    right: Rights,
    others: Rights,
    act: fn(&Subject) -> io::Result<()>,
) -> Row {
    Row::new(operation, right, directory, act).and(others).traced(new)
}

fn link_within(s: &Subject) -> io::Result<()> {
    link(s.fd.as_raw_fd(), s.fd.as_raw_fd())
}

fn rename_within(s: &Subject) -> io::Result<()> {
    rename(s.fd.as_raw_fd(), s.fd.as_raw_fd(), c"new")
}

fn from(scene: &Scene) -> io::Result<Subject> {
    scene.directory("from").map(Subject::new)
}

/// Both have a file of the same name: the one moved, and the one replaced.
fn to(scene: &Scene) -> io::Result<Subject> {
    scene.directory("to").map(Subject::new)
}

fn with_subdirectory(scene: &Scene) -> io::Result<Subject> {
    let subject = directory(scene)?;
    fs::create_dir(scene.dir.join("dir/sub"))?;
    Ok(subject)
}

fn link(from: i32, to: i32) -> io::Result<()> {
    raw::linkat(from, c"file", to, c"new", 0).map(drop)
}

fn rename(from: i32, to: i32, name: &std::ffi::CStr) -> io::Result<()> {
    raw::renameat(from, c"file", to, name).map(drop)
}
