//! Why nothing was run, or not to the end.

use std::{ffi::OsString, io, path::PathBuf};

use crate::NOTHING_RUN;

/// Why nothing was run. Each is one line, which names what was given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0} (see `sandbox-spawn --help`)")]
    Usage(String),
    #[error("no command: write it after `--`, as in `sandbox-spawn run --read . -- ls`")]
    EmptyCommand,
    #[error("{option} {path}: {source}", path = path.display())]
    Path { option: &'static str, path: PathBuf, source: io::Error },
    #[error("{option} {path}: {reason}", path = path.display())]
    Refused { option: &'static str, path: PathBuf, reason: String },
    #[error("--env {}: {reason}", variable.display())]
    Variable { variable: OsString, reason: &'static str },
    #[error("an argument contains a NUL byte")]
    Nul,
    #[error("{0} is a directory, through which other files could be reached: close or redirect it")]
    StandardStream(&'static str),
    #[error("{operation}: {source}")]
    System { operation: String, source: io::Error },
    /// The host cannot do what was asked for.
    #[error("{0}")]
    Unenforceable(String),
    #[allow(dead_code, reason = "FreeBSD confines no program yet")]
    #[error("{}: cannot be executed: {source}", command.display())]
    NotExecutable { command: OsString, source: io::Error },
    #[allow(dead_code, reason = "FreeBSD confines no program yet")]
    #[error("{}: not found in the sandbox{hint}", command.display())]
    NotFound { command: OsString, hint: &'static str },
    #[error("demo: {0}")]
    Demo(String),
}

impl Error {
    /// What the wrapper exits with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotExecutable { .. } => 126,
            Self::NotFound { .. } => 127,
            Self::Demo(_) => 1,
            _ => NOTHING_RUN,
        }
    }

    /// An error of the system, with what was tried.
    pub(crate) fn system(operation: impl Into<String>, source: io::Error) -> Self {
        Self::System { operation: operation.into(), source }
    }
}
