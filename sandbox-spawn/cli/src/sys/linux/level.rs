//! How a level is reached, and what is said about the lesser one.

use crate::args::Level;

/// What a level is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// A user namespace, and in it the others.
    UserNamespace,
    /// Namespaces made with the privileges of the caller.
    Namespaces,
    /// Landlock and the filter, and a supervisor for what Landlock does not see.
    Supervised,
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
            Self::Supervised | Self::Landlock => 0,
        }
    }

    pub(super) fn level(self) -> Level {
        match self {
            Self::UserNamespace | Self::Namespaces => Level::Directories,
            Self::Supervised | Self::Landlock => Level::Landlock,
        }
    }

    /// Whether the program has namespaces of its own, the root of its file system among them.
    pub(super) fn are_namespaces(self) -> bool {
        self.level() == Level::Directories
    }
}

/// What is said where the private root is not to be had; `reason` is why there is no supervisor
/// either.
pub(super) fn lesser(means: Means, reason: Option<&str>) -> Vec<u8> {
    let mut text = b"sandbox-spawn: held at the level `landlock`".to_vec();
    match means {
        Means::UserNamespace | Means::Namespaces => return Vec::new(),
        Means::Supervised => {
            text.extend(b" with a supervisor: whether a name is taken by another file can be seen");
        }
        Means::Landlock => {
            text.extend(
                b": names and metadata of other files can be seen; chmod, chown, utimes and ",
            );
            text.extend(b"setxattr are refused");
        }
    }
    if let Some(reason) = reason {
        // One line, whatever it says.
        text.extend(format!(" ({})", reason.replace('\n', " ")).bytes());
    }
    text.push(b'\n');
    text
}
