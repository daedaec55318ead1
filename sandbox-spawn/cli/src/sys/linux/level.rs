//! How a level is reached, and what is said about the lesser one.

use crate::args::Level;

/// What a level is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// A user namespace, and in it the others.
    UserNamespace,
    /// Namespaces made with the privileges of the caller.
    Namespaces,
    /// Landlock and the filter.
    Landlock,
}

impl Means {
    /// The namespaces, as clone(2) takes them.
    pub(super) fn namespaces(self) -> libc::c_int {
        let all = libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWCGROUP;
        match self {
            Self::UserNamespace => all | libc::CLONE_NEWUSER,
            Self::Namespaces => all,
            Self::Landlock => 0,
        }
    }

    pub(super) fn level(self) -> Level {
        match self {
            Self::UserNamespace | Self::Namespaces => Level::Directories,
            Self::Landlock => Level::Landlock,
        }
    }
}

/// What is said where the private root is not to be had.
pub(super) const LESSER: &[u8] =
    b"sandbox-spawn: held at the level `landlock`: names and metadata \
of other files can be seen; chmod, chown, utimes and setxattr are refused\n";
