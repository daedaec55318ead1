//! Looking up a path that a program has written, beneath what is granted.
//!
//! Beneath a tree the kernel looks up as much as it can at once, with `RESOLVE_BENEATH`. Where a
//! link or `..` leads out of the tree, the path is taken step by step, since it may lead into
//! another one: every step is opened from the directory before it, and no step but from a
//! directory that was found so. What is above the trees is known by name, and nothing is opened
//! there at all.

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use super::{
    super::calls::Errno,
    kernel,
    trees::{At, Cursor, Entry, Trees, string},
};

/// As many links as the kernel follows.
const MOST_LINKS: u32 = 40;

/// How often what is left of a path is tried at once; a path that leads from tree to tree would
/// make it a square.
const MOST_LEAPS: u32 = 8;

/// How long the path of a directory may become on the way: what is kept of it has a cap.
const DEEPEST: usize = 16 * kernel::LONGEST;

/// How a path is looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    /// A link at its end is followed.
    pub(super) follow: bool,
    /// It matters which tree the object is in, where one is beneath another.
    pub(super) exact: bool,
    /// `RESOLVE_*`, as openat2(2) takes them.
    pub(super) resolve: u64,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// A reference, and the tree that it is in; a link above the trees is in none.
    Object(OwnedFd, Option<usize>),
    /// A directory above the trees.
    Above(Vec<u8>),
}

/// The steps of a path, last one first.
fn steps(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|&byte| byte == b'/').rev().filter(|step| !step.is_empty()).map(<[u8]>::to_vec)
}

/// What is left of a path, as one.
fn joined(rest: &[Vec<u8>], directory: bool) -> Vec<u8> {
    let mut path = Vec::new();
    for step in rest.iter().rev() {
        path.extend_from_slice(step);
        path.push(b'/');
    }
    if !directory {
        path.pop();
    }
    path
}

impl Trees {
    /// Looks up a path from where a program stands.
    ///
    /// # Errors
    ///
    /// As the kernel's; `ENOENT` for whatever is neither granted nor on the way to it.
    pub(super) fn walk(&self, mut at: Cursor, path: &[u8], how: How) -> Result<Found, Errno> {
        let (mut links, mut leaps) = (0, 0);
        let mut leap = true;
        let mut rest: Vec<Vec<u8>> = steps(path).collect();
        // A path that ends in a slash is a directory's, and a link there is followed.
        let mut directory = path.ends_with(b"/");
        match path.first() {
            None => return Err(libc::ENOENT),
            Some(b'/') => at = Cursor::root(),
            Some(_) => {}
        }
        loop {
            if leap && leaps < MOST_LEAPS && !rest.is_empty() {
                match self.leap(&at, &joined(&rest, directory), how) {
                    None => {}
                    Some(Err(libc::EXDEV)) if how.resolve & libc::RESOLVE_NO_XDEV == 0 => {}
                    Some(Err(libc::EAGAIN)) if how.resolve & libc::RESOLVE_CACHED == 0 => {}
                    Some(result) => return result,
                }
                leaps += u32::from(matches!(at.at, At::Beneath(..)));
            }
            let Some(step) = rest.pop() else { return self.end(at, directory) };
            let last = rest.is_empty();
            let tree = at.tree();
            match &step[..] {
                b"." => {
                    directory |= last;
                    self.must_be_a_directory(&at)?;
                }
                b".." => {
                    directory |= last;
                    self.must_be_a_directory(&at)?;
                    at = self.above(&at)?;
                }
                name => match self.step(&at, name)? {
                    Stepped::Link(link, text) => {
                        if last && !how.follow && !directory {
                            return Ok(Found::Object(link, tree));
                        }
                        if how.resolve & libc::RESOLVE_NO_SYMLINKS != 0 || links == MOST_LINKS {
                            return Err(libc::ELOOP);
                        }
                        links += 1;
                        directory |= last && text.ends_with(b"/");
                        if text.starts_with(b"/") {
                            at = Cursor::root();
                        }
                        rest.extend(steps(&text));
                    }
                    Stepped::Other(object, tree) if last && !directory => {
                        return Ok(Found::Object(object, Some(tree)));
                    }
                    Stepped::Other(..) => return Err(libc::ENOTDIR),
                    Stepped::Directory(next) => at = next,
                },
            }
            leap = at.tree() != tree || step == b"..";
        }
    }

    /// Looks up all that is left of a path at once, within a tree.
    fn leap(&self, at: &Cursor, rest: &[u8], how: How) -> Option<Result<Found, Errno>> {
        let tree = at.tree()?;
        if how.exact && self.tree(tree).nested {
            return None;
        }
        let flags = if how.follow { 0 } else { libc::O_NOFOLLOW };
        let resolve = how.resolve | libc::RESOLVE_BENEATH;
        let found =
            kernel::open_beneath(at.directory(self)?, &string(rest.to_vec()), flags, resolve);
        Some(found.map(|file| Found::Object(file, Some(tree))))
    }

    /// Where `..` leads.
    fn above(&self, at: &Cursor) -> Result<Cursor, Errno> {
        let slash = at.path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.cursor(&at.path[..slash])
    }

    fn must_be_a_directory(&self, at: &Cursor) -> Result<(), Errno> {
        match at.at {
            At::Beneath(tree, None) if !self.tree(tree).directory => Err(libc::ENOTDIR),
            _ => Ok(()),
        }
    }

    /// What a path comes to that ends where a lookup stands.
    fn end(&self, at: Cursor, directory: bool) -> Result<Found, Errno> {
        if directory {
            self.must_be_a_directory(&at)?;
        }
        match at.at {
            At::Above => Ok(Found::Above(at.path)),
            At::Beneath(tree, file) => {
                let file = file.as_deref().unwrap_or(&self.tree(tree).top).try_clone();
                let file = file.map_err(|error| error.raw_os_error().unwrap_or(libc::EMFILE))?;
                Ok(Found::Object(file, Some(tree)))
            }
        }
    }

    /// What has this name in a directory.
    fn step(&self, at: &Cursor, name: &[u8]) -> Result<Stepped, Errno> {
        self.must_be_a_directory(at)?;
        let path = [&at.path[..], b"/", name].concat();
        if path.len() > DEEPEST {
            return Err(libc::ENAMETOOLONG);
        }
        let beneath = match at.at {
            At::Beneath(tree, _) => Some(tree),
            At::Above => None,
        };
        let cursor = |at| Stepped::Directory(Cursor { path: path.clone(), at });
        // Links above the trees, and trees in trees, are known by name.
        if beneath.is_none_or(|tree| self.tree(tree).nested) {
            match self.entry(&path) {
                Some(Entry::Tree(inner)) => return Ok(cursor(At::Beneath(*inner, None))),
                Some(Entry::Above) if beneath.is_none() => return Ok(cursor(At::Above)),
                Some(Entry::Link(link, text)) if beneath.is_none() => {
                    let link = link.try_clone().map_err(|_| libc::EMFILE)?;
                    return Ok(Stepped::Link(link, text.clone()));
                }
                _ => {}
            }
        }
        let (Some(tree), Some(directory)) = (beneath, at.directory(self)) else {
            return Err(libc::ENOENT);
        };
        let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;
        let name = string(name.to_vec());
        let file = kernel::open_beneath(directory.as_fd(), &name, libc::O_NOFOLLOW, resolve)?;
        match kernel::kind(&file)? {
            libc::S_IFDIR => Ok(cursor(At::Beneath(tree, Some(Arc::new(file))))),
            libc::S_IFLNK => {
                let text = kernel::read_link(&file)?;
                if text.is_empty() { Err(libc::ENOENT) } else { Ok(Stepped::Link(file, text)) }
            }
            _ => Ok(Stepped::Other(file, tree)),
        }
    }
}

/// What a step comes to.
enum Stepped {
    Directory(Cursor),
    Link(OwnedFd, Vec<u8>),
    Other(OwnedFd, usize),
}

impl Cursor {
    fn tree(&self) -> Option<usize> {
        match self.at {
            At::Above => None,
            At::Beneath(tree, _) => Some(tree),
        }
    }
}
