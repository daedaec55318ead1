//! Attacks, and how one is made: in a forked child of its own, under a deadline.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::raw::{self, Page};

const DEADLINE: Duration = Duration::from_secs(20);

/// How an attack came out.
pub(crate) enum Done {
    /// Refused, or it came to nothing.
    Held,
    /// This host cannot make it.
    Skipped(String),
}

/// An error says what got through, or that the attack could not be prepared.
pub(crate) type Outcome = Result<Done, String>;

/// An attack.
pub(crate) struct Case {
    /// What holds, as a sentence.
    pub(crate) name: &'static str,
    /// Prepares and makes it; the directory is the case's own.
    pub(crate) body: fn(&Path) -> Outcome,
}

const HELD: u8 = 1;
const SKIPPED: u8 = 2;
const FAILED: u8 = 3;

/// Makes an attack in a child.
pub(crate) fn run(case: &Case, base: &Path) -> Outcome {
    let failed = |what: &str, error: &io::Error| format!("the harness failed: {what}: {error}");
    let dir: PathBuf = tempfile::Builder::new()
        .prefix("case")
        .tempdir_in(base)
        .map_err(|error| failed("temporary directory", &error))?
        .keep();
    let page = Page::new().map_err(|error| failed("shared memory", &error))?;
    let pid = raw::fork().map_err(|error| failed("fork", &error))?;
    if pid == 0 {
        // A group to end whatever the attack starts.
        let _ = raw::call(libc::SYS_setpgid, &[0, 0]);
        std::panic::set_hook(Box::new(|_| ()));
        match catch_unwind(AssertUnwindSafe(|| (case.body)(&dir))) {
            Ok(Ok(Done::Held)) => page.write(HELD, ""),
            Ok(Ok(Done::Skipped(reason))) => page.write(SKIPPED, &reason),
            Ok(Err(message)) => page.write(FAILED, &message),
            Err(_) => page.write(FAILED, "it panicked"),
        }
        raw::exit(0);
    }
    let deadline = Instant::now() + DEADLINE;
    let status = loop {
        if let Some(status) = raw::ended(pid) {
            break Some(status);
        }
        if Instant::now() > deadline {
            raw::kill(pid, libc::SIGKILL);
            raw::wait(pid);
            break None;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    raw::kill(-pid, libc::SIGKILL);
    match (status, page.read()) {
        (None, _) => Err(format!("it still ran after {} s", DEADLINE.as_secs())),
        (_, (HELD, _)) => Ok(Done::Held),
        (_, (SKIPPED, reason)) => Ok(Done::Skipped(reason)),
        (_, (FAILED, message)) => Err(message),
        (Some(status), _) => Err(format!("it ended with the wait status {status:#x}")),
    }
}

/// The attack failed, if the call did.
#[allow(clippy::needless_pass_by_value)] // What got through is closed here.
pub(crate) fn refused<T>(what: &str, result: io::Result<T>) -> Result<(), String> {
    if result.is_ok() { Err(format!("{what} got through")) } else { Ok(()) }
}

/// What must work for the attack to mean anything.
pub(crate) fn prepared<T>(
    what: &str,
    result: Result<T, impl std::fmt::Display>,
) -> Result<T, String> {
    result.map_err(|error| format!("not prepared: {what}: {error}"))
}

/// In a child: whether it ended by itself, with status 0. The caller may be in capability mode.
pub(crate) fn in_child(body: impl FnOnce() -> bool) -> Result<i32, String> {
    let pid = prepared("fork", raw::fork())?;
    if pid == 0 {
        raw::exit(i32::from(!body()));
    }
    Ok(raw::wait(pid))
}
