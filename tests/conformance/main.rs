//! The conformance suite: one source for both kernels.
//!
//! Each case is a sentence about the library's contract, tried in a process of its own at each
//! level of containment that the host offers, as root where the suite was started so, and as an
//! ordinary user. The last line is `N passed, N failed, N skipped`.
//!
//! `conformance [--list] [--exact] [--level LEVEL] [--matrix] [FILTER…]`: a filter is a part of a
//! case's name; `--matrix` prints lines for `cargo xtask matrix`.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unnecessary_cast,
    reason = "descriptors, requests and flags have C's types, which differ between the systems"
)]

#[cfg(target_os = "linux")]
mod broker;
mod coverage;
mod errors;
mod exec;
mod explain;
mod harness;
mod identity;
mod inheritance;
mod level;
mod matrix;
mod monotonic;
mod names;
mod raw;
mod rights;
#[cfg(target_os = "linux")]
mod root;
mod run;
mod scene;
mod traps;
mod works;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(number) =
        std::env::args().nth(1).as_deref().and_then(inheritance::number_after_exec)
    {
        return inheritance::after_exec(number);
    }
    let options = match run::Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("conformance: {message}");
            return ExitCode::from(2);
        }
    };
    let cases: Vec<harness::Case> = [
        ("rights", rights::cases()),
        ("names", names::cases()),
        ("what still works", works::cases()),
        ("inheritance", inheritance::cases()),
        ("limits only narrow", monotonic::cases()),
        ("identity", identity::cases()),
        ("errors", errors::cases()),
        ("explanations", explain::cases()),
        ("traps", traps::cases()),
        #[cfg(target_os = "linux")]
        ("the private root", root::cases()),
        #[cfg(target_os = "linux")]
        ("directories that arrive", broker::cases()),
    ]
    .into_iter()
    .flat_map(|(group, cases)| cases.into_iter().map(move |case| harness::Case { group, ..case }))
    .filter(|case| options.selects(&case.name))
    .collect();
    if options.list {
        for case in &cases {
            println!("{}: test", case.name);
        }
        return ExitCode::SUCCESS;
    }
    match run::everywhere(&cases, &options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}
