//! Services as programs use them: each with its limits, within capability mode and under attack.
//!
//! It is a program of its own, since [`sandbox_spawn::init`] wants to be first. Each case runs in this
//! program again, under a deadline, since capability mode is for ever. `services [--list] [FILTER…]`.
//! The last line is `N passed, N failed, N skipped`. `services --matrix` prints what `matrix.rs` says.

mod attacks;
mod dns;
mod fileargs;
mod framework;
mod grp;
mod harness;
mod hoards;
mod host;
mod hostile;
mod keeper;
mod matrix;
mod model;
mod native;
mod net;
mod netdb;
mod processes;
mod pwd;
mod server;
mod sysctl;
mod syslog;
mod worker;

use std::{
    env,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use casper::{Casper, Error};
use harness::{CASE, Case, Provider, text};
use sandbox_spawn::Worker;

/// All services, and a worker in capability mode that uses them.
const WORKERS: &[Worker] = &[
    casper::worker::<casper::Dns>(),
    casper::worker::<casper::Grp>(),
    casper::worker::<casper::Net>(),
    casper::worker::<casper::NetDb>(),
    casper::worker::<casper::Pwd>(),
    casper::worker::<casper::Sysctl>(),
    casper::worker::<casper::FileArgs>(),
    casper::worker::<casper::Syslog>(),
    casper::worker::<casper::syslog::Connector>(),
    casper::worker::<keeper::Keeper>(),
    Worker::new(worker::NAME, worker::run),
];

/// The cases of each service.
const CASES: &[&[Case]] = &[
    framework::CASES,
    native::CASES,
    attacks::CASES,
    hoards::CASES,
    dns::CASES,
    fileargs::CASES,
    grp::CASES,
    net::CASES,
    netdb::CASES,
    pwd::CASES,
    server::CASES,
    sysctl::CASES,
    syslog::CASES,
];

/// How a process says that the host cannot run its case.
const SKIPPED: u8 = 77;
const DEADLINE: Duration = Duration::from_secs(120);

/// Each case, by each of its providers, and its whole name.
fn cases() -> impl Iterator<Item = (&'static Case, Provider, String)> {
    CASES.iter().copied().flatten().flat_map(|case| {
        let name = move |provider: Provider| format!("{}{}", provider.prefix(), case.name);
        case.providers.iter().map(move |provider| (case, *provider, name(*provider)))
    })
}

fn main() -> ExitCode {
    if let Ok(name) = env::var(CASE) {
        return one(&name);
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        cases().for_each(|(_, _, name)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--matrix") {
        return matrix::print();
    }
    let filters: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (case, _, name) in cases() {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        if let Some(why) = (case.lacks)() {
            println!("SKIPPED: {name}: {why}");
            skipped += 1;
            continue;
        }
        match apart(&name, Stdio::inherit()) {
            Ok(true) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            // It has said why.
            Ok(false) => skipped += 1,
            Err(why) => {
                println!("test {name} ... FAILED\n    {why}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a case in this program again: whether the host can run it.
fn apart(case: &str, said: Stdio) -> Result<bool, String> {
    let mut command = Command::new(env::current_exe().map_err(text)?);
    // Some go where they cannot clean up.
    let own = tempfile::tempdir().map_err(text)?;
    if case.starts_with(Provider::Native.prefix()) {
        command.env("TMPDIR", own.path());
    }
    let mut child = command.env(CASE, case).stdout(said).spawn().map_err(text)?;
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

/// A case in a process of its own.
fn one(name: &str) -> ExitCode {
    let done = cases()
        .find(|(_, _, known)| known == name)
        .ok_or_else(|| "there is no such case".to_owned())
        .and_then(|(case, provider, _)| {
            harness::before_init()?;
            server::scene(name)?;
            sandbox_spawn::init(WORKERS).map_err(text)?;
            if let Some(lacks) = syslog::scene(name)? {
                println!("SKIPPED: {name}: {lacks}");
                return Ok(false);
            }
            let casper = match provider {
                Provider::Portable => Casper::start(),
                Provider::Native => Casper::native(WORKERS),
            };
            match casper {
                Err(error @ Error::Unsupported { .. }) if provider == Provider::Native => {
                    println!("SKIPPED: {name}: {error}");
                    Ok(false)
                }
                casper => (case.body)(&casper.map_err(text)?).map(|()| true),
            }
        });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(SKIPPED),
        Err(why) => {
            println!("    {why}");
            ExitCode::FAILURE
        }
    }
}
