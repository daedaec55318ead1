//! Where a path leads: the real path, and the symbolic links on the way.

use std::{
    ffi::OsString,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Absolute, without links, `.` and `..`.
    pub(crate) real: PathBuf,
    /// The links that were followed: where each is (a real path) and its text.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
}

/// Follows a path from `base`, which is absolute and real.
pub(crate) fn resolve(base: &Path, path: &Path) -> io::Result<Resolved> {
    let mut links = Vec::new();
    let mut real = if path.is_absolute() { PathBuf::from("/") } else { base.to_owned() };
    let mut rest: Vec<OsString> = steps(path);
    while let Some(step) = rest.pop() {
        if step == ".." {
            real.pop();
            continue;
        }
        let next = real.join(&step);
        let metadata = fs::symlink_metadata(&next)?;
        if !metadata.file_type().is_symlink() {
            if !rest.is_empty() && !metadata.is_dir() {
                return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
            }
            real = next;
            continue;
        }
        if links.len() == MOST_LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let text = fs::read_link(&next)?;
        if text.is_absolute() {
            real = PathBuf::from("/");
        }
        rest.extend(steps(&text));
        links.push((next, text));
    }
    Ok(Resolved { real, links })
}

/// The components of a path, last one first.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut steps: Vec<_> = steps.collect();
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(base.join("a/b")).unwrap();
        symlink("a", base.join("l")).unwrap();
        symlink(base.join("l/b"), base.join("m")).unwrap();
        let found = resolve(&base, Path::new("m/../b/.")).unwrap();
        assert_eq!(found.real, base.join("a/b"));
        assert_eq!(
            found.links,
            [(base.join("m"), base.join("l/b")), (base.join("l"), PathBuf::from("a")),]
        );
    }

    #[test]
    fn a_loop_and_a_file_in_the_middle_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        symlink("x", dir.path().join("x")).unwrap();
        fs::write(dir.path().join("f"), "").unwrap();
        let code = |path: &str| resolve(dir.path(), Path::new(path)).unwrap_err().raw_os_error();
        assert_eq!(code("x"), Some(libc::ELOOP));
        assert_eq!(code("f/g"), Some(libc::ENOTDIR));
        assert_eq!(code("nothing"), Some(libc::ENOENT));
    }
}
