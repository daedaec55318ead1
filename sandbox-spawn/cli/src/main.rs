//! `sandbox-spawn`: runs a program that knows nothing of capabilities with just the paths that it
//! is granted. The words of this crate: a *grant* is a path with what may be done beneath it; a
//! *level* is how far the host can hold the program to its grants; a *plan* is all that is decided
//! before anything starts.

mod args;
mod defaults;
mod demo;
mod doctor;
mod environment;
mod error;
mod grants;
mod plan;
mod resolve;
mod run;
mod sys;

use std::process::ExitCode;

use args::Action;
use error::Error;

/// What `sandbox-spawn` exits with when it started nothing.
const NOTHING_RUN: u8 = 125;

fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args_os()) {
        Ok(args::Parsed::Action(action)) => perform(action),
        Ok(args::Parsed::Text(text)) => return print(&text),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("sandbox-spawn: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn perform(action: Action) -> Result<u8, Error> {
    match action {
        Action::Run(options) => run::run(&options),
        Action::Demo(options) => demo::demo(&options),
        Action::Doctor => doctor::doctor(),
        Action::Attack(options) => sys::attack(&options),
        Action::Pack(options) => demo::pack(&options),
    }
}

/// Prints help or the version; a reader that went away is no reason to fail.
fn print(text: &str) -> ExitCode {
    use std::io::Write;

    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox-spawn: cannot write to standard output: {error}");
            ExitCode::from(NOTHING_RUN)
        }
    }
}
