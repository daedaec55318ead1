//! Linux.

mod attacks;
mod bait;
mod calls;
mod confine;
mod level;
mod orphans;
mod prepared;
mod processes;
mod report;
mod root;
mod signals;
mod streams;
mod supervise;
mod supervisor;
mod trial;
mod wrapper;

use std::{
    ffi::{CString, OsStr},
    fs, io,
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    path::Path,
};

pub(crate) use attacks::attack;
pub(crate) use bait::{Bait, WATCHED};
pub(crate) use wrapper::{levels, run};

/// Settings of the kernel that take namespaces away, and the value with which they do.
const SWITCHES: [(&str, &str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "10000"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Effective user and group id.
fn effective_ids() -> (u32, u32) {
    // SAFETY: both calls always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Why namespaces are not to be had, and what would change that.
fn why_no_namespaces(operation: &str, errno: i32) -> String {
    let error = io::Error::from_raw_os_error(errno);
    for (name, off, on) in SWITCHES {
        let value = fs::read_to_string(Path::new("/proc/sys").join(name));
        if value.is_ok_and(|value| value.trim() == off) {
            let name = name.replace('/', ".");
            return format!(
                "namespaces: {operation}: {error}; `sysctl {name}={on}` would allow them to \
                 ordinary users"
            );
        }
    }
    format!(
        "namespaces: {operation}: {error}; a container's filter or a security module may be what \
         refuses them"
    )
}

/// Whether a path is in a procfs, by statfs(2), or one is mounted beneath it.
pub(crate) fn shows_processes(path: &Path) -> bool {
    let beneath = procfs_beneath(&fs::read("/proc/self/mountinfo").unwrap_or_default(), path);
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    let mut status = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path is a string, and the kernel writes one `statfs`.
    let answer = unsafe { libc::statfs(path.as_ptr(), status.as_mut_ptr()) };
    // SAFETY: filled, since the call answered 0.
    beneath || answer == 0 && unsafe { status.assume_init() }.f_type == libc::PROC_SUPER_MAGIC
}

/// Whether a mountinfo, see proc(5), has a procfs at a path or beneath it. Anybody who may mount
/// something has a say in what is in there, so that it need not be text.
fn procfs_beneath(mounts: &[u8], path: &Path) -> bool {
    // The kernel writes these four bytes of a path as three octal digits.
    let mut escaped = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => escaped.extend(format!("\\{byte:03o}").bytes()),
            _ => escaped.push(byte),
        }
    }
    let path = Path::new(OsStr::from_bytes(&escaped));
    mounts.split(|&byte| byte == b'\n').any(|line| {
        let fields: Vec<_> = line.split(|&byte| byte == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-");
        separator.and_then(|at| fields.get(at + 1)).is_some_and(|kind| *kind == b"proc")
            && fields.get(4).is_some_and(|at| Path::new(OsStr::from_bytes(at)).starts_with(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_procfs_is_found_beneath_any_path_and_beside_any_mount() {
        let mounts = b"21 1 0:4 / /odd\xff rw - tmpfs tmpfs rw\n\
            22 1 0:5 / /my\\040root/proc rw shared:2 master:3 - proc proc rw\n\
            23 1 0:6 / /other rw - tmpfs proc rw\n";
        for beneath in ["/my root", "/my root/proc", "/"] {
            assert!(procfs_beneath(mounts, Path::new(beneath)), "{beneath}");
        }
        for beside in ["/my", "/my root/p", "/other", "/my root/proc/1"] {
            assert!(!procfs_beneath(mounts, Path::new(beside)), "{beside}");
        }
    }
}
