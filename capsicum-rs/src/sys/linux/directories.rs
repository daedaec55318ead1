//! Which directories a private root must hold, and finding them again there.
//!
//! A copy of a tree can only be made of what has a path in the new namespace. The path that procfs
//! tells leads to the same directory there if nothing is mounted over it, and the process that makes
//! the copy compares device and inode.

use std::{ffi::CString, fs, os::unix::ffi::OsStrExt, os::unix::fs::MetadataExt};

use super::{
    open::{Mounts, Open},
    policy::Policy,
    root::Place,
};
use crate::Rights;

/// By these something beneath a directory or of its position can be reached: it must lead no
/// further than its tree. fstat(2) and fexecve(3) are among them since a form of them takes a path:
/// the errors of an execution tell what is there.
const REACHES: Rights =
    Rights::LOOKUP.union(Rights::FSTAT).union(Rights::FCHDIR).union(Rights::FEXECVE);

/// By one of these a file system is changed.
const CHANGES: Rights = Rights::WRITE
    .union(Rights::CREATE)
    .union(Rights::FTRUNCATE)
    .union(Rights::FCHFLAGS)
    .union(Rights::FCHMOD)
    .union(Rights::FCHOWN)
    .union(Rights::FUTIMES)
    .union(Rights::EXTATTR_SET)
    .union(Rights::EXTATTR_DELETE)
    .union(Rights::ACL_SET)
    .union(Rights::ACL_DELETE)
    .union(Rights::MAC_SET);

/// The same, of rights that hold the bit of `LOOKUP`.
const CHANGES_NAMES: [Rights; 9] = [
    Rights::LINKAT_TARGET,
    Rights::MKDIRAT,
    Rights::MKFIFOAT,
    Rights::MKNODAT,
    Rights::RENAMEAT_SOURCE,
    Rights::RENAMEAT_TARGET,
    Rights::SYMLINKAT,
    Rights::UNLINKAT,
    Rights::BINDAT,
];

/// `MOUNT_ATTR_*` of the copy of a directory with these rights.
///
/// What is opened beneath it has the ceiling, which is no wider: else it could not be opened.
fn attributes(rights: Rights) -> u64 {
    let mut attributes = libc::MOUNT_ATTR_NOSUID;
    if !rights.intersects(CHANGES) && !CHANGES_NAMES.iter().any(|right| rights.contains(*right)) {
        attributes |= libc::MOUNT_ATTR_RDONLY;
    }
    if !rights.contains(Rights::FEXECVE) && !rights.contains(Rights::MMAP_X) {
        attributes |= libc::MOUNT_ATTR_NOEXEC;
    }
    attributes
}

/// The directories that are open and can be used to reach something.
///
/// # Errors
///
/// Why one of them would not be found again, in words.
pub(super) fn places(policy: &Policy, open: &[Open]) -> Result<Vec<Place>, String> {
    let rights = |open: &Open| policy.held(open.number).limits.rights;
    let reaching: Vec<&Open> =
        open.iter().filter(|open| open.directory() && rights(open).intersects(REACHES)).collect();
    if reaching.is_empty() {
        return Ok(Vec::new());
    }
    let mounts = Mounts::read().map_err(|error| error.to_string())?;
    reaching.into_iter().map(|open| place(*open, rights(open), &mounts)).collect()
}

fn place(open: Open, rights: Rights, mounts: &Mounts) -> Result<Place, String> {
    let number = open.number;
    let of = |what: &str| format!("descriptor {number}: {what}");
    // A limit that is in force may refuse fstat(2) and fcntl(2) on the number: procfs tells too.
    let link = format!("/proc/self/fd/{number}");
    let path = fs::read_link(&link).map_err(|error| of(&error.to_string()))?;
    let stat = fs::metadata(&link).map_err(|error| of(&error.to_string()))?;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}"))
        .map_err(|error| of(&error.to_string()))?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = field("flags:").and_then(|flags| i32::from_str_radix(flags, 8).ok());
    let mount = field("mnt_id:").and_then(|mount| mount.parse().ok());
    let (Some(flags), Some(mount)) = (flags, mount) else {
        return Err(of("procfs tells neither its flags nor its mount"));
    };
    // A lock belongs to what was opened, and would be gone with it.
    if info.lines().any(|line| line.starts_with("lock:")) {
        return Err(of("it holds a lock, flock(2), which its copy would not hold"));
    }
    if !path.is_absolute() || mounts.holder(&path) != Some(mount) {
        return Err(of(&format!(
            "its path, {}, leads to another mount: something is mounted over it, or its own mount \
             is not one of this process's",
            path.display()
        )));
    }
    // What is to be had beneath procfs leads out of any root.
    if rights.intersects(Rights::LOOKUP.union(Rights::FEXECVE))
        && let Some(reason) = mounts.reach_procfs(open)
    {
        return Err(of(&reason));
    }
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|error| of(&error.to_string()))?;
    Ok(Place {
        fd: open.fd(),
        path,
        identity: (stat.dev(), stat.ino()),
        attributes: attributes(rights),
        flags,
    })
}

/// Whether directories can arrive later, over a socket that is open: such a one leads to wherever
/// it came from.
pub(super) fn arrive(policy: &Policy, open: &[Open]) -> bool {
    open.iter().any(|open| {
        let rights = policy.held(open.number).limits.rights;
        rights.intersects(Rights::READ.union(Rights::ACCEPT)) && open.passes_descriptors()
    })
}

/// Whether stat by a path that may be empty or not (`AT_EMPTY_PATH`) reaches only what could be
/// reached by its rights, whatever the number: of directories either lookups and stat, or none.
/// Those that are opened later have the ceiling.
pub(super) fn statable(policy: &Policy, open: &[Open]) -> bool {
    let both = |rights: Rights| rights.contains(Rights::LOOKUP) == rights.contains(Rights::FSTAT);
    let mut held = open
        .iter()
        .filter(|open| open.directory())
        .map(|open| policy.held(open.number).limits.rights)
        .peekable();
    // Without a directory none is opened.
    let opened = held.peek().is_none() || both(policy.ceiling.rights);
    !policy.arrives && opened && held.all(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_only_where_no_right_changes_it() {
        let reading = Rights::LOOKUP | Rights::READ | Rights::FSTAT | Rights::FLOCK | Rights::FSYNC;
        assert_ne!(attributes(reading) & libc::MOUNT_ATTR_RDONLY, 0);
        for (name, right) in Rights::each() {
            let writes = attributes(reading | right) & libc::MOUNT_ATTR_RDONLY == 0;
            let words = [
                "WRITE",
                "CREATE",
                "TRUNCATE",
                "CHMOD",
                "CHOWN",
                "CHFLAGS",
                "UTIMES",
                "MK",
                "LINKAT_TARGET",
                "UNLINKAT",
                "RENAMEAT",
                "SYMLINKAT",
                "BINDAT",
                "_SET",
                "_DELETE",
            ];
            assert_eq!(writes, words.iter().any(|word| name.contains(word)), "{name}");
        }
    }

    #[test]
    fn a_tree_is_executable_where_its_files_may_be_executed_or_mapped_so() {
        let noexec = |rights| attributes(rights) & libc::MOUNT_ATTR_NOEXEC != 0;
        assert!(noexec(Rights::LOOKUP | Rights::READ | Rights::MMAP_R));
        assert!(!noexec(Rights::LOOKUP | Rights::FEXECVE));
        assert!(!noexec(Rights::LOOKUP | Rights::MMAP_RX));
    }
}
