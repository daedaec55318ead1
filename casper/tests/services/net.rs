//! `Net`, with servers of the cases' own on the loopback interface.

use std::{
    fs::File,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Frame, Frames};
use capsicum_rs::Rights;
use casper::{
    Casper, Error, Limits, Net,
    net::{Endpoint, Families, Flags, Found, Hints, Kind, NameFlags, NetLimits},
};
use proptest::prelude::*;
use socket2::{Domain, MsgHdr, Protocol, SockAddr, SockRef, Socket, Type};

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, ensure, not_capable, text},
    hostile, model, worker,
};

pub(crate) const CASES: &[Case] = &[
    case("net_connects_and_binds", works),
    case("net_connects_and_binds_sockets_of_the_client", sent),
    case("net_is_held_to_addresses_and_ports", addresses),
    case("net_is_held_to_families", families),
    case("net_connects_to_what_it_has_resolved", resolved),
    case("net_is_held_to_names", names),
    case("net_refuses_descriptors_that_are_no_sockets_of_its_kind", descriptors),
    case("net_is_not_stopped_by_a_connection_that_is_not_made", hanging),
    Case { lacks: same_user, ..case("net_is_not_stopped_by_floods_of_descriptors", floods) },
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("net_sends_no_more_sockets_than_are_received", not_received)
    },
    case("net_works_in_capability_mode", confined),
    case("net_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<Net>(casper, "net")
    }),
    case("net_obeys_the_model_of_its_limits", limited_at_random),
    case("net_does_not_widen", hostile::widening::<Net>),
    case("net_survives_mutated_frames", hostile::mutated_frames::<Net>),
    case("net_has_room_for_so_many_connections", hostile::many_connections::<Net>),
    case("net_is_not_stopped_by_who_does_not_read", hostile::a_client_that_does_not_read::<Net>),
    Case { lacks: hostile::no_procfs, ..case("net_is_held_and_not_root", hostile::held::<Net>) },
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("net_keeps_the_seats_of_who_does_not_read", hostile::broken_off::<Net>)
    },
    case("net_dies_with_its_name", hostile::death::<Net>),
    case("net_ends_with_its_last_connection", hostile::end::<Net>),
];

const NAME: &str = "system.net";

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn local6(port: u16) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, port).into()
}

fn numeric() -> Hints {
    Hints::default().kind(Kind::Stream).flags(Flags::NUMERICHOST | Flags::NUMERICSERV)
}

/// What changed requests may reach: no other host.
fn loopback() -> NetLimits {
    NetLimits::nothing()
        .families(Families::all())
        .datagrams()
        .connect(IpAddr::from(Ipv4Addr::LOCALHOST))
        .connect(IpAddr::from(Ipv6Addr::LOCALHOST))
        .bind(IpAddr::from(Ipv4Addr::LOCALHOST))
        .name2addr(None, None)
        .addr2name(IpAddr::from(Ipv4Addr::LOCALHOST))
}

impl Tested for Net {
    const NAME: &'static str = NAME;

    fn socket(&self) -> Result<Frames, Error> {
        let clone = self.try_clone()?;
        // One that has less already stays as it is.
        let _ = clone.limit(loopback());
        clone.to_frames()
    }

    fn another(&self) -> Result<Self, Error> {
        self.try_clone()
    }

    fn hurried(&self) -> Self {
        self.within(Duration::from_millis(50))
    }

    fn ask(&self) -> Result<(), Error> {
        let socket = self.within(LONG).connect_udp(local(9))?;
        if socket.peer_addr().is_ok_and(|peer| peer == local(9)) {
            return Ok(());
        }
        Err(Error::Invalid { service: NAME.to_owned(), what: format!("{socket:?}") })
    }

    fn ask_everything(&self) {
        let _ = self.getaddrinfo(Some("127.0.0.1"), Some("80"), numeric());
        let _ = self.getnameinfo(local(80), NameFlags::NUMERICHOST | NameFlags::NUMERICSERV);
        let _ = self.connect_tcp(local(1));
        let _ = self.connect_udp(local6(1));
        let _ = self.bind_tcp(local(0));
        let _ = self.bind_udp(local(0));
        if let Ok(socket) = UdpSocket::bind(local(0)) {
            let _ = self.connect(&socket, local(1));
            let _ = self.bind(&socket, local(0));
        }
        let _ = self.limit(loopback().connect_resolved());
        let _ = self.limits();
        let _ = self.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.limit(NetLimits::nothing())
    }

    fn widen(&self) -> Result<(), Error> {
        self.limit(NetLimits::nothing().families(Families::V4).datagrams().connect(local(9)))
    }
}

fn open(casper: &Casper) -> Result<Net, String> {
    casper.open::<Net>().map(|net| net.within(LONG)).map_err(text)
}

fn server() -> Result<(TcpListener, SocketAddr), String> {
    let server = TcpListener::bind(local(0)).map_err(text)?;
    let address = server.local_addr().map_err(text)?;
    Ok((server, address))
}

/// What one sends must come out of the other.
fn talk(mut here: &TcpStream, mut there: &TcpStream) -> Outcome {
    here.write_all(b"hello").map_err(text)?;
    let mut heard = [0; 5];
    there.set_read_timeout(Some(LONG)).map_err(text)?;
    there.read_exact(&mut heard).map_err(text)?;
    ensure!(&heard == b"hello", "{heard:?}");
    Ok(())
}

fn errno(result: Result<impl std::fmt::Debug, Error>, expected: &[i32]) -> Outcome {
    match result {
        Err(error @ Error::System { .. })
            if error.raw_os_error().is_some_and(|errno| expected.contains(&errno)) =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

fn works(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (server, address) = server()?;
    let client = net.connect_tcp(address).map_err(text)?;
    talk(&client, &server.accept().map_err(text)?.0)?;
    let bound = net.bind_tcp(local(0)).map_err(text)?;
    let client = TcpStream::connect(bound.local_addr().map_err(text)?).map_err(text)?;
    talk(&client, &bound.accept().map_err(text)?.0)?;
    let receiver = net.bind_udp(local(0)).map_err(text)?;
    let to = receiver.local_addr().map_err(text)?;
    let sender = net.connect_udp(to).map_err(text)?;
    sender.send(b"hello").map_err(text)?;
    receiver.set_read_timeout(Some(LONG)).map_err(text)?;
    let mut heard = [0; 9];
    let (length, from) = receiver.recv_from(&mut heard).map_err(text)?;
    ensure!(length == 5 && from == sender.local_addr().map_err(text)?, "{length} from {from}");
    // One of every address of IPv6 is of that alone.
    let v6 = net.bind_tcp((Ipv6Addr::UNSPECIFIED, 0).into()).map_err(text)?;
    ensure!(SockRef::from(&v6).only_v6().map_err(text)?, "it takes IPv4");
    drop(server);
    errno(net.connect_tcp(address), &[libc::ECONNREFUSED])?;
    errno(net.bind_tcp(bound.local_addr().map_err(text)?), &[libc::EADDRINUSE])?;
    errno(net.bind_tcp((Ipv4Addr::new(192, 0, 2, 77), 0).into()), &[libc::EADDRNOTAVAIL])
}

fn sent(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (server, address) = server()?;
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text);
    let client = socket()?;
    net.connect(&client, address).map_err(text)?;
    ensure!(!client.nonblocking().map_err(text)?, "it does not block any more");
    talk(&client.into(), &server.accept().map_err(text)?.0)?;
    let waiting = socket()?;
    waiting.set_nonblocking(true).map_err(text)?;
    match net.connect(&waiting, address) {
        Ok(()) => {}
        other => errno(other, &[libc::EINPROGRESS])?,
    }
    server.accept().map_err(text)?;
    ensure!(waiting.nonblocking().map_err(text)?, "it blocks");
    let bound = socket()?;
    net.bind(&bound, local(0)).map_err(text)?;
    let at = bound.local_addr().map_err(text)?.as_socket().ok_or("no address")?;
    ensure!(at.ip().is_loopback() && at.port() != 0, "{at}");
    errno(net.bind(&bound, local(0)), &[libc::EINVAL])?;
    let datagrams = UdpSocket::bind(local(0)).map_err(text)?;
    net.connect(&datagrams, local(9)).map_err(text)?;
    ensure!(datagrams.peer_addr().map_err(text)? == local(9), "another peer");
    // A family that the socket is not of.
    errno(net.connect(&socket()?, local6(9)), &[libc::EAFNOSUPPORT, libc::EINVAL])
}

fn addresses(casper: &Casper) -> Outcome {
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

fn families(casper: &Casper) -> Outcome {
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

fn resolved(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let ((server, allowed), (_other, other)) = (server()?, server()?);
    let port = allowed.port().to_string();
    let before = net.try_clone().map_err(text)?;
    let limits = || NetLimits::nothing().families(Families::V4).connect_resolved();
    for net in [&net, &before] {
        net.limit(limits().name2addr(Some("localhost"), Some(&port))).map_err(text)?;
        not_capable(net.connect_tcp(allowed), NAME)?;
    }
    let found = net.getaddrinfo(Some("localhost"), Some(&port), Hints::default()).map_err(text)?;
    ensure!(found.addresses.iter().any(|found| found.address == allowed), "{found:?}");
    talk(&net.connect_tcp(allowed).map_err(text)?, &server.accept().map_err(text)?.0)?;
    not_capable(net.connect_tcp(other), NAME)?;
    not_capable(net.bind_tcp(allowed), NAME)?;
    // Each channel remembers its own; a clone starts with what was resolved by then.
    not_capable(before.connect_tcp(allowed), NAME)?;
    let after = net.try_clone().map_err(text)?;
    after.connect_tcp(allowed).map_err(text)?;
    // A name that may not be resolved is remembered as little as one that has no addresses.
    let other_port = other.port().to_string();
    not_capable(net.getaddrinfo(Some("localhost"), Some(&other_port), Hints::default()), NAME)?;
    not_capable(net.getaddrinfo(Some("localhost"), None, Hints::default()), NAME)?;
    not_capable(net.getaddrinfo(Some("127.0.0.1"), Some(&port), numeric()), NAME)?;
    not_capable(net.connect_tcp(other), NAME)?;
    // What it has resolved stays, until it may not connect to that.
    net.limit(limits()).map_err(text)?;
    net.connect_tcp(allowed).map_err(text)?;
    not_capable(net.getaddrinfo(Some("localhost"), Some(&port), Hints::default()), NAME)?;
    net.limit(NetLimits::nothing().families(Families::V4)).map_err(text)?;
    not_capable(net.connect_tcp(allowed), NAME)?;
    not_capable(net.limit(limits()), NAME)?;
    // Without a service every port is.
    let any = open(casper)?;
    any.limit(limits().name2addr(Some("127.0.0.1"), None)).map_err(text)?;
    any.getaddrinfo(Some("127.0.0.1"), None, numeric()).map_err(text)?;
    any.connect_tcp(other).map(drop).map_err(text)
}

fn names(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let limits = NetLimits::nothing().families(Families::V4).name2addr(Some("localhost"), None);
    net.limit(limits).map_err(text)?;
    let ask = |name, service| net.getaddrinfo(name, service, Hints::default().kind(Kind::Stream));
    let found: Found = ask(Some("localhost"), Some("80")).map_err(text)?;
    ensure!(found.addresses.iter().all(|found| found.address == local(80)), "{found:?}");
    ask(Some("localhost"), None).map_err(text)?;
    for other in ["LOCALHOST", "localhost.", "127.0.0.1", "localhost\0", "", "local"] {
        not_capable(ask(Some(other), Some("80")), NAME)?;
    }
    not_capable(ask(None, Some("80")), NAME)?;
    let v6 = Hints::default().families(Families::V6);
    not_capable(net.getaddrinfo(Some("localhost"), None, v6), NAME)
}

/// Whatever else a client can have.
fn zoo() -> Result<Vec<(&'static str, OwnedFd)>, String> {
    let (stream, _) = UnixStream::pair().map_err(text)?;
    let (read, write) = std::io::pipe().map_err(text)?;
    let (listener, address) = server()?;
    let datagrams = UdpSocket::bind(local(0)).map_err(text)?;
    datagrams.connect(local(9)).map_err(text)?;
    let directory = tempfile::tempdir().map_err(text)?;
    let mut zoo: Vec<(&str, OwnedFd)> = vec![
        ("a socket pair", stream.into()),
        ("a pipe to read", read.into()),
        ("a pipe to write", write.into()),
        ("a directory", File::open("/").map_err(text)?.into()),
        ("a file", tempfile::tempfile().map_err(text)?.into()),
        ("a device", File::open("/dev/null").map_err(text)?.into()),
        ("a Unix listener", UnixListener::bind(directory.path().join("s")).map_err(text)?.into()),
        ("a connected socket", TcpStream::connect(address).map_err(text)?.into()),
        ("connected datagrams", datagrams.into()),
        ("a listener", listener.into()),
    ];
    // Those that this system and user can make.
    for (name, family, kind, protocol) in SOCKETS {
        let made =
            Socket::new(Domain::from(*family), Type::from(*kind), Some(Protocol::from(*protocol)));
        match made {
            Ok(socket) => zoo.push((name, socket.into())),
            Err(error) => println!("    not tried: {name}: {error}"),
        }
    }
    Ok(zoo)
}

#[cfg(target_os = "linux")]
const SOCKETS: &[(&str, i32, i32, i32)] = &[
    ("routes", libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
    ("kernel events", libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_KOBJECT_UEVENT),
    ("a virtual machine's", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
    ("packets", libc::AF_PACKET, libc::SOCK_RAW, 0),
    ("raw IPv4", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
    ("raw IPv6", libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6),
    ("raw TCP", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_TCP),
    ("pings", libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
    ("multipath", libc::AF_INET, libc::SOCK_STREAM, 262),
    ("light datagrams", libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE),
    ("SCTP", libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
    ("an unconnected Unix socket", libc::AF_UNIX, libc::SOCK_STREAM, 0),
];
#[cfg(not(target_os = "linux"))]
const SOCKETS: &[(&str, i32, i32, i32)] = &[
    ("raw IPv4", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
    ("an unconnected Unix socket", libc::AF_UNIX, libc::SOCK_STREAM, 0),
];

/// How many descriptors the service's process has, where that can be told.
fn held_descriptors(net: &Net) -> Result<Option<usize>, String> {
    // What it answered before is closed by the time that it answers this.
    let _ = net.limits().map_err(text)?;
    let processes = hostile::processes()?;
    let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", processes[0])) else {
        println!("    not counted: this user cannot see the descriptors of the service");
        return Ok(None);
    };
    Ok(Some(entries.count()))
}

fn descriptors(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    net.ask().map_err(text)?;
    let before = held_descriptors(&net)?;
    for (name, descriptor) in zoo()? {
        for done in [net.connect(&descriptor, local(9)), net.bind(&descriptor, local(0))] {
            match done {
                Err(Error::Invalid { service, .. }) if service == NAME => {}
                other => return Err(format!("{name}: {other:?}")),
            }
        }
    }
    net.ask().map_err(text)?;
    let after = held_descriptors(&net)?;
    ensure!(before == after, "{before:?} descriptors, then {after:?}");
    Ok(())
}

/// The kernel counts the descriptors on their way for each user: a client that is the same user as the service
/// can keep it from sending any.
fn same_user() -> Option<String> {
    // SAFETY: it always succeeds.
    let root = unsafe { libc::geteuid() } == 0;
    (!root).then(|| "a client of the service's own user uses up what that may send".to_owned())
}

/// Clients that send as many descriptors as a frame holds, as fast as they can, on connections of their own.
fn floods(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let null = File::open("/dev/null").map_err(text)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut socket) = net.to_frames() else { continue };
                    for sequence in 0..4 {
                        let many = (0..64).filter_map(|_| null.try_clone().ok().map(OwnedFd::from));
                        let Ok(frame) = Frame::new(1, sequence, &[4], many.collect()) else {
                            continue;
                        };
                        let _ = socket.send(&frame, Some(Instant::now() + LONG));
                    }
                }
            });
        }
        let mut done = Ok(());
        for _ in 0..300 {
            done = done.and_then(|()| net.ask().map_err(text));
        }
        over.store(true, Ordering::Relaxed);
        done
    })
}

/// A listener to which connecting takes for ever: those that wait to be accepted are as many as can.
fn full() -> Result<(Socket, SocketAddr, Vec<Socket>), String> {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
    listener.bind(&local(0).into()).map_err(text)?;
    listener.listen(0).map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let at = address.as_socket().ok_or("no address")?;
    let mut waiting = Vec::new();
    for _ in 0..64 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text)?;
        let done = socket.connect_timeout(&address, Duration::from_millis(200));
        waiting.push(socket);
        if done.is_err() {
            return Ok((listener, at, waiting));
        }
    }
    Err("the listener takes more and more".to_owned())
}

fn hanging(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let (_listener, address, _waiting) = full()?;
    let short = Duration::from_millis(200);
    errno(net.connect_tcp_timeout(address, short), &[libc::ETIMEDOUT])?;
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(text);
    errno(net.connect_timeout(&socket()?, address, short), &[libc::ETIMEDOUT])?;
    // One that is made to block all the time keeps its own connection for a while, and no other.
    let stubborn = socket()?;
    stubborn.set_write_timeout(None).map_err(text)?;
    let over = AtomicBool::new(false);
    let attacked = net.try_clone().map_err(text)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = stubborn.set_nonblocking(false);
            }
        });
        let attack = scope.spawn(|| attacked.connect_timeout(&stubborn, address, short));
        let mut done = Ok(());
        while done.is_ok() && !attack.is_finished() {
            done = net.ask().map_err(text);
        }
        let attack = attack.join();
        over.store(true, Ordering::Relaxed);
        done?;
        match attack {
            Ok(Err(Error::System { .. })) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    attacked.ask().map_err(text)?;
    // The client gives up before the service does.
    match net.within(short).connect_tcp(address) {
        Err(Error::Deadline { .. }) => {}
        other => return Err(format!("{other:?}")),
    }
    open(casper)?.ask().map_err(text)
}

/// Sockets that were sent and not received would count against every process of the service's user.
fn not_received(casper: &Casper) -> Outcome {
    const ASKED: u32 = 64;
    /// An address that no other test has, whose sockets are counted, and how it is shown.
    const PLACE: Ipv4Addr = Ipv4Addr::new(127, 0, 77, 7);
    let shown = format!(" {:08X}:", u32::from_ne_bytes(PLACE.octets()));
    let bound = || -> Result<usize, String> {
        let all = std::fs::read_to_string("/proc/net/udp").map_err(text)?;
        Ok(all.lines().filter(|line| line.contains(&shown)).count())
    };
    let net = open(casper)?;
    let ask = |client: &Net| drop(client.bind_udp((PLACE, 0).into()));
    let mut asked = net.to_frames().map_err(text)?;
    hostile::ask_without_reading(&mut asked, ask, ASKED)?;
    let until = Instant::now() + LONG;
    while bound()? == 0 {
        ensure!(Instant::now() < until, "nothing was bound");
    }
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        let bound = bound()?;
        ensure!(bound <= 16, "{bound} sockets wait to be received");
    }
    net.ask().map_err(text)?;
    // Those that are received make room for others.
    for _ in 0..ASKED {
        asked.receive(Some(Instant::now() + LONG)).map_err(text)?;
    }
    Ok(())
}

fn confined(casper: &Casper) -> Outcome {
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
    // With less than the ceiling on a grant no socket could be sent, on Linux.
    let ceiling = casper::RIGHTS | Rights::ACCEPT | Rights::GETSOCKNAME;
    capsicum_rs::Sandbox::new()
        .grant(&net, ceiling | casper::net::RIGHTS)
        .ceiling(ceiling)
        .enter()
        .map_err(text)?;
    ensure!(TcpStream::connect(allowed).is_err(), "it is not confined");
    ensure!(UdpSocket::bind(local(0)).is_err(), "it is not confined");
    let client = net.connect_udp(allowed).map_err(text)?;
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

/// A limit's address and port, by number: 0 is any.
type Pattern = (usize, usize);

/// What a client does next.
#[derive(Clone, Debug)]
enum Step {
    Limit {
        families: u8,
        datagrams: bool,
        connect: Vec<Pattern>,
        resolved: bool,
        bind: Vec<Pattern>,
        names: Vec<Pattern>,
    },
    /// To an address and a port from 1 on.
    Connect(usize, usize),
    Bind(usize),
    /// A port of 0 is none.
    Resolve(usize, usize),
    /// Go on with a clone.
    Clone,
}

/// Nobody listens there.
const IPS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];
const PORTS: [u16; 2] = [1, 2];

fn step() -> impl Strategy<Value = Step> {
    let patterns = || prop::collection::vec((0..=IPS.len(), 0..=PORTS.len()), 0..4);
    let limit =
        (1_u8..4, prop::bool::weighted(0.8), patterns(), any::<bool>(), patterns(), patterns());
    prop_oneof![
        2 => limit.prop_map(|(families, datagrams, connect, resolved, bind, names)| {
            Step::Limit { families, datagrams, connect, resolved, bind, names }
        }),
        4 => (1..=IPS.len(), 1..=PORTS.len()).prop_map(|(ip, port)| Step::Connect(ip, port)),
        2 => (1..=IPS.len()).prop_map(Step::Bind),
        4 => (1..=IPS.len(), 0..=PORTS.len()).prop_map(|(ip, port)| Step::Resolve(ip, port)),
        1 => Just(Step::Clone),
    ]
}

/// What it may do, without any code of the crate's. The port of what is bound is none of these.
#[derive(Clone)]
struct Model {
    families: u8,
    datagrams: bool,
    connect: Vec<Pattern>,
    resolves: bool,
    bind: Vec<Pattern>,
    names: Vec<Pattern>,
    resolved: Vec<Pattern>,
}

const EPHEMERAL: usize = 99;

fn within(held: &[Pattern], asked: Pattern) -> bool {
    held.iter().any(|(ip, port)| (*ip == 0 || *ip == asked.0) && (*port == 0 || *port == asked.1))
}

impl Model {
    fn new() -> Self {
        let all = || vec![(0, 0)];
        Self {
            families: 3,
            datagrams: true,
            connect: all(),
            resolves: true,
            bind: all(),
            names: all(),
            resolved: Vec::new(),
        }
    }

    fn family(&self, ip: usize) -> bool {
        self.families & if IPS[ip - 1].is_ipv4() { 1 } else { 2 } != 0
    }

    /// Whether it may, and what it has thereby done.
    fn step(&mut self, step: &Step) -> bool {
        match step {
            Step::Limit { families, datagrams, connect, resolved, bind, names } => {
                let all =
                    |held: &[Pattern], new: &[Pattern]| new.iter().all(|new| within(held, *new));
                let narrows = families & !self.families == 0
                    && (self.datagrams || !datagrams)
                    && (self.resolves || !resolved)
                    && all(&self.connect, connect)
                    && all(&self.bind, bind)
                    && all(&self.names, names);
                if narrows {
                    self.families = *families;
                    self.datagrams = *datagrams;
                    self.resolves = *resolved;
                    (self.connect, self.bind, self.names) =
                        (connect.clone(), bind.clone(), names.clone());
                }
                narrows
            }
            Step::Connect(ip, port) => {
                let asked = (*ip, *port);
                let by_name = self.resolves && within(&self.resolved, asked);
                self.datagrams && self.family(*ip) && (by_name || within(&self.connect, asked))
            }
            Step::Bind(ip) => self.family(*ip) && within(&self.bind, (*ip, EPHEMERAL)),
            Step::Resolve(ip, port) => {
                let asked = (*ip, if *port == 0 { EPHEMERAL } else { *port });
                let named = within(&self.names, asked);
                // An address of the other family is no answer, and no refusal.
                if named && self.family(*ip) {
                    self.resolved.push((*ip, *port));
                }
                named
            }
            Step::Clone => true,
        }
    }
}

fn endpoint((ip, port): Pattern) -> Endpoint {
    match (ip, port) {
        (0, 0) => Endpoint::ANY,
        (0, port) => Endpoint::port(PORTS[port - 1]),
        (ip, 0) => Endpoint::from(IPS[ip - 1]),
        (ip, port) => Endpoint::from(SocketAddr::new(IPS[ip - 1], PORTS[port - 1])),
    }
}

fn take(client: &mut Net, step: &Step) -> Result<Result<(), Error>, TestCaseError> {
    Ok(match step {
        Step::Limit { families, datagrams, connect, resolved, bind, names } => {
            let mut limits = NetLimits::nothing().families(Families::from_bits_retain(*families));
            limits = if *datagrams { limits.datagrams() } else { limits };
            limits = connect.iter().fold(limits, |limits, to| limits.connect(endpoint(*to)));
            limits = bind.iter().fold(limits, |limits, to| limits.bind(endpoint(*to)));
            for (ip, port) in names {
                let host = (*ip != 0).then(|| IPS[ip - 1].to_string());
                let service = (*port != 0).then(|| PORTS[port - 1].to_string());
                limits = limits.name2addr(host.as_deref(), service.as_deref());
            }
            client.limit(if *resolved { limits.connect_resolved() } else { limits })
        }
        Step::Connect(ip, port) => {
            client.connect_udp(SocketAddr::new(IPS[ip - 1], PORTS[port - 1])).map(drop)
        }
        Step::Bind(ip) => client.bind_tcp(SocketAddr::new(IPS[ip - 1], 0)).map(drop),
        Step::Resolve(ip, port) => {
            let (host, service) =
                (IPS[ip - 1].to_string(), port.checked_sub(1).map(|port| PORTS[port]));
            let service = service.map(|port| port.to_string());
            client.getaddrinfo(Some(&host), service.as_deref(), numeric()).map(drop)
        }
        Step::Clone => {
            *client = clone(client)?;
            Ok(())
        }
    })
}

fn limited_at_random(casper: &Casper) -> Outcome {
    let service = open(casper)?;
    let mut runner = model::runner();
    runner
        .run(&prop::collection::vec(step(), 1..32), |steps| {
            let mut client = clone(&service)?;
            let mut model = Model::new();
            for step in &steps {
                let expected = model.step(step);
                let got = take(&mut client, step)?;
                let refused = matches!(got, Err(Error::NotCapable { .. }));
                prop_assert!(refused != expected, "{:?}: {:?}", step, got);
            }
            Ok(())
        })
        .map_err(text)
}

fn clone(net: &Net) -> Result<Net, TestCaseError> {
    model::again(|| net.try_clone())
}
