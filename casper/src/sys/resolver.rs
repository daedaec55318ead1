//! getaddrinfo(3) and getnameinfo(3).
//!
//! By hand rather than by the crate `dns-lookup`, which panics where a server sends a canonical name that
//! is no UTF-8.

use std::{
    ffi::{CStr, c_char, c_int},
    io,
    net::SocketAddr,
    ptr,
};

use socket2::SockAddr;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unresolved {
    /// An `EAI_` code.
    Code(c_int),
    /// `EAI_SYSTEM`: errno(3).
    System(io::Error),
}

impl Unresolved {
    /// Of a code that is not 0, at once: errno(3) is the last call's.
    fn new(code: c_int) -> Self {
        if code == libc::EAI_SYSTEM {
            Self::System(io::Error::last_os_error())
        } else {
            Self::Code(code)
        }
    }
}

/// What is asked of getaddrinfo(3), in its numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawHints {
    pub(crate) flags: c_int,
    pub(crate) family: c_int,
    pub(crate) kind: c_int,
}

/// One of its answers.
#[derive(Debug)]
pub(crate) struct RawAddress {
    pub(crate) address: SocketAddr,
    pub(crate) kind: c_int,
    pub(crate) protocol: c_int,
}

/// Its answers, and the canonical name, in the bytes that a server has sent.
#[derive(Debug, Default)]
pub(crate) struct RawAddresses {
    pub(crate) addresses: Vec<RawAddress>,
    pub(crate) canonical: Option<Vec<u8>>,
}

/// A list that is freed.
struct List(*mut libc::addrinfo);

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: getaddrinfo(3) has made it, and nothing of it is used any more.
            unsafe { libc::freeaddrinfo(self.0) };
        }
    }
}

/// The address of an answer, if it is one of the internet's.
///
/// # Safety
///
/// `ai_addr` is null or has `ai_addrlen` bytes.
unsafe fn address(answer: &libc::addrinfo) -> Option<SocketAddr> {
    let length = answer.ai_addrlen;
    if answer.ai_addr.is_null() || length as usize > size_of::<libc::sockaddr_storage>() {
        return None;
    }
    let fill = |storage: *mut socket2::SockAddrStorage, room: *mut libc::socklen_t| {
        // SAFETY: the caller says that there are so many bytes, and the storage has room for them.
        unsafe {
            ptr::copy_nonoverlapping(answer.ai_addr.cast::<u8>(), storage.cast(), length as usize);
            *room = length;
        }
        Ok(())
    };
    // SAFETY: the storage has what a socket address is, and its length.
    let ((), address) = unsafe { SockAddr::try_init(fill) }.ok()?;
    address.as_socket()
}

/// getaddrinfo(3). Of more than `most` answers the others are left out, and it says so.
pub(crate) fn getaddrinfo(
    name: Option<&CStr>,
    service: Option<&CStr>,
    hints: RawHints,
    most: usize,
) -> Result<(RawAddresses, bool), Unresolved> {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: it is numbers and pointers, all of which may be zero.
    let mut wanted: libc::addrinfo = unsafe { std::mem::zeroed() };
    wanted.ai_flags = hints.flags;
    wanted.ai_family = hints.family;
    wanted.ai_socktype = hints.kind;
    let mut list = List(ptr::null_mut());
    // SAFETY: the strings are C strings or null, the hints have no pointers, and the list is written.
    let code = unsafe {
        libc::getaddrinfo(pointer(name), pointer(service), &raw const wanted, &raw mut list.0)
    };
    if code != 0 {
        return Err(Unresolved::new(code));
    }
    let mut found = RawAddresses::default();
    let mut next = list.0;
    // SAFETY: an answer is followed by others, and the last one by null; they live as long as the list.
    while let Some(answer) = unsafe { next.as_ref() } {
        if found.addresses.len() == most {
            return Ok((found, true));
        }
        if found.canonical.is_none() && !answer.ai_canonname.is_null() {
            // SAFETY: it is a C string.
            let name = unsafe { CStr::from_ptr(answer.ai_canonname) };
            found.canonical = Some(name.to_bytes().to_vec());
        }
        // SAFETY: an answer's address has its length.
        if let Some(address) = unsafe { address(answer) } {
            found.addresses.push(RawAddress {
                address,
                kind: answer.ai_socktype,
                protocol: answer.ai_protocol,
            });
        }
        next = answer.ai_next;
    }
    Ok((found, false))
}

/// `NI_MAXHOST` and `NI_MAXSERV`.
const HOST: usize = 1025;
const SERVICE: usize = 32;

/// getnameinfo(3): the names of the host and of the service.
pub(crate) fn getnameinfo(
    address: SocketAddr,
    flags: c_int,
) -> Result<(Vec<u8>, Vec<u8>), Unresolved> {
    let address = SockAddr::from(address);
    let (mut host, mut service) = ([0 as c_char; HOST], [0 as c_char; SERVICE]);
    // SAFETY: the address has its length, and there is room for the names as stated.
    let code = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            host.as_mut_ptr(),
            room(&host),
            service.as_mut_ptr(),
            room(&service),
            flags,
        )
    };
    if code != 0 {
        return Err(Unresolved::new(code));
    }
    Ok((text(&host), text(&service)))
}

/// How much room there is, in whichever integer the system has there.
fn room<T: TryFrom<usize> + Default>(names: &[c_char]) -> T {
    T::try_from(names.len()).unwrap_or_default()
}

/// The bytes before the NUL.
fn text(name: &[c_char]) -> Vec<u8> {
    name.iter().take_while(|byte| **byte != 0).map(|byte| byte.to_ne_bytes()[0]).collect()
}
