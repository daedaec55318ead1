//! The wrapper's own part: choosing the level, starting the supervisor, passing signals on.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use libc::pid_t;

use super::{
    calls::{self, Errno, Reaped},
    level::{self, Means},
    orphans,
    prepared::Prepared,
    report::{Report, Step},
    signals::{self, Arrived},
    supervisor::{self, Task},
};
use crate::{args::Level, error::Error, plan::Plan};

/// Why an attempt at a level came to nothing.
enum Refusal {
    /// The host does not offer the level.
    Unavailable(String),
    /// The program cannot be started, at this level or any other.
    Fatal(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// Runs a program at the level that was asked for, or at the best there is.
pub(crate) fn run(plan: &Plan) -> Result<u8, Error> {
    let prepared = Prepared::new(plan);
    let mut reasons = Vec::new();
    let mut unsupervised = None;
    for means in [Means::UserNamespace, Means::Namespaces, Means::Supervised, Means::Landlock] {
        if plan.level.is_some_and(|level| level != means.level()) {
            continue;
        }
        if !means.are_namespaces() {
            holds_without_root(plan, &reasons)?;
        }
        let lesser =
            if plan.quiet { Vec::new() } else { level::lesser(means, unsupervised.as_deref()) };
        match attempt(&prepared, means, lesser) {
            Ok(code) => return Ok(code),
            Err(Refusal::Fatal(error)) => return Err(error),
            // To an ordinary user the first reason says what can be changed, and the second
            // only that root could.
            Err(Refusal::Unavailable(_)) if means == Means::Namespaces => {}
            Err(Refusal::Unavailable(reason)) if means == Means::Supervised => {
                unsupervised = Some(reason);
            }
            Err(Refusal::Unavailable(reason)) => {
                reasons.push(format!("level `{}`: {reason}", means.level().name()));
            }
        }
    }
    let reasons = reasons.join("; ");
    Err(Error::Unenforceable(format!(
        "this host cannot confine the program, so it was not run: {reasons} \
         (see `sandbox-spawn doctor`)"
    )))
}

/// What Landlock alone cannot hold is refused.
fn holds_without_root(plan: &Plan, reasons: &[String]) -> Result<(), Error> {
    let because =
        if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    if plan.proc {
        return Err(Error::Unenforceable(format!(
            "--proc needs the level `directories`; here it would show the host's processes{because}"
        )));
    }
    if let Some((below, above)) = plan.grants.narrowed() {
        return Err(Error::Unenforceable(format!(
            "--read {} cannot be held read-only beneath --write {} at the level `landlock`, which \
             unites the rights along a path{because}",
            below.path.display(),
            above.path.display(),
        )));
    }
    Ok(())
}

fn system(operation: &str) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::system(operation, io::Error::from_raw_os_error(errno))
}

fn attempt(prepared: &Prepared<'_>, means: Means, lesser: Vec<u8>) -> Result<u8, Refusal> {
    let (report_reader, report) = calls::pipe().map_err(system("pipe"))?;
    let (alive, alive_writer) = calls::pipe().map_err(system("pipe"))?;
    let clones = prepared.contents.iter().map(|_| None).collect();
    // Whoever executed this program may have left it children of their own.
    let spared = orphans::children();
    if !means.are_namespaces() {
        calls::control(libc::PR_SET_CHILD_SUBREAPER, 1, 0).map_err(system("prctl"))?;
    }
    let mask = signals::hold();
    let child = match calls::fork_into(means.namespaces()) {
        Ok(0) => {
            drop((report_reader, alive_writer));
            supervisor::supervise(Task { prepared, means, mask, report, alive, lesser, clones })
        }
        Ok(child) => child,
        Err(errno) => {
            signals::restore_mask(&mask);
            if !means.are_namespaces() {
                return Err(system("fork")(errno).into());
            }
            return Err(Refusal::Unavailable(super::why_no_namespaces("clone", errno)));
        }
    };
    drop((report, alive));
    // Signals stay held back: one that is let through while the wrapper sleeps kills it at once,
    // even if the program runs by then and should have had it.
    let arrivals = match signals::descriptor() {
        Ok(arrivals) => arrivals,
        Err(errno) => {
            drop(alive_writer);
            wait(child, means, &spared);
            return Err(system("signalfd")(errno).into());
        }
    };
    let mut early = Vec::new();
    loop {
        let [report, signal] =
            signals::ready([report_reader.as_raw_fd(), arrivals.as_raw_fd()], true);
        if report {
            break;
        }
        match signal.then(|| signals::take(&arrivals)).flatten() {
            Some(arrived) if signals::DEADLY.contains(&arrived.signal) => {
                calls::kill(child, libc::SIGKILL);
                wait(child, means, &spared);
                return Ok(u8::try_from(128 + arrived.signal).unwrap_or(u8::MAX));
            }
            Some(arrived) if arrived.signal != libc::SIGCHLD => early.push(arrived),
            _ => {}
        }
    }
    if let Some(report) = Report::receive(report_reader) {
        wait(child, means, &spared);
        signals::restore_mask(&mask);
        return Err(explain(prepared, means, &report));
    }
    for arrived in early {
        signals::pass_on(arrived, child);
    }
    let code = serve(child, means, &arrivals, &spared);
    drop(alive_writer);
    Ok(code)
}

/// Passes signals on until the supervisor ends; returns what it ended with.
fn serve(child: pid_t, means: Means, arrivals: &OwnedFd, spared: &[pid_t]) -> u8 {
    release_streams();
    loop {
        while let Reaped::Ended(pid, code) = calls::reap(false) {
            if pid == child {
                if !means.are_namespaces() {
                    orphans::kill_all(spared);
                }
                return code;
            }
        }
        match signals::take(arrivals) {
            None | Some(Arrived { signal: libc::SIGCHLD, .. }) => {}
            Some(arrived) => {
                signals::pass_on(arrived, child);
                if arrived.signal == libc::SIGTSTP {
                    signals::stop_self();
                }
            }
        }
    }
}

fn wait(child: pid_t, means: Means, spared: &[pid_t]) {
    calls::reap_one(child);
    if !means.are_namespaces() {
        orphans::kill_all(spared);
    }
}

/// Lets go of standard input and output, so that only the program has them.
fn release_streams() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        let null = OwnedFd::from(null);
        for stream in [0, 1] {
            calls::replace(stream, &null);
        }
    }
}

fn explain(prepared: &Prepared<'_>, means: Means, report: &Report) -> Refusal {
    let Report { step, index, errno, text } = report;
    let source = || io::Error::from_raw_os_error(*errno);
    let command = prepared.plan.name.clone();
    let path = prepared.path(*index);
    let fatal = |operation: String| Refusal::Fatal(Error::system(operation, source()));
    match step {
        Step::Ids => Refusal::Unavailable(super::why_no_namespaces("mapping ids", *errno)),
        Step::Private | Step::Root | Step::Pivot => {
            Refusal::Unavailable(super::why_no_namespaces("mounting", *errno))
        }
        Step::Grant if matches!(*errno, libc::ENOSYS | libc::EPERM) => {
            Refusal::Unavailable(super::why_no_namespaces("mounting", *errno))
        }
        Step::Grant | Step::Show => fatal(format!("{path} cannot be shown in the sandbox")),
        Step::Fresh => fatal(format!("{path} cannot be made in the sandbox")),
        Step::Privileges => fatal("giving up privileges".to_owned()),
        Step::Start => fatal("starting a process".to_owned()),
        Step::Directory => fatal(format!("--chdir {}", prepared.plan.directory.display())),
        Step::Refer => fatal(format!("{path} cannot be opened in the sandbox")),
        Step::Confine if !means.are_namespaces() => Refusal::Unavailable(text.clone()),
        Step::Confine => Refusal::Fatal(Error::Unenforceable(text.clone())),
        Step::Execute if matches!(*errno, libc::ENOENT | libc::ENOTDIR) => {
            Refusal::Fatal(not_found(prepared))
        }
        Step::Execute => Refusal::Fatal(Error::NotExecutable { command, source: source() }),
    }
}

/// A command that nothing in the sandbox answers to. One that is there on the host is not granted,
/// or is no program, or lacks its interpreter.
fn not_found(prepared: &Prepared<'_>) -> Error {
    let command = prepared.plan.name.clone();
    let paths = || {
        let candidates = prepared.plan.candidates.iter();
        candidates.map(|candidate| Path::new(OsStr::from_bytes(candidate.as_bytes())))
    };
    if paths().any(crate::sys::is_executable) {
        let hint =
            ", nor is what it needs to start: grant its file and its interpreter with --read";
        Error::NotFound { hint, command }
    } else if paths().any(Path::exists) {
        let source = io::Error::from_raw_os_error(libc::EACCES);
        Error::NotExecutable { command, source }
    } else {
        Error::NotFound { hint: "", command }
    }
}

/// The levels that the wrapper reaches here, best first, and why not.
pub(crate) fn levels() -> Vec<(Level, Result<String, String>)> {
    let mut reasons = None;
    let mut directories = None;
    for (means, how) in [
        (Means::UserNamespace, "with a user namespace"),
        (Means::Namespaces, "with the privileges of root"),
    ] {
        match super::trial::of(means) {
            Ok(()) => {
                directories = Some(how);
                break;
            }
            Err(reason) => {
                reasons.get_or_insert(reason);
            }
        }
    }
    let directories = directories.ok_or_else(|| reasons.unwrap_or_default());
    let landlock = match super::trial::of(Means::Supervised) {
        Ok(()) => Ok("Landlock and the filter, with a supervisor".to_owned()),
        Err(reason) => super::trial::of(Means::Landlock)
            .map(|()| format!("Landlock and the filter, without a supervisor: {reason}")),
    };
    vec![(Level::Directories, directories.map(str::to_owned)), (Level::Landlock, landlock)]
}
