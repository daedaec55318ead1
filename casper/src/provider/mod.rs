//! Who provides services: their processes are this program's, or libcasper's.
//!
//! Each service of this crate holds a `Box<dyn Api>` of its module, whose methods are what a client may
//! ask; a provider implements it. `portable` does so for `Channel`s, and `sys/freebsd/native` for channels
//! of libcasper's.

mod portable;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Error, sys::Libcasper};

/// A provider.
#[derive(Debug)]
pub(crate) enum Provider {
    /// Each service is a process of this program's.
    Portable,
    /// Each service is a process of FreeBSD's libcasper(3).
    Native(Mutex<Libcasper>),
}

/// Why libcasper is not asked for a service that it has.
pub(crate) fn only_portable(service: &str) -> Error {
    Error::Unsupported {
        service: service.to_owned(),
        what: "channel of libcasper's".to_owned(),
        reason: "only the portable provider has it: open it from `Casper::start`".to_owned(),
    }
}

/// libcasper, for one thread at a time. It is used in single steps, so that a panic elsewhere leaves it
/// whole.
pub(crate) fn lock(libcasper: &Mutex<Libcasper>) -> MutexGuard<'_, Libcasper> {
    libcasper.lock().unwrap_or_else(PoisonError::into_inner)
}
