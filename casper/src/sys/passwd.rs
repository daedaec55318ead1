//! getpwnam_r(3), getpwuid_r(3) and getpwent(3).
//!
//! By hand rather than by a crate: `nix` has the first two only, and `uzers` enumerates without the
//! lock that threads need.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    io, iter,
    mem::MaybeUninit,
    ptr,
    sync::{Mutex, PoisonError},
};

/// An entry of the user database, in the bytes that it has there. What a system does not have is
/// empty, or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) password: Vec<u8>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) gecos: Vec<u8>,
    pub(crate) home: Vec<u8>,
    pub(crate) shell: Vec<u8>,
    pub(crate) class: Vec<u8>,
    pub(crate) change: i64,
    pub(crate) expire: i64,
}

/// Bytes of the strings of an entry: first, and at most.
const ROOM: usize = 1 << 10;
const MOST_ROOM: usize = 32 << 10;

/// A string of an entry's.
///
/// # Safety
///
/// It is null or a C string.
pub(super) unsafe fn bytes(string: *const c_char) -> Vec<u8> {
    if string.is_null() {
        return Vec::new();
    }
    // SAFETY: says the caller.
    unsafe { CStr::from_ptr(string) }.to_bytes().to_vec()
}

/// What the database has filled in.
///
/// # Safety
///
/// Its strings are null or C strings.
unsafe fn entry(passwd: &libc::passwd) -> Entry {
    // SAFETY: says the caller.
    unsafe {
        let entry = Entry {
            name: bytes(passwd.pw_name),
            password: bytes(passwd.pw_passwd),
            uid: passwd.pw_uid,
            gid: passwd.pw_gid,
            gecos: bytes(passwd.pw_gecos),
            home: bytes(passwd.pw_dir),
            shell: bytes(passwd.pw_shell),
            ..Entry::default()
        };
        super::more_of_entry(entry, passwd)
    }
}

/// Looks up with more and more room for the strings, up to so many bytes. `read` reads an entry whose
/// strings are null or C strings.
pub(super) fn look_up<T, E>(
    most: usize,
    mut call: impl FnMut(*mut T, &mut [c_char], *mut *mut T) -> c_int,
    read: unsafe fn(&T) -> E,
) -> io::Result<Option<E>> {
    let mut room = ROOM;
    loop {
        let mut strings = vec![0; room];
        let mut entry = MaybeUninit::<T>::zeroed();
        let mut found = ptr::null_mut();
        match call(entry.as_mut_ptr(), &mut strings, &raw mut found) {
            0 if found.is_null() => return Ok(None),
            // SAFETY: it was found, so that it is filled in, with strings that are in `strings`.
            0 => return Ok(Some(unsafe { read(entry.assume_init_ref()) })),
            libc::ERANGE if room < most => room *= 2,
            // How some name services say that there is none: getpwnam(3).
            libc::ENOENT | libc::ESRCH => return Ok(None),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// getpwnam_r(3)
pub(crate) fn entry_by_name(name: &CString) -> io::Result<Option<Entry>> {
    let call = |passwd: *mut _, strings: &mut [c_char], found: *mut _| {
        // SAFETY: the name is a C string, and there is room as stated.
        unsafe {
            libc::getpwnam_r(name.as_ptr(), passwd, strings.as_mut_ptr(), strings.len(), found)
        }
    };
    look_up(MOST_ROOM, call, entry)
}

/// getpwuid_r(3)
pub(crate) fn entry_by_uid(uid: u32) -> io::Result<Option<Entry>> {
    let call = |passwd: *mut _, strings: &mut [c_char], found: *mut _| {
        // SAFETY: there is room as stated.
        unsafe { libc::getpwuid_r(uid, passwd, strings.as_mut_ptr(), strings.len(), found) }
    };
    look_up(MOST_ROOM, call, entry)
}

/// The place in the database is the process's.
static PLACE: Mutex<()> = Mutex::new(());

/// getpwent(3): the entries, until `take` refuses one.
pub(crate) fn entries(take: impl FnMut(Entry) -> bool) -> io::Result<()> {
    let _place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: only this function uses the place, and holds the lock.
    unsafe { libc::setpwent() };
    let next = || {
        // SAFETY: as above.
        let found = unsafe { libc::getpwent() };
        // SAFETY: it is null, or filled in until the next call.
        (!found.is_null()).then(|| unsafe { entry(&*found) })
    };
    let done = each(next, take);
    // SAFETY: as above.
    unsafe { libc::endpwent() };
    done
}

/// Gives to `take` what `next` finds, until it refuses. Where there is no next one, errno tells an end from an
/// error.
pub(super) fn each<E>(
    mut next: impl FnMut() -> Option<E>,
    mut take: impl FnMut(E) -> bool,
) -> io::Result<()> {
    let next = || {
        super::clear_errno();
        next()
    };
    for entry in iter::from_fn(next) {
        if !take(entry) {
            return Ok(());
        }
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // Some name services say so at the end.
        None | Some(0 | libc::ENOENT | libc::ESRCH) => Ok(()),
        Some(_) => Err(error),
    }
}
