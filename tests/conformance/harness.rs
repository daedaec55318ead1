//! Cases, and how one is run: in a forked child of its own, under a deadline.
//!
//! What a case does cannot be undone (filters and capability mode are for ever), so that each has
//! a process to itself. It reports through shared memory: a pipe would be a descriptor more, and
//! so a part of the policy under test.

use std::{
    cell::RefCell,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::{Duration, Instant},
};

use capsicum_rs::{Containment, Rights};

use crate::{
    level,
    matrix::Place,
    raw::{self, SharedPage},
    scene::Scene,
};

/// How long a case may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// What became of a case that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// What its name says holds.
    Held,
    /// It holds, by a refusal with this error.
    Refused(i32),
    /// What its name says cannot be had at this level or on this system, and is refused in the
    /// documented way: a row of the support matrix.
    Otherwise(String),
    /// This host cannot run it.
    Skipped(String),
}

/// The result of a case: what became of it, or what is wrong.
pub(crate) type Outcome = Result<Done, String>;

/// How the process of a case ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By reporting.
    Report,
    /// By one of these signals, before it reports.
    Signal(&'static [i32]),
    /// With this status, before it reports: another program has taken its place.
    Status(i32),
}

/// Looks at what a case has left behind, from outside of it.
pub(crate) type Trace = Box<dyn Fn(&Path) -> Result<(), String>>;

/// A statement about the sandbox, and the code that tries it.
pub(crate) struct Case {
    /// The statement.
    pub(crate) name: String,
    /// Runs in the child.
    pub(crate) body: Box<dyn Fn(&Scene) -> Outcome>,
    /// Runs in the parent afterwards, if the statement held.
    pub(crate) trace: Option<Trace>,
    /// How the child ends.
    pub(crate) end: End,
    /// The right that it shows to be enforced.
    pub(crate) right: Option<Rights>,
    /// The right's operation works with it here, and that is what the case shows.
    pub(crate) works: bool,
    /// What it is about.
    pub(crate) group: &'static str,
    /// The one level that it is about.
    pub(crate) only: Option<Containment>,
    /// Its place in the support matrix; without one it is a row of its own.
    pub(crate) place: Option<Place>,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, body: impl Fn(&Scene) -> Outcome + 'static) -> Self {
        Self {
            name: name.into(),
            body: Box::new(body),
            trace: None,
            end: End::Report,
            right: None,
            works: false,
            group: "",
            only: None,
            place: None,
        }
    }

    /// With a look at what was left.
    pub(crate) fn leaves(mut self, trace: impl Fn(&Path) -> Result<(), String> + 'static) -> Self {
        self.trace = Some(Box::new(trace));
        self
    }

    /// At this level only.
    #[cfg(target_os = "linux")]
    pub(crate) fn only(mut self, level: Containment) -> Self {
        self.only = Some(level);
        self
    }

    /// With a place in the support matrix.
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// With another end of the process.
    pub(crate) fn ends(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

const HELD: u32 = 1;
const OTHERWISE: u32 = 2;
const SKIPPED: u32 = 3;
const FAILED: u32 = 4;
const REFUSED: u32 = 5;

fn report(page: &SharedPage, outcome: &Outcome) {
    match outcome {
        Ok(Done::Held) => page.report(HELD, ""),
        Ok(Done::Refused(number)) => page.report(REFUSED, &number.to_string()),
        Ok(Done::Otherwise(reason)) => page.report(OTHERWISE, reason),
        Ok(Done::Skipped(reason)) => page.report(SKIPPED, reason),
        Err(message) => page.report(FAILED, message),
    }
}

/// `None` before a report.
fn reported(page: &SharedPage) -> Option<Outcome> {
    let (state, text) = page.reported();
    Some(match state {
        0 => return None,
        HELD => Ok(Done::Held),
        REFUSED => text.parse().map(Done::Refused).map_err(|_| text),
        OTHERWISE => Ok(Done::Otherwise(text)),
        SKIPPED => Ok(Done::Skipped(text)),
        _ => Err(text),
    })
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a body and turns a panic into a failure.
fn caught(body: impl FnOnce() -> Outcome) -> Outcome {
    // Standard error is not granted, so that the message must go with the report.
    std::panic::set_hook(Box::new(|info| PANIC.set(info.to_string())));
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| Err(PANIC.take()))
}

/// Runs a case at a level, and says what became of it.
pub(crate) fn run(case: &Case, level: Containment, base: &Path) -> Outcome {
    let failed = |what: &str, error: io::Error| format!("the harness failed: {what}: {error}");
    let dir = tempfile::Builder::new()
        .prefix("case")
        .tempdir_in(base)
        .map_err(|error| failed("temporary directory", error))?;
    let page = SharedPage::new().map_err(|error| failed("shared memory", error))?;
    let child = raw::spawn(|| {
        let outcome = caught(|| {
            raw::setpgid(0, 0).map_err(|error| error.to_string())?;
            raw::bind_to_parent().map_err(|error| error.to_string())?;
            level::descend(level).map_err(|error| format!("to the level {level}: {error}"))?;
            (case.body)(&Scene { dir: dir.path().to_owned(), level })
        });
        report(&page, &outcome);
        0
    })
    .map_err(|error| failed("fork", error))?;
    let ended = ended_by(&child, Instant::now() + DEADLINE);
    // Whatever the case has left running; the group's number is taken until the wait below.
    let _ = raw::kill(-child.pid, libc::SIGKILL);
    if !ended {
        let _ = raw::kill(child.pid, libc::SIGKILL);
    }
    let status = raw::wait_child(&child).map_err(|error| failed("wait", error))?;
    let outcome = judge(case, ended, status, reported(&page));
    if let (Ok(Done::Held | Done::Refused(_)), Some(trace)) = (&outcome, &case.trace) {
        trace(dir.path())?;
    }
    outcome
}

fn ended_by(child: &raw::Child, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let milliseconds = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        match raw::poll(&child.descriptor, libc::POLLIN, milliseconds) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

fn judge(case: &Case, ended: bool, status: i32, reported: Option<Outcome>) -> Outcome {
    if !ended {
        return Err(format!("it still ran after {} s", DEADLINE.as_secs()));
    }
    let (end, as_expected) = if libc::WIFSIGNALED(status) {
        let signal = libc::WTERMSIG(status);
        let expected = matches!(case.end, End::Signal(signals) if signals.contains(&signal));
        (format!("signal {signal}"), expected)
    } else {
        let status = libc::WEXITSTATUS(status);
        (format!("status {status}"), case.end == End::Status(status))
    };
    match (reported, case.end) {
        (Some(outcome), End::Report) => outcome,
        // What must end otherwise reports only that something is wrong.
        (Some(Ok(Done::Held | Done::Refused(_))), expected) => {
            Err(format!("it went on instead of {expected:?}"))
        }
        (Some(outcome), _) => outcome,
        (None, _) if as_expected => Ok(Done::Held),
        (None, expected) => Err(format!("it ended by {end}, expected {expected:?}")),
    }
}

/// Runs a body in a fork, and gives what it reports; the caller may be in capability mode, where
/// FreeBSD waits for no process by its id.
pub(crate) fn in_fork(body: impl FnOnce() -> Outcome) -> Outcome {
    let page = SharedPage::new().map_err(|error| format!("shared memory: {error}"))?;
    let Some(_) = raw::fork().map_err(|error| format!("fork: {error}"))? else {
        report(&page, &caught(body));
        raw::exit(0);
    };
    // The deadline of the case ends this if the fork does not report.
    loop {
        if let Some(outcome) = reported(&page) {
            return outcome;
        }
        std::thread::yield_now();
    }
}

/// A failure unless the operation was refused with one of these numbers.
pub(crate) fn refused<T>(what: &str, result: io::Result<T>, errno: &[i32]) -> Result<(), String> {
    refusal(what, result, errno).map(drop)
}

/// The same, and with which.
pub(crate) fn refusal<T>(what: &str, result: io::Result<T>, errno: &[i32]) -> Result<i32, String> {
    match result {
        Ok(_) => Err(format!("{what} was not refused")),
        Err(error) => match error.raw_os_error() {
            Some(number) if errno.contains(&number) => Ok(number),
            _ => Err(format!("{what}: expected an error of {errno:?}, got {error}")),
        },
    }
}

/// A failure with what was tried, unless it worked.
pub(crate) fn works<T>(what: &str, result: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    result.map_err(|error| format!("{what} should work: {error}"))
}

/// A failure with this message unless the condition holds.
pub(crate) fn ensure(condition: bool, otherwise: impl Into<String>) -> Result<(), String> {
    if condition { Ok(()) } else { Err(otherwise.into()) }
}
