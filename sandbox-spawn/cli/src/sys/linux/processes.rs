//! Whose processes proc(5) shows. In a process namespace that has no procfs of its own, `/proc` is
//! that of the namespace around it: a number there is another process than here.

use std::fs;

/// Whose processes `/proc` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Those of this process's own namespace, by the numbers that they have here.
    Own,
    /// Those of another namespace.
    Others,
    /// None, this one included.
    None,
}

/// Whose processes `/proc` shows.
pub(super) fn shown() -> Shown {
    match fs::read_to_string("/proc/self/status") {
        Ok(status) => shown_by(&status, std::process::id()),
        Err(_) => Shown::None,
    }
}

/// `NSpid` has a number for each namespace from the procfs's down to that of the process; kernels
/// without namespaces have no such line.
fn shown_by(status: &str, own: u32) -> Shown {
    let numbers = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let numbers = numbers("NSpid:").or_else(|| numbers("Pid:")).unwrap_or_default();
    let mut numbers = numbers.split_whitespace();
    let same = numbers.next() == Some(own.to_string().as_str()) && numbers.next().is_none();
    if same { Shown::Own } else { Shown::Others }
}

/// Why nothing can be run where processes must be found by their ids.
pub(super) fn misleading() -> Option<String> {
    (shown() == Shown::Others).then(|| {
        "/proc shows the processes of another process namespace than the program's: mount one of \
         its own, as `unshare --mount-proc` does"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_another_number_in_proc_is_not_known_by_its_own() {
        let status = |lines: &str| format!("Name:\tNSpid:\nPid:\t7\nPPid:\t1\n{lines}Umask:\t0\n");
        assert_eq!(shown_by(&status("NSpid:\t7\n"), 7), Shown::Own);
        assert_eq!(shown_by(&status(""), 7), Shown::Own);
        assert_eq!(shown_by(&status(""), 8), Shown::Others);
        assert_eq!(shown_by(&status("NSpid:\t7\t7\n"), 7), Shown::Others);
        assert_eq!(shown_by(&status("NSpid:\t7\t1\n"), 1), Shown::Others);
        assert_eq!(shown_by("", 1), Shown::Others);
        assert_eq!(shown(), Shown::Own);
    }
}
