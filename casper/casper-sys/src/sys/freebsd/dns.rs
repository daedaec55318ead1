//! cap_dns(3)

use std::{
    ffi::{OsString, c_int},
    net::{IpAddr, SocketAddr},
};

use libc::hostent;

use super::{
    Channel, address,
    channel::channel_of,
    load,
    names::shared,
    resolver,
    text::{c_string, c_strings, copies, copy, pointers},
};
use crate::{DnsType, Error, Family, Host, Query, Resolved};

unsafe extern "C" {
    /// netdb.h: `h_errno` of the calling thread.
    fn __h_errno() -> *mut c_int;
}

/// No family of addresses. libcap_dns takes any number in its limits, and compares it with that of a request
/// (`dns_allowed_family`); getaddrinfo(3) and gethostbyname2(3) refuse this one (`EAI_FAMILY`,
/// `EAFNOSUPPORT`), and the family of an address in a request for its name is a byte.
const NO_FAMILY: c_int = c_int::MAX;

channel_of! {
    /// Names and addresses of hosts: cap_dns(3).
    Dns
}

impl Dns {
    /// getaddrinfo(3). Answers of families other than IPv4 and IPv6 are left out.
    ///
    /// # Errors
    /// [`Error::Resolver`], [`Error::NotCapable`], [`Error::Died`]; [`Error::Invalid`] for unknown flags
    /// and zero bytes.
    pub fn resolve(&self, query: &Query<'_>) -> Result<Vec<Resolved>, Error> {
        resolver::resolve(&self.channel, load::dns()?.cap_getaddrinfo, query)
    }

    /// getnameinfo(3): the names of the host and of the service. The flags are its `NI_` flags.
    ///
    /// # Errors
    /// [`Error::Resolver`], [`Error::NotCapable`], [`Error::Died`].
    pub fn name(&self, address: &SocketAddr, flags: i32) -> Result<(OsString, OsString), Error> {
        resolver::name(&self.channel, load::dns()?.cap_getnameinfo, address, flags)
    }

    /// gethostbyname2(3)
    ///
    /// # Errors
    /// [`Error::Host`], also where the limits do not allow it; [`Error::Died`].
    pub fn host_by_name(&self, name: &str, family: Family) -> Result<Host, Error> {
        const CALL: &str = "cap_gethostbyname2";
        let name = c_string(CALL, name)?;
        let table = load::dns()?;
        let _shared = shared();
        // SAFETY: the channel is open, and the name lives until the call returns. Nobody else calls a
        // function that writes to the same memory until the result is copied.
        unsafe {
            let family = address::family(family);
            self.host(table.cap_gethostbyname2(self.channel.raw(), name.as_ptr(), family), CALL)
        }
    }

    /// gethostbyaddr(3)
    ///
    /// # Errors
    /// As [`Dns::host_by_name`].
    pub fn host_by_address(&self, address: IpAddr) -> Result<Host, Error> {
        const CALL: &str = "cap_gethostbyaddr";
        let (four, six);
        let (bytes, length, family): (&[u8], _, _) = match address {
            IpAddr::V4(address) => {
                four = address.octets();
                (&four, 4, libc::AF_INET)
            }
            IpAddr::V6(address) => {
                six = address.octets();
                (&six, 16, libc::AF_INET6)
            }
        };
        let table = load::dns()?;
        let _shared = shared();
        // SAFETY: as in `host_by_name`; so many bytes are read.
        unsafe {
            let host =
                table.cap_gethostbyaddr(self.channel.raw(), bytes.as_ptr().cast(), length, family);
            self.host(host, CALL)
        }
    }

    /// Copies the answer.
    ///
    /// # Safety
    /// It is null or of the form that gethostbyname(3) describes, and nobody changes it meanwhile.
    unsafe fn host(&self, host: *const hostent, call: &'static str) -> Result<Host, Error> {
        // SAFETY: the caller says so.
        unsafe {
            let Some(host) = host.as_ref() else {
                let code = *__h_errno();
                self.channel.alive(call)?;
                if code == libc::ENOTCAPABLE {
                    return Err(Error::NotCapable { service: self.channel.service(), call });
                }
                return Err(Error::Host { call, code });
            };
            let length = usize::try_from(host.h_length).unwrap_or(0);
            let mut addresses = Vec::new();
            let mut next = host.h_addr_list;
            while !next.is_null() && !(*next).is_null() {
                let bytes = std::slice::from_raw_parts((*next).cast::<u8>(), length);
                addresses.extend(address::ip(bytes));
                next = next.add(1);
            }
            Ok(Host { name: copy(host.h_name), aliases: copies(host.h_aliases), addresses })
        }
    }

    /// Narrows what may be asked: cap_dns_type_limit(3).
    ///
    /// # Errors
    /// [`Error::NotCapable`] for more than is allowed already; [`Error::Invalid`] for an empty list,
    /// which libcap_dns would take to mean all.
    pub fn limit_types(&self, types: &[DnsType]) -> Result<(), Error> {
        const CALL: &str = "cap_dns_type_limit";
        not_empty(CALL, types)?;
        let names: Vec<&str> = types
            .iter()
            .map(|of| match of {
                DnsType::NameToAddress => "NAME2ADDR",
                DnsType::AddressToName => "ADDR2NAME",
            })
            .collect();
        let names = c_strings(CALL, &names)?;
        let pointers = pointers(&names);
        let table = load::dns()?;
        // SAFETY: the channel is open, and the names live until the call returns.
        done(&self.channel, CALL, unsafe {
            table.cap_dns_type_limit(self.channel.raw(), pointers.as_ptr(), pointers.len())
        })
    }

    /// Narrows the families: cap_dns_family_limit(3). A query without a family is refused then. An empty list
    /// allows nothing: the number of no family is in every list, so that there is one that can be kept.
    ///
    /// Who may ask for IPv6 may ask for the names of IPv4 too, which can be written as IPv6.
    ///
    /// # Errors
    /// [`Error::NotCapable`] for more than is allowed already; a channel that was limited by other code than
    /// this has no such entry, and cannot be limited to families again.
    pub fn limit_families(&self, families: &[Family]) -> Result<(), Error> {
        const CALL: &str = "cap_dns_family_limit";
        let families = families.iter().copied().map(address::family);
        let families: Vec<c_int> = families.chain([NO_FAMILY]).collect();
        let table = load::dns()?;
        // SAFETY: the channel is open, and the numbers live until the call returns.
        done(&self.channel, CALL, unsafe {
            table.cap_dns_family_limit(self.channel.raw(), families.as_ptr(), families.len())
        })
    }
}

pub(super) fn not_empty<T>(call: &'static str, list: &[T]) -> Result<(), Error> {
    if list.is_empty() {
        return Err(Error::Invalid { call, what: "an empty list would limit nothing".to_owned() });
    }
    Ok(())
}

/// The result of a function that is 0 where all is well.
pub(super) fn done(channel: &Channel, call: &'static str, code: c_int) -> Result<(), Error> {
    if code == 0 { Ok(()) } else { Err(channel.failed(call)) }
}
