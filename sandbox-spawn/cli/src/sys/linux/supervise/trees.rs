//! What is granted, as a supervisor knows it: references to the granted paths, opened before the
//! program started, and the names on the way to them.
//!
//! A path has one form here: absolute, without links, and without a slash at its end, so that the
//! root is empty.

use std::{
    collections::HashMap,
    ffi::CString,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    super::{
        calls::{self, Errno},
        prepared::{Content, Prepared, Shown},
        report::{Report, Step},
    },
    kernel::{self, Identity},
};

/// A granted directory, or file.
#[allow(clippy::struct_excessive_bools)] // Each is a fact of its own.
#[derive(Debug)]
pub(super) struct Tree {
    /// A reference to it.
    pub(super) top: OwnedFd,
    pub(super) directory: bool,
    /// Nothing beneath it is altered.
    pub(super) read_only: bool,
    /// Nothing beneath it is executed.
    pub(super) no_execution: bool,
    /// Other trees are beneath it.
    pub(super) nested: bool,
}

/// What is known of a path.
#[derive(Debug)]
pub(super) enum Entry {
    /// It is granted.
    Tree(usize),
    /// It is above what is granted.
    Above,
    /// It is a link above what is granted: a reference to it, and its text.
    Link(OwnedFd, Vec<u8>),
}

/// Where a lookup has come to: a directory, or a granted file.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) path: Vec<u8>,
    pub(super) at: At,
}

/// What a cursor is on.
#[derive(Clone, Debug)]
pub(super) enum At {
    /// A directory above what is granted, of which the program sees nothing but that it is there.
    Above,
    /// Something of a tree: its top, or what this refers to.
    Beneath(usize, Option<Arc<OwnedFd>>),
}

/// What is granted.
#[derive(Debug)]
pub(in super::super) struct Trees {
    all: Vec<Tree>,
    entries: HashMap<Vec<u8>, Entry>,
    /// Where the last path started that was not absolute, and what that was.
    recent: Mutex<Option<(Cursor, Identity)>>,
}

/// The path of what a path is in; `None` for the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|&byte| byte == b'/').map(|slash| &path[..slash])
}

impl Trees {
    /// Opens what is granted.
    pub(in super::super) fn new(prepared: &Prepared<'_>) -> Result<Self, Report> {
        let mut trees = Self { all: Vec::new(), entries: HashMap::new(), recent: Mutex::new(None) };
        for (index, content) in prepared.contents.iter().enumerate() {
            let Content::Shown(Shown { path, directory, attributes, optional, .. }) = content
            else {
                continue;
            };
            match calls::refer(path) {
                Ok(top) => trees.add(
                    path.to_bytes(),
                    Tree {
                        top,
                        directory: *directory,
                        read_only: attributes & libc::MOUNT_ATTR_RDONLY != 0,
                        no_execution: attributes & libc::MOUNT_ATTR_NOEXEC != 0,
                        nested: false,
                    },
                ),
                Err(_) if *optional => {}
                Err(errno) => return Err(Report::at(Step::Refer, index, errno)),
            }
        }
        for (place, text) in &prepared.links {
            let path = [b"/", place.at.to_bytes()].concat();
            // One that is gone, or none any more, leads nowhere.
            let Ok(link) = calls::refer_to_link(&string(path.clone())) else { continue };
            trees.enter_above(&path);
            trees.entries.entry(path).or_insert(Entry::Link(link, text.to_bytes().to_vec()));
        }
        Ok(trees)
    }

    fn add(&mut self, path: &[u8], tree: Tree) {
        self.enter_above(path);
        let mut above = path;
        while let Some(next) = parent(above) {
            above = next;
            if let Some(Entry::Tree(outer)) = self.entries.get(above) {
                self.all[*outer].nested = true;
            }
        }
        // What is above comes first, so that nothing is both.
        self.entries.insert(path.to_vec(), Entry::Tree(self.all.len()));
        self.all.push(tree);
    }

    fn enter_above(&mut self, path: &[u8]) {
        let mut above = path;
        while let Some(next) = parent(above) {
            above = next;
            self.entries.entry(above.to_vec()).or_insert(Entry::Above);
        }
    }

    /// The descriptors that are needed as long as anybody asks.
    pub(in super::super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let links = self.entries.values().filter_map(|entry| match entry {
            Entry::Link(link, _) => Some(link.as_raw_fd()),
            Entry::Tree(_) | Entry::Above => None,
        });
        self.all.iter().map(|tree| tree.top.as_raw_fd()).chain(links)
    }

    pub(super) fn tree(&self, index: usize) -> &Tree {
        &self.all[index]
    }

    pub(super) fn entry(&self, path: &[u8]) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The tree that decides about a path, the longest one, and the path from its top.
    pub(super) fn deciding<'p>(&self, path: &'p [u8]) -> Option<(usize, &'p [u8])> {
        let mut above = path;
        loop {
            if let Some(Entry::Tree(tree)) = self.entries.get(above) {
                return Some((*tree, path[above.len()..].strip_prefix(b"/").unwrap_or_default()));
            }
            above = parent(above)?;
        }
    }

    /// The directory at a path in the form above. One beneath a tree is opened from its top, and no
    /// link is followed.
    pub(super) fn cursor(&self, path: &[u8]) -> Result<Cursor, Errno> {
        let at = match self.deciding(path) {
            Some((tree, b"")) => At::Beneath(tree, None),
            Some((tree, rest)) => {
                let directory = self.open_beneath(tree, rest, libc::O_DIRECTORY)?;
                At::Beneath(tree, Some(Arc::new(directory)))
            }
            None if matches!(self.entries.get(path), Some(Entry::Above)) => At::Above,
            None => return Err(libc::ENOENT),
        };
        Ok(Cursor { path: path.to_vec(), at })
    }

    /// The directory at a path, which must be the one with this identity; what is not there, or is
    /// not the same any more, is `ENOENT`.
    pub(super) fn same_directory(&self, path: &[u8], same: Identity) -> Result<Cursor, Errno> {
        // Not held while anything is opened, which may wait.
        let recent = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((cursor, identity)) = &*recent()
            && *identity == same
            && cursor.path == path
        {
            return Ok(cursor.clone());
        }
        let cursor = self.cursor(path)?;
        if let Some(directory) = cursor.directory(self) {
            if kernel::identity(directory)? != same {
                return Err(libc::ENOENT);
            }
            *recent() = Some((cursor.clone(), same));
        }
        Ok(cursor)
    }

    /// What is at a path from the top of a tree, without following a link.
    fn open_beneath(&self, tree: usize, rest: &[u8], flags: i32) -> Result<OwnedFd, Errno> {
        let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;
        let flags = flags | libc::O_NOFOLLOW;
        kernel::open_beneath(self.all[tree].top.as_fd(), &string(rest.to_vec()), flags, resolve)
    }

    /// The tree in which an object is that a program has open, and a reference to it that was opened
    /// from there; `None` where it is in none, or has moved meanwhile, or has no name any more.
    pub(super) fn locate(&self, object: &OwnedFd) -> Option<(usize, OwnedFd)> {
        let path = kernel::path_of(object).ok()?;
        let (tree, rest) = self.deciding(&path)?;
        let found = if rest.is_empty() {
            self.all[tree].top.try_clone().ok()?
        } else {
            self.open_beneath(tree, rest, 0).ok()?
        };
        let same = kernel::identity(found.as_fd()) == kernel::identity(object.as_fd());
        same.then_some((tree, found))
    }
}

impl Cursor {
    /// The root of the file system.
    pub(super) fn root() -> Self {
        Self { path: Vec::new(), at: At::Above }
    }

    /// A reference to where it is, in a tree.
    pub(super) fn directory<'c>(&'c self, trees: &'c Trees) -> Option<BorrowedFd<'c>> {
        match &self.at {
            At::Above => None,
            At::Beneath(tree, None) => Some(trees.tree(*tree).top.as_fd()),
            At::Beneath(_, Some(file)) => Some((**file).as_fd()),
        }
    }
}

/// A path without NUL: what comes from the kernel, or was read up to one.
pub(super) fn string(path: Vec<u8>) -> CString {
    CString::new(path).unwrap_or_default()
}
