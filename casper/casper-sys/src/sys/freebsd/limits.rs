//! What a channel is limited to, as its service keeps it: a list of nv(9).

use std::{
    ffi::{CStr, c_int, c_void},
    ptr,
};

use super::bindings::nv::{Nv, nvlist_t};

/// The limits of a channel, or a part of them: by name, in the service's order.
pub type LimitList = Vec<(Vec<u8>, Limit)>;

/// A part of the limits of a channel, as its service writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nothing but its name.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(u64),
    /// Text.
    Text(Vec<u8>),
    /// Bytes: an address, say.
    Bytes(Vec<u8>),
    /// Numbers.
    Numbers(Vec<u64>),
    /// Others, by name.
    List(LimitList),
    /// Another type of nv(9).
    Other(i32),
}

/// Reads and frees a list; none where there is none.
pub(super) fn take(nv: &Nv, list: *mut nvlist_t) -> Option<LimitList> {
    if list.is_null() {
        return None;
    }
    // SAFETY: a list that cap_limit_get(3) made for us alone.
    unsafe {
        let read = read(nv, list, 0);
        nv.FreeBSD_nvlist_destroy(list);
        Some(read)
    }
}

/// # Safety
/// The list is one.
unsafe fn read(nv: &Nv, list: *const nvlist_t, depth: usize) -> LimitList {
    /// The deepest that services have is 3.
    const DEEPEST: usize = 8;
    let mut entries = Vec::new();
    if depth > DEEPEST {
        return entries;
    }
    let (mut kind, mut cookie): (c_int, *mut c_void) = (0, ptr::null_mut());
    // SAFETY: nv(9): the cookie is null at first, and an entry of this list then, whose type is told.
    unsafe {
        loop {
            let name = nv.FreeBSD_nvlist_next(list, &raw mut kind, &raw mut cookie);
            if name.is_null() {
                return entries;
            }
            let name = CStr::from_ptr(name).to_bytes().to_vec();
            entries.push((name, value(nv, kind, cookie, depth)));
        }
    }
}

/// # Safety
/// The cookie is an entry of that type.
unsafe fn value(nv: &Nv, kind: c_int, cookie: *const c_void, depth: usize) -> Limit {
    let mut count = 0;
    // SAFETY: the caller says so. What is pointed to belongs to the list and is copied.
    unsafe {
        match kind {
            1 => Limit::Null,
            2 => Limit::Bool(nv.FreeBSD_cnvlist_get_bool(cookie)),
            3 => Limit::Number(nv.FreeBSD_cnvlist_get_number(cookie)),
            4 => {
                let text = nv.FreeBSD_cnvlist_get_string(cookie);
                Limit::Text(CStr::from_ptr(text).to_bytes().to_vec())
            }
            5 => Limit::List(read(nv, nv.FreeBSD_cnvlist_get_nvlist(cookie), depth + 1)),
            7 => {
                let bytes = nv.FreeBSD_cnvlist_get_binary(cookie, &raw mut count);
                Limit::Bytes(std::slice::from_raw_parts(bytes.cast::<u8>(), count).to_vec())
            }
            9 => {
                let numbers = nv.FreeBSD_cnvlist_get_number_array(cookie, &raw mut count);
                Limit::Numbers(std::slice::from_raw_parts(numbers, count).to_vec())
            }
            other => Limit::Other(other),
        }
    }
}
