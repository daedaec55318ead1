//! What services look up, as a program does it by itself.

use std::{
    ffi::{CStr, c_char},
    io,
    mem::MaybeUninit,
    ptr,
    time::{SystemTime, UNIX_EPOCH},
};

/// A user, in the bytes that the database has.
pub(crate) struct User {
    pub(crate) strings: [Vec<u8>; 5],
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// getpwnam_r(3), with room for entries of any usual size.
pub(crate) fn user_by_name(name: &CStr) -> io::Result<Option<User>> {
    let mut passwd = MaybeUninit::<libc::passwd>::zeroed();
    let mut room: [c_char; 1024] = [0; 1024];
    let mut found = ptr::null_mut();
    // SAFETY: the name is a C string, and there is room as stated.
    let error = unsafe {
        let (entry, buffer) = (passwd.as_mut_ptr(), room.as_mut_ptr());
        libc::getpwnam_r(name.as_ptr(), entry, buffer, room.len(), &raw mut found)
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    // SAFETY: it is null, or the entry above, which has been filled in.
    let Some(entry) = (unsafe { found.as_ref() }) else { return Ok(None) };
    let strings = [entry.pw_name, entry.pw_passwd, entry.pw_gecos, entry.pw_dir, entry.pw_shell];
    // SAFETY: they are C strings in the room above.
    let strings = strings.map(|text| unsafe { CStr::from_ptr(text) }.to_bytes().to_vec());
    Ok(Some(User { strings, uid: entry.pw_uid, gid: entry.pw_gid }))
}

/// localtime_r(3), now.
pub(crate) fn local_time() -> Option<libc::tm> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs().cast_signed();
    let mut local = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: it reads the seconds and writes a `struct tm`.
    let done = unsafe { libc::localtime_r(&raw const seconds, local.as_mut_ptr()) };
    // SAFETY: zeros are one, and so is what it has written.
    (!done.is_null()).then(|| unsafe { local.assume_init() })
}
