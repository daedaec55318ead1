//! getgrnam_r(3), getgrgid_r(3) and getgrent(3): beside those of users, by hand for the same reasons.

use std::{
    ffi::{CString, c_char},
    io,
    sync::{Mutex, PoisonError},
};

use super::passwd::{bytes, each, look_up};

/// An entry of the group database, in the bytes that it has there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) password: Vec<u8>,
    pub(crate) gid: u32,
    pub(crate) members: Vec<Vec<u8>>,
}

/// Bytes of the strings of an entry, and of the pointers to its members, at most: a group may have
/// thousands.
const MOST_ROOM: usize = 1 << 20;

/// What the database has filled in.
///
/// # Safety
///
/// Its strings are null or C strings; its members are null, or such strings until one that is null.
unsafe fn entry(group: &libc::group) -> GroupEntry {
    let mut members = Vec::new();
    let mut next = group.gr_mem;
    // SAFETY: says the caller; it ends with the null pointer.
    unsafe {
        while !next.is_null() && !(*next).is_null() {
            members.push(bytes(*next));
            next = next.add(1);
        }
        GroupEntry {
            name: bytes(group.gr_name),
            password: bytes(group.gr_passwd),
            gid: group.gr_gid,
            members,
        }
    }
}

/// getgrnam_r(3)
pub(crate) fn group_by_name(name: &CString) -> io::Result<Option<GroupEntry>> {
    let call = |group: *mut _, strings: &mut [c_char], found: *mut _| {
        // SAFETY: the name is a C string, and there is room as stated.
        unsafe {
            libc::getgrnam_r(name.as_ptr(), group, strings.as_mut_ptr(), strings.len(), found)
        }
    };
    look_up(MOST_ROOM, call, entry)
}

/// getgrgid_r(3)
pub(crate) fn group_by_gid(gid: u32) -> io::Result<Option<GroupEntry>> {
    let call = |group: *mut _, strings: &mut [c_char], found: *mut _| {
        // SAFETY: there is room as stated.
        unsafe { libc::getgrgid_r(gid, group, strings.as_mut_ptr(), strings.len(), found) }
    };
    look_up(MOST_ROOM, call, entry)
}

/// The place in the database is the process's.
static PLACE: Mutex<()> = Mutex::new(());

/// getgrent(3): the entries, until `take` refuses one.
pub(crate) fn groups(take: impl FnMut(GroupEntry) -> bool) -> io::Result<()> {
    let _place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: only this function uses the place, and holds the lock.
    unsafe { libc::setgrent() };
    let next = || {
        // SAFETY: as above.
        let found = unsafe { libc::getgrent() };
        // SAFETY: it is null, or filled in until the next call.
        (!found.is_null()).then(|| unsafe { entry(&*found) })
    };
    let done = each(next, take);
    // SAFETY: as above.
    unsafe { libc::endgrent() };
    done
}
