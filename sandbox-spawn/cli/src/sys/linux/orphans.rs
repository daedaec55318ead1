//! What is left of a program that ran without a process namespace.

use std::fs;

use libc::pid_t;

use super::{
    calls,
    processes::{self, Shown},
};

/// A program that forks faster than it is killed is given up on after so many rounds.
const MOST_ROUNDS: usize = 10_000;

/// Kills the children of this process, which is a subreaper, until there are none but those that
/// are spared: when one dies, its own children come here.
pub(super) fn kill_all(spared: &[pid_t]) {
    for _ in 0..MOST_ROUNDS {
        let mut left = children();
        left.retain(|child| !spared.contains(child));
        if left.is_empty() {
            return;
        }
        for child in &left {
            calls::kill(*child, libc::SIGKILL);
        }
        for child in left {
            calls::reap_one(child);
        }
    }
}

/// The children of this process, by proc(5); none where it shows other processes.
pub(super) fn children() -> Vec<pid_t> {
    if processes::shown() != Shown::Own {
        return Vec::new();
    }
    let own = std::process::id();
    if let Ok(list) = fs::read_to_string(format!("/proc/self/task/{own}/children")) {
        return list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    }
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &pid_t| {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|line| {
            // The name, in parentheses, may contain anything; state and parent follow it.
            let after = line.rsplit(')').next().unwrap_or_default();
            after.split_whitespace().nth(1).and_then(|parent| parent.parse().ok()) == Some(own)
        })
    })
    .collect()
}
