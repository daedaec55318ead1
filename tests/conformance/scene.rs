//! Where a case takes place: a directory of its own, and the files in it.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use capsicum_rs::Containment;

use crate::raw;

/// What the file of each scene contains.
pub(crate) const CONTENT: &[u8] = b"content of the file";

/// The directory of a case, and the level that it runs at.
pub(crate) struct Scene {
    /// Its own; empty at first.
    pub(crate) dir: PathBuf,
    /// The best level that is to be had.
    pub(crate) level: Containment,
}

impl Scene {
    /// A scene in a new directory of this one.
    pub(crate) fn within(&self, name: &str) -> io::Result<Self> {
        let dir = self.dir.join(name);
        fs::create_dir(&dir)?;
        Ok(Self { dir, level: self.level })
    }

    /// A path in the directory, for the kernel.
    pub(crate) fn path(&self, name: &str) -> CString {
        c_path(&self.dir.join(name))
    }

    /// A new file with content, open for reading and writing, at offset 0.
    pub(crate) fn file(&self, name: &str) -> io::Result<OwnedFd> {
        fs::write(self.dir.join(name), CONTENT)?;
        self.open(name, libc::O_RDWR)
    }

    /// Opens by path.
    pub(crate) fn open(&self, name: &str, flags: i32) -> io::Result<OwnedFd> {
        raw::openat(libc::AT_FDCWD, &self.path(name), flags)
    }

    /// A new directory in which the file `file` is.
    pub(crate) fn directory(&self, name: &str) -> io::Result<OwnedFd> {
        fs::create_dir_all(self.dir.join(name))?;
        fs::write(self.dir.join(name).join("file"), CONTENT)?;
        self.open(name, libc::O_RDONLY | libc::O_DIRECTORY)
    }
}

/// A path for the kernel.
pub(crate) fn c_path(path: &Path) -> CString {
    // The names of this suite have no zero bytes in them.
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// The path of a file whose content nobody in capability mode may read.
pub(crate) const OUTSIDE: &CStr = c"/etc/passwd";
