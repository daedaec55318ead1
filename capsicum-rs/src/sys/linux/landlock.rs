//! Landlock: the rights beneath directories.
//!
//! Landlock knows a path by where it lies, not by the descriptor that a lookup starts from, and
//! several of its accesses stand for more than one right. Where that would let a lookup from one
//! directory do to another what its rights do not have, [`conflict`] finds it.

//! The kernel's three calls are made here rather than by the crate `landlock`: that one asks
//! fstat(3) of every descriptor, which in capability mode glibc 2.33 to 2.38 cannot answer, so that
//! a process could not narrow itself a second time.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::call;
use crate::{Error, Rights};

bitflags::bitflags! {
    /// `LANDLOCK_ACCESS_FS_*` of linux/landlock.h.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Access: u64 {
        const EXECUTE = 1;
        const WRITE_FILE = 1 << 1;
        const READ_FILE = 1 << 2;
        const READ_DIR = 1 << 3;
        const REMOVE_DIR = 1 << 4;
        const REMOVE_FILE = 1 << 5;
        const MAKE_CHAR = 1 << 6;
        const MAKE_DIR = 1 << 7;
        const MAKE_REG = 1 << 8;
        const MAKE_SOCK = 1 << 9;
        const MAKE_FIFO = 1 << 10;
        const MAKE_BLOCK = 1 << 11;
        const MAKE_SYM = 1 << 12;
        const REFER = 1 << 13;
        const TRUNCATE = 1 << 14;
        const IOCTL_DEV = 1 << 15;
    }
}

impl Access {
    const REMOVE: Self = Self::REMOVE_FILE.union(Self::REMOVE_DIR);
    /// mknod(2) other than of a fifo and of devices. No right passes those: a device's number is a
    /// global name, and a device file of root's making would lead to any disk.
    const NODES: Self = Self::MAKE_SOCK.union(Self::MAKE_REG);
    const MAKE: Self =
        Self::NODES.union(Self::MAKE_DIR).union(Self::MAKE_SYM).union(Self::MAKE_FIFO);
    /// Those that a file that is no directory can have.
    const OF_FILES: Self = Self::EXECUTE
        .union(Self::READ_FILE)
        .union(Self::WRITE_FILE)
        .union(Self::TRUNCATE)
        .union(Self::IOCTL_DEV);
}

/// The least ABI that holds truncation, without which `WRITE` says nothing of `FTRUNCATE`.
pub(super) const LEAST: u32 = 3;
/// From here on signals are held within the domain.
const SCOPES: u32 = 6;
/// From here on all threads of a process can be restricted at once.
const THREADS: u32 = 8;
/// `LANDLOCK_RESTRICT_SELF_TSYNC`.
const TSYNC: u32 = 1 << 3;

/// What the running kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Landlock {
    pub(super) abi: u32,
}

impl Landlock {
    /// Asks the kernel.
    ///
    /// # Errors
    ///
    /// The reason why Landlock cannot be used, in words.
    pub(super) fn probe() -> Result<Self, String> {
        match call::landlock_abi() {
            Ok(abi) if abi >= LEAST => Ok(Self { abi }),
            Ok(abi) => Err(format!(
                "the kernel has Landlock ABI {abi}, and {LEAST} (Linux 6.2) is needed"
            )),
            Err(error) => Err(match error.raw_os_error() {
                Some(libc::EOPNOTSUPP) => {
                    "Landlock is built in but not started: add it to `lsm=` on the kernel's command \
                     line"
                        .to_owned()
                }
                Some(libc::ENOSYS) => {
                    "the kernel (before 5.13, or built without it) or a container's filter has no \
                     Landlock"
                        .to_owned()
                }
                _ => format!("landlock_create_ruleset: {error}"),
            }),
        }
    }

    /// Whether signals can be held too.
    pub(super) fn scopes(self) -> bool {
        self.abi >= SCOPES
    }

    /// Whether it can hold a process of so many threads: before ABI 8 (Linux 7.0) it restricts the
    /// calling thread only.
    pub(super) fn restricts(self, threads: usize) -> bool {
        threads == 1 || self.restricting() & TSYNC != 0
    }

    /// The flags of landlock_restrict_self(2): all threads where that can be said. Those then have
    /// the caller's `no_new_privs` too, and its domain in the place of any of their own.
    fn restricting(self) -> u32 {
        if self.abi >= THREADS { TSYNC } else { 0 }
    }

    /// The accesses that it can hold.
    fn holds(self) -> Access {
        // IOCTL_DEV came with ABI 5.
        if self.abi >= 5 { Access::all() } else { Access::all().difference(Access::IOCTL_DEV) }
    }
}

/// A right of lookups: what Landlock must pass for it (`passes`), and by which of these, one
/// alone, something of it can be done where the filter sees another directory (`betrays`).
struct Lookup {
    right: Rights,
    passes: Access,
    betrays: Access,
}

const LOOKUPS: &[Lookup] = &[
    same(Rights::READ, Access::READ_FILE.union(Access::READ_DIR)),
    same(Rights::WRITE, Access::WRITE_FILE),
    same(Rights::FTRUNCATE, Access::TRUNCATE),
    same(Rights::IOCTL, Access::IOCTL_DEV),
    same(Rights::CREATE, Access::MAKE_REG),
    same(Rights::MKDIRAT, Access::MAKE_DIR),
    same(Rights::MKFIFOAT, Access::MAKE_FIFO),
    same(Rights::MKNODAT, Access::NODES),
    same(Rights::SYMLINKAT, Access::MAKE_SYM),
    // Only confined programs bind to paths.
    Lookup { right: Rights::BINDAT, passes: Access::MAKE_SOCK, betrays: Access::empty() },
    same(Rights::UNLINKAT, Access::REMOVE),
    // The kernel reads what it executes.
    Lookup {
        right: Rights::FEXECVE,
        passes: Access::EXECUTE.union(Access::READ_FILE),
        betrays: Access::EXECUTE,
    },
    // Moving within a directory asks for no REFER.
    Lookup {
        right: Rights::RENAMEAT_SOURCE,
        passes: Access::REMOVE.union(Access::REFER),
        betrays: Access::REMOVE,
    },
    Lookup {
        right: Rights::RENAMEAT_TARGET,
        passes: Access::MAKE.union(Access::REFER),
        betrays: Access::MAKE,
    },
    Lookup {
        right: Rights::LINKAT_TARGET,
        passes: Access::MAKE.union(Access::REFER),
        betrays: Access::MAKE,
    },
    // A link within the same directory asks for no access to the old name at all.
    Lookup {
        right: Rights::LINKAT_SOURCE,
        passes: Access::REFER,
        betrays: Access::MAKE.union(Access::REFER),
    },
];

const fn same(right: Rights, accesses: Access) -> Lookup {
    Lookup { right, passes: accesses, betrays: accesses }
}

/// What Landlock passes for these rights.
fn accesses(rights: Rights) -> Access {
    LOOKUPS
        .iter()
        .filter(|lookup| rights.contains(lookup.right))
        .fold(Access::empty(), |all, lookup| all | lookup.passes)
}

/// A right that a lookup from a directory with the rights `from` would have over one with `over`,
/// without its having it.
pub(super) fn conflict(from: Rights, over: Rights) -> Option<Rights> {
    let passed = accesses(over);
    LOOKUPS
        .iter()
        .find(|lookup| {
            from.contains(lookup.right)
                && !over.contains(lookup.right)
                && passed.intersects(lookup.betrays)
        })
        .map(|lookup| lookup.right)
}

/// Whether a descriptor is a directory, by asking Landlock, which takes rights of directories for
/// these only: for descriptors that fstat(2) is refused on.
pub(super) fn directory(fd: RawFd) -> bool {
    call::landlock_create_ruleset(Access::READ_DIR.bits(), 0).is_ok_and(|ruleset| {
        call::landlock_add_rule(ruleset.as_raw_fd(), fd, Access::READ_DIR.bits()).is_ok()
    })
}

/// A ruleset that is there to be asked, by [`unmounted`].
pub(super) fn question() -> std::io::Result<OwnedFd> {
    call::landlock_create_ruleset(Access::READ_FILE.bits(), 0)
}

/// Whether a descriptor is of a file system that is never mounted, by asking Landlock, which takes
/// no rule for those.
pub(super) fn unmounted(question: RawFd, fd: RawFd) -> bool {
    call::landlock_add_rule(question, fd, Access::READ_FILE.bits())
        .is_err_and(|error| error.raw_os_error() == Some(libc::EBADFD))
}

/// Rules in the making.
pub(super) struct Rules {
    ruleset: OwnedFd,
    held: Access,
    /// For landlock_restrict_self(2).
    flags: u32,
}

/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL`.
const SCOPE: u64 = 1 | 2;

impl Rules {
    /// landlock_create_ruleset(2): everything that the kernel can hold is held, and signals and
    /// abstract sockets too where `scoped`.
    pub(super) fn new(landlock: Landlock, scoped: bool) -> Result<Self, Error> {
        let held = landlock.holds();
        let ruleset = call::landlock_create_ruleset(held.bits(), if scoped { SCOPE } else { 0 })
            .map_err(|error| Error::system("landlock_create_ruleset", error))?;
        Ok(Self { ruleset, held, flags: landlock.restricting() })
    }

    /// landlock_add_rule(2): passes beneath this directory, or on this file, what the rights say.
    pub(super) fn pass(&self, fd: RawFd, directory: bool, rights: Rights) -> Result<(), Error> {
        let kind = if directory { Access::all() } else { Access::OF_FILES };
        let passed = accesses(rights) & self.held & kind;
        if passed.is_empty() {
            return Ok(());
        }
        match call::landlock_add_rule(self.ruleset.as_raw_fd(), fd, passed.bits()) {
            // Its object (memory, a pipe, a socket) has no path by which Landlock could hold it.
            Err(error) if error.raw_os_error() == Some(libc::EBADFD) && !directory => Ok(()),
            result => result.map_err(|error| {
                Error::system(format!("landlock_add_rule(descriptor {fd})"), error)
            }),
        }
    }

    /// landlock_restrict_self(2), after `no_new_privs`: the calling thread and its children, or
    /// where it [can](Landlock::restricts) every thread of the process, or none.
    pub(super) fn restrict(self) -> Result<(), Error> {
        call::landlock_restrict_self(self.ruleset.as_raw_fd(), self.flags)
            .map_err(|error| Error::system("landlock_restrict_self", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_restricted_where_the_kernel_restricts_all_of_them() {
        let (older, newer) = (Landlock { abi: 7 }, Landlock { abi: 8 });
        assert!(older.restricts(1) && !older.restricts(2));
        assert!(newer.restricts(1) && newer.restricts(2));
        // An older kernel refuses the flag.
        assert_eq!((older.restricting(), newer.restricting()), (0, 8));
        // A count that went wrong.
        assert!(!older.restricts(0));
    }

    #[test]
    fn rights_that_landlock_tells_apart_do_not_conflict() {
        let reading = Rights::LOOKUP | Rights::READ;
        let writing = Rights::LOOKUP | Rights::WRITE | Rights::CREATE;
        assert_eq!(conflict(reading, writing), None);
        assert_eq!(conflict(writing, reading), None);
    }

    #[test]
    fn moving_out_of_one_directory_is_removing_from_it_for_the_other() {
        let moving = Rights::RENAMEAT_SOURCE;
        assert_eq!(conflict(Rights::UNLINKAT, moving), Some(Rights::UNLINKAT));
        assert_eq!(conflict(Rights::UNLINKAT, moving | Rights::UNLINKAT), None);
    }

    #[test]
    fn a_link_within_a_directory_needs_more_than_creating_there() {
        let linking = Rights::LINKAT_SOURCE | Rights::LINKAT_TARGET;
        assert_eq!(conflict(linking, Rights::CREATE), Some(Rights::LINKAT_TARGET));
        assert_eq!(conflict(Rights::LINKAT_SOURCE, Rights::CREATE), Some(Rights::LINKAT_SOURCE));
        assert_eq!(conflict(linking, Rights::READ), None);
    }

    #[test]
    fn what_may_be_executed_can_be_read_through_a_directory_that_may_read() {
        assert_eq!(conflict(Rights::READ, Rights::FEXECVE), Some(Rights::READ));
        assert_eq!(conflict(Rights::READ, Rights::FEXECVE | Rights::READ), None);
    }
}
