//! `Net`: connecting, binding and resolving, after cap_net(3).

pub(crate) mod limits;
mod portable;
pub(crate) mod service;
pub(crate) mod socket;

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use capsicum_channel::Frames;
use capsicum_rs::Rights;

pub use limits::{Endpoint, MOST_ENTRIES, NetLimits};

use crate::Error;
pub use crate::resolver::{AddressInfo, Families, Flags, Found, Hints, Kind, NameFlags};

/// What a process in capability mode needs on a channel to send sockets by it ([`Net::connect`],
/// [`Net::bind`]): `CONNECT` besides [`casper::RIGHTS`](crate::RIGHTS), which is what Linux asks for to send
/// descriptors. The ceiling does not need it, and should not have it where there are
/// [datagrams](NetLimits::datagrams).
pub const RIGHTS: Rights = crate::RIGHTS.union(Rights::CONNECT);

/// A channel to the service `system.net`.
///
/// In capability mode no address names anything. The service connects and binds, within the limits of
/// the channel: [`connect_tcp`](Self::connect_tcp), [`connect_udp`](Self::connect_udp),
/// [`bind_tcp`](Self::bind_tcp) and [`bind_udp`](Self::bind_udp) return sockets that it has made;
/// [`connect`](Self::connect) and [`bind`](Self::bind) are for sockets that the caller has, such as one from
/// before capability mode, where on Linux none can be made.
///
/// A socket that it returns has the rights of the receiver's ceiling on Linux. On FreeBSD it has those
/// that clients and servers need, without naming an address: `SOCK_CLIENT` without `CONNECT`, besides
/// `EVENT`, `FCNTL` (`GETFL` and `SETFL`), `FSTAT`, `IOCTL` (`FIONBIO`, `FIONREAD` and their like), and `ACCEPT` where
/// it listens; and without `SETSOCKOPT`: options are not told apart there, and some send packets to any
/// address first. So a deadline is waited for by poll(2), and not set on the socket. To receive one, a process in capability
/// mode needs [`casper::RIGHTS`](crate::RIGHTS) in its ceiling; to send one, [`RIGHTS`] on the channel.
///
/// What a channel has resolved, for [`connect_resolved`](NetLimits::connect_resolved), is remembered in the
/// service, for each channel by itself: the last 1024 addresses. A clone starts with what the channel
/// had resolved by then. Narrower limits later do not take back what was resolved, but for its family;
/// and where they do not allow to connect to what was resolved, it counts for nothing.
///
/// The service is not root, and has no privileges: ports that need some cannot be bound.
///
/// From [`Casper::native`](crate::Casper::native) sockets are made in the program, which FreeBSD allows in capability
/// mode, and libcasper's process connects and binds them as the program's user. What was resolved is remembered for
/// all channels to that process, with the port.
///
/// ```
/// use std::{io::{Read, Write}, net::TcpListener};
///
/// use casper::{Casper, Net, net::{Families, NetLimits}};
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<Net>()];
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     sandbox_spawn::init(WORKERS)?;
///     let server = TcpListener::bind("127.0.0.1:0")?;
///     let (allowed, other) = (server.local_addr()?, "127.0.0.1:1".parse()?);
///     let net: Net = Casper::start()?.open()?;
///     net.limit(NetLimits::nothing().families(Families::V4).connect(allowed))?;
///     capsicum_rs::enter()?;
///
///     let mut client = net.connect_tcp(allowed)?;
///     client.write_all(b"hello")?;
///     let mut greeting = [0; 5];
///     server.accept()?.0.read_exact(&mut greeting)?;
///     assert_eq!(&greeting, b"hello");
///     assert!(matches!(net.connect_tcp(other), Err(casper::Error::NotCapable { .. })));
///     Ok(())
/// }
/// ```
pub struct Net(Box<dyn Api>);

/// What a provider does.
pub(crate) trait Api: AsFd + Send + Sync {
    fn limit(&self, limits: NetLimits) -> Result<(), Error>;
    fn limits(&self) -> Result<NetLimits, Error>;
    fn try_clone(&self) -> Result<Box<dyn Api>, Error>;
    fn to_frames(&self) -> Result<Frames, Error>;
    fn within(&self, time: Duration) -> Box<dyn Api>;
    fn getaddrinfo(
        &self,
        name: Option<&str>,
        service: Option<&str>,
        hints: Hints,
    ) -> Result<Found, Error>;
    fn getnameinfo(&self, address: SocketAddr, flags: NameFlags)
    -> Result<(String, String), Error>;
    fn connect(&self, socket: OwnedFd, to: SocketAddr, time: Duration) -> Result<(), Error>;
    fn bind(&self, socket: OwnedFd, to: SocketAddr) -> Result<(), Error>;
    fn connect_tcp(&self, to: SocketAddr, time: Duration) -> Result<OwnedFd, Error>;
    fn connect_udp(&self, to: SocketAddr) -> Result<OwnedFd, Error>;
    fn bind_tcp(&self, to: SocketAddr) -> Result<OwnedFd, Error>;
    fn bind_udp(&self, to: SocketAddr) -> Result<OwnedFd, Error>;
}

/// The name in errors.
const NAME: &str = <service::Serving as crate::Service>::NAME;

impl Net {
    /// Addresses of a host, a service or both: getaddrinfo(3). The channel remembers them.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] for a name that [`NetLimits::name2addr`] does not have, or a family that
    /// the hints state; else as of [`Dns::getaddrinfo`](crate::Dns::getaddrinfo).
    pub fn getaddrinfo(
        &self,
        name: Option<&str>,
        service: Option<&str>,
        hints: Hints,
    ) -> Result<Found, Error> {
        self.0.getaddrinfo(name, service, hints)
    }

    /// The names of a host and of a service: getnameinfo(3).
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] for an address that [`NetLimits::addr2name`] does not have, or its family;
    /// [`Error::Resolve`] with the `EAI_` code.
    pub fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameFlags,
    ) -> Result<(String, String), Error> {
        self.0.getnameinfo(address, flags)
    }

    /// Connects a socket of the caller's: connect(2), in 60 seconds at most.
    ///
    /// It must be one of TCP or UDP of the family of the address, and neither connected nor listening. One
    /// that does not block is not waited for: `EINPROGRESS`. The service is sent a duplicate of the
    /// descriptor, and closes it.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`], [`Error::Invalid`] for another descriptor, and [`Error::System`]: what connect(2)
    /// says, or `ETIMEDOUT`. On Linux, in capability mode, descriptors can neither be duplicated nor sent while a
    /// grant has less than the ceiling, nor sent by a channel without [`RIGHTS`]: [`Error::System`] or
    /// [`Error::Unanswered`].
    pub fn connect(&self, socket: &impl AsFd, to: SocketAddr) -> Result<(), Error> {
        self.connect_timeout(socket, to, socket::LONGEST)
    }

    /// The same, within this time, of at most 60 seconds. A socket of which the time was up is shut down.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub fn connect_timeout(
        &self,
        socket: &impl AsFd,
        to: SocketAddr,
        time: Duration,
    ) -> Result<(), Error> {
        self.0.connect(duplicate(socket)?, to, time)
    }

    /// Binds a socket of the caller's: bind(2).
    ///
    /// The address `::` needs leave for `0.0.0.0` of the same port too, since the socket can be of both.
    ///
    /// # Errors
    ///
    /// As of [`connect`](Self::connect).
    pub fn bind(&self, socket: &impl AsFd, to: SocketAddr) -> Result<(), Error> {
        self.0.bind(duplicate(socket)?, to)
    }

    /// A new connection, in 60 seconds at most.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`], and [`Error::System`]: what connect(2) says, or `ETIMEDOUT`.
    pub fn connect_tcp(&self, to: SocketAddr) -> Result<TcpStream, Error> {
        self.connect_tcp_timeout(to, socket::LONGEST)
    }

    /// The same, within this time, of at most 60 seconds.
    ///
    /// # Errors
    ///
    /// As of [`connect_tcp`](Self::connect_tcp).
    pub fn connect_tcp_timeout(&self, to: SocketAddr, time: Duration) -> Result<TcpStream, Error> {
        self.0.connect_tcp(to, time).map(TcpStream::from)
    }

    /// A new socket for datagrams, to and from this address alone: [see](NetLimits::datagrams) what that needs on
    /// Linux.
    ///
    /// # Errors
    ///
    /// As of [`connect_tcp`](Self::connect_tcp); [`Error::NotCapable`] without [`NetLimits::datagrams`].
    pub fn connect_udp(&self, to: SocketAddr) -> Result<UdpSocket, Error> {
        self.0.connect_udp(to).map(UdpSocket::from)
    }

    /// A new socket that listens. One of `::` takes no IPv4.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`], and [`Error::System`]: what bind(2) says.
    pub fn bind_tcp(&self, to: SocketAddr) -> Result<TcpListener, Error> {
        self.0.bind_tcp(to).map(TcpListener::from)
    }

    /// A new socket for datagrams to this address. In capability mode it receives; to send, it would
    /// have to name an address.
    ///
    /// # Errors
    ///
    /// As of [`bind_tcp`](Self::bind_tcp); [`Error::NotCapable`] without [`NetLimits::datagrams`].
    pub fn bind_udp(&self, to: SocketAddr) -> Result<UdpSocket, Error> {
        self.0.bind_udp(to).map(UdpSocket::from)
    }
}

/// To send, since what is sent must be there until it is.
fn duplicate(socket: &impl AsFd) -> Result<OwnedFd, Error> {
    socket.as_fd().try_clone_to_owned().map_err(|source| Error::System {
        service: NAME.to_owned(),
        operation: "duplicate the socket".to_owned(),
        source,
    })
}

crate::client::client!(Net, NetLimits, (), service::Serving, native: |libcasper, ()| libcasper.net());
