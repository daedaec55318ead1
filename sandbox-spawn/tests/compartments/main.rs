//! Compartments as a program has them: what a worker holds, how it starts, and how it ends, for each
//! way to start and at each level of containment.
//!
//! It is a program of its own, since [`sandbox_spawn::init`] wants to be first. Each case runs in this
//! program again, under a deadline. `compartments [--list] [FILTER…]`. The last line is `N passed, N
//! failed, N skipped`.

mod anew;
mod attacks;
mod cases;
mod channels;
mod ends;
mod graph_ends;
mod graphs;
mod raw;
mod refusals;
mod setting;
mod workers;

use std::{
    env,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use capsicum_rs::{Containment, Support};
use sandbox_spawn::Start;
use setting::{CASE, LEVEL, SECRET, START, Setting};

/// A case, and the levels that it is worth running at.
pub(crate) struct Case {
    /// What holds, as a sentence.
    pub(crate) name: &'static str,
    pub(crate) body: fn(Setting) -> Result<(), String>,
    /// Whether the level makes a difference.
    pub(crate) every_level: bool,
}

const DEADLINE: Duration = Duration::from_secs(60);
/// What a case that was skipped ends with, when it has printed why.
const SKIPPED: u8 = 77;
const STARTS: [Start; 3] = [Start::Zygote, Start::Exec, Start::Fork];

fn cases() -> impl Iterator<Item = &'static Case> {
    cases::CASES
        .iter()
        .chain(ends::CASES)
        .chain(channels::CASES)
        .chain(graphs::CASES)
        .chain(graph_ends::CASES)
        .chain(attacks::CASES)
        .chain(anew::CASES)
        .chain(refusals::CASES)
}

fn main() -> ExitCode {
    // In a process that is executed for a worker there is no environment.
    if let (Ok(case), Ok(level), Ok(start)) = (env::var(CASE), env::var(LEVEL), env::var(START)) {
        return one(&case, &level, &start);
    }
    anew::look();
    if let Err(error) = sandbox_spawn::init(workers::WORKERS) {
        println!("init: {error}");
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        cases().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    all(|name| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())))
}

fn all(wanted: impl Fn(&str) -> bool) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let levels = Support::probe().levels;
    let best = levels.iter().filter(|level| level.lacks.is_none()).map(|level| level.containment);
    let best = best.max();
    for case in cases() {
        for start in STARTS {
            for level in &levels {
                let name = format!("{}, {start:?}, {}", case.name, level.containment);
                if !wanted(&name) || (!case.every_level && Some(level.containment) != best) {
                    continue;
                }
                if let Some(why) = &level.lacks {
                    println!("SKIPPED: {name}: {why}");
                    skipped += 1;
                    continue;
                }
                match apart(case.name, level.containment, start) {
                    Ok(true) => {
                        println!("test {name} ... ok");
                        passed += 1;
                    }
                    Ok(false) => skipped += 1,
                    Err(why) => {
                        println!("test {name} ... FAILED\n    {why}");
                        failed += 1;
                    }
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a case in this program again: whether it was not skipped.
fn apart(case: &str, level: Containment, start: Start) -> Result<bool, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut command = Command::new(env::current_exe().map_err(text)?);
    command.env(CASE, case).env(LEVEL, level.to_string()).env(START, format!("{start:?}"));
    let mut child = command.env(SECRET, setting::SECRET_VALUE).spawn().map_err(text)?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        match child.try_wait().map_err(text)? {
            Some(status) if status.success() => return Ok(true),
            Some(status) if status.code() == Some(SKIPPED.into()) => return Ok(false),
            Some(status) => return Err(format!("{status}")),
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it still ran after {DEADLINE:?}"));
            }
        }
    }
}

/// A case in a process of its own: also what it leaves behind is looked at.
fn one(case: &str, level: &str, start: &str) -> ExitCode {
    let done = cases()
        .find(|known| known.name == case)
        .ok_or_else(|| "there is no such case".to_owned())
        .and_then(|case| {
            let setting = Setting::new(level, start)?;
            setting.descend().map_err(|error| format!("the level: {error}"))?;
            raw::limit_descriptors(1024)?;
            workers::remember_secret();
            sandbox_spawn::init(workers::WORKERS).map_err(|error| error.to_string())?;
            let before = raw::open_descriptors();
            (case.body)(setting)?;
            // A thread that reads what a worker wrote ends a little after it.
            let deadline = Instant::now() + Duration::from_secs(5);
            loop {
                let after = raw::open_descriptors();
                if before == after {
                    return raw::no_grandchildren();
                }
                if Instant::now() > deadline {
                    return Err(format!("descriptors before {before:?} and after {after:?}"));
                }
                // `thread::sleep` is clock_nanosleep(2), which FreeBSD's capability mode does not have.
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
    let Err(why) = done else { return ExitCode::SUCCESS };
    if let Some(why) = why.strip_prefix(cases::SKIPPED) {
        println!("SKIPPED: {case}, {start}, {level}: {why}");
        return SKIPPED.into();
    }
    println!("    {why}");
    ExitCode::FAILURE
}
