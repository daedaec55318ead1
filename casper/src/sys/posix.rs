//! Calls that both systems have.

use std::{
    ffi::{CStr, c_int},
    mem::MaybeUninit,
    time::{SystemTime, UNIX_EPOCH},
};

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

/// In such a process: that it is not root's, where root is told more than others. Code that was taken over, and can
/// reach the zygote, describes processes as it likes.
pub(crate) fn refuse_root() -> Result<(), String> {
    // SAFETY: it always succeeds.
    if super::ROOT_IS_TOLD_MORE && unsafe { libc::geteuid() } == 0 {
        return Err("it is root, which it has to give up".to_owned());
    }
    Ok(())
}

/// A time of the year, as the clocks in the time zone of `TZ` show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalTime {
    /// From 0.
    pub(crate) month: usize,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
}

/// localtime_r(3)
pub(crate) fn local_time(time: SystemTime) -> Option<LocalTime> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs().try_into().ok()?;
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: it reads the seconds and writes a `struct tm`.
    if unsafe { libc::localtime_r(&raw const seconds, local.as_mut_ptr()) }.is_null() {
        return None;
    }
    // SAFETY: it has written it.
    let local = unsafe { local.assume_init() };
    Some(LocalTime {
        month: usize::try_from(local.tm_mon).ok()?,
        day: local.tm_mday,
        hour: local.tm_hour,
        minute: local.tm_min,
        second: local.tm_sec,
    })
}
