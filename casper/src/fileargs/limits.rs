//! Which paths a channel may ask for, and what for.

use std::{collections::BTreeSet, ffi::OsStr, os::unix::ffi::OsStrExt};

use serde::{Deserialize, Serialize};

use crate::Limits;

bitflags::bitflags! {
    /// What may be asked for a path: `FA_OPEN` and its like of cap_fileargs(3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Operations: u8 {
        /// To open it.
        const OPEN = 1;
        /// What kind of file it is, how large, whose: lstat(2).
        const LSTAT = 1 << 1;
        /// Where it leads: realpath(3).
        const REALPATH = 1 << 2;
    }
}

/// What a channel may ask for: some of the paths that the service was opened with, and some of the
/// operations.
///
/// Paths are compared byte by byte. One that the service was not opened with is of no use here.
///
/// ```
/// use casper::fileargs::{FileArgsLimits, Operations};
///
/// let limits = FileArgsLimits::all(Operations::OPEN).paths(["a.txt", "b.txt"]);
/// # let _ = limits;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct FileArgsLimits {
    operations: Operations,
    /// `None`: all that there are.
    paths: Option<BTreeSet<Vec<u8>>>,
}

impl FileArgsLimits {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self { operations: Operations::empty(), paths: Some(BTreeSet::new()) }
    }

    /// These operations, for all paths that the service was opened with.
    pub fn all(operations: Operations) -> Self {
        Self { operations, paths: None }
    }

    /// The same operations, for no other paths than these.
    ///
    /// A request has at most 64 KiB, so that limits of more paths than that cannot be set: they are to
    /// be [opened](super::Files) with.
    pub fn paths<P: AsRef<OsStr>>(self, paths: impl IntoIterator<Item = P>) -> Self {
        let paths = paths.into_iter().map(|path| path.as_ref().as_bytes().to_owned());
        Self { paths: Some(paths.collect()), ..self }
    }

    /// Whether this may be asked for this path.
    pub(crate) fn allows(&self, path: &[u8], operation: Operations) -> bool {
        self.operations.contains(operation)
            && self.paths.as_ref().is_none_or(|paths| paths.contains(path))
    }
}

impl Limits for FileArgsLimits {
    fn unlimited() -> Self {
        Self::all(Operations::all())
    }

    fn narrows(&self, new: &Self) -> bool {
        let fewer = match (&self.paths, &new.paths) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(old), Some(new)) => new.is_subset(old),
        };
        fewer && self.operations.contains(new.operations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_only_narrow() {
        let open = FileArgsLimits::all(Operations::OPEN);
        let some = open.clone().paths(["a", "b"]);
        let all = FileArgsLimits::unlimited();
        assert!(all.narrows(&all) && all.narrows(&open) && open.narrows(&some));
        assert!(!open.narrows(&all) && !some.narrows(&open));
        assert!(some.narrows(&open.clone().paths(["b"])));
        assert!(!some.narrows(&open.clone().paths(["b", "c"])));
        assert!(!some.narrows(&FileArgsLimits::all(Operations::LSTAT).paths(["b"])));
        assert!(some.narrows(&FileArgsLimits::nothing()));
        assert!(!FileArgsLimits::nothing().narrows(&open.clone().paths(["a"])));
        // A bit that nothing knows is nothing that the old limits have.
        assert!(!all.narrows(&FileArgsLimits::all(Operations::from_bits_retain(0x80))));
    }

    #[test]
    fn paths_are_compared_byte_by_byte() {
        let some = FileArgsLimits::all(Operations::OPEN).paths(["/a/b"]);
        assert!(some.allows(b"/a/b", Operations::OPEN));
        for other in ["/a/./b", "/a//b", "/a/b/", "/a", "a/b", "/a/b\0", ""] {
            assert!(!some.allows(other.as_bytes(), Operations::OPEN), "{other:?}");
        }
        assert!(!some.allows(b"/a/b", Operations::LSTAT));
    }
}
