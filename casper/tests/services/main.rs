//! Services as programs use them: each with its limits, within capability mode and under attack.
//!
//! It is a program of its own, since [`sandbox_spawn::init`] wants to be first. Each case runs in this
//! program again, under a deadline, since capability mode is for ever. `services [--list] [FILTER…]`.
//! The last line is `N passed, N failed, N skipped`.

mod framework;
mod grp;
mod harness;
mod hostile;
mod keeper;
mod model;
mod pwd;
mod sysctl;
mod worker;

use std::{
    env,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use casper::Casper;
use harness::{Case, Outcome, text};
use sandbox_spawn::Worker;

/// All services, and a worker in capability mode that uses them.
const WORKERS: &[Worker] = &[
    casper::worker::<casper::Grp>(),
    casper::worker::<casper::Pwd>(),
    casper::worker::<casper::Sysctl>(),
    casper::worker::<keeper::Keeper>(),
    Worker::new(worker::NAME, worker::run),
];

/// The cases of each service.
const CASES: &[&[Case]] = &[framework::CASES, grp::CASES, pwd::CASES, sysctl::CASES];

const CASE: &str = "CASPER_CASE";
const DEADLINE: Duration = Duration::from_secs(120);

fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().copied().flatten()
}

fn main() -> ExitCode {
    if let Ok(name) = env::var(CASE) {
        return one(&name);
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        cases().for_each(|case| println!("{}: test", case.name));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for case in cases() {
        if !filters.is_empty() && !filters.iter().any(|filter| case.name.contains(filter.as_str()))
        {
            continue;
        }
        if let Some(why) = (case.lacks)() {
            println!("SKIPPED: {}: {why}", case.name);
            skipped += 1;
            continue;
        }
        match apart(case.name) {
            Ok(()) => {
                println!("test {} ... ok", case.name);
                passed += 1;
            }
            Err(why) => {
                println!("test {} ... FAILED\n    {why}", case.name);
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a case in this program again.
fn apart(case: &str) -> Outcome {
    let mut command = Command::new(env::current_exe().map_err(text)?);
    let mut child = command.env(CASE, case).spawn().map_err(text)?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        match child.try_wait().map_err(text)? {
            Some(status) if status.success() => return Ok(()),
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

/// A case in a process of its own.
fn one(name: &str) -> ExitCode {
    let done = cases()
        .find(|known| known.name == name)
        .ok_or_else(|| "there is no such case".to_owned())
        .and_then(|case| {
            harness::before_init()?;
            sandbox_spawn::init(WORKERS).map_err(text)?;
            (case.body)(&Casper::start().map_err(text)?)
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("    {why}");
            ExitCode::FAILURE
        }
    }
}
