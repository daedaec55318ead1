//! Linux.

mod attacks;
mod bait;
mod calls;
mod confine;
mod level;
mod orphans;
mod prepared;
mod report;
mod root;
mod signals;
mod supervisor;
mod trial;
mod wrapper;

use std::{ffi::CString, fs, io, mem::MaybeUninit, os::unix::ffi::OsStrExt, path::Path};

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
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let beneath = mounts.lines().any(|line| {
        let is_proc = line.split_once(" - ").is_some_and(|(_, kind)| kind.starts_with("proc "));
        is_proc && line.split(' ').nth(4).is_some_and(|at| Path::new(at).starts_with(path))
    });
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    let mut status = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path is a string, and the kernel writes one `statfs`.
    let answer = unsafe { libc::statfs(path.as_ptr(), status.as_mut_ptr()) };
    // SAFETY: filled, since the call answered 0.
    beneath || answer == 0 && unsafe { status.assume_init() }.f_type == libc::PROC_SUPER_MAGIC
}
