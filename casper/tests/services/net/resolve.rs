//! Resolving, and connecting to what was resolved.

use casper::{
    Casper,
    net::{Families, Flags, Found, Hints, Kind, NameFlags, NetLimits},
};

use super::{NAME, local, numeric, open, server, talk};
use crate::harness::{Outcome, ensure, not_capable, text};

pub(super) fn resolved(casper: &Casper) -> Outcome {
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
    // A service that comes to no port is stated all the same: the C library takes `*` for none.
    for service in ["0", "*", "65536"] {
        let odd = open(casper)?;
        odd.limit(limits().name2addr(Some("127.0.0.1"), Some(service))).map_err(text)?;
        let hints = Hints::default().kind(Kind::Stream).flags(Flags::NUMERICHOST);
        let _ = odd.getaddrinfo(Some("127.0.0.1"), Some(service), hints);
        not_capable(odd.connect_tcp(other), NAME)?;
    }
    // Without a service every port is.
    let any = open(casper)?;
    any.limit(limits().name2addr(Some("127.0.0.1"), None)).map_err(text)?;
    any.getaddrinfo(Some("127.0.0.1"), None, numeric()).map_err(text)?;
    any.connect_tcp(other).map(drop).map_err(text)
}

pub(super) fn names(casper: &Casper) -> Outcome {
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

/// What both providers hold: connecting to what was resolved, of whatever name.
pub(super) fn resolved_at_all(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let ((server, allowed), (_other, other)) = (server()?, server()?);
    let limits = NetLimits::nothing().families(Families::all()).datagrams();
    net.limit(limits.name2addr(None, None).connect_resolved()).map_err(text)?;
    not_capable(net.connect_tcp(allowed), NAME)?;
    let port = allowed.port().to_string();
    let found = net.getaddrinfo(Some("127.0.0.1"), Some(&port), numeric()).map_err(text)?;
    ensure!(found.addresses.iter().any(|found| found.address == allowed), "{found:?}");
    talk(&net.connect_tcp(allowed).map_err(text)?, &server.accept().map_err(text)?.0)?;
    not_capable(net.connect_tcp(other), NAME)?;
    not_capable(net.bind_tcp(local(0)), NAME)
}

/// The answers and the codes of the C library.
pub(super) fn answers(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let found = net.getaddrinfo(Some("127.0.0.1"), Some("80"), numeric()).map_err(text)?;
    ensure!(found.addresses.iter().all(|found| found.address == local(80)), "{found:?}");
    let flags = NameFlags::NUMERICHOST | NameFlags::NUMERICSERV;
    let named = net.getnameinfo(local(80), flags).map_err(text)?;
    ensure!(named == ("127.0.0.1".to_owned(), "80".to_owned()), "{named:?}");
    let hints = Hints::default().kind(Kind::Stream).flags(Flags::NUMERICHOST);
    match net.getaddrinfo(Some("no.address"), None, hints) {
        Err(casper::Error::Resolve { service, code: libc::EAI_NONAME, what }) => {
            ensure!(service == NAME && what.contains("no.address"), "{service}: {what}");
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}
