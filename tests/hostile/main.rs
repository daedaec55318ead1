//! The hostile suite: programs, zygotes and workers that are killed at any moment, and workers that
//! mean harm. The program survives or is gone; either way nothing is left of what it started.
//!
//! `hostile [--rounds N] [--seed N] [--list] [FILTER…]`. This process is the reaper of all others:
//! whatever outlives a program comes here, and is found. The last line is `N passed, N failed, N
//! skipped`.

mod program;
mod raw;
mod rounds;
mod survives;
mod watch;
mod workers;

use std::{env, process::ExitCode};

/// What a process of this suite is to do, where it is not the suite itself.
const ROLE: &str = "HOSTILE_ROLE";

fn main() -> ExitCode {
    if let Ok(role) = env::var(ROLE) {
        return program::main(&role);
    }
    // A worker that was executed anew has no environment at all.
    if env::vars_os().next().is_none() {
        let _ = sandbox_spawn::init(workers::WORKERS);
        return ExitCode::FAILURE;
    }
    let mut options = Options { rounds: 40, seed: u64::from(std::process::id()) | 1 };
    let (mut filters, mut arguments) = (Vec::new(), env::args().skip(1));
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|number| number.parse().ok());
        match argument.as_str() {
            "--rounds" => options.rounds = number().unwrap_or(options.rounds),
            "--seed" => options.seed = number().unwrap_or(options.seed) | 1,
            "--list" => {
                names().for_each(|name| println!("{name}: test"));
                return ExitCode::SUCCESS;
            }
            flag if flag.starts_with('-') => {}
            _ => filters.push(argument),
        }
    }
    if let Err(error) = raw::become_reaper() {
        println!("this process cannot be a reaper: {error}");
        return ExitCode::FAILURE;
    }
    let (mut passed, mut failed) = (0, 0);
    for name in names() {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        match rounds::run(name, options).unwrap_or_else(|| survives::run(name)) {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(why) => {
                println!("test {name} ... FAILED\n    {why}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long the random part takes, and where it begins.
#[derive(Clone, Copy, Debug)]
struct Options {
    rounds: u64,
    seed: u64,
}

fn names() -> impl Iterator<Item = &'static str> {
    rounds::NAMES.iter().copied().chain(survives::names())
}
