//! FreeBSD. Capability mode admits no program that uses paths, so that there is nothing yet that
//! this command could confine here: everything answers with the library's own error, which says
//! what to use instead.

use std::{ffi::OsString, path::Path};

use capsicum_rs::program::{Names, Program};

use crate::{
    args::{AttackOptions, Level},
    error::Error,
    plan::Plan,
};

/// Why no program can be confined.
fn refusal() -> Error {
    match Program::new(Names::PATHS | Names::METADATA | Names::EXECUTE).enter() {
        Err(error) => Error::Unenforceable(error.to_string()),
        // Nothing was granted, so that whatever held would hold nothing that was asked for.
        Ok(_) => Error::Unenforceable("this system confines no programs yet".to_owned()),
    }
}

/// Runs nothing.
pub(crate) fn run(_: &Plan) -> Result<u8, Error> {
    Err(refusal())
}

/// The levels that the wrapper reaches here: none.
pub(crate) fn levels() -> Vec<(Level, Result<String, String>)> {
    [Level::Directories, Level::Landlock]
        .into_iter()
        .map(|level| (level, Err(refusal().to_string())))
        .collect()
}

/// Attacks nothing.
pub(crate) fn attack(_: &AttackOptions) -> Result<u8, Error> {
    Err(refusal())
}

/// Whether a path shows processes; without a sandbox to show it in, the question is idle.
pub(crate) fn shows_processes(_: &Path) -> bool {
    false
}

/// Attempts whose effect the demo sees by itself.
pub(crate) const WATCHED: [&str; 0] = [];

/// What the demo lays out for its attacker: there is none, since no attacker is started.
pub(crate) enum Bait {}

impl Bait {
    pub(crate) fn set() -> Result<Self, Error> {
        Err(refusal())
    }

    pub(crate) fn marker(&self) -> &str {
        match *self {}
    }

    pub(crate) fn secret(&self) -> &Path {
        match *self {}
    }

    pub(crate) fn arguments(&self) -> Vec<OsString> {
        match *self {}
    }

    pub(crate) fn reached(&self) -> Vec<&'static str> {
        match *self {}
    }
}
