//! The processes of the system: tests ask the kernel, since not every system has ps(1).

#[cfg(target_os = "freebsd")]
#[path = "../../../tests/support/freebsd_processes.rs"]
mod freebsd;

/// A process, with its effective user and group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

#[cfg(target_os = "freebsd")]
fn all() -> Result<Vec<Process>, String> {
    let all = freebsd::all().map_err(|error| format!("kern.proc.proc: {error}"))?;
    let process = |found: libc::kinfo_proc| Process {
        pid: found.ki_pid,
        parent: found.ki_ppid,
        user: found.ki_uid,
        group: found.ki_groups[0],
    };
    Ok(all.into_iter().map(process).collect())
}

#[cfg(target_os = "linux")]
fn all() -> Result<Vec<Process>, String> {
    let entries = std::fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let process = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // It may be gone.
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let numbers = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>())
        };
        Some(Process {
            pid,
            parent: numbers("PPid:")?.first()?.cast_signed(),
            // The real one, and the effective one.
            user: *numbers("Uid:")?.get(1)?,
            group: *numbers("Gid:")?.get(1)?,
        })
    };
    Ok(entries.filter_map(|entry| process(entry.ok()?)).collect())
}

/// The grandchildren of this process: what its zygote has started.
pub(crate) fn of_the_zygote() -> Result<Vec<Process>, String> {
    let all = all()?;
    let own = std::process::id().cast_signed();
    let zygotes: Vec<i32> =
        all.iter().filter(|process| process.parent == own).map(|process| process.pid).collect();
    Ok(all.into_iter().filter(|process| zygotes.contains(&process.parent)).collect())
}
