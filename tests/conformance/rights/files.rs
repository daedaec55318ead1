//! Rights to the content and the metadata of files.

use std::{
    fs, io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
};

use capsicum_rs::Rights;

use super::{Mode, Row, Subject};
use crate::{
    level::FREEBSD,
    raw,
    scene::{CONTENT, Scene},
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = content();
    rows.extend(metadata());
    rows.extend(attributes());
    rows
}

fn file(scene: &Scene) -> io::Result<Subject> {
    scene.file("file").map(Subject::new)
}

/// A file, and the flags that it has.
fn flagged(scene: &Scene) -> io::Result<Subject> {
    let mut subject = file(scene)?;
    subject.number = raw::file_flags(&subject.fd)?.into();
    Ok(subject)
}

/// The content was read.
fn is_content(read: &[u8]) -> io::Result<()> {
    if CONTENT.starts_with(read) && !read.is_empty() {
        return Ok(());
    }
    Err(io::Error::other("read something else"))
}

fn written(dir: &Path) -> bool {
    fs::read(dir.join("file")).is_ok_and(|content| content.starts_with(b"W"))
}

fn content() -> Vec<Row> {
    #[allow(unused_mut, reason = "one system adds to it")]
    let mut rows = vec![
        Row::new("read", Rights::READ, file, |s| {
            let mut out = [0; 8];
            let n = raw::read(&s.fd, &mut out)?;
            is_content(&out[..n])
        }),
        Row::new("readv", Rights::READ, file, |s| {
            let mut out = [0; 8];
            let n = raw::readv(&s.fd, &mut out)?;
            is_content(&out[..n])
        }),
        Row::new("pread", Rights::READ, file, pread).and(Rights::SEEK),
        Row::new("pread", Rights::SEEK, file, pread).and(Rights::READ),
        Row::new("write", Rights::WRITE, file, |s| raw::write(&s.fd, b"W").map(drop))
            .traced(written),
        Row::new("writev", Rights::WRITE, file, |s| raw::writev(&s.fd, b"W").map(drop))
            .traced(written),
        Row::new("pwrite", Rights::WRITE, file, pwrite).and(Rights::SEEK).traced(written),
        Row::new("pwrite", Rights::SEEK, file, pwrite).and(Rights::WRITE).traced(written),
        Row::new("lseek", Rights::SEEK, file, |s| {
            raw::lseek(s.fd.as_raw_fd(), 3, libc::SEEK_SET).map(drop)
        }),
        // FreeBSD asks for all of SEEK, of which this is a part, even where nothing moves.
        Row::new("lseek that asks", Rights::SEEK_TELL, file, |s| {
            raw::lseek(s.fd.as_raw_fd(), 0, libc::SEEK_CUR).map(drop)
        })
        .and(if FREEBSD { Rights::SEEK } else { Rights::NONE }),
        Row::new("fsync", Rights::FSYNC, file, |s| raw::fsync(s.fd.as_raw_fd()).map(drop)),
        Row::new("fdatasync", Rights::FSYNC, file, |s| raw::fdatasync(s.fd.as_raw_fd()).map(drop)),
        Row::new("ftruncate", Rights::FTRUNCATE, file, |s| {
            raw::ftruncate(s.fd.as_raw_fd(), 1).map(drop)
        })
        .traced(|dir| fs::metadata(dir.join("file")).is_ok_and(|file| file.len() == 1)),
        Row::new("flock", Rights::FLOCK, file, |s| {
            raw::flock(s.fd.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB).map(drop)
        }),
        Row::new("F_SETLK", Rights::FLOCK, file, |s| raw::lock_record(&s.fd).map(drop)),
        Row::new("mmap for reading", Rights::MMAP, file, map_read).and(Rights::MMAP_R),
        Row::new("mmap for reading", Rights::READ, file, map_read).and(Rights::MMAP_R),
        Row::new("mmap for reading", Rights::SEEK, file, map_read).and(Rights::MMAP_R),
        Row::new("shared mmap for writing", Rights::WRITE, file, map_write)
            .and(Rights::MMAP_RW)
            .traced(written),
        Row::new("mmap for execution", Rights::MMAP_X, file, |s| {
            raw::map(&s.fd, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE)
        })
        .and(Rights::MMAP_R),
    ];
    #[cfg(target_os = "linux")]
    rows.push(Row::new(
        "getdents64",
        Rights::READ,
        |scene| scene.directory("dir").map(Subject::new),
        |s| raw::getdents(&s.fd).map(drop),
    ));
    rows
}

fn pread(s: &Subject) -> io::Result<()> {
    let mut out = [0; 8];
    let n = raw::pread(&s.fd, &mut out, 0)?;
    is_content(&out[..n])
}

fn pwrite(s: &Subject) -> io::Result<()> {
    raw::pwrite(&s.fd, b"W", 0).map(drop)
}

fn map_read(s: &Subject) -> io::Result<()> {
    raw::map(&s.fd, libc::PROT_READ, libc::MAP_PRIVATE)
}

fn map_write(s: &Subject) -> io::Result<()> {
    raw::map(&s.fd, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)
}

fn metadata() -> Vec<Row> {
    #[allow(unused_mut, reason = "one system adds to it")]
    let mut rows = vec![
        Row::new("fstat", Rights::FSTAT, file, |s| raw::fstat(&s.fd)),
        Row::new("fstatfs", Rights::FSTATFS, file, |s| raw::fstatfs(&s.fd).map(drop)),
        Row::new("futimens", Rights::FUTIMES, file, |s| raw::futimens(&s.fd, 1000).map(drop))
            .traced(|dir| fs::metadata(dir.join("file")).is_ok_and(|file| file.mtime() == 1000)),
        Row::new("fchmod", Rights::FCHMOD, file, |s| {
            raw::fchmod(s.fd.as_raw_fd(), 0o600).map(drop)
        })
        .traced(|dir| {
            fs::metadata(dir.join("file"))
                .is_ok_and(|file| file.permissions().mode() & 0o777 == 0o600)
        }),
        // To whom it belongs already: the ids say "no change".
        Row::new("fchown", Rights::FCHOWN, file, |s| {
            raw::fchown(s.fd.as_raw_fd(), u32::MAX, u32::MAX).map(drop)
        }),
        Row::new("setting file flags", Rights::FCHFLAGS, flagged, |s| {
            // The flags are 32 bits wide.
            raw::fchflags_nodump(&s.fd, s.number as i32)
        })
        .traced(|dir| fs::File::open(dir.join("file")).is_ok_and(|f| raw::has_nodump(&f))),
        Row::new(
            "fchdir",
            Rights::FCHDIR,
            |scene| scene.directory("dir").map(Subject::new),
            |s| raw::fchdir(s.fd.as_raw_fd()).map(drop),
        )
        // FreeBSD has no working directory in capability mode.
        .mode(if FREEBSD { Mode::Ambient } else { Mode::Always }),
    ];
    #[cfg(target_os = "freebsd")]
    rows.push(Row::new("fpathconf", Rights::FPATHCONF, file, |s| raw::fpathconf(&s.fd).map(drop)));
    rows
}

fn attributes() -> Vec<Row> {
    let set = |scene: &Scene| {
        let file = scene.file("file")?;
        raw::set_attribute(&file)?;
        Ok(Subject::new(file))
    };
    let there = |dir: &Path| {
        fs::File::open(dir.join("file")).is_ok_and(|file| raw::get_attribute(&file).is_ok())
    };
    vec![
        // On Linux an attribute may be an access list, and so the mode.
        Row::new("setting an attribute", Rights::EXTATTR_SET, file, |s| raw::set_attribute(&s.fd))
            .and(if cfg!(target_os = "linux") { Rights::FCHMOD } else { Rights::NONE })
            .traced(there),
        Row::new("getting an attribute", Rights::EXTATTR_GET, set, |s| raw::get_attribute(&s.fd)),
        Row::new("listing attributes", Rights::EXTATTR_LIST, set, |s| raw::list_attributes(&s.fd)),
        Row::new("deleting an attribute", Rights::EXTATTR_DELETE, set, |s| {
            raw::delete_attribute(&s.fd)
        })
        .traced(|dir| {
            fs::File::open(dir.join("file")).is_ok_and(|file| raw::get_attribute(&file).is_err())
        }),
    ]
}
