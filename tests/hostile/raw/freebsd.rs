//! By procctl(2) and ps(1).

use std::{io, process::Command, ptr};

use super::check;

/// The children of who dies come here.
pub(crate) fn become_reaper() -> io::Result<()> {
    let own = libc::id_t::from(std::process::id());
    let command = libc::PROC_REAP_ACQUIRE;
    // SAFETY: the command takes no argument.
    check(unsafe { libc::procctl(libc::P_PID, own, command, ptr::null_mut()) })
}

fn lines(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let own = std::process::id();
    let listed = lines("ps", &["-axo", "ppid=,pid=,comm="]);
    let rows = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.first().and_then(|parent| parent.parse().ok()) == Some(pid))
        // The listing itself.
        .filter(|row| pid != own || row.get(2) != Some(&"ps"))
        .filter_map(|row| row.get(1)?.parse().ok())
        .collect()
}

/// What a process is, for messages.
pub(crate) fn describe(pid: u32) -> String {
    lines("ps", &["-o", "pid,ppid,state,command", "-p", &pid.to_string()])
}

/// The memory of this process, in bytes.
pub(crate) fn memory() -> u64 {
    let listed = lines("ps", &["-o", "rss=", "-p", &std::process::id().to_string()]);
    listed.trim().parse::<u64>().unwrap_or(0) * 1024
}

/// The mounts of the system.
pub(crate) fn mounts() -> String {
    lines("mount", &["-p"])
}
