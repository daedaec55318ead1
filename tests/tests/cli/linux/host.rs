//! Hosts that the suite can bring about: with and without namespaces, with and without Landlock,
//! as root and as an ordinary user.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use super::filter;
use crate::{binary::sandbox_spawn, deadline};

/// An ordinary user that owns nothing.
pub(crate) const NOBODY: u32 = 65534;

/// What the host offers to the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offers {
    /// Whatever this host has.
    All,
    /// No user namespaces: root has the others.
    NoUserNamespaces,
    /// No namespaces.
    NoNamespaces,
    /// No namespaces, and no supervisor: another one listens already, or a filter forbids it.
    NoSupervisor,
    /// Neither namespaces nor Landlock.
    Neither,
}

/// A host, and a directory on it that belongs to the user.
pub(crate) struct Host {
    pub(crate) offers: Offers,
    pub(crate) user: Option<u32>,
    directory: TempDir,
}

/// Copies a program, in a process of its own: a child that another test happens to start would
/// hold it open for writing for a while, and it could not be executed.
pub(super) fn copy(from: &Path, to: &Path) {
    let status = Command::new("/bin/cp").arg("-p").args([from, to]).status().unwrap();
    assert!(status.success(), "{} cannot be copied", from.display());
}

fn is_root() -> bool {
    // SAFETY: always succeeds.
    unsafe { libc::geteuid() == 0 }
}

impl Host {
    fn new(offers: Offers, user: Option<u32>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // The build directory may be closed to others.
        copy(&sandbox_spawn(), &directory.path().join("sandbox-spawn"));
        let host = Self { offers, user, directory };
        host.own(host.directory.path());
        host
    }

    fn own(&self, path: &Path) {
        if let Some(user) = self.user {
            chown(path, Some(user), Some(user)).unwrap();
        }
    }

    /// A path in the user's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap().join(name)
    }

    /// Makes a directory of the user's.
    pub(crate) fn make_dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        self.own(&path);
        path
    }

    /// Makes a file of the user's.
    pub(crate) fn make_file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        self.own(&path);
        path
    }

    /// Makes a program of the user's.
    pub(crate) fn make_program(&self, name: &str, text: &str) -> PathBuf {
        let text = self.make_file(&format!("{name}.text"), text);
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
        let path = self.path(name);
        copy(&text, &path);
        fs::remove_file(text).unwrap();
        self.own(&path);
        path
    }

    /// The command on this host, with these words.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.path("sandbox-spawn"));
        command.args(words).stdin(Stdio::null()).current_dir("/");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        // Whoever runs the tests may ignore hang-ups, as nohup(1) does.
        // SAFETY: setting signals to their default is allowed between fork and exec.
        unsafe {
            command.pre_exec(|| {
                for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                    libc::signal(signal, libc::SIG_DFL);
                }
                Ok(())
            });
        }
        let mut taken = match self.offers {
            Offers::All => return command,
            Offers::NoUserNamespaces => filter::without(filter::USER_NAMESPACES, false),
            Offers::NoNamespaces => filter::without(filter::NAMESPACES, false),
            Offers::NoSupervisor => filter::without_listeners(),
            Offers::Neither => filter::without(filter::NAMESPACES, true),
        };
        // SAFETY: installing a filter that is there makes two system calls and nothing else.
        unsafe { command.pre_exec(move || filter::install(&mut taken)) };
        command
    }

    /// `run --quiet` with these options, and `sh -c script`.
    pub(crate) fn shell(&self, options: &[&str], script: &str) -> Command {
        let mut words = vec!["run", "--quiet", "--read", "/usr"];
        words.extend(options);
        words.extend(["--", "/bin/sh", "-c", script]);
        self.command(words)
    }

    /// Runs [`Host::shell`] to its end.
    pub(crate) fn run(&self, options: &[&str], script: &str) -> Output {
        deadline::output(&mut self.shell(options, script))
    }

    /// Whether programs get a private root.
    pub(crate) fn has_root(&self) -> bool {
        matches!(self.offers, Offers::All | Offers::NoUserNamespaces)
    }
}

/// Runs a test on every host with these offers that the suite can bring about.
pub(crate) fn on_each(offers: &[Offers], test: impl Fn(&Host)) {
    let mut users = vec![None];
    if is_root() {
        users.push(Some(NOBODY));
    }
    for &offers in offers {
        for &user in &users {
            // An ordinary user without user namespaces has none.
            if offers == Offers::NoUserNamespaces && (user.is_some() || !is_root()) {
                continue;
            }
            let host = Host::new(offers, user);
            if host.has_root() && !namespaces_work(&host) {
                println!("SKIPPED: no private root here with {offers:?} for user {user:?}");
                continue;
            }
            println!("with {offers:?}, as {user:?}");
            test(&host);
        }
    }
}

fn namespaces_work(host: &Host) -> bool {
    let words = ["run", "--level", "directories", "--", "/bin/true"];
    deadline::output(&mut host.command(words)).status.success()
}

/// Runs a test at both levels.
pub(crate) fn at_both_levels(test: impl Fn(&Host)) {
    on_each(
        &[Offers::All, Offers::NoUserNamespaces, Offers::NoNamespaces, Offers::NoSupervisor],
        test,
    );
}
