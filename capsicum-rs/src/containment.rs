//! How far the running kernel holds a process to its descriptors.

use std::fmt;

/// A level of containment, worst first.
///
/// Each level refuses every global name; they differ in what still works beneath a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Containment {
    /// Linux, seccomp alone: no lookup at all, so that a directory descriptor is of little use.
    Descriptors,
    /// Linux with Landlock (ABI 3 or later): opening, creating, removing and renaming work
    /// beneath the granted directories with the granted rights. stat, access, readlink, chmod,
    /// chown, utimes and `O_PATH` by path, which Landlock does not see, are refused.
    Landlock,
    /// Linux with a private, empty root besides: every lookup works beneath the granted directories,
    /// each of which is a mount of its own, so that rename(2) and link(2) between two of them fail
    /// with `EXDEV`. Entered only where [`Sandbox::require`](crate::Sandbox::require) or
    /// [`Sandbox::prefer`](crate::Sandbox::prefer) asks for it, since it takes a mount namespace,
    /// and without CAP_SYS_ADMIN a user namespace: user_namespaces(7).
    Directories,
    /// FreeBSD: the kernel keeps rights with descriptors.
    Capsicum,
}

impl fmt::Display for Containment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Descriptors => "Descriptors",
            Self::Landlock => "Landlock",
            Self::Directories => "Directories",
            Self::Capsicum => "Capsicum",
        })
    }
}
