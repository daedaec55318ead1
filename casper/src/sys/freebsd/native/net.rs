//! cap_net(3)
//!
//! Who holds limits, in libcap_net: `net_limit` takes no mode that the old limits have not, and each request asks for
//! its mode first (`net_allowed_mode`). **Modes only narrow. Lists do not**, for who sends limits of his own making:
//!
//! - In releases before FreeBSD-SA-26:24, limits that state a list without entries (`connect` without `sockaddr`,
//!   `name2addr` without `hosts` or `family`) pass `verify_…_newlimits`, which looks at entries, and then are all.
//! - In newer ones too, an address that the old limits have may be stated under the name `d`, by which
//!   libcap_net marks what gethostbyname(3) has found: `net_allowed_bsaddr_impl` passes over the port of
//!   those, and thereby of the next limits as well.
//! - No list says which families, and which kinds of sockets, may be connected and bound.
//! - What was resolved (`capdnscache`) is one list for the process, which all channels to it add to and connect by.
//!
//! So limits are held that are modes: what is allowed is allowed to any name and address, or not at all.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use capsicum_rs::Rights;
use casper_sys::NetModes;
use socket2::SockRef;

use super::shared::{Of, Shared, framework};
use crate::{
    Error, Failure,
    dns::Families,
    net::{
        Api, Endpoint, Found, Hints, NameFlags, NetLimits,
        limits::Name,
        service::{LISTENER, STREAM},
        socket::{self, Transport},
    },
};

type Channel = casper_sys::Net;
const NAME: &str = <Channel as Of>::NAME;

fn failed(failure: Failure) -> Error {
    Error::from_failure(NAME, failure)
}

fn system(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let operation = operation.into();
    move |error| failed(Failure::system(operation)(error))
}

/// Whether a list allows anything, where it is no limit otherwise.
fn all_or_none<T: PartialEq>(list: &[T], any: &T, what: &str) -> Result<bool, Error> {
    if list.is_empty() || list.contains(any) {
        return Ok(!list.is_empty());
    }
    let reason = "who holds a channel of libcap_net's can undo its lists";
    Err(super::no_limit(NAME, &format!("limit of {what}"), reason))
}

/// The modes that limits are, or which of them cannot be held.
fn modes(limits: &NetLimits) -> Result<NetModes, Error> {
    // Without a family nothing is allowed, whatever the lists are.
    if limits.families.is_empty() {
        return Ok(NetModes::default());
    }
    let modes = NetModes {
        resolve: all_or_none(&limits.names, &Name::ANY, "the names that are resolved")?,
        name: all_or_none(&limits.addresses, &Endpoint::ANY, "the addresses that are named")?,
        connect: all_or_none(&limits.connect, &Endpoint::ANY, "the addresses to connect to")?,
        connect_resolved: limits.resolved,
        bind: all_or_none(&limits.bind, &Endpoint::ANY, "the addresses to bind to")?,
    };
    if modes.connect_resolved && !modes.connect && !modes.resolve {
        let reason = "libcap_net counts what any channel to its process resolves, at any time";
        return Err(super::no_limit(NAME, "limit to what was resolved before", reason));
    }
    if modes != NetModes::default() && limits.families != Families::all() {
        let reason = "libcap_net asks for no family where it connects and binds, and who holds a \
                      channel can undo its lists of families";
        return Err(super::no_limit(NAME, "limit to families", reason));
    }
    let sockets = modes.connect || modes.connect_resolved || modes.bind;
    if sockets && !limits.datagrams {
        let reason = "libcap_net connects and binds sockets of every kind";
        return Err(super::no_limit(NAME, "limit to streams", reason));
    }
    Ok(modes)
}

/// Waits until a connection is made, or is not.
fn connected(socket: BorrowedFd<'_>, time: Duration) -> io::Result<()> {
    let deadline = Instant::now() + time;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // One more, since what is left of a millisecond is none.
        let left =
            libc::c_int::try_from(left.as_millis().saturating_add(1)).unwrap_or(libc::c_int::MAX);
        let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: one structure is read and written.
        match unsafe { libc::poll(&raw mut poll, 1, left) } {
            0 => return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
            1.. => return SockRef::from(&socket).take_error()?.map_or(Ok(()), Err),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

impl Shared<Channel, NetLimits> {
    /// What libcap_net does with a socket.
    fn with(
        &self,
        operation: &str,
        call: impl FnOnce(&Channel) -> Result<(), casper_sys::Error>,
    ) -> Result<(), Error> {
        self.lend(call).map_err(|error| match error {
            casper_sys::Error::System { source, .. } => system(operation)(source),
            other => super::explain(NAME, other),
        })
    }

    fn check_transport(&self, transport: Transport) -> Result<(), Error> {
        if transport == Transport::Tcp || Self::limits(self).allow_datagrams() {
            return Ok(());
        }
        Err(failed(Failure::not_capable("datagrams")))
    }

    /// What was resolved is for libcap_net to know.
    fn check_connect(&self, address: SocketAddr) -> Result<(), Error> {
        let limits = Self::limits(self);
        if limits.allow_connect(address) || limits.allow_resolved(address) {
            return Ok(());
        }
        Err(failed(Failure::not_capable(format!("connecting to {address}"))))
    }

    fn check_bind(&self, address: SocketAddr) -> Result<(), Error> {
        if Self::limits(self).allow_bind(address) {
            return Ok(());
        }
        Err(failed(Failure::not_capable(format!("binding to {address}"))))
    }

    /// The call of the service does not wait: who waits is this process, which has a deadline.
    fn connect_within(
        &self,
        fd: &OwnedFd,
        transport: Transport,
        to: SocketAddr,
        time: Duration,
    ) -> Result<(), Error> {
        let operation = format!("connect to {to}");
        let call = |channel: &Channel| channel.connect(fd, &to);
        let socket = SockRef::from(fd);
        if transport == Transport::Udp || socket.nonblocking().map_err(system(&operation))? {
            return self.with(&operation, call);
        }
        socket.set_nonblocking(true).map_err(system(&operation))?;
        let begun = self.with(&operation, call);
        let blocks = socket.set_nonblocking(false).map_err(system(&operation));
        match begun {
            Err(Error::System { source, .. })
                if source.raw_os_error() == Some(libc::EINPROGRESS) => {}
            other => return other.and(blocks),
        }
        blocks?;
        let done = connected(fd.as_fd(), socket::held(time));
        if done.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ETIMEDOUT)) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        done.map_err(system(&operation))
    }

    /// A new socket that is connected.
    fn new_connection(
        &self,
        transport: Transport,
        to: SocketAddr,
        time: Duration,
    ) -> Result<OwnedFd, Error> {
        self.check_transport(transport)?;
        self.check_connect(to)?;
        let socket = transport.socket(to).map_err(system(format!("connect to {to}")))?;
        let socket = OwnedFd::from(socket);
        self.connect_within(&socket, transport, to, time)?;
        held_to(socket, STREAM)
    }

    /// A new socket that is bound.
    fn new_bound(
        &self,
        transport: Transport,
        to: SocketAddr,
        rights: Rights,
    ) -> Result<OwnedFd, Error> {
        self.check_transport(transport)?;
        self.check_bind(to)?;
        let operation = format!("bind to {to}");
        let socket = socket::to_bind(transport, to).map_err(system(&operation))?;
        self.with(&operation, |channel| channel.bind(&socket, &to))?;
        socket::serve(&socket, transport).map_err(system(&operation))?;
        held_to(socket.into(), rights)
    }
}

/// A socket with the rights that one has which the portable service has made.
fn held_to(socket: OwnedFd, rights: Rights) -> Result<OwnedFd, Error> {
    capsicum_rs::limit(&socket, super::super::of_a_socket(rights)).map_err(|error| {
        Error::Unanswered {
            service: NAME.to_owned(),
            reason: format!("the socket cannot be limited: {error}"),
        }
    })?;
    Ok(socket)
}

impl Api for Shared<Channel, NetLimits> {
    framework!(NetLimits);

    fn limit(&self, new: NetLimits) -> Result<(), Error> {
        self.narrow(&new, |channel, held| {
            // Before anything is set.
            let limits = casper_sys::NetLimits { modes: modes(&new)?, ..Default::default() };
            channel.limit(&limits).map_err(|error| super::explain(NAME, error))?;
            *held = new.clone();
            Ok(())
        })
    }

    fn getaddrinfo(
        &self,
        name: Option<&str>,
        service: Option<&str>,
        hints: Hints,
    ) -> Result<Found, Error> {
        let limits = Self::limits(self);
        if !limits.allow_name2addr(name, service) {
            return Err(failed(Failure::not_capable("resolving this name with this service")));
        }
        self.resolve(name, service, hints, limits.families)
    }

    fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameFlags,
    ) -> Result<(String, String), Error> {
        let limits = Self::limits(self);
        if !limits.allow_addr2name(address) {
            return Err(failed(Failure::not_capable(format!("the name of {address}"))));
        }
        self.names(address, flags, limits.families)
    }

    fn connect(&self, socket: OwnedFd, to: SocketAddr, time: Duration) -> Result<(), Error> {
        self.check_connect(to)?;
        let transport = socket::check(&socket).map_err(failed)?;
        self.check_transport(transport)?;
        self.connect_within(&socket, transport, to, time)
    }

    fn bind(&self, socket: OwnedFd, to: SocketAddr) -> Result<(), Error> {
        self.check_bind(to)?;
        if to.is_ipv6() && to.ip().is_unspecified() {
            // Such a socket takes IPv4 too, unless an option says otherwise.
            self.check_bind((Ipv4Addr::UNSPECIFIED, to.port()).into())?;
        }
        self.check_transport(socket::check(&socket).map_err(failed)?)?;
        self.with(&format!("bind to {to}"), |channel| channel.bind(&socket, &to))
    }

    fn connect_tcp(&self, to: SocketAddr, time: Duration) -> Result<OwnedFd, Error> {
        self.new_connection(Transport::Tcp, to, time)
    }

    fn connect_udp(&self, to: SocketAddr) -> Result<OwnedFd, Error> {
        self.new_connection(Transport::Udp, to, Duration::ZERO)
    }

    fn bind_tcp(&self, to: SocketAddr) -> Result<OwnedFd, Error> {
        self.new_bound(Transport::Tcp, to, LISTENER)
    }

    fn bind_udp(&self, to: SocketAddr) -> Result<OwnedFd, Error> {
        self.new_bound(Transport::Udp, to, STREAM)
    }
}
