//! What can go wrong.

use std::io;

use crate::Service;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A library is not there, or lacks a function that is called here.
    #[error("{library} is not to be had here: {reason}")]
    Unsupported {
        /// The library.
        library: &'static str,
        /// What the run-time linker said, with the name of the symbol where one is missing.
        reason: String,
    },
    /// libcasper forks, which a process with one thread alone may.
    #[error("libcasper has to be started with one thread, and the process has more")]
    Threaded,
    /// Libraries can be loaded and services be forked before capability mode only.
    #[error("libcasper has to be started before capability mode is entered")]
    CapabilityMode,
    /// The service was not named when libcasper was started.
    #[error("{service} was not named when libcasper was started")]
    NotStarted {
        /// The service.
        service: Service,
    },
    /// The limits of the channel do not allow it (`ENOTCAPABLE`).
    #[error("{call}: the limits of the channel to {service} do not allow it")]
    NotCapable {
        /// The service.
        service: Service,
        /// What was called.
        call: &'static str,
    },
    /// The process of the service is gone.
    #[error("{call}: the process of {service} is gone")]
    Died {
        /// The service.
        service: Service,
        /// What was called.
        call: &'static str,
    },
    /// An error of getaddrinfo(3) or getnameinfo(3).
    #[error("{call}: {text} ({code})")]
    Resolver {
        /// What was called.
        call: &'static str,
        /// An `EAI_` code.
        code: i32,
        /// What gai_strerror(3) calls it.
        text: String,
    },
    /// An error of gethostbyname(3) or gethostbyaddr(3).
    #[error("{call}: no answer (h_errno {code})")]
    Host {
        /// What was called.
        call: &'static str,
        /// `HOST_NOT_FOUND` (1), `TRY_AGAIN` (2), `NO_RECOVERY` (3; cap_dns(3) also says so where the
        /// limits do not allow it) or `NO_DATA` (4).
        code: i32,
    },
    /// Something that cannot be asked for.
    #[error("{call}: {what}")]
    Invalid {
        /// What was called.
        call: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A call failed otherwise.
    #[error("{call}: {source}")]
    System {
        /// What was called.
        call: &'static str,
        /// What errno(2) said.
        source: io::Error,
    },
}
