//! getprotobyname(3), getservbyname(3) and their like.

use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A protocol, in the bytes that the database has.
#[derive(Debug)]
pub(crate) struct RawProtocol {
    pub(crate) name: Vec<u8>,
    pub(crate) aliases: Vec<Vec<u8>>,
    pub(crate) number: c_int,
}

/// A service, in the bytes that the database has.
#[derive(Debug)]
pub(crate) struct RawService {
    pub(crate) name: Vec<u8>,
    pub(crate) aliases: Vec<Vec<u8>>,
    pub(crate) port: u16,
    pub(crate) protocol: Vec<u8>,
}

/// What they return is in memory that the next call writes to. The variants that write to their caller's are
/// not in every C library.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// # Safety
///
/// It is null or a C string.
unsafe fn bytes(string: *const c_char) -> Vec<u8> {
    if string.is_null() {
        return Vec::new();
    }
    // SAFETY: says the caller.
    unsafe { CStr::from_ptr(string) }.to_bytes().to_vec()
}

/// # Safety
///
/// It is null, or a list of C strings that ends with null.
unsafe fn list(mut strings: *mut *mut c_char) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    if strings.is_null() {
        return all;
    }
    loop {
        // SAFETY: says the caller; null was not reached yet.
        let string = unsafe { *strings };
        if string.is_null() {
            return all;
        }
        // SAFETY: says the caller.
        all.push(unsafe { bytes(string) });
        // SAFETY: the list goes on after what is not null.
        strings = unsafe { strings.add(1) };
    }
}

/// # Safety
///
/// It is null or what the database has returned, and no other call was made meanwhile.
unsafe fn protocol(found: *const libc::protoent) -> Option<RawProtocol> {
    // SAFETY: says the caller.
    let found = unsafe { found.as_ref() }?;
    // SAFETY: its strings are C strings, and its aliases such a list.
    let (name, aliases) = unsafe { (bytes(found.p_name), list(found.p_aliases)) };
    Some(RawProtocol { name, aliases, number: found.p_proto })
}

/// # Safety
///
/// It is null or what the database has returned, and no other call was made meanwhile.
unsafe fn service(found: *const libc::servent) -> Option<RawService> {
    // SAFETY: says the caller.
    let found = unsafe { found.as_ref() }?;
    // SAFETY: its strings are C strings, and its aliases such a list.
    let (name, aliases, protocol) =
        unsafe { (bytes(found.s_name), list(found.s_aliases), bytes(found.s_proto)) };
    // A port in the order of the network, as htons(3) makes it.
    let port = u16::from_be(u16::try_from(found.s_port & 0xffff).ok()?);
    Some(RawService { name, aliases, port, protocol })
}

/// getprotobyname(3)
pub(crate) fn protocol_by_name(name: &CStr) -> Option<RawProtocol> {
    let _alone = alone();
    // SAFETY: the name is a C string, and nobody else calls.
    unsafe { protocol(libc::getprotobyname(name.as_ptr())) }
}

/// getprotobynumber(3)
pub(crate) fn protocol_by_number(number: c_int) -> Option<RawProtocol> {
    let _alone = alone();
    // SAFETY: it takes any number, and nobody else calls.
    unsafe { protocol(libc::getprotobynumber(number)) }
}

/// getservbyname(3)
pub(crate) fn service_by_name(name: &CStr, protocol: Option<&CStr>) -> Option<RawService> {
    let protocol = protocol.map_or(ptr::null(), CStr::as_ptr);
    let _alone = alone();
    // SAFETY: the names are C strings or null, and nobody else calls.
    unsafe { service(libc::getservbyname(name.as_ptr(), protocol)) }
}

/// getservbyport(3)
pub(crate) fn service_by_port(port: u16, protocol: Option<&CStr>) -> Option<RawService> {
    let protocol = protocol.map_or(ptr::null(), CStr::as_ptr);
    let _alone = alone();
    // SAFETY: it takes any number, the name is a C string or null, and nobody else calls.
    unsafe { service(libc::getservbyport(c_int::from(port.to_be()), protocol)) }
}
