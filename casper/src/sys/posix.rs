//! Calls that both systems have.

use std::ffi::{CStr, c_int};

use sandbox_spawn::Builder;

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

/// The user and the group `nobody`, of both systems.
const NOBODY: u32 = 65_534;

/// Has the process of a service become `nobody`, where the program is root: for services that need no
/// privileges. In a user namespace without such a user it stays, as it is no more than another user there.
pub(crate) fn as_ordinary_user(process: Builder) -> Builder {
    // SAFETY: it always succeeds.
    let root = unsafe { libc::geteuid() } == 0;
    if root && super::has_number(NOBODY) { process.user(NOBODY, NOBODY) } else { process }
}
