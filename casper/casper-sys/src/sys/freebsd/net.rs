//! cap_net(3)

use std::{
    ffi::{CString, OsString, c_int},
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
};

use libc::{sockaddr, socklen_t};

use super::{
    address::{self, Raw},
    bindings::cap_net::{CapNet, cap_net_limit_t},
    channel::channel_of,
    dns::{done, not_empty},
    load, resolver,
    text::{c_string, or_null},
};
use crate::{Error, Family, NetLimits, NetModes, Query, Resolved};

/// `CAPNET_` of cap_net.h.
const ADDR2NAME: u64 = 0x01;
const NAME2ADDR: u64 = 0x02;
const CONNECT: u64 = 0x10;
const BIND: u64 = 0x20;
const CONNECTDNS: u64 = 0x40;

channel_of! {
    /// Connections, and names and addresses of hosts: cap_net(3).
    Net
}

type Chained = *mut cap_net_limit_t;

impl Net {
    /// connect(2) of a socket. It blocks the service's process, and with it all channels to it, as long
    /// as it takes; a socket that does not block gives `EINPROGRESS`.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`].
    pub fn connect(&self, socket: impl AsFd, address: &SocketAddr) -> Result<(), Error> {
        let address = Raw::new(address);
        let table = load::net()?;
        // SAFETY: the channel and the socket are open, and the address lives until the call returns.
        let code = unsafe {
            table.cap_connect(
                self.channel.raw(),
                socket.as_fd().as_raw_fd(),
                address.pointer(),
                address.length(),
            )
        };
        self.told("cap_connect", code)
    }

    /// bind(2) of a socket.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`].
    pub fn bind(&self, socket: impl AsFd, address: &SocketAddr) -> Result<(), Error> {
        let address = Raw::new(address);
        let table = load::net()?;
        // SAFETY: the channel and the socket are open, and the address lives until the call returns.
        let code = unsafe {
            table.cap_bind(
                self.channel.raw(),
                socket.as_fd().as_raw_fd(),
                address.pointer(),
                address.length(),
            )
        };
        self.told("cap_bind", code)
    }

    fn told(&self, call: &'static str, code: c_int) -> Result<(), Error> {
        if code == 0 { Ok(()) } else { Err(self.channel.told(call, io::Error::last_os_error())) }
    }

    /// getaddrinfo(3), as [`Dns::resolve`](super::Dns::resolve).
    ///
    /// # Errors
    /// As there.
    pub fn resolve(&self, query: &Query<'_>) -> Result<Vec<Resolved>, Error> {
        resolver::resolve(&self.channel, load::net()?.cap_getaddrinfo, query)
    }

    /// getnameinfo(3), as [`Dns::name`](super::Dns::name).
    ///
    /// # Errors
    /// As there.
    pub fn name(&self, address: &SocketAddr, flags: i32) -> Result<(OsString, OsString), Error> {
        resolver::name(&self.channel, load::net()?.cap_getnameinfo, address, flags)
    }

    /// Narrows what may be done: cap_net_limit(3).
    ///
    /// The modes hold. **The lists hold against honest code alone**: who has the socket can send limits of his
    /// own making. A list that he states without entries is none, in releases before FreeBSD-SA-26:24, and an
    /// address that he names `d` is that address with every port, in newer ones too.
    ///
    /// # Errors
    /// [`Error::NotCapable`] for more than is allowed already, and for a list that the channel has and
    /// that is left out; [`Error::Invalid`] for an empty list, which libcap_net would take to mean all:
    /// leave out the mode instead.
    pub fn limit(&self, limits: &NetLimits<'_>) -> Result<(), Error> {
        const CALL: &str = "cap_net_limit";
        let stated = Stated::new(CALL, limits)?;
        let table = load::net()?;
        // SAFETY: the channel is open. The functions add copies to what they are given and return it;
        // the last one frees it.
        unsafe {
            let limit = table.cap_net_limit_init(self.channel.raw(), modes(limits.modes));
            if limit.is_null() {
                return Err(self.channel.failed(CALL));
            }
            stated.add_to(table, limit);
            done(&self.channel, CALL, table.cap_net_limit(limit))
        }
    }
}

fn modes(modes: NetModes) -> u64 {
    let mode = |on: bool, mode: u64| if on { mode } else { 0 };
    mode(modes.resolve, NAME2ADDR)
        | mode(modes.name, ADDR2NAME)
        | mode(modes.connect, CONNECT)
        | mode(modes.connect_resolved, CONNECTDNS)
        | mode(modes.bind, BIND)
}

/// The limits as C has them.
struct Stated {
    hosts: Vec<(Option<CString>, Option<CString>)>,
    resolve_families: Vec<c_int>,
    names: Vec<Raw>,
    name_families: Vec<c_int>,
    connect: Vec<Raw>,
    bind: Vec<Raw>,
}

impl Stated {
    fn new(call: &'static str, limits: &NetLimits<'_>) -> Result<Self, Error> {
        let text = |text: Option<&str>| text.map(|text| c_string(call, text)).transpose();
        let mut hosts = Vec::new();
        for (host, service) in listed(call, limits.hosts)? {
            hosts.push((text(*host)?, text(*service)?));
        }
        let families = |families: Option<&[Family]>| -> Result<Vec<c_int>, Error> {
            let families = listed(call, families)?;
            Ok(families.iter().copied().map(address::family).collect())
        };
        let addresses = |addresses: Option<&[SocketAddr]>| -> Result<Vec<Raw>, Error> {
            Ok(listed(call, addresses)?.iter().map(Raw::new).collect())
        };
        Ok(Self {
            hosts,
            resolve_families: families(limits.resolve_families)?,
            names: addresses(limits.names)?,
            name_families: families(limits.name_families)?,
            connect: addresses(limits.connect)?,
            bind: addresses(limits.bind)?,
        })
    }

    /// # Safety
    /// The limit is one that cap_net_limit_init(3) returned.
    unsafe fn add_to(mut self, table: &CapNet, limit: Chained) {
        // SAFETY: the caller says so, and everything lives until the functions return. Those for
        // families read the first one in any case, so that they are called only where there is one.
        unsafe {
            for (host, service) in &self.hosts {
                let (host, service) = (or_null(host.as_ref()), or_null(service.as_ref()));
                table.cap_net_limit_name2addr(limit, host, service);
            }
            let families = &mut self.resolve_families;
            if !families.is_empty() {
                let first = families.as_mut_ptr();
                table.cap_net_limit_name2addr_family(limit, first, families.len());
            }
            let families = &mut self.name_families;
            if !families.is_empty() {
                let first = families.as_mut_ptr();
                table.cap_net_limit_addr2name_family(limit, first, families.len());
            }
            each(&self.names, |address, length| {
                table.cap_net_limit_addr2name(limit, address, length);
            });
            each(&self.connect, |address, length| {
                table.cap_net_limit_connect(limit, address, length);
            });
            each(&self.bind, |address, length| {
                table.cap_net_limit_bind(limit, address, length);
            });
        }
    }
}

fn each(addresses: &[Raw], mut add: impl FnMut(*const sockaddr, socklen_t)) {
    for address in addresses {
        add(address.pointer(), address.length());
    }
}

/// What is in a list; nothing where none is stated, and an error where nothing is in it.
fn listed<'a, T>(call: &'static str, list: Option<&'a [T]>) -> Result<&'a [T], Error> {
    let Some(list) = list else { return Ok(&[]) };
    not_empty(call, list)?;
    Ok(list)
}
