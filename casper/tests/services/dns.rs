//! `Dns`. No case asks a server but for a name that there is not: others are those of /etc/hosts, or addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use capsicum_channel::Frames;
use casper::{
    Casper, Dns, Error, Limits,
    dns::{DnsLimits, Families, Flags, Hints, Kind, NameFlags, Types},
};
use proptest::prelude::*;

use crate::{
    harness::{
        Case, LONG, Outcome, Tested, case, common, ensure, native, not_capable, of_libcasper, text,
        unsupported,
    },
    host, hostile, model, worker,
};

pub(crate) const CASES: &[Case] = &[
    common("dns_resolves_what_the_host_knows", resolves).needs(host::localhost_and_services),
    common("dns_names_addresses", names).needs(host::localhost_and_services),
    common("dns_keeps_the_code_of_a_failure", codes),
    common("dns_is_held_to_types_and_families", limits),
    common("dns_without_families_resolves_nothing", no_families),
    common("dns_refuses_names_that_are_none", bad_names),
    common("dns_comes_back_from_every_combination_of_hints", hints),
    common("dns_works_in_capability_mode", confined),
    of_libcasper("dns_refuses_limits_to_ipv6_alone", one_family),
    case("dns_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<Dns>(casper, "dns")
    }),
    common("dns_obeys_the_model_of_its_limits", limited_at_random),
    common("dns_does_not_widen", hostile::widening::<Dns>),
    case("dns_survives_mutated_frames", hostile::mutated_frames::<Dns>),
    case("dns_has_room_for_so_many_connections", hostile::many_connections::<Dns>),
    case("dns_is_not_stopped_by_who_does_not_read", hostile::a_client_that_does_not_read::<Dns>),
    Case { lacks: hostile::no_procfs, ..case("dns_is_held_and_not_root", hostile::held::<Dns>) },
    case("dns_dies_with_its_name", hostile::death::<Dns>),
    case("dns_ends_with_its_last_connection", hostile::end::<Dns>),
];

const NAME: &str = "system.dns";

/// Nobody is asked about these: RFC 5737, RFC 3849.
const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";

fn numeric() -> Hints {
    Hints::default().kind(Kind::Stream).flags(Flags::NUMERICHOST | Flags::NUMERICSERV)
}

fn port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 80))
}

impl Tested for Dns {
    const NAME: &'static str = NAME;

    fn socket(&self) -> Result<Frames, Error> {
        self.to_frames()
    }

    fn another(&self) -> Result<Self, Error> {
        self.try_clone()
    }

    fn hurried(&self) -> Self {
        self.within(std::time::Duration::from_millis(50))
    }

    fn ask(&self) -> Result<(), Error> {
        // Not every host has a name for it.
        let addresses = self.within(LONG).addresses("127.0.0.1")?;
        if !addresses.is_empty() && addresses.iter().all(IpAddr::is_loopback) {
            return Ok(());
        }
        Err(Error::Invalid { service: NAME.to_owned(), what: format!("{addresses:?}") })
    }

    fn ask_everything(&self) {
        let _ = self.getaddrinfo(Some(V4), Some("80"), numeric().families(Families::V4));
        let _ = self.getaddrinfo(Some(V6), Some("80"), numeric().families(Families::V6));
        let _ = self.getaddrinfo(None, Some("80"), numeric());
        let _ = self.getnameinfo(port(), NameFlags::NUMERICHOST | NameFlags::NUMERICSERV);
        let _ = self.limit(DnsLimits::nothing().types(Types::NAME2ADDR).families(Families::V4));
        let _ = self.limits();
        let _ = self.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.limit(DnsLimits::nothing())
    }

    fn widen(&self) -> Result<(), Error> {
        self.limit(DnsLimits::nothing().types(Types::NAME2ADDR).families(Families::V4))
    }
}

fn resolves(casper: &Casper) -> Outcome {
    let dns: Dns = casper.open().map_err(text)?;
    dns.ask().map_err(text)?;
    let addresses = dns.addresses("localhost").map_err(text)?;
    ensure!(addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{addresses:?}");
    let v4 = Hints::default().families(Families::V4);
    let found = dns.getaddrinfo(Some("localhost"), Some("80"), v4).map_err(text)?;
    let all_v4 = found.addresses.iter().all(|found| found.address == port());
    ensure!(all_v4 && !found.addresses.is_empty(), "{found:?}");
    let kinds = |kind| found.addresses.iter().any(|found| found.kind == kind);
    ensure!(kinds(Kind::Stream) && kinds(Kind::Datagram), "{found:?}");
    // The names of services are the C library's too.
    let ssh = dns.getaddrinfo(None, Some("ssh"), v4.kind(Kind::Stream)).map_err(text)?;
    ensure!(ssh.addresses.iter().all(|found| found.address.port() == 22), "{ssh:?}");
    let passive = numeric().families(Families::V4).flags(Flags::PASSIVE);
    let passive = dns.getaddrinfo(None, Some("80"), passive).map_err(text)?;
    ensure!(passive.addresses[0].address.ip().is_unspecified(), "{passive:?}");
    let found = dns.getaddrinfo(Some(V6), Some("80"), numeric()).map_err(text)?;
    ensure!(found.addresses[0].address.to_string() == format!("[{V6}]:80"), "{found:?}");
    let host = dns.gethostbyname("localhost", Families::V4).map_err(text)?;
    ensure!(host.name.starts_with("localhost"), "{host:?}");
    ensure!(host.addresses == [Ipv4Addr::LOCALHOST], "{host:?}");
    // An address of a link has a scope, which travels. The loopback interface is 1 on Linux alone.
    if cfg!(target_os = "linux") {
        let found = dns.getaddrinfo(Some("fe80::1%1"), None, numeric()).map_err(text)?;
        let SocketAddr::V6(address) = found.addresses[0].address else {
            return Err(format!("{found:?}"));
        };
        ensure!(address.scope_id() == 1, "{found:?}");
    }
    Ok(())
}

fn names(casper: &Casper) -> Outcome {
    let dns: Dns = casper.open().map_err(text)?;
    let host = dns.gethostbyaddr(Ipv4Addr::LOCALHOST.into()).map_err(text)?;
    ensure!(host.name.contains("localhost"), "{host:?}");
    let both = NameFlags::NUMERICHOST | NameFlags::NUMERICSERV;
    let named = dns.getnameinfo(port(), both).map_err(text)?;
    ensure!(named == ("127.0.0.1".to_owned(), "80".to_owned()), "{named:?}");
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 22));
    let named = dns.getnameinfo(v6, NameFlags::NUMERICHOST).map_err(text)?;
    ensure!(named == ("::1".to_owned(), "ssh".to_owned()), "{named:?}");
    Ok(())
}

fn code(result: Result<impl std::fmt::Debug, Error>, expected: &[i32]) -> Outcome {
    match result {
        Err(Error::Resolve { service, code, .. }) if expected.contains(&code) => {
            ensure!(service == NAME, "{service}");
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

fn codes(casper: &Casper) -> Outcome {
    let dns: Dns = casper.open().map_err(text)?;
    code(dns.getaddrinfo(Some("no.address"), None, numeric()), &[libc::EAI_NONAME])?;
    code(dns.getaddrinfo(None, None, numeric()), &[libc::EAI_NONAME])?;
    let service = Hints::default().kind(Kind::Stream);
    code(
        dns.getaddrinfo(Some(V4), Some("no-such-service"), service),
        &[libc::EAI_SERVICE, libc::EAI_NONAME],
    )?;
    // RFC 6761: no server knows it. Without any server that can be asked, that is told.
    let codes = [libc::EAI_NONAME, libc::EAI_AGAIN, libc::EAI_FAIL];
    code(dns.within(LONG).addresses("casper.invalid"), &codes)?;
    match dns.getaddrinfo(Some("no.address"), None, numeric()) {
        Err(error) => ensure!(text(&error).contains("no.address"), "{error}"),
        Ok(found) => return Err(format!("{found:?}")),
    }
    Ok(())
}

fn limits(casper: &Casper) -> Outcome {
    let dns: Dns = casper.open().map_err(text)?;
    let limits = DnsLimits::nothing().types(Types::NAME2ADDR).families(Families::V4);
    dns.limit(limits).map_err(text)?;
    ensure!(dns.limits().map_err(text)? == limits, "other limits");
    // Who states no family has those that there are.
    dns.ask().map_err(text)?;
    let v6 = Hints::default().families(Families::V6);
    not_capable(dns.getaddrinfo(Some("localhost"), None, v6), NAME)?;
    not_capable(dns.getaddrinfo(Some("localhost"), None, v6.families(Families::all())), NAME)?;
    not_capable(dns.getnameinfo(port(), NameFlags::default()), NAME)?;
    not_capable(dns.gethostbyaddr(Ipv4Addr::LOCALHOST.into()), NAME)?;
    not_capable(dns.limit(DnsLimits::unlimited()), NAME)?;
    let names = DnsLimits::nothing().types(Types::ADDR2NAME);
    let other: Dns = casper.open().map_err(text)?;
    other.limit(names.families(Families::all())).map_err(text)?;
    not_capable(other.addresses("localhost"), NAME)?;
    other.getnameinfo(port(), NameFlags::NUMERICHOST).map_err(text)?;
    other.limit(names.families(Families::V4)).map_err(text)?;
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 80));
    not_capable(other.getnameinfo(v6, NameFlags::NUMERICHOST), NAME)?;
    if native() {
        return Ok(());
    }
    let other: Dns = casper.open().map_err(text)?;
    other.limit(names.families(Families::V6)).map_err(text)?;
    not_capable(other.getnameinfo(port(), NameFlags::NUMERICHOST), NAME)?;
    // IPv4 as IPv6 has it is IPv4.
    let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 80));
    not_capable(other.getnameinfo(mapped, NameFlags::NUMERICHOST), NAME)?;
    other.getnameinfo(v6, NameFlags::NUMERICHOST).map(drop).map_err(text)
}

/// libcasper cannot hold it, and what the channel had it has still.
fn one_family(casper: &Casper) -> Outcome {
    ensure!(native(), "another provider");
    let dns: Dns = casper.open().map_err(text)?;
    for types in [Types::NAME2ADDR, Types::ADDR2NAME, Types::all()] {
        unsupported(dns.limit(DnsLimits::nothing().types(types).families(Families::V6)), NAME)?;
    }
    ensure!(dns.limits().map_err(text)? == DnsLimits::unlimited(), "some of it was set");
    dns.ask().map_err(text)?;
    dns.getnameinfo(port(), NameFlags::NUMERICHOST).map_err(text)?;
    // Nothing is nothing of either family.
    dns.limit(DnsLimits::nothing().families(Families::V6)).map_err(text)?;
    not_capable(dns.addresses("localhost"), NAME)
}

fn no_families(casper: &Casper) -> Outcome {
    let dns: Dns = casper.open().map_err(text)?;
    dns.limit(DnsLimits::nothing().types(Types::all())).map_err(text)?;
    not_capable(dns.addresses("localhost"), NAME)?;
    not_capable(dns.getaddrinfo(Some(V4), None, numeric()), NAME)?;
    not_capable(dns.getnameinfo(port(), NameFlags::NUMERICHOST), NAME)?;
    not_capable(dns.limit(DnsLimits::nothing().families(Families::V4)), NAME)
}

fn bad_names(casper: &Casper) -> Outcome {
    let dns: Dns = casper.open().map_err(text)?;
    let long = "a".repeat(1025);
    for (name, service) in [
        (Some("local\0host"), None),
        (Some("\0"), None),
        (Some(long.as_str()), None),
        (None, Some("80\0")),
        (None, Some(&long[..65])),
    ] {
        match dns.getaddrinfo(name, service, Hints::default()) {
            Err(Error::Invalid { .. }) => {}
            other => return Err(format!("{name:?}, {service:?}: {other:?}")),
        }
    }
    // Whatever these come to, the service is there afterwards.
    for name in
        ["", ".", "..", "-", "a..b", "1", "0x7f", "127.1", "%", "::1%", "::1%\u{fffd}", "\u{fc}"]
    {
        let _ = dns.getaddrinfo(Some(name), None, numeric());
    }
    dns.ask().map_err(text)
}

fn hints(casper: &Casper) -> Outcome {
    let dns: Dns = casper.open().map_err(text)?;
    let kinds = [None, Some(Kind::Stream), Some(Kind::Datagram), Some(Kind::Raw)];
    for bits in 0..=u16::from(u8::MAX) {
        for kind in kinds {
            for families in [0, 1, 2, 3, 0x80] {
                let flags = Flags::from_bits_retain(bits) | Flags::NUMERICHOST;
                let hints = kind.map_or(Hints::default(), |kind| Hints::default().kind(kind));
                let hints = hints.flags(flags).families(Families::from_bits_retain(families));
                match dns.getaddrinfo(Some(V4), Some("80"), hints) {
                    Ok(_) | Err(Error::Resolve { .. } | Error::Invalid { .. }) => {}
                    other => return Err(format!("{hints:?}: {other:?}")),
                }
            }
        }
    }
    dns.ask().map_err(text)
}

fn confined(casper: &Casper) -> Outcome {
    let dns: Dns = casper.open().map_err(text)?;
    dns.limit(DnsLimits::nothing().types(Types::NAME2ADDR).families(Families::V4)).map_err(text)?;
    capsicum_rs::Sandbox::new().grant(&dns, casper::RIGHTS).enter().map_err(text)?;
    ensure!(std::fs::File::open("/etc/hosts").is_err(), "it is not confined");
    dns.ask().map_err(text)?;
    not_capable(dns.getnameinfo(port(), NameFlags::default()), NAME)?;
    not_capable(dns.limit(DnsLimits::nothing().families(Families::V6)), NAME)
}

/// What a client does next.
#[derive(Clone, Debug)]
enum Step {
    Limit(u8, u8),
    /// The families of the hints, if any, and whether the name is one of IPv4.
    Resolve(Option<u8>, bool),
    Name(bool),
    /// Go on with a clone.
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_u8..8, 0_u8..8).prop_map(|(types, families)| Step::Limit(types, families)),
        4 => (prop::option::of(1_u8..4), any::<bool>()).prop_map(|(hint, v4)| Step::Resolve(hint, v4)),
        4 => any::<bool>().prop_map(Step::Name),
        1 => Just(Step::Clone),
    ]
}

fn limited_at_random(casper: &Casper) -> Outcome {
    let service: Dns = casper.open().map_err(text)?;
    let service = service.within(LONG);
    let mut runner = model::runner();
    runner
        .run(&prop::collection::vec(step(), 1..24), |steps| {
            let mut client = clone(&service)?;
            // Two bits of types, two of families.
            let (mut types, mut families) = (3_u8, 3_u8);
            for step in steps {
                let (expected, got) = match &step {
                    Step::Limit(new_types, new_families) => {
                        let narrows = new_types & !types == 0 && new_families & !families == 0;
                        // libcasper holds no limit to IPv6 alone: it says so, and keeps what there was.
                        if narrows && !(native() && *new_types != 0 && *new_families == 2) {
                            (types, families) = (*new_types, *new_families);
                        }
                        let limits = DnsLimits::nothing()
                            .types(Types::from_bits_retain(*new_types))
                            .families(Families::from_bits_retain(*new_families));
                        (narrows, client.limit(limits))
                    }
                    Step::Resolve(hint, v4) => {
                        let wanted = hint.unwrap_or(families);
                        let allowed = types & 1 != 0 && wanted != 0 && wanted & !families == 0;
                        let hints = hint.map_or(numeric(), |bits| {
                            numeric().families(Families::from_bits_retain(bits))
                        });
                        let name = if *v4 { V4 } else { V6 };
                        (allowed, client.getaddrinfo(Some(name), None, hints).map(drop))
                    }
                    Step::Name(v4) => {
                        let address: IpAddr =
                            if *v4 { V4 } else { V6 }.parse().expect("an address");
                        let allowed = types & 2 != 0 && families & if *v4 { 1 } else { 2 } != 0;
                        let flags = NameFlags::NUMERICHOST | NameFlags::NUMERICSERV;
                        let named = client.getnameinfo(SocketAddr::new(address, 80), flags);
                        (allowed, named.map(drop))
                    }
                    Step::Clone => {
                        client = clone(&client)?;
                        (true, Ok(()))
                    }
                };
                let refused = matches!(got, Err(Error::NotCapable { .. }));
                prop_assert!(refused != expected, "{:?}: {:?}", step, got);
            }
            Ok(())
        })
        .map_err(text)
}

fn clone(dns: &Dns) -> Result<Dns, TestCaseError> {
    model::again(|| dns.try_clone())
}
