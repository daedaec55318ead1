//! Runs test executables one after another, each under a deadline, and counts what they say.
//!
//! It needs neither cargo nor a shell, so that executables that were linked for FreeBSD on
//! another system can be run on a minimal one: [`manifest`] lists them, [`run`] starts one and ends
//! it, [`output`] reads what it printed, [`suite`] adds it all up. `cargo xtask test` uses the same
//! parts for the executables that cargo has just built.
//!
//! Each executable gets the arguments of the standard harness (`--show-output`,
//! `--test-threads=N`); one with a harness of its own passes over those it does not know.

pub mod manifest;
pub mod output;
pub mod run;
pub mod suite;
mod sys;
pub mod tally;

pub use suite::Suite;
pub use sys::no_cores;
pub use tally::Tally;
