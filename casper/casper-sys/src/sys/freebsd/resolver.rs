//! getaddrinfo(3) and getnameinfo(3), which two services have.

use std::{
    ffi::{OsString, c_char, c_int},
    io,
    net::SocketAddr,
    ptr,
};

use libc::{addrinfo, sockaddr, socklen_t};

use super::{
    Channel,
    address::{self, Raw},
    bindings::casper::cap_channel_t,
    names::clear_errno,
    text::{c_string, copy, or_null},
};
use crate::{Error, Query, Resolved};

type Getaddrinfo = unsafe extern "C" fn(
    *mut cap_channel_t,
    *const c_char,
    *const c_char,
    *const addrinfo,
    *mut *mut addrinfo,
) -> c_int;

type Getnameinfo = unsafe extern "C" fn(
    *mut cap_channel_t,
    *const sockaddr,
    socklen_t,
    *mut c_char,
    usize,
    *mut c_char,
    usize,
    c_int,
) -> c_int;

/// Flags of getaddrinfo(3) that it knows: it has nothing against any of them.
const FLAGS: c_int = libc::AI_PASSIVE
    | libc::AI_CANONNAME
    | libc::AI_NUMERICHOST
    | libc::AI_NUMERICSERV
    | libc::AI_ADDRCONFIG
    | libc::AI_V4MAPPED
    | libc::AI_ALL;

/// The longest name of a host and of a service, `NI_MAXHOST` and `NI_MAXSERV` of netdb.h.
const HOST: usize = 1025;
const SERVICE: usize = 32;

pub(super) fn resolve(
    channel: &Channel,
    function: Getaddrinfo,
    query: &Query<'_>,
) -> Result<Vec<Resolved>, Error> {
    const CALL: &str = "cap_getaddrinfo";
    let invalid = |what: &str| Err(Error::Invalid { call: CALL, what: what.to_owned() });
    if query.flags & !FLAGS != 0 {
        return invalid("unknown flags");
    }
    if query.flags & libc::AI_CANONNAME != 0 && query.host.is_none() {
        return invalid("AI_CANONNAME without a host");
    }
    let host = query.host.map(|host| c_string(CALL, host)).transpose()?;
    let service = query.service.map(|service| c_string(CALL, service)).transpose()?;
    let hints = addrinfo {
        ai_flags: query.flags,
        ai_family: query.family.map_or(libc::AF_UNSPEC, address::family),
        ai_socktype: query.socket_type,
        ai_protocol: query.protocol,
        ai_addrlen: 0,
        ai_canonname: ptr::null_mut(),
        ai_addr: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    };
    let mut first = ptr::null_mut();
    clear_errno();
    // SAFETY: the channel is open, and all else lives until the call returns.
    let code = unsafe {
        function(
            channel.raw(),
            or_null(host.as_ref()),
            or_null(service.as_ref()),
            &raw const hints,
            &raw mut first,
        )
    };
    check(channel, CALL, code)?;
    let mut found = Vec::new();
    let mut next: *const addrinfo = first;
    // SAFETY: a list of getaddrinfo(3)'s form. Both libraries make an entry and its address in one piece of
    // malloc(3), and the name in another, which is what freeaddrinfo(3) of FreeBSD frees. That takes no null.
    unsafe {
        while let Some(entry) = next.as_ref() {
            if let Some(address) = address::read(entry.ai_addr, entry.ai_addrlen) {
                let canonical = !entry.ai_canonname.is_null();
                found.push(Resolved {
                    address,
                    socket_type: entry.ai_socktype,
                    protocol: entry.ai_protocol,
                    canonical: canonical.then(|| copy(entry.ai_canonname)),
                });
            }
            next = entry.ai_next;
        }
        if !first.is_null() {
            libc::freeaddrinfo(first);
        }
    }
    Ok(found)
}

pub(super) fn name(
    channel: &Channel,
    function: Getnameinfo,
    address: &SocketAddr,
    flags: i32,
) -> Result<(OsString, OsString), Error> {
    const CALL: &str = "cap_getnameinfo";
    let address = Raw::new(address);
    // Both libraries copy one byte more than they are told (`strlcpy(host, …, hostlen + 1)`).
    let mut host = [0; HOST + 1];
    let mut service = [0; SERVICE + 1];
    clear_errno();
    // SAFETY: the channel is open, all else lives until the call returns, and what is written fits.
    let code = unsafe {
        function(
            channel.raw(),
            address.pointer(),
            address.length(),
            host.as_mut_ptr(),
            HOST,
            service.as_mut_ptr(),
            SERVICE,
            flags,
        )
    };
    check(channel, CALL, code)?;
    // SAFETY: strlcpy(3) ends what it copies with a zero byte, and both were zeros before.
    Ok(unsafe { (copy(host.as_ptr()), copy(service.as_ptr())) })
}

/// What the code of either function says, at once: errno(2) is the last call's. Where the limits do not allow
/// it, cap_net(3) says `ENOTCAPABLE`, and in newer releases `EAI_SYSTEM` with that as errno(2); cap_dns(3) says
/// `NO_RECOVERY`, which is the number of `EAI_BADFLAGS`: with flags that are known it is nothing else.
///
/// Older releases do not tell the errno(2) of `EAI_SYSTEM`, which then is 0, as it was before the call.
fn check(channel: &Channel, call: &'static str, code: c_int) -> Result<(), Error> {
    const NO_RECOVERY: c_int = 3;
    let source = io::Error::last_os_error();
    match code {
        0 => Ok(()),
        libc::ENOTCAPABLE | NO_RECOVERY => {
            Err(Error::NotCapable { service: channel.service(), call })
        }
        libc::EAI_SYSTEM if source.raw_os_error() != Some(0) => Err(channel.told(call, source)),
        code => {
            // Where there is no answer, it says `EAI_MEMORY`.
            channel.alive(call)?;
            // SAFETY: gai_strerror(3) has a text for every number.
            let text = unsafe { copy(libc::gai_strerror(code)) }.to_string_lossy().into_owned();
            Err(Error::Resolver { call, code, text })
        }
    }
}
