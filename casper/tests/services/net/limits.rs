//! What a channel may connect to, bind to and do at all.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    thread,
    time::Instant,
};

use capsicum_rs::Rights;
use casper::{
    Casper, Limits, Net,
    net::{Endpoint, Families, NameFlags, NetLimits},
};
use socket2::{Domain, MsgHdr, Protocol, SockAddr, SockRef, Socket, Type};

use super::{NAME, local, local6, numeric, open, server, talk};
use crate::harness::{LONG, Outcome, Tested, ensure, native, not_capable, text, unsupported};

pub(super) fn addresses(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let ((server, allowed), (_other, other)) = (server()?, server()?);
    let limits = NetLimits::nothing()
        .families(Families::V4)
        .connect(allowed)
        .bind(local(0))
        .addr2name(IpAddr::from(Ipv4Addr::LOCALHOST));
    net.limit(limits.clone()).map_err(text)?;
    ensure!(net.limits().map_err(text)? == limits, "other limits");
    let client = net.connect_tcp(allowed).map_err(text)?;
    talk(&client, &server.accept().map_err(text)?.0)?;
    not_capable(net.connect_tcp(other), NAME)?;
    not_capable(net.connect_udp(other), NAME)?;
    // Datagrams are stated.
    not_capable(net.connect_udp(allowed), NAME)?;
    not_capable(net.bind_udp(local(0)), NAME)?;
    let datagrams = UdpSocket::bind(local(0)).map_err(text)?;
    not_capable(net.connect(&datagrams, allowed), NAME)?;
    not_capable(net.bind(&datagrams, local(0)), NAME)?;
    not_capable(net.limit(limits.clone().datagrams()), NAME)?;
    not_capable(net.connect_tcp((Ipv4Addr::UNSPECIFIED, allowed.port()).into()), NAME)?;
    not_capable(net.connect_tcp((Ipv4Addr::new(127, 0, 0, 2), allowed.port()).into()), NAME)?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
    not_capable(net.connect(&socket, other), NAME)?;
    not_capable(net.bind(&socket, (Ipv4Addr::UNSPECIFIED, 0).into()), NAME)?;
    net.bind(&socket, local(0)).map_err(text)?;
    net.bind_tcp(local(0)).map_err(text)?;
    not_capable(net.bind_udp(local(other.port())), NAME)?;
    net.getnameinfo(local(1), NameFlags::NUMERICHOST).map_err(text)?;
    not_capable(
        net.getnameinfo((Ipv4Addr::new(192, 0, 2, 1), 1).into(), NameFlags::default()),
        NAME,
    )?;
    not_capable(net.getaddrinfo(Some("127.0.0.1"), None, numeric()), NAME)?;
    not_capable(net.limit(limits.clone().connect(other)), NAME)?;
    not_capable(net.limit(NetLimits::unlimited()), NAME)?;
    net.limit(limits).map_err(text)
}

pub(super) fn families(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    net.limit(
        NetLimits::nothing()
            .families(Families::V6)
            .datagrams()
            .connect(Endpoint::ANY)
            .bind(Endpoint::ANY),
    )
    .map_err(text)?;
    let (_server, v4) = server()?;
    let mapped = |address: SocketAddr| -> Result<SocketAddr, String> {
        match address.ip() {
            IpAddr::V4(ip) => Ok((ip.to_ipv6_mapped(), address.port()).into()),
            IpAddr::V6(_) => Err("not IPv4".to_owned()),
        }
    };
    not_capable(net.connect_tcp(v4), NAME)?;
    not_capable(net.connect_tcp(mapped(v4)?), NAME)?;
    not_capable(net.bind_tcp(mapped(local(0))?), NAME)?;
    // A socket of a client's that is bound to :: takes IPv4 too, or can be made to.
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
    socket.set_only_v6(true).map_err(text)?;
    not_capable(net.bind(&socket, (Ipv6Addr::UNSPECIFIED, 0).into()), NAME)?;
    net.bind(&socket, local6(0)).map_err(text)?;
    net.connect_udp(local6(9)).map_err(text)?;
    // A later limit that says nothing of families drops none of the earlier one's, as it does in libcasper.
    net.limit(NetLimits::nothing().datagrams().connect(v4).connect(local6(9))).map_err(text)?;
    not_capable(net.connect_tcp(v4), NAME)?;
    not_capable(net.connect_udp(local6(9)), NAME)?;
    not_capable(net.limit(NetLimits::nothing().families(Families::V6)), NAME)
}

pub(super) fn confined(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let ((server, allowed), (_other, other)) = (server()?, server()?);
    let limits = NetLimits::nothing().families(Families::V4).datagrams();
    net.limit(limits.connect(allowed).bind(local(0))).map_err(text)?;
    let (accepted, told) = std::sync::mpsc::channel();
    let started = Instant::now();
    let accepting = thread::spawn(move || {
        let _ = accepted.send(server.accept().map(|(stream, _)| stream));
    });
    let client = net.connect_tcp(allowed).map_err(text)?;
    talk(&client, &told.recv_timeout(LONG).map_err(text)?.map_err(text)?)?;
    accepting.join().map_err(|_| "it panicked")?;
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).map_err(text)?;
    let own = UdpSocket::bind(local(0)).map_err(text)?;
    if let Err(error) = led_elsewhere(&own) {
        println!("    not tried: a source route: {error}");
    }
    signals(&own).map_err(|error| format!("no signals: {error}"))?;
    // With less than the ceiling on a grant no socket could be sent, on Linux.
    let ceiling = casper::RIGHTS | Rights::ACCEPT | Rights::GETSOCKNAME | Rights::FCNTL;
    capsicum_rs::Sandbox::new()
        .grant(&net, ceiling | casper::net::RIGHTS)
        .ceiling(ceiling)
        .enter()
        .map_err(text)?;
    ensure!(TcpStream::connect(allowed).is_err(), "it is not confined");
    ensure!(UdpSocket::bind(local(0)).is_err(), "it is not confined");
    let client = net.connect_udp(allowed).map_err(text)?;
    ensure!(led_elsewhere(&client).is_err(), "its packets go to another address first");
    ensure!(signals(&client).is_err(), "it signals processes");
    ensure!(client.connect(other).is_err(), "a socket can be connected again");
    for socket in [SockRef::from(&client), SockRef::from(&net.bind_udp(local(0)).map_err(text)?)] {
        ensure!(socket.send_to(b"x", &other.into()).is_err(), "datagrams go anywhere");
        let (to, x) = (SockAddr::from(other), [std::io::IoSlice::new(b"x")]);
        let message = MsgHdr::new().with_addr(&to).with_buffers(&x);
        ensure!(socket.sendmsg(&message, 0).is_err(), "messages go anywhere");
    }
    client.send(b"x").map_err(text)?;
    let listener = net.bind_tcp(local(0)).map_err(text)?;
    ensure!(listener.local_addr().map_err(text)?.port() != 0, "it is not bound");
    net.connect(&socket, allowed).map_err(text)?;
    not_capable(net.connect_tcp(other), NAME)?;
    not_capable(net.connect(&socket, other), NAME)?;
    not_capable(net.limit(NetLimits::nothing().families(Families::V4).connect(other)), NAME)?;
    ensure!(started.elapsed() < LONG, "it took {:?}", started.elapsed());
    Ok(())
}

/// A listener of IPv6 is shut down, by which Linux takes back a port that was not stated, told to take IPv4 too, and
/// listens again.
pub(super) fn again(casper: &Casper) -> Outcome {
    let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let takes_ipv4 = |listener: &SockRef<'_>| -> Result<bool, String> {
        let _ = listener.shutdown(Shutdown::Both);
        let _ = listener.set_only_v6(false);
        listener.listen(1).map_err(text)?;
        Ok(!listener.only_v6().map_err(text)?)
    };
    let net = open(casper)?;
    net.limit(NetLimits::nothing().families(Families::V6).bind(Endpoint::ANY)).map_err(text)?;
    if cfg!(target_os = "linux") {
        let own = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
        own.set_only_v6(true).map_err(text)?;
        own.bind(&everywhere.into()).map_err(text)?;
        own.listen(1).map_err(text)?;
        ensure!(takes_ipv4(&SockRef::from(&own))?, "there is nothing to hold");
    }
    let rights = casper::RIGHTS | Rights::LISTEN | Rights::SHUTDOWN | Rights::GETSOCKNAME;
    capsicum_rs::Sandbox::new()
        .grant(&net, rights | casper::net::RIGHTS)
        .ceiling(rights)
        .enter()
        .map_err(text)?;
    for port in [0, 47_471] {
        let listener = match net.bind_tcp((Ipv6Addr::UNSPECIFIED, port).into()) {
            // Somebody else has it.
            Err(error) if port != 0 && error.raw_os_error() == Some(libc::EADDRINUSE) => continue,
            listener => listener.map_err(text)?,
        };
        let was = listener.local_addr().map_err(text)?;
        if let Ok(takes) = takes_ipv4(&SockRef::from(&listener)) {
            ensure!(!takes, "{was} takes IPv4, at {:?}", listener.local_addr());
        }
    }
    Ok(())
}

/// A source route, by which packets go to an address that nobody allowed before they go to their own.
fn led_elsewhere(socket: &UdpSocket) -> io::Result<()> {
    // ip(4), ip(7): libc has neither.
    const IP_OPTIONS: libc::c_int = if cfg!(target_os = "linux") { 4 } else { 1 };
    // A loose one by 127.0.0.2, and what ends it.
    let route: [u8; 12] = [131, 7, 4, 127, 0, 0, 2, 0, 0, 0, 0, 0];
    // SAFETY: so many bytes are read.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            IP_OPTIONS,
            route.as_ptr().cast(),
            libc::socklen_t::try_from(route.len()).unwrap_or(0),
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has a process be signalled when something comes.
fn signals(socket: &UdpSocket) -> io::Result<()> {
    // SAFETY: they take numbers.
    let done = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETOWN, libc::getpid()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Everything that any address and kind of socket comes to.
fn everywhere() -> NetLimits {
    NetLimits::nothing().families(Families::all()).datagrams()
}

/// What both providers hold: what is done at all, whatever the address.
pub(super) fn modes(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (server, address) = server()?;
    let limits = everywhere().connect(Endpoint::ANY).name2addr(None, None);
    net.limit(limits.clone()).map_err(text)?;
    ensure!(net.limits().map_err(text)? == limits, "other limits");
    let connects = |net: &Net| -> Outcome {
        talk(&net.connect_tcp(address).map_err(text)?, &server.accept().map_err(text)?.0)
    };
    connects(&net)?;
    net.ask().map_err(text)?;
    net.getaddrinfo(Some("127.0.0.1"), None, numeric()).map_err(text)?;
    not_capable(net.bind_tcp(local(0)), NAME)?;
    not_capable(net.bind_udp(local6(0)), NAME)?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
    not_capable(net.bind(&socket, local(0)), NAME)?;
    not_capable(net.getnameinfo(local(1), NameFlags::NUMERICHOST), NAME)?;
    not_capable(net.limit(limits.bind(Endpoint::ANY)), NAME)?;
    let clone = net.try_clone().map_err(text)?;
    clone.limit(everywhere().name2addr(None, None)).map_err(text)?;
    clone.getaddrinfo(Some("127.0.0.1"), None, numeric()).map_err(text)?;
    not_capable(clone.connect_tcp(address), NAME)?;
    not_capable(clone.connect(&socket, address), NAME)?;
    not_capable(clone.limit(everywhere().connect(Endpoint::ANY)), NAME)?;
    connects(&net)?;
    let binds = open(casper)?;
    binds.limit(everywhere().bind(Endpoint::ANY)).map_err(text)?;
    binds.bind_tcp(local(0)).map_err(text)?;
    binds.bind(&socket, local(0)).map_err(text)?;
    not_capable(binds.connect_udp(local(9)), NAME)?;
    not_capable(binds.getaddrinfo(Some("127.0.0.1"), None, numeric()), NAME)?;
    // Without a family nothing is allowed, whatever the lists are.
    net.limit(NetLimits::nothing().connect(local(1))).map_err(text)?;
    not_capable(net.connect_tcp(address), NAME)
}

/// What both providers hold in capability mode.
pub(super) fn confined_to_modes(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (_server, allowed) = server()?;
    net.limit(everywhere().connect(Endpoint::ANY)).map_err(text)?;
    let ceiling = casper::RIGHTS | Rights::ACCEPT | Rights::GETSOCKNAME;
    capsicum_rs::Sandbox::new()
        .grant(&net, ceiling | casper::net::RIGHTS)
        .ceiling(ceiling)
        .enter()
        .map_err(text)?;
    ensure!(TcpStream::connect(allowed).is_err(), "it is not confined");
    net.connect_tcp(allowed).map_err(text)?;
    not_capable(net.bind_tcp(local(0)), NAME)?;
    not_capable(net.limit(everywhere().bind(Endpoint::ANY)), NAME)
}

/// libcasper cannot hold these, and what the channel had it has still.
pub(super) fn lists(casper: &Casper) -> Outcome {
    ensure!(native(), "another provider");
    let net = open(casper)?;
    for limits in [
        everywhere().connect(local(1)),
        everywhere().connect(Endpoint::port(80)),
        everywhere().bind(local(0)),
        everywhere().bind(Endpoint::ANY).addr2name(local(1)),
        everywhere().name2addr(Some("localhost"), None),
        everywhere().name2addr(Some("localhost"), Some("80")).connect_resolved(),
        everywhere().connect_resolved(),
        NetLimits::nothing().families(Families::V4).datagrams().connect(Endpoint::ANY),
        NetLimits::nothing().families(Families::V6).name2addr(None, None),
        NetLimits::nothing().families(Families::all()).connect(Endpoint::ANY),
        NetLimits::nothing().families(Families::all()).bind(Endpoint::ANY),
    ] {
        unsupported(net.limit(limits), NAME)?;
    }
    ensure!(net.limits().map_err(text)? == NetLimits::unlimited(), "some of it was set");
    net.ask().map_err(text)?;
    net.bind_tcp(local(0)).map(drop).map_err(text)
}
