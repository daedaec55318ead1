//! A plan in the form in which a child can carry it out without allocating.

use std::{
    ffi::{CStr, CString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use capsicum_rs::Rights;

use crate::{grants::Grant, plan::Plan, sys};

/// Devices that every program may use.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// A place in the new root.
#[derive(Debug)]
pub(super) struct Place {
    /// The directories above it, outermost first, relative to the root.
    pub(super) parents: Vec<CString>,
    /// Itself, relative to the root.
    pub(super) at: CString,
}

/// Something of the host that is shown in the new root.
#[derive(Debug)]
pub(super) struct Shown {
    /// Where it is, on the host and in the new root.
    pub(super) path: CString,
    pub(super) place: Place,
    pub(super) directory: bool,
    /// What mount_setattr(2) sets.
    pub(super) attributes: u64,
    /// What Landlock passes beneath it.
    pub(super) rights: Rights,
    /// Whether it is left out where the host lacks it.
    pub(super) optional: bool,
}

/// A file system of the program's own.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) kind: &'static CStr,
    pub(super) option: (&'static CStr, &'static CStr),
    pub(super) path: CString,
    pub(super) place: Place,
    pub(super) attributes: u64,
    pub(super) rights: Rights,
}

/// What stands in the new root.
#[derive(Debug)]
pub(super) enum Content {
    Shown(Shown),
    Fresh(Fresh),
}

/// A plan in the form in which a child can carry it out.
#[derive(Debug)]
pub(super) struct Prepared<'p> {
    pub(super) plan: &'p Plan,
    /// Sorted by path: what is above comes first.
    pub(super) contents: Vec<Content>,
    /// Links: where, and their text.
    pub(super) links: Vec<(Place, CString)>,
    pub(super) directory: CString,
    pub(super) uid_map: Vec<u8>,
    pub(super) gid_map: Vec<u8>,
}

/// What a program may do beneath a directory that it may only read.
fn rights(grant: &Grant) -> Rights {
    let mut rights = Rights::READ;
    if grant.directory {
        rights |= Rights::LOOKUP;
    }
    if grant.access.execute {
        rights |= Rights::FEXECVE;
    }
    if grant.access.write {
        rights |= Rights::WRITE | Rights::FTRUNCATE;
        if grant.directory {
            rights |= make();
        }
    }
    rights
}

/// What makes and removes names in a directory.
fn make() -> Rights {
    Rights::CREATE
        | Rights::MKDIRAT
        | Rights::UNLINKAT
        | Rights::RENAMEAT_SOURCE
        | Rights::RENAMEAT_TARGET
        | Rights::LINKAT_SOURCE
        | Rights::LINKAT_TARGET
        | Rights::SYMLINKAT
        | Rights::MKFIFOAT
}

fn attributes(grant: &Grant) -> u64 {
    let mut attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    if !grant.access.write {
        attributes |= libc::MOUNT_ATTR_RDONLY;
    }
    if !grant.access.execute {
        attributes |= libc::MOUNT_ATTR_NOEXEC;
    }
    attributes
}

/// A path without NUL, which a path from the host cannot contain and one from a command line
/// cannot either.
fn string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

fn place(path: &Path) -> Place {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let mut parents: Vec<_> = relative
        .ancestors()
        .skip(1)
        .filter(|parent| !parent.as_os_str().is_empty())
        .map(string)
        .collect();
    parents.reverse();
    Place { parents, at: string(relative) }
}

fn device(path: &str) -> (PathBuf, Content) {
    let path = PathBuf::from(path);
    let content = Content::Shown(Shown {
        path: string(&path),
        place: place(&path),
        directory: false,
        // A device is written through a read-only mount; its mode and times are not.
        attributes: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC,
        rights: Rights::READ | Rights::WRITE | Rights::IOCTL,
        optional: true,
    });
    (path, content)
}

fn scratch(path: &str) -> (PathBuf, Content) {
    let path = PathBuf::from(path);
    let content = Content::Fresh(Fresh {
        kind: c"tmpfs",
        option: (c"mode", c"1777"),
        path: string(&path),
        place: place(&path),
        attributes: libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC,
        rights: Rights::READ | Rights::LOOKUP | Rights::WRITE | Rights::FTRUNCATE | make(),
    });
    (path, content)
}

/// Read-only, since a process with the uid 0 could write settings in it; only the processes, since
/// the rest describes the host.
fn processes() -> (PathBuf, Content) {
    let path = PathBuf::from("/proc");
    let content = Content::Fresh(Fresh {
        kind: c"proc",
        option: (c"subset", c"pid"),
        path: string(&path),
        place: place(&path),
        attributes: libc::MOUNT_ATTR_RDONLY
            | libc::MOUNT_ATTR_NOSUID
            | libc::MOUNT_ATTR_NODEV
            | libc::MOUNT_ATTR_NOEXEC,
        rights: Rights::READ | Rights::LOOKUP,
    });
    (path, content)
}

impl<'p> Prepared<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        let mut contents: Vec<_> = DEVICES.into_iter().map(device).collect();
        if sys::on_a_terminal() {
            contents.push(device("/dev/tty"));
        }
        for path in ["/tmp", "/dev/shm"] {
            if plan.grants.deciding(Path::new(path)).is_none() {
                contents.push(scratch(path));
            }
        }
        if plan.proc {
            contents.push(processes());
        }
        contents.extend(plan.grants.iter().map(|grant| {
            let content = Content::Shown(Shown {
                path: string(&grant.path),
                place: place(&grant.path),
                directory: grant.directory,
                attributes: attributes(grant),
                rights: rights(grant),
                optional: false,
            });
            (grant.path.clone(), content)
        }));
        contents.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut links: Vec<_> =
            plan.grants.links().iter().map(|(at, text)| (place(at), string(text))).collect();
        if plan.proc {
            for (at, text) in [
                ("/dev/fd", "/proc/self/fd"),
                ("/dev/stdin", "/proc/self/fd/0"),
                ("/dev/stdout", "/proc/self/fd/1"),
                ("/dev/stderr", "/proc/self/fd/2"),
            ] {
                links.push((place(Path::new(at)), string(Path::new(text))));
            }
        }
        let map = |id: u32| format!("{id} {id} 1\n").into_bytes();
        let (uid, gid) = super::effective_ids();
        Self {
            plan,
            contents: contents.into_iter().map(|(_, content)| content).collect(),
            links,
            directory: string(&plan.directory),
            uid_map: map(uid),
            gid_map: map(gid),
        }
    }

    /// The path of a content, for messages.
    pub(super) fn path(&self, index: u16) -> String {
        match self.contents.get(usize::from(index)) {
            Some(Content::Shown(Shown { path, .. }) | Content::Fresh(Fresh { path, .. })) => {
                path.to_string_lossy().into_owned()
            }
            None => "/".to_owned(),
        }
    }
}
