//! Paths that are granted, and how nested ones go together.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use crate::{error::Error, resolve, sys};

/// What may be done with a granted path besides reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Write it; beneath a directory also create, remove and rename.
    pub(crate) write: bool,
    /// Execute it, or what is beneath it.
    pub(crate) execute: bool,
}

/// A path that is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Absolute and without links.
    pub(crate) path: PathBuf,
    /// Whether it is a directory.
    pub(crate) directory: bool,
    /// What may be done with it.
    pub(crate) access: Access,
    /// Whether the caller named it; the others are defaults.
    pub(crate) asked: bool,
}

/// All that is granted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    /// By path, so that a directory comes before what is beneath it.
    grants: BTreeMap<PathBuf, Grant>,
    links: BTreeMap<PathBuf, PathBuf>,
}

#[allow(dead_code, reason = "FreeBSD confines no program yet")]
impl Grants {
    /// Grants a path that the caller named with an option.
    pub(crate) fn ask(
        &mut self,
        option: &'static str,
        base: &Path,
        path: &Path,
        access: Access,
    ) -> Result<(), Error> {
        let fault = |source| Error::Path { option, path: path.to_owned(), source };
        let refused =
            |reason: &str| Error::Refused { option, path: path.to_owned(), reason: reason.into() };
        if path.as_os_str().is_empty() {
            return Err(refused("the path is empty"));
        }
        let found = resolve::resolve(base, path).map_err(fault)?;
        if found.real == Path::new("/") {
            return Err(refused("the whole file system cannot be granted: name what is needed"));
        }
        let metadata = fs::metadata(&found.real).map_err(fault)?;
        let kind = metadata.file_type();
        if kind.is_char_device() || kind.is_block_device() {
            return Err(refused("is a device; devices cannot be granted"));
        }
        if !metadata.is_dir() && !metadata.is_file() {
            return Err(refused("is neither a directory nor a regular file"));
        }
        if sys::shows_processes(&found.real) {
            return Err(refused("shows the host's processes: use --proc for a private one"));
        }
        sys::may(&found.real, metadata.is_dir(), access.write).map_err(fault)?;
        for (at, text) in found.links {
            self.links.insert(at, text);
        }
        self.insert(found.real, metadata.is_dir(), access, true);
        Ok(())
    }

    /// Grants what a program needs to start, where the host has it and it is what it should be.
    pub(crate) fn offer(
        &mut self,
        path: &Path,
        access: Access,
        fits: fn(&Path) -> bool,
    ) -> io::Result<PathBuf> {
        let found = resolve::resolve(Path::new("/"), path)?;
        // The path that is granted is asked: one with links could lead elsewhere the next time.
        if !fits(&found.real) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let metadata = fs::metadata(&found.real)?;
        for (at, text) in found.links {
            self.links.insert(at, text);
        }
        if !self.covers(&found.real, access) {
            self.insert(found.real.clone(), metadata.is_dir(), access, false);
        }
        Ok(found.real)
    }

    fn insert(&mut self, path: PathBuf, directory: bool, access: Access, asked: bool) {
        let entry = self.grants.entry(path.clone()).or_insert(Grant {
            path,
            directory,
            access: Access::default(),
            asked,
        });
        entry.access.write |= access.write;
        entry.access.execute |= access.execute;
        entry.asked |= asked;
    }

    /// Whether the grant that decides about `path` allows this already.
    fn covers(&self, path: &Path, access: Access) -> bool {
        self.deciding(path).is_some_and(|grant| {
            (grant.access.write || !access.write) && (grant.access.execute || !access.execute)
        })
    }

    /// The grant that decides about a real path: the longest one that it is beneath.
    pub(crate) fn deciding(&self, path: &Path) -> Option<&Grant> {
        path.ancestors().find_map(|ancestor| self.grants.get(ancestor))
    }

    /// The grants, directories before what is beneath them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.grants.values()
    }

    /// The links on the way to the grants that no grant shows by itself, and the links of the root
    /// (`/bin` → `usr/bin` and its like) that lead into one.
    pub(crate) fn links(&self) -> BTreeMap<PathBuf, PathBuf> {
        let mut links = self.links.clone();
        for name in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
            if let Ok(found) = resolve::resolve(Path::new("/"), Path::new(name)) {
                let leads_somewhere = self
                    .grants
                    .keys()
                    .any(|path| path.starts_with(&found.real) || found.real.starts_with(path));
                if leads_somewhere {
                    links.extend(found.links);
                }
            }
        }
        links.retain(|at, _| self.deciding(at).is_none());
        links
    }

    /// A path that was asked for read-only beneath one that is asked for writing. Landlock unites
    /// the rights along a path, so that alone it cannot hold this.
    pub(crate) fn narrowed(&self) -> Option<(&Grant, &Grant)> {
        self.iter().filter(|grant| grant.asked && !grant.access.write).find_map(|grant| {
            let above = grant
                .path
                .parent()?
                .ancestors()
                .find_map(|path| self.grants.get(path).filter(|above| above.access.write))?;
            Some((grant, above))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Access = Access { write: false, execute: true };
    const WRITE: Access = Access { write: true, execute: false };

    #[test]
    fn of_nested_grants_the_longest_decides() {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(base.join("a/b/c")).unwrap();
        let mut grants = Grants::default();
        grants.ask("--write", &base, Path::new("a"), WRITE).unwrap();
        assert!(grants.narrowed().is_none());
        grants.ask("--read", &base, Path::new("a/b"), READ).unwrap();
        assert_eq!(grants.deciding(&base.join("a/b/c")).unwrap().access, READ);
        assert_eq!(grants.deciding(&base.join("a/x")).unwrap().access, WRITE);
        assert!(grants.deciding(&base).is_none());
        assert_eq!(grants.narrowed().unwrap().0.path, base.join("a/b"));
        grants.ask("--write", &base, Path::new("a/b"), WRITE).unwrap();
        assert!(grants.narrowed().is_none(), "asked for both, it is writable and executable");
    }

    #[test]
    fn defaults_do_not_repeat_what_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        fs::write(base.join("f"), "").unwrap();
        let mut grants = Grants::default();
        grants.ask("--read", &base, Path::new("."), READ).unwrap();
        grants.offer(&base.join("f"), READ, Path::is_file).unwrap();
        assert_eq!(grants.iter().count(), 1);
    }
}
