//! Random sequences of limits, requests and clones, against a model of what may come of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use casper::{
    Casper, Error, Net,
    net::{Endpoint, Families, NetLimits},
};
use proptest::prelude::*;

use super::{numeric, open};
use crate::{
    harness::{Outcome, text},
    model,
};

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

pub(super) fn limited_at_random(casper: &Casper) -> Outcome {
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
