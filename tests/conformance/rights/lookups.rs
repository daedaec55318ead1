//! Rights to open beneath a directory, and to the metadata of what is there.

use std::{
    fs, io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
};

use capsicum_rs::Rights;

use super::{Mode, Row, Subject};
use crate::{raw, scene::Scene};

fn directory(scene: &Scene) -> io::Result<Subject> {
    scene.directory("dir").map(Subject::new)
}

fn open(s: &Subject, name: &std::ffi::CStr, flags: i32) -> io::Result<()> {
    raw::openat(s.fd.as_raw_fd(), name, flags).map(drop)
}

const BENEATH: Rights = Rights::LOOKUP;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::new("openat", Rights::LOOKUP, directory, |s| open(s, c"file", libc::O_RDONLY))
            .and(Rights::READ),
        Row::new("openat for reading", Rights::READ, directory, |s| {
            open(s, c"file", libc::O_RDONLY)
        })
        .and(BENEATH),
        Row::new("openat for writing", Rights::WRITE, directory, |s| {
            open(s, c"file", libc::O_WRONLY)
        })
        .and(BENEATH | Rights::SEEK),
        Row::new("openat for writing anywhere", Rights::SEEK, directory, |s| {
            open(s, c"file", libc::O_WRONLY)
        })
        .and(BENEATH | Rights::WRITE),
        Row::new("openat for appending", Rights::WRITE, directory, |s| {
            open(s, c"file", libc::O_WRONLY | libc::O_APPEND)
        })
        .and(BENEATH),
        Row::new("openat for both", Rights::READ, directory, |s| open(s, c"file", libc::O_RDWR))
            .and(BENEATH | Rights::PWRITE),
        Row::new("openat that creates", Rights::CREATE, directory, |s| {
            open(s, c"new", libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT)
        })
        .and(BENEATH | Rights::WRITE)
        .traced(|dir| dir.join("dir/new").exists()),
        Row::new("openat that truncates", Rights::FTRUNCATE, directory, |s| {
            open(s, c"file", libc::O_WRONLY | libc::O_TRUNC | libc::O_APPEND)
        })
        .and(BENEATH | Rights::WRITE)
        .traced(|dir| fs::metadata(dir.join("dir/file")).is_ok_and(|file| file.len() == 0)),
        Row::new("openat for synchronous writing", Rights::FSYNC, directory, |s| {
            open(s, c"file", libc::O_WRONLY | libc::O_APPEND | libc::O_SYNC)
        })
        .and(BENEATH | Rights::WRITE),
    ];
    for row in &mut rows {
        row.mode = Mode::Opens;
    }
    rows.extend(metadata());
    rows
}

/// By path.
fn metadata() -> Vec<Row> {
    let mut rows = vec![
        Row::new("fstatat", Rights::LOOKUP, directory, |s| {
            raw::fstatat(s.fd.as_raw_fd(), c"file").map(drop)
        })
        .and(Rights::FSTAT),
        Row::new("fstatat", Rights::FSTAT, directory, |s| {
            raw::fstatat(s.fd.as_raw_fd(), c"file").map(drop)
        })
        .and(BENEATH),
        Row::new("faccessat", Rights::FSTAT, directory, |s| {
            raw::faccessat(s.fd.as_raw_fd(), c"file", libc::R_OK, 0).map(drop)
        })
        .and(BENEATH),
        Row::new("readlinkat", Rights::LOOKUP, linked, |s| {
            raw::readlinkat(s.fd.as_raw_fd(), c"link").map(drop)
        }),
        Row::new("fchmodat", Rights::FCHMOD, directory, |s| {
            raw::fchmodat(s.fd.as_raw_fd(), c"file", 0o604, 0).map(drop)
        })
        .and(BENEATH)
        .traced(|dir| {
            fs::metadata(dir.join("dir/file"))
                .is_ok_and(|file| file.permissions().mode() & 0o777 == 0o604)
        }),
        Row::new("fchownat", Rights::FCHOWN, directory, |s| {
            raw::fchownat(s.fd.as_raw_fd(), c"file", u32::MAX, u32::MAX, 0).map(drop)
        })
        .and(BENEATH),
        Row::new("utimensat", Rights::FUTIMES, directory, |s| {
            raw::utimensat(s.fd.as_raw_fd(), c"file", 1000).map(drop)
        })
        .and(BENEATH)
        .traced(|dir| fs::metadata(dir.join("dir/file")).is_ok_and(|file| file.mtime() == 1000)),
        #[cfg(target_os = "linux")]
        Row::new("openat with O_PATH", Rights::LOOKUP, directory, |s| {
            open(s, c"file", libc::O_PATH)
        })
        .and(Rights::READ)
        .mode(Mode::Refers),
        #[cfg(target_os = "freebsd")]
        Row::new("chflagsat", Rights::FCHFLAGS, directory, |s| {
            raw::chflagsat(s.fd.as_raw_fd(), c"file", libc::UF_NODUMP, 0).map(drop)
        })
        .and(BENEATH)
        .traced(|dir| fs::File::open(dir.join("dir/file")).is_ok_and(|f| raw::has_nodump(&f))),
    ];
    for row in rows.iter_mut().filter(|row| row.mode == Mode::Always) {
        row.mode = Mode::Beneath;
    }
    rows
}

/// A directory in which a link is.
fn linked(scene: &Scene) -> io::Result<Subject> {
    let subject = directory(scene)?;
    raw::symlinkat(c"file", subject.fd.as_raw_fd(), c"link")?;
    Ok(subject)
}
