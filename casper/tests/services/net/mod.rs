//! `Net`, with servers of the cases' own on the loopback interface.

mod connect;
mod descriptors;
mod floods;
mod limits;
mod model;
mod resolve;

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use capsicum_channel::Frames;
use casper::{
    Casper, Error, Net,
    net::{Families, Flags, Hints, Kind, NameFlags, NetLimits},
};

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, common, ensure, of_libcasper, text},
    host, hostile, worker,
};

pub(crate) const CASES: &[Case] = &[
    common("net_connects_and_binds", connect::works),
    common("net_connects_and_binds_sockets_of_the_client", connect::sent),
    common("net_is_held_to_what_it_does", limits::modes),
    of_libcasper("net_refuses_limits_that_libcasper_does_not_hold", limits::lists),
    case("net_is_held_to_addresses_and_ports", limits::addresses),
    case("net_is_held_to_families", limits::families).needs(host::ipv6),
    common("net_resolves", resolve::answers),
    common("net_connects_to_what_was_resolved_at_all", resolve::resolved_at_all),
    case("net_connects_to_what_it_has_resolved", resolve::resolved).needs(host::localhost),
    case("net_is_held_to_names", resolve::names).needs(host::localhost),
    common("net_refuses_descriptors_that_are_no_sockets_of_its_kind", descriptors::descriptors),
    common("net_gives_up_a_connection_that_is_not_made", connect::too_long)
        .needs(host::full_listener),
    case("net_is_not_stopped_by_a_connection_that_is_not_made", connect::hanging)
        .needs(host::full_listener),
    Case {
        lacks: floods::same_user,
        ..case("net_is_not_stopped_by_floods_of_descriptors", floods::floods)
    },
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("net_sends_no_more_sockets_than_are_received", floods::not_received)
    },
    common("net_works_in_capability_mode", limits::confined_to_modes),
    case("net_is_held_to_addresses_in_capability_mode", limits::confined),
    case("net_makes_no_listener_that_is_made_another_one", limits::again).needs(host::ipv6),
    case("net_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<Net>(casper, "net")
    }),
    case("net_obeys_the_model_of_its_limits", model::limited_at_random),
    common("net_does_not_widen", hostile::widening::<Net>),
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

pub(crate) use connect::waits_for_ever;
pub(crate) use floods::same_user;

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
        // One that has less already stays as it is.
        let _ = self.limit(loopback());
        self.to_frames()
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
    hostile::readable(&there)?;
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
