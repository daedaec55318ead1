//! Functions whose results lie in memory that all threads share, until the next call.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held while such a function is called and its result is copied.
///
/// The functions of one library share memory, and the copies are made at once: one lock for all of
/// them is the simplest that is right.
pub(super) fn shared() -> MutexGuard<'static, ()> {
    static SHARED: Mutex<()> = Mutex::new(());
    // What it guards is overwritten by the next call anyway.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets errno(2) to 0, for functions that leave it alone where nothing is wrong.
pub(super) fn clear_errno() {
    // SAFETY: the calling thread's own errno.
    unsafe { *libc::__error() = 0 };
}

/// Buffers of functions whose names end with `_r`: how large they are at first, and at most. Entries
/// longer than a mebibyte are refused.
pub(super) const BUFFER: usize = 1024;
pub(super) const BUFFER_MOST: usize = 1 << 20;
