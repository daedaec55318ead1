//! Calls that both systems have.

use std::ffi::{CStr, c_int};

/// gai_strerror(3)
pub(crate) fn resolver_message(code: c_int) -> Option<&'static CStr> {
    // SAFETY: it takes any number, and returns null or a string that lives as long as the program.
    let message = unsafe { libc::gai_strerror(code) };
    if message.is_null() {
        return None;
    }
    // SAFETY: as above.
    Some(unsafe { CStr::from_ptr(message) })
}
