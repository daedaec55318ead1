//! Addresses of sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{c_int, sockaddr, sockaddr_in, sockaddr_in6, socklen_t};

use crate::Family;

pub(super) fn family(family: Family) -> c_int {
    match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    }
}

/// Small numbers of C's, in its types.
#[allow(clippy::cast_possible_truncation, reason = "28 at most")]
const LENGTHS: (socklen_t, socklen_t) =
    (size_of::<sockaddr_in>() as socklen_t, size_of::<sockaddr_in6>() as socklen_t);
#[allow(clippy::cast_possible_truncation, reason = "28 at most")]
const FAMILIES: (libc::sa_family_t, libc::sa_family_t) =
    (libc::AF_INET as libc::sa_family_t, libc::AF_INET6 as libc::sa_family_t);

/// An address as C has it. libcap_net compares the bytes of addresses, so that every byte is always the
/// same for the same address, and as getaddrinfo(3) has it.
#[derive(Clone, Copy)]
pub(super) enum Raw {
    V4(sockaddr_in),
    V6(sockaddr_in6),
}

impl Raw {
    #[allow(clippy::cast_possible_truncation, reason = "the lengths are 16 and 28")]
    pub(super) fn new(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(sockaddr_in {
                sin_len: LENGTHS.0 as u8,
                sin_family: FAMILIES.0,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(address) => Self::V6(sockaddr_in6 {
                sin6_len: LENGTHS.1 as u8,
                sin6_family: FAMILIES.1,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            }),
        }
    }

    pub(super) fn pointer(&self) -> *const sockaddr {
        match self {
            Self::V4(address) => (&raw const *address).cast(),
            Self::V6(address) => (&raw const *address).cast(),
        }
    }

    pub(super) fn length(&self) -> socklen_t {
        match self {
            Self::V4(_) => LENGTHS.0,
            Self::V6(_) => LENGTHS.1,
        }
    }
}

/// An address that C gave us; none where it is of another family, or too short.
///
/// # Safety
/// As many bytes as `length` says can be read there.
pub(super) unsafe fn read(address: *const sockaddr, length: socklen_t) -> Option<SocketAddr> {
    let length = usize::try_from(length).ok()?;
    if address.is_null() || length < size_of::<sockaddr>() {
        return None;
    }
    // SAFETY: the bytes are there; they may lie anywhere.
    let start = unsafe { address.read_unaligned() };
    match c_int::from(start.sa_family) {
        libc::AF_INET if length >= size_of::<sockaddr_in>() => {
            // SAFETY: so many bytes are there.
            let address = unsafe { address.cast::<sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
        }
        libc::AF_INET6 if length >= size_of::<sockaddr_in6>() => {
            // SAFETY: so many bytes are there.
            let address = unsafe { address.cast::<sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            let address = SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id);
            Some(address.into())
        }
        _ => None,
    }
}

/// The address of a host, of so many bytes.
pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).into())
}
