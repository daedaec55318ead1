//! By procfs.

use std::{fs, io};

use super::check;

/// The children of who dies come here.
pub(crate) fn become_reaper() -> io::Result<()> {
    // SAFETY: the option takes a number.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| numbers(&list)).collect()
}

fn numbers(list: &str) -> Vec<u32> {
    list.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// What a process is, for messages.
pub(crate) fn describe(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .unwrap_or_else(|error| format!("{pid}: {error}"))
}

/// The memory of this process, in bytes: resident and its own.
pub(crate) fn memory() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Vec<u64> = pages.split(' ').filter_map(|number| number.parse().ok()).collect();
    pages.get(1).copied().unwrap_or(0) * 4096
}

/// The mounts that this process sees.
pub(crate) fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}
