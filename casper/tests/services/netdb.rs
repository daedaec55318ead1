//! `NetDb`.

use capsicum_channel::Frames;
use casper::{Casper, Error, Limits, NetDb, netdb::NetDbLimits};
use proptest::prelude::*;

use crate::{
    harness::{
        Case, LONG, Outcome, Tested, case, common, ensure, native, not_capable, of_libcasper, text,
        unsupported,
    },
    host, hostile, model, worker,
};

/// Where a host has no such databases, nothing can be found in them.
const fn with_databases(name: &'static str, body: fn(&Casper) -> Outcome) -> Case {
    Case { lacks: no_databases, ..case(name, body) }
}

fn no_databases() -> Option<String> {
    host::missing(&["/etc/protocols", "/etc/services"])
}

pub(crate) const CASES: &[Case] = &[
    Case { lacks: no_databases, ..common("netdb_finds_protocols", finds_protocols) },
    with_databases("netdb_finds_by_numbers_and_services", finds),
    with_databases("netdb_is_held_to_names", limits),
    common("netdb_refuses_names_that_are_none", bad_names),
    common("netdb_is_held_to_no_services", no_services),
    of_libcasper("netdb_refuses_what_libcasper_does_not_have", lacks),
    common("netdb_works_in_capability_mode", confined),
    case("netdb_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<NetDb>(casper, "netdb")
    }),
    case("netdb_obeys_the_model_of_its_limits", limited_at_random),
    case("netdb_does_not_widen", hostile::widening::<NetDb>),
    case("netdb_survives_mutated_frames", hostile::mutated_frames::<NetDb>),
    case("netdb_has_room_for_so_many_connections", hostile::many_connections::<NetDb>),
    case(
        "netdb_is_not_stopped_by_who_does_not_read",
        hostile::a_client_that_does_not_read::<NetDb>,
    ),
    Case {
        lacks: hostile::no_procfs,
        ..case("netdb_is_held_and_not_root", hostile::held::<NetDb>)
    },
    case("netdb_dies_with_its_name", hostile::death::<NetDb>),
    case("netdb_ends_with_its_last_connection", hostile::end::<NetDb>),
];

const NAME: &str = "system.netdb";

impl Tested for NetDb {
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
        match self.within(LONG).getprotobyname("tcp")? {
            Some(tcp) if tcp.number != 6 => {
                Err(Error::Invalid { service: NAME.to_owned(), what: format!("{tcp:?}") })
            }
            // A host without the database has none.
            _ => Ok(()),
        }
    }

    fn ask_everything(&self) {
        let _ = self.getprotobyname("tcp");
        let _ = self.getprotobynumber(6);
        let _ = self.getservbyname("ssh", Some("tcp"));
        let _ = self.getservbyport(22, None);
        let _ = self.limit(NetDbLimits::nothing().protocol("tcp").all_services());
        let _ = self.limits();
        let _ = self.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.limit(NetDbLimits::nothing())
    }

    fn widen(&self) -> Result<(), Error> {
        self.limit(NetDbLimits::nothing().protocol("tcp"))
    }
}

fn finds_protocols(casper: &Casper) -> Outcome {
    let netdb: NetDb = casper.open().map_err(text)?;
    let tcp = netdb.getprotobyname("tcp").map_err(text)?.ok_or("no TCP")?;
    ensure!(tcp.number == 6 && tcp.aliases.contains(&"TCP".to_owned()), "{tcp:?}");
    ensure!(netdb.getprotobyname("TCP").map_err(text)? == Some(tcp), "another by its alias");
    let udp = netdb.getprotobyname("udp").map_err(text)?.ok_or("no UDP")?;
    ensure!(udp.number == 17 && udp.name == "udp", "{udp:?}");
    ensure!(netdb.getprotobyname("no-such").map_err(text)?.is_none(), "a protocol");
    let clone = netdb.try_clone().map_err(text)?;
    drop(netdb);
    clone.ask().map_err(text)
}

fn finds(casper: &Casper) -> Outcome {
    let netdb: NetDb = casper.open().map_err(text)?;
    let tcp = netdb.getprotobyname("tcp").map_err(text)?.ok_or("no TCP")?;
    ensure!(netdb.getprotobynumber(6).map_err(text)? == Some(tcp), "another protocol 6");
    let ssh = netdb.getservbyname("ssh", Some("tcp")).map_err(text)?.ok_or("no ssh")?;
    ensure!((ssh.port, ssh.protocol.as_str()) == (22, "tcp"), "{ssh:?}");
    ensure!(netdb.getservbyport(22, Some("tcp")).map_err(text)? == Some(ssh), "another port 22");
    let domain = netdb.getservbyname("domain", None).map_err(text)?.ok_or("no domain")?;
    ensure!(domain.port == 53, "{domain:?}");
    ensure!(netdb.getservbyname("no-such", None).map_err(text)?.is_none(), "a service");
    for number in [-1, 256, i32::MAX, i32::MIN] {
        ensure!(netdb.getprotobynumber(number).map_err(text)?.is_none(), "protocol {number}");
    }
    ensure!(netdb.getservbyport(0, None).map_err(text)?.is_none(), "port 0");
    Ok(())
}

fn limits(casper: &Casper) -> Outcome {
    let netdb: NetDb = casper.open().map_err(text)?;
    let limits = NetDbLimits::nothing().protocol("tcp").service("ssh");
    netdb.limit(limits.clone()).map_err(text)?;
    ensure!(netdb.limits().map_err(text)? == limits, "other limits");
    netdb.ask().map_err(text)?;
    not_capable(netdb.getprotobyname("udp"), NAME)?;
    not_capable(netdb.getprotobyname("TCP"), NAME)?;
    not_capable(netdb.getservbyname("domain", None), NAME)?;
    ensure!(netdb.getprotobynumber(6).map_err(text)?.is_some(), "no protocol 6");
    ensure!(netdb.getprotobynumber(17).map_err(text)?.is_none(), "protocol 17 is shown");
    ensure!(netdb.getservbyport(22, None).map_err(text)?.is_some(), "no port 22");
    ensure!(netdb.getservbyport(53, None).map_err(text)?.is_none(), "port 53 is shown");
    not_capable(netdb.limit(limits.protocol("udp")), NAME)?;
    not_capable(netdb.limit(NetDbLimits::unlimited()), NAME)?;
    netdb.limit(NetDbLimits::nothing().service("ssh")).map_err(text)?;
    not_capable(netdb.getprotobyname("tcp"), NAME)?;
    not_capable(netdb.getprotobynumber(6), NAME)?;
    // By an alias of an entry that a number finds.
    let other: NetDb = casper.open().map_err(text)?;
    other.limit(NetDbLimits::nothing().protocol("TCP")).map_err(text)?;
    ensure!(other.getprotobynumber(6).map_err(text)?.is_some(), "no protocol 6");
    not_capable(other.getservbyport(22, None), NAME)
}

fn bad_names(casper: &Casper) -> Outcome {
    let netdb: NetDb = casper.open().map_err(text)?;
    let long = "a".repeat(256);
    let invalid = |done: bool, what: &str| -> Outcome {
        ensure!(done, "{what:?} is taken");
        Ok(())
    };
    for bad in ["", "tcp\0", "\0", &long] {
        invalid(matches!(netdb.getprotobyname(bad), Err(Error::Invalid { .. })), bad)?;
        invalid(matches!(netdb.getservbyname(bad, None), Err(Error::Invalid { .. })), bad)?;
        invalid(matches!(netdb.getservbyname("ssh", Some(bad)), Err(Error::Invalid { .. })), bad)?;
        invalid(matches!(netdb.getservbyport(22, Some(bad)), Err(Error::Invalid { .. })), bad)?;
    }
    netdb.ask().map_err(text)
}

/// What both providers hold: every protocol, and no service.
fn no_services(casper: &Casper) -> Outcome {
    let netdb: NetDb = casper.open().map_err(text)?;
    let limits = NetDbLimits::nothing().all_protocols();
    netdb.limit(limits.clone()).map_err(text)?;
    ensure!(netdb.limits().map_err(text)? == limits, "other limits");
    netdb.ask().map_err(text)?;
    not_capable(netdb.getservbyname("ssh", Some("tcp")), NAME)?;
    not_capable(netdb.getservbyport(22, None), NAME)?;
    not_capable(netdb.limit(limits.service("ssh")), NAME)?;
    not_capable(netdb.limit(NetDbLimits::unlimited()), NAME)?;
    netdb.ask().map_err(text)
}

fn lacks(casper: &Casper) -> Outcome {
    ensure!(native(), "another provider");
    let netdb: NetDb = casper.open().map_err(text)?;
    for limits in [NetDbLimits::nothing(), NetDbLimits::nothing().protocol("tcp").all_services()] {
        unsupported(netdb.limit(limits), NAME)?;
    }
    ensure!(netdb.limits().map_err(text)? == NetDbLimits::unlimited(), "some of it was set");
    netdb.getprotobyname("udp").map_err(text)?;
    unsupported(netdb.getprotobynumber(6), NAME)?;
    unsupported(netdb.getservbyname("ssh", Some("tcp")), NAME)?;
    unsupported(netdb.getservbyport(22, None), NAME)?;
    netdb.ask().map_err(text)
}

fn confined(casper: &Casper) -> Outcome {
    let netdb: NetDb = casper.open().map_err(text)?;
    let tcp = if native() {
        NetDbLimits::nothing().all_protocols()
    } else {
        NetDbLimits::nothing().protocol("tcp")
    };
    netdb.limit(tcp).map_err(text)?;
    capsicum_rs::Sandbox::new().grant(&netdb, casper::RIGHTS).enter().map_err(text)?;
    ensure!(std::fs::File::open("/etc/protocols").is_err(), "it is not confined");
    netdb.ask().map_err(text)?;
    not_capable(netdb.limit(NetDbLimits::unlimited()), NAME)?;
    if native() {
        return Ok(());
    }
    not_capable(netdb.getprotobyname("udp"), NAME)?;
    not_capable(netdb.limit(NetDbLimits::nothing().protocol("udp")), NAME)
}

/// What a client does next.
#[derive(Clone, Debug)]
enum Step {
    /// `None` is all.
    Limit(Option<Vec<usize>>, Option<Vec<usize>>),
    Protocol(usize),
    Service(usize),
    /// By a number that no entry has.
    Number,
    Port,
    /// Go on with a clone.
    Clone,
}

const NAMES: &[&str] = &["tcp", "udp", "ssh", "no-such"];

fn step() -> impl Strategy<Value = Step> {
    let names = || prop::option::of(prop::collection::vec(0..NAMES.len(), 0..4));
    prop_oneof![
        2 => (names(), names()).prop_map(|(protocols, services)| Step::Limit(protocols, services)),
        4 => (0..NAMES.len()).prop_map(Step::Protocol),
        4 => (0..NAMES.len()).prop_map(Step::Service),
        1 => Just(Step::Number),
        1 => Just(Step::Port),
        1 => Just(Step::Clone),
    ]
}

type Names = Option<Vec<usize>>;

fn has(held: &Names, name: usize) -> bool {
    held.as_ref().is_none_or(|names| names.contains(&name))
}

fn narrows(held: &Names, new: &Names) -> bool {
    match new {
        None => held.is_none(),
        Some(new) => new.iter().all(|name| has(held, *name)),
    }
}

fn some(held: &Names) -> bool {
    held.as_ref().is_none_or(|names| !names.is_empty())
}

fn limits_of(protocols: &Names, services: &Names) -> NetDbLimits {
    let mut limits = NetDbLimits::nothing();
    for name in protocols.iter().flatten() {
        limits = limits.protocol(NAMES[*name]);
    }
    for name in services.iter().flatten() {
        limits = limits.service(NAMES[*name]);
    }
    limits = if protocols.is_none() { limits.all_protocols() } else { limits };
    if services.is_none() { limits.all_services() } else { limits }
}

fn limited_at_random(casper: &Casper) -> Outcome {
    let service: NetDb = casper.open().map_err(text)?;
    let service = service.within(LONG);
    let mut runner = model::runner();
    runner
        .run(&prop::collection::vec(step(), 1..24), |steps| {
            let mut client = clone(&service)?;
            let (mut protocols, mut services): (Names, Names) = (None, None);
            for step in steps {
                let (expected, got) = match &step {
                    Step::Limit(new_protocols, new_services) => {
                        let narrower =
                            narrows(&protocols, new_protocols) && narrows(&services, new_services);
                        if narrower {
                            (protocols, services) = (new_protocols.clone(), new_services.clone());
                        }
                        (narrower, client.limit(limits_of(new_protocols, new_services)))
                    }
                    Step::Protocol(name) => {
                        let got = client.getprotobyname(NAMES[*name]).map(drop);
                        (has(&protocols, *name), got)
                    }
                    Step::Service(name) => {
                        let got = client.getservbyname(NAMES[*name], None).map(drop);
                        (has(&services, *name), got)
                    }
                    Step::Number => (some(&protocols), client.getprotobynumber(-1).map(drop)),
                    Step::Port => (some(&services), client.getservbyport(0, None).map(drop)),
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

fn clone(netdb: &NetDb) -> Result<NetDb, TestCaseError> {
    model::again(|| netdb.try_clone())
}
