//! Who provides services: their processes are this program's, or libcasper's.
//!
//! Each service of this crate holds a `Box<dyn Api>` of its module, whose methods are what a client may
//! ask; a provider implements it. `portable` does so for `Channel`s, and `sys/freebsd/native` for channels
//! of libcasper's.

mod portable;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::Libcasper;

/// A provider.
#[derive(Debug)]
pub(crate) enum Provider {
    /// Each service is a process of this program's.
    Portable,
    /// Each service is a process of FreeBSD's libcasper(3).
    Native(Mutex<Libcasper>),
}

/// libcasper, for one thread at a time. It is used in single steps, so that a panic elsewhere leaves it
/// whole.
pub(crate) fn lock(libcasper: &Mutex<Libcasper>) -> MutexGuard<'_, Libcasper> {
    libcasper.lock().unwrap_or_else(PoisonError::into_inner)
}
