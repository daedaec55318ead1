//! What became of an attempt, and what stopped it, from what was seen.

use super::outcome::{Attempted, Outcome};
use crate::args::Level;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether it got through.
    pub(super) through: bool,
    /// What happened to it.
    pub(super) happened: String,
    /// What stopped it.
    pub(super) stopped_by: String,
}

/// Errors that the demo sees, by name.
const NAMES: [(i32, &str); 24] = [
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::ESRCH, "ESRCH"),
    (libc::EIO, "EIO"),
    (libc::EBADF, "EBADF"),
    (libc::EACCES, "EACCES"),
    (libc::EFAULT, "EFAULT"),
    (libc::EBUSY, "EBUSY"),
    (libc::EEXIST, "EEXIST"),
    (libc::EXDEV, "EXDEV"),
    (libc::ENODEV, "ENODEV"),
    (libc::ENOTDIR, "ENOTDIR"),
    (libc::EINVAL, "EINVAL"),
    (libc::ENOTTY, "ENOTTY"),
    (libc::EROFS, "EROFS"),
    (libc::ELOOP, "ELOOP"),
    (libc::ENOSYS, "ENOSYS"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
    (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (libc::ENETUNREACH, "ENETUNREACH"),
    (libc::ETIMEDOUT, "ETIMEDOUT"),
    (libc::ECONNREFUSED, "ECONNREFUSED"),
    (libc::ENOSPC, "ENOSPC"),
];

fn name(errno: i32) -> String {
    let known = NAMES.iter().find(|(number, _)| *number == errno);
    known.map_or_else(|| format!("error {errno}"), |(_, name)| (*name).to_owned())
}

/// Judges an attempt. `watched` says whether the demo would see its effect, and `reached` whether
/// it did; what is not watched got through if the call succeeded.
pub(super) fn judge(
    attempted: &Attempted,
    level: Level,
    marker: &str,
    watched: bool,
    reached: bool,
) -> Verdict {
    let (through, happened, stopped_by) = match &attempted.outcome {
        Outcome::Stopped { call, errno } => {
            (false, format!("{call}: {}", name(*errno)), who(&attempted.name, call, *errno, level))
        }
        Outcome::Killed(libc::SIGSYS) => (false, "killed (SIGSYS)".to_owned(), "filter".to_owned()),
        Outcome::Killed(libc::SIGALRM) => {
            (false, "no answer before the deadline".to_owned(), "deadline".to_owned())
        }
        Outcome::Killed(signal) => {
            (false, format!("killed (signal {signal})"), "kernel".to_owned())
        }
        Outcome::Read(bytes) if contains(bytes, marker.as_bytes()) => {
            (true, "read the secret".to_owned(), String::new())
        }
        Outcome::Read(_) => {
            (false, "read something that is no secret".to_owned(), nowhere(level).to_owned())
        }
        Outcome::Did(what) if !watched => (true, what.clone(), String::new()),
        Outcome::Did(what) => (false, format!("{what}, to no effect"), nowhere(level).to_owned()),
        Outcome::Absent(reason) => (false, reason.clone(), "not there".to_owned()),
    };
    if reached && !through {
        let happened = format!("{happened}, and yet the effect is there");
        return Verdict { through: true, happened, stopped_by: String::new() };
    }
    Verdict { through, happened, stopped_by }
}

fn contains(bytes: &[u8], marker: &[u8]) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker)
}

/// What makes a name lead to something else.
fn nowhere(level: Level) -> &'static str {
    match level {
        Level::Directories => "namespaces",
        Level::Landlock => "Landlock",
    }
}

/// What answers so. The filter answers `EPERM` and `ENOSYS` before the kernel looks at anything;
/// Landlock answers `EACCES`, and the demo's own files are open to everybody otherwise.
fn who(attempt: &str, call: &str, errno: i32, level: Level) -> String {
    let private = level == Level::Directories;
    let who = match errno {
        libc::EPERM if call == "setresuid" || call == "capset" => "no privileges",
        // An id that the user namespace does not map.
        libc::EINVAL if call == "setresuid" => "user namespace",
        // Landlock answers the same where it has scopes.
        libc::EPERM if call == "kill" && !private => "filter or Landlock",
        libc::EPERM | libc::ENOSYS => "filter",
        libc::EXDEV if private => "separate mounts",
        // The tree may be another user's.
        libc::EACCES if attempt.contains("tree") => "Landlock or permissions",
        // A link to what may not be linked, too.
        libc::EACCES | libc::EXDEV => "Landlock",
        libc::ENOENT if call == "shmget" || call == "mq_open" => "IPC namespace",
        libc::ENOENT if private => "private root",
        libc::EROFS => "read-only mount",
        libc::ESRCH => "process namespace",
        libc::ENETUNREACH | libc::ECONNREFUSED => "network namespace",
        libc::EBADF if attempt.contains("setns") => "process namespace",
        libc::ENOTTY => "no terminal here",
        _ => "kernel",
    };
    who.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(outcome: Outcome, watched: bool, reached: bool) -> Verdict {
        let attempted = Attempted { name: "try".to_owned(), outcome };
        judge(&attempted, Level::Directories, "MARK", watched, reached)
    }

    #[test]
    fn an_effect_that_is_there_counts_whatever_the_attacker_says() {
        let refused = Outcome::Stopped { call: "kill".to_owned(), errno: libc::EPERM };
        assert!(!judged(refused.clone(), true, false).through);
        assert!(judged(refused, true, true).through);
        assert!(judged(Outcome::Did("it".to_owned()), true, true).through);
        assert!(!judged(Outcome::Did("it".to_owned()), true, false).through);
        assert!(judged(Outcome::Did("it".to_owned()), false, false).through);
    }

    #[test]
    fn reading_counts_when_the_secret_is_in_it() {
        assert!(judged(Outcome::Read(b"a MARK b".to_vec()), false, false).through);
        assert!(!judged(Outcome::Read(b"a MAR".to_vec()), false, false).through);
        assert!(!judged(Outcome::Read(Vec::new()), false, false).through);
    }
}
