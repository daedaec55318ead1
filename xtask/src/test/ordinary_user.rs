//! The same tests as a user without any privilege, when root started them.
//!
//! That user must be able to reach the executables and what they read. Where the checkout is in a
//! directory that only root may enter (`/root`, a private temporary directory), the sources are
//! copied to one that everyone may, and built there: the paths that cargo compiles into the tests
//! must be reachable too.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{cargo::Executable, command, workspace::Workspace};

/// `nobody`, on most systems; a number that owns nothing, on all.
const USER: u32 = 65534;

/// Where an ordinary user can run the tests.
pub(crate) struct Place {
    executables: Vec<Executable>,
    /// Its home, and where its temporary files go.
    home: TempDir,
    /// The copy of the workspace, removed at the end, where one was needed.
    _copy: Option<TempDir>,
}

impl Place {
    /// Finds or makes a place; the error is why there is none.
    pub(crate) fn prepare(
        workspace: &Workspace,
        executables: &[Executable],
        build: impl Fn(&Workspace) -> Result<Vec<Executable>>,
    ) -> Result<Self> {
        let home = directory("xtask-home-")?;
        chown(home.path(), Some(USER), Some(USER))?;
        let mut id = Command::new("id");
        id.arg("-u").current_dir("/").uid(USER).gid(USER);
        let id = command::output(&mut id).context("this process cannot become another user")?;
        if id.trim() != USER.to_string() {
            bail!("this process becomes user {} instead of {USER}", id.trim());
        }
        let barrier = executables
            .iter()
            .flat_map(|executable| [executable.path.as_path(), executable.package.directory()])
            .chain([workspace.root.as_path()])
            .find_map(barrier);
        let Some(barrier) = barrier else {
            return Ok(Self { executables: executables.to_vec(), home, _copy: None });
        };

        let copy = directory("xtask-copy-")?;
        println!(
            "\n{} is closed to an ordinary user: the tests are built once more, in {}",
            barrier.display(),
            copy.path().display()
        );
        copy_sources(workspace, &workspace.root, copy.path())?;
        let mut there = Workspace::at(copy.path())?;
        there.target = copy.path().join("target");
        let executables = build(&there)?;
        give_away(copy.path())?;
        Ok(Self { executables, home, _copy: Some(copy) })
    }

    /// The executables, where the user can reach them.
    pub(crate) fn executables(&self) -> &[Executable] {
        &self.executables
    }

    /// Lets a command run as the user. The standard library drops root's further groups itself.
    pub(crate) fn become_user(&self, command: &mut Command) {
        let home = self.home.path();
        command.uid(USER).gid(USER).env("HOME", home).env("TMPDIR", home);
        command.env("USER", "nobody").env("LOGNAME", "nobody");
        for name in ["XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
    }
}

/// A new temporary directory that everyone may enter.
fn directory(prefix: &str) -> Result<TempDir> {
    let directory = tempfile::Builder::new().prefix(prefix).tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    match barrier(directory.path()) {
        None => Ok(directory),
        Some(closed) => bail!(
            "{} is closed to an ordinary user; set TMPDIR to a directory that is not",
            closed.display()
        ),
    }
}

/// The first part of the path that someone who is neither owner nor of the group cannot pass; for
/// the last part: cannot read and enter or execute.
fn barrier(path: &Path) -> Option<PathBuf> {
    let open = |path: &Path, bits: u32| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & bits == bits)
    };
    let mut ancestors: Vec<&Path> = path.ancestors().skip(1).collect();
    ancestors.reverse();
    let closed = ancestors.into_iter().find(|ancestor| !open(ancestor, 0o001));
    closed.or_else(|| (!open(path, 0o005)).then_some(path)).map(Path::to_owned)
}

/// Copies what is under `from` but for what is built and git's own.
fn copy_sources(workspace: &Workspace, from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        let built = source == workspace.target || entry.file_name() == "target";
        if built || entry.file_name() == ".git" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&copy)?;
            copy_sources(workspace, &source, &copy)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &copy)?;
        } else if kind.is_file() {
            fs::copy(&source, &copy).with_context(|| source.display().to_string())?;
        }
    }
    Ok(())
}

/// Makes the user the owner of everything under a directory, whatever our umask left there.
fn give_away(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path)?.is_symlink() {
        return Ok(());
    }
    chown(path, Some(USER), Some(USER))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own directory");
    }

    #[test]
    fn the_first_closed_directory_on_the_way_is_the_barrier() {
        let Ok(top) = directory("xtask-test-") else {
            println!("SKIPPED: the barrier on a path: the temporary directory itself is closed");
            return;
        };
        let inner = top.path().join("a/b");
        fs::create_dir_all(&inner).expect("our own directory");
        let outer = top.path().join("a");
        closed(&outer, 0o755);
        closed(&inner, 0o755);
        assert_eq!(barrier(&inner), None);
        closed(&inner, 0o751);
        assert_eq!(barrier(&inner), Some(inner.clone()));
        closed(&outer, 0o750);
        assert_eq!(barrier(&inner), Some(outer));
    }

    #[test]
    fn what_is_built_is_not_copied() {
        let (from, to) = (TempDir::new().expect("from"), TempDir::new().expect("to"));
        for name in ["target", ".git", "src"] {
            fs::create_dir(from.path().join(name)).expect("a directory");
            fs::write(from.path().join(name).join("file"), name).expect("a file");
        }
        symlink("src/file", from.path().join("link")).expect("a link");
        let workspace = Workspace::for_tests();
        copy_sources(&workspace, from.path(), to.path()).expect("a copy");
        let mut copied: Vec<_> = fs::read_dir(to.path())
            .expect("the copy")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        copied.sort();
        assert_eq!(copied, ["link", "src"]);
        assert_eq!(fs::read_to_string(to.path().join("link")).expect("the link"), "src");
    }
}
