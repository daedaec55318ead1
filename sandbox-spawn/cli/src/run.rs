//! `sandbox-spawn run`.

use crate::{args::RunOptions, error::Error, plan::Plan, sys};

/// Runs a program in its sandbox and returns its exit status.
pub(crate) fn run(options: &RunOptions) -> Result<u8, Error> {
    sys::run(&Plan::new(options)?)
}
