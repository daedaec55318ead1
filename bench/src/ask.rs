//! What any way of entering must ask the kernel, by the calls that cost least: which numbers are
//! open and what is there, whether a ring of io_uring is mapped, and whether procfs can be reached
//! from a directory. Answers are thrown away.

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, RawFd},
};

use capsicum_rs::Containment;

use crate::{
    fixture::{Fixture, Kind},
    sys,
};

/// Where a process's table of descriptors ends, as a rule.
const NUMBERS: RawFd = 64;

/// All of it that the level needs.
pub(crate) fn all(fixture: &Fixture, level: Containment) -> io::Result<()> {
    let highest = fixture.of(&[Kind::Directory, Kind::File, Kind::Socket]).into_iter().max();
    let mut end = NUMBERS;
    while highest.is_some_and(|highest| highest >= end) {
        end *= 2;
    }
    for number in 0..end {
        sys::fstat(number);
    }
    for file in fixture.of(&[Kind::File]) {
        sys::fstatfs(file);
    }
    for socket in fixture.of(&[Kind::Socket]) {
        sys::socket_option(socket, libc::SO_DOMAIN);
        sys::socket_option(socket, libc::SO_TYPE);
    }
    mapped()?;
    if level >= Containment::Landlock {
        reachable(&fixture.of(&[Kind::Directory]))?;
    }
    if level == Containment::Directories {
        locked(&fixture.of(&[Kind::Directory]))?;
    }
    Ok(())
}

/// The shared mappings of files, one by one, or all mappings as text.
fn mapped() -> io::Result<()> {
    let maps = sys::open_file(c"/proc/self/maps")?;
    let mut address = 0;
    loop {
        match sys::next_mapping(maps.as_raw_fd(), address) {
            Ok(Some(end)) => address = end,
            Ok(None) => return Ok(()),
            Err(_) => return sys::read_all(maps.as_raw_fd()),
        }
    }
}

/// Whether directories hold a lock, and how they were opened.
fn locked(directories: &[RawFd]) -> io::Result<()> {
    directories.iter().try_for_each(|directory| {
        let path = CString::new(format!("/proc/self/fdinfo/{directory}"))?;
        sys::read_all(sys::open_file(&path)?.as_raw_fd())
    })
}

/// The types of the mounts beneath, and the paths of the directories.
fn reachable(directories: &[RawFd]) -> io::Result<()> {
    let Some(first) = directories.first() else { return Ok(()) };
    match sys::mount_of(*first).and_then(sys::mounts_beneath) {
        Ok(mounts) => mounts.into_iter().for_each(sys::mount_kind),
        Err(_) => sys::read_all(sys::open_file(c"/proc/self/mountinfo")?.as_raw_fd())?,
    }
    let links = sys::open_file(c"/proc/self/fd")?;
    for directory in directories {
        sys::fstatfs(*directory);
        sys::link(links.as_raw_fd(), &CString::new(directory.to_string())?);
    }
    Ok(())
}
