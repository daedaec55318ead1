//! The process of the service.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    time::Duration,
};

use capsicum_channel::Handle;
use capsicum_rs::Rights;
use sandbox_spawn::{Builder, Reach, service};

use super::{
    Endpoint, Found, Hints, NameFlags, NetLimits,
    socket::{self, Transport},
};
use crate::{
    Failure, Service,
    address::Address,
    resolver,
    service::{Connection, Grants},
    sys,
};

/// What a client asks. Handles that are answered are sockets that the service has made.
#[service]
pub(crate) trait Requests {
    fn getaddrinfo(
        &mut self,
        name: Option<String>,
        service: Option<String>,
        hints: Hints,
    ) -> Result<Found, Failure>;
    fn getnameinfo(
        &mut self,
        address: Address,
        flags: NameFlags,
    ) -> Result<(String, String), Failure>;
    fn connect(
        &mut self,
        socket: Handle<OwnedFd>,
        address: Address,
        time: Duration,
    ) -> Result<(), Failure>;
    fn bind(&mut self, socket: Handle<OwnedFd>, address: Address) -> Result<(), Failure>;
    fn connect_tcp(&mut self, to: Address, time: Duration) -> Result<Handle<OwnedFd>, Failure>;
    fn connect_udp(&mut self, to: Address) -> Result<Handle<OwnedFd>, Failure>;
    fn bind_tcp(&mut self, to: Address) -> Result<Handle<OwnedFd>, Failure>;
    fn bind_udp(&mut self, to: Address) -> Result<Handle<OwnedFd>, Failure>;
}

/// The service `system.net`. It holds nothing.
#[derive(Debug)]
pub(crate) struct Serving;

/// How many addresses a channel remembers: those that it resolved first are forgotten.
const MOST_RESOLVED: usize = 1024;

/// What a channel has resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved(VecDeque<Endpoint>);

impl Resolved {
    /// What was found, with a service that was stated or without one.
    fn add(&mut self, address: SocketAddr, service: bool) {
        let endpoint = Endpoint::found(address, service);
        if self.0.contains(&endpoint) {
            return;
        }
        if self.0.len() >= MOST_RESOLVED {
            self.0.pop_front();
        }
        self.0.push_back(endpoint);
    }

    fn has(&self, address: SocketAddr) -> bool {
        let endpoint = Endpoint::from(address);
        self.0.iter().any(|found| found.covers(&endpoint))
    }
}

impl Service for Serving {
    const NAME: &'static str = "system.net";
    const REACH: Option<&'static Reach> =
        Some(&Reach::NOTHING.paths(resolver::REACH).metadata().sockets());
    /// What some threads send at once: they are served one after another.
    const HANDLES: usize = 4;
    type Calls = RequestsServer;
    type Client = RequestsClient;
    type Limits = NetLimits;
    type Session = Resolved;
    type Setup = ();

    fn describe((): (), process: Builder) -> Result<Builder, String> {
        Ok(sys::as_ordinary_user(process))
    }

    fn start(_: &mut Grants<'_>) -> Result<Self, String> {
        sys::refuse_root()?;
        Ok(Self)
    }
}

/// What the one who is given a socket may do with it, where rights travel with descriptors: everything but
/// to name an address. By options one can be named too: packets take a source route (`IP_OPTIONS`,
/// `IPV6_RTHDR`) to any address first. Linux's filter tells options apart.
pub(crate) const STREAM: Rights = Rights::SOCK_CLIENT
    .difference(Rights::CONNECT)
    .difference(Rights::SETSOCKOPT)
    .union(Rights::EVENT)
    .union(Rights::FCNTL)
    .union(Rights::FSTAT)
    .union(Rights::IOCTL);
/// What is accepted has the rights of who accepts.
pub(crate) const LISTENER: Rights = STREAM.union(Rights::ACCEPT);

impl Connection<Serving> {
    fn check_transport(&self, transport: Transport) -> Result<(), Failure> {
        if transport == Transport::Tcp || self.limits().allow_datagrams() {
            return Ok(());
        }
        Err(Failure::not_capable("datagrams"))
    }

    fn check_connect(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let resolved = self.session().has(address);
        if self.limits().allow_connect(address)
            || (resolved && self.limits().allow_resolved(address))
        {
            return Ok(());
        }
        Err(Failure::not_capable(format!("connecting to {address}")))
    }

    fn check_bind(&self, address: SocketAddr) -> Result<(), Failure> {
        if self.limits().allow_bind(address) {
            return Ok(());
        }
        Err(Failure::not_capable(format!("binding to {address}")))
    }

    fn connected(
        &mut self,
        transport: Transport,
        address: SocketAddr,
        time: Duration,
    ) -> Result<Handle<OwnedFd>, Failure> {
        self.check_transport(transport)?;
        self.check_connect(address)?;
        self.room()?;
        let socket = socket::connected(transport, address, time)
            .map_err(Failure::system(format!("connect to {address}")))?;
        Ok(sys::handed(socket, STREAM))
    }

    fn bound(
        &mut self,
        transport: Transport,
        address: SocketAddr,
        rights: Rights,
    ) -> Result<Handle<OwnedFd>, Failure> {
        self.check_transport(transport)?;
        self.check_bind(address)?;
        self.room()?;
        let socket = socket::bound(transport, address)
            .map_err(Failure::system(format!("bind to {address}")))?;
        Ok(sys::handed(socket, rights))
    }
}

/// The socket, of which the frame is gone.
fn owned(socket: Handle<OwnedFd>) -> Result<OwnedFd, Failure> {
    socket.into_inner().map_err(|_| Failure::invalid("the socket is in use"))
}

impl Requests for Connection<Serving> {
    fn getaddrinfo(
        &mut self,
        name: Option<String>,
        service: Option<String>,
        hints: Hints,
    ) -> Result<Found, Failure> {
        let (name, service) = (name.as_deref(), service.as_deref());
        if !self.limits().allow_name2addr(name, service) {
            return Err(Failure::not_capable("resolving this name with this service"));
        }
        let families = self.limits().allowed_families();
        let found = resolver::resolve(name, service, hints, families)?;
        for info in &found.addresses {
            self.session().add(info.address, service.is_some());
        }
        Ok(found)
    }

    fn getnameinfo(
        &mut self,
        address: Address,
        flags: NameFlags,
    ) -> Result<(String, String), Failure> {
        let address = address.into();
        if !self.limits().allow_addr2name(address) {
            return Err(Failure::not_capable(format!("the name of {address}")));
        }
        resolver::name(address, flags, self.limits().allowed_families())
    }

    fn connect(
        &mut self,
        socket: Handle<OwnedFd>,
        address: Address,
        time: Duration,
    ) -> Result<(), Failure> {
        let address: SocketAddr = address.into();
        self.check_connect(address)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            // On Linux that leads to 127.0.0.1 where the socket is bound to an address of IPv4; who has sent
            // it can do that at any moment before it is connected.
            self.check_connect((Ipv4Addr::LOCALHOST, address.port()).into())?;
        }
        let socket = owned(socket)?;
        let transport = socket::check(&socket)?;
        self.check_transport(transport)?;
        socket::connect(&socket, transport, address, time)
            .map_err(Failure::system(format!("connect to {address}")))
    }

    fn bind(&mut self, socket: Handle<OwnedFd>, address: Address) -> Result<(), Failure> {
        let address: SocketAddr = address.into();
        self.check_bind(address)?;
        if address.is_ipv6() && address.ip().is_unspecified() {
            // Such a socket takes IPv4 too, unless an option says otherwise; who has sent it can change
            // that at any moment before it is bound.
            self.check_bind((Ipv4Addr::UNSPECIFIED, address.port()).into())?;
        }
        let socket = owned(socket)?;
        self.check_transport(socket::check(&socket)?)?;
        socket::bind(&socket, address).map_err(Failure::system(format!("bind to {address}")))
    }

    fn connect_tcp(&mut self, to: Address, time: Duration) -> Result<Handle<OwnedFd>, Failure> {
        self.connected(Transport::Tcp, to.into(), time)
    }

    fn connect_udp(&mut self, to: Address) -> Result<Handle<OwnedFd>, Failure> {
        self.connected(Transport::Udp, to.into(), Duration::ZERO)
    }

    fn bind_tcp(&mut self, to: Address) -> Result<Handle<OwnedFd>, Failure> {
        self.bound(Transport::Tcp, to.into(), LISTENER)
    }

    fn bind_udp(&mut self, to: Address) -> Result<Handle<OwnedFd>, Failure> {
        self.bound(Transport::Udp, to.into(), STREAM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_resolved_first_is_forgotten_first() {
        let mut resolved = Resolved::default();
        let address = |last: usize| {
            let [high, low] = u16::try_from(last).unwrap().to_be_bytes();
            SocketAddr::from(([10, 0, high, low], 80))
        };
        for last in 0..=MOST_RESOLVED {
            resolved.add(address(last), true);
            resolved.add(address(last), true);
        }
        assert_eq!(resolved.0.len(), MOST_RESOLVED);
        assert!(!resolved.has(address(0)) && resolved.has(address(1)));
        assert!(resolved.has(address(MOST_RESOLVED)));
    }

    #[test]
    fn a_lookup_without_a_service_is_of_every_port() {
        let mut resolved = Resolved::default();
        resolved.add("192.0.2.1:0".parse().unwrap(), false);
        resolved.add("192.0.2.2:80".parse().unwrap(), true);
        resolved.add("192.0.2.3:0".parse().unwrap(), true);
        assert!(!resolved.has("192.0.2.3:25".parse().unwrap()));
        assert!(resolved.has("192.0.2.1:25".parse().unwrap()));
        assert!(resolved.has("[::ffff:192.0.2.1]:25".parse().unwrap()));
        assert!(resolved.has("192.0.2.2:80".parse().unwrap()));
        assert!(!resolved.has("192.0.2.2:81".parse().unwrap()));
    }
}
