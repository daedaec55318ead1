//! What a channel may connect to, bind to and resolve.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Limits, dns::Families};

/// Where to connect or bind to: an address, a port, both, or any.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr, SocketAddr};
///
/// use casper::net::Endpoint;
///
/// let one = Endpoint::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 80)));
/// let every_port = Endpoint::from(IpAddr::from(Ipv4Addr::LOCALHOST));
/// let every_host = Endpoint::port(443);
/// # let _ = (one, every_port, every_host);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Endpoint {
    ip: Option<IpAddr>,
    port: Option<u16>,
    /// The interface of an address that is a link's.
    scope: Option<u32>,
}

impl Endpoint {
    /// Any address and port.
    pub const ANY: Self = Self { ip: None, port: None, scope: None };

    /// This port of any address.
    pub const fn port(port: u16) -> Self {
        Self { port: Some(port), ..Self::ANY }
    }

    /// Whether `other` is nowhere but here.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        fn held<T: PartialEq>(limit: Option<&T>, other: Option<&T>) -> bool {
            limit.is_none() || limit == other
        }
        held(self.ip.as_ref(), other.ip.as_ref())
            && held(self.port.as_ref(), other.port.as_ref())
            && held(self.scope.as_ref(), other.scope.as_ref())
    }

    /// What a lookup leads to: without a service any port. One that was stated has a port, of which the C library
    /// may make 0 (`*`, 65536): that is no other one.
    pub(crate) fn found(address: SocketAddr, service: bool) -> Self {
        let endpoint = Self::from(address);
        Self { port: endpoint.port.filter(|_| service), ..endpoint }
    }
}

/// This port of this address. IPv4 that is written as IPv6 is IPv4. A scope of 0 is any.
impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let scope = match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(address) => address.scope_id(),
        };
        Self {
            ip: Some(address.ip().to_canonical()),
            port: Some(address.port()),
            scope: Some(scope).filter(|scope| *scope != 0),
        }
    }
}

/// Every port of this address.
impl From<IpAddr> for Endpoint {
    fn from(ip: IpAddr) -> Self {
        Self { ip: Some(ip.to_canonical()), ..Self::ANY }
    }
}

/// A name that may be resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Name {
    host: Option<String>,
    service: Option<String>,
}

impl Name {
    /// Any host and service.
    pub(crate) const ANY: Self = Self { host: None, service: None };

    fn covers(&self, other: &Self) -> bool {
        (self.host.is_none() || self.host == other.host)
            && (self.service.is_none() || self.service == other.service)
    }
}

/// The most entries that each list of limits has.
pub const MOST_ENTRIES: usize = 1024;

/// What a channel may do, as cap_net_limit(3) has it: each way is stated, and where to. What is not stated
/// is not allowed, families included.
///
/// | libcasper's mode | here |
/// |---|---|
/// | `CAPNET_CONNECT` | [`connect`](Self::connect) |
/// | `CAPNET_CONNECTDNS` | [`connect_resolved`](Self::connect_resolved) |
/// | `CAPNET_BIND` | [`bind`](Self::bind) |
/// | `CAPNET_NAME2ADDR` | [`name2addr`](Self::name2addr) |
/// | `CAPNET_ADDR2NAME` | [`addr2name`](Self::addr2name) |
///
/// Families hold for all of them, and [`datagrams`](Self::datagrams) for connecting and binding. A later limit
/// can drop none of them by what it leaves out.
///
/// From [`Casper::native`](crate::Casper::native) only the ways are limited, with every family and datagrams:
/// a limit to some addresses, names or families, or without datagrams, is
/// [`Error::Unsupported`](crate::Error::Unsupported), and leaves the channel as it was. Whoever holds a channel
/// of libcap_net's can undo such limits.
///
/// ```
/// use casper::net::{Endpoint, Families, NetLimits};
///
/// let limits = NetLimits::nothing()
///     .families(Families::V4 | Families::V6)
///     .name2addr(Some("example.org"), Some("443"))
///     .connect_resolved()
///     .bind(Endpoint::port(0));
/// # let _ = limits;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct NetLimits {
    pub(crate) families: Families,
    pub(crate) datagrams: bool,
    pub(crate) connect: Vec<Endpoint>,
    pub(crate) resolved: bool,
    pub(crate) bind: Vec<Endpoint>,
    pub(crate) names: Vec<Name>,
    pub(crate) addresses: Vec<Endpoint>,
}

impl NetLimits {
    /// Nothing at all.
    pub const fn nothing() -> Self {
        Self {
            families: Families::empty(),
            datagrams: false,
            connect: Vec::new(),
            resolved: false,
            bind: Vec::new(),
            names: Vec::new(),
            addresses: Vec::new(),
        }
    }

    /// Addresses of these families too, for everything that is allowed.
    pub fn families(self, families: Families) -> Self {
        Self { families: self.families | families, ..self }
    }

    /// UDP too, besides TCP, wherever connecting or binding is allowed.
    ///
    /// On Linux a program whose ceiling has [`CONNECT`](capsicum_rs::Rights::CONNECT), as after
    /// [`enter`](capsicum_rs::enter), can send messages to every address by a socket of UDP that it has, in capability
    /// mode too: a filter does not see the address within a message. So whoever is held to addresses and
    /// has UDP needs a ceiling without `CONNECT`.
    pub fn datagrams(self) -> Self {
        Self { datagrams: true, ..self }
    }

    /// Connecting to this too.
    pub fn connect(mut self, to: impl Into<Endpoint>) -> Self {
        self.connect.push(to.into());
        self
    }

    /// Connecting to what this channel has resolved too: to the port of the service that was stated, or
    /// to every port where none was.
    ///
    /// A name that is an address is resolved like any other. So this holds as much as the names do
    /// that may be resolved: state them.
    pub fn connect_resolved(self) -> Self {
        Self { resolved: true, ..self }
    }

    /// Binding to this too. Port 0 is one that the system chooses.
    pub fn bind(mut self, to: impl Into<Endpoint>) -> Self {
        self.bind.push(to.into());
        self
    }

    /// Resolving this host, or any, with this service, or with any or none. Names are compared as they
    /// are written.
    pub fn name2addr(mut self, host: Option<&str>, service: Option<&str>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        self.names.push(Name { host: owned(host), service: owned(service) });
        self
    }

    /// Asking for the name of this too.
    pub fn addr2name(mut self, of: impl Into<Endpoint>) -> Self {
        self.addresses.push(of.into());
        self
    }

    pub(crate) fn allow_datagrams(&self) -> bool {
        self.datagrams
    }

    pub(crate) fn allowed_families(&self) -> Families {
        self.families
    }

    fn allows(&self, list: &[Endpoint], address: SocketAddr) -> bool {
        let endpoint = Endpoint::from(address);
        self.families.contains(Families::of(address.ip()))
            && list.iter().any(|entry| entry.covers(&endpoint))
    }

    pub(crate) fn allow_connect(&self, address: SocketAddr) -> bool {
        self.allows(&self.connect, address)
    }

    /// Of an address that the channel has resolved.
    pub(crate) fn allow_resolved(&self, address: SocketAddr) -> bool {
        self.resolved && self.families.contains(Families::of(address.ip()))
    }

    pub(crate) fn allow_bind(&self, address: SocketAddr) -> bool {
        self.allows(&self.bind, address)
    }

    pub(crate) fn allow_addr2name(&self, address: SocketAddr) -> bool {
        self.allows(&self.addresses, address)
    }

    /// No host and no service are names of no letters.
    pub(crate) fn allow_name2addr(&self, host: Option<&str>, service: Option<&str>) -> bool {
        let held = |limit: &Option<String>, asked: Option<&str>| {
            limit.as_deref().is_none_or(|limit| limit == asked.unwrap_or(""))
        };
        self.names.iter().any(|name| held(&name.host, host) && held(&name.service, service))
    }
}

impl Limits for NetLimits {
    fn unlimited() -> Self {
        Self {
            families: Families::all(),
            datagrams: true,
            connect: vec![Endpoint::ANY],
            resolved: true,
            bind: vec![Endpoint::ANY],
            names: vec![Name::ANY],
            addresses: vec![Endpoint::ANY],
        }
    }

    fn narrows(&self, new: &Self) -> bool {
        fn within<T>(old: &[T], new: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
            new.len() <= MOST_ENTRIES
                && new.iter().all(|new| old.iter().any(|old| covers(old, new)))
        }
        self.families.contains(new.families)
            && (self.datagrams || !new.datagrams)
            && (self.resolved || !new.resolved)
            && within(&self.connect, &new.connect, Endpoint::covers)
            && within(&self.bind, &new.bind, Endpoint::covers)
            && within(&self.names, &new.names, Name::covers)
            && within(&self.addresses, &new.addresses, Endpoint::covers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn base() -> NetLimits {
        NetLimits::nothing().families(Families::all())
    }

    #[test]
    fn endpoints_hold_what_they_state() {
        let one = base().connect(address("192.0.2.1:80"));
        assert!(one.allow_connect(address("192.0.2.1:80")));
        // The same address, which leads to the same host.
        assert!(one.allow_connect(address("[::ffff:192.0.2.1]:80")));
        for other in ["192.0.2.1:81", "192.0.2.2:80", "[2001:db8::1]:80", "0.0.0.0:80"] {
            assert!(!one.allow_connect(address(other)), "{other}");
        }
        assert!(!one.allow_bind(address("192.0.2.1:80")));
        let ports = base().connect(address("192.0.2.1:80").ip());
        assert!(
            ports.allow_connect(address("192.0.2.1:1"))
                && !ports.allow_connect(address("192.0.2.2:1"))
        );
        let hosts = base().connect(Endpoint::port(80));
        assert!(hosts.allow_connect(address("[2001:db8::1]:80")));
        assert!(!hosts.allow_connect(address("[2001:db8::1]:81")));
        let scoped = base().connect(address("[fe80::1%2]:80"));
        assert!(scoped.allow_connect(address("[fe80::1%2]:80")));
        assert!(!scoped.allow_connect(address("[fe80::1%3]:80")));
        assert!(!scoped.allow_connect(address("[fe80::1]:80")));
    }

    #[test]
    fn families_hold_for_everything() {
        let v6 = NetLimits { families: Families::V6, ..NetLimits::unlimited() };
        for v4 in ["192.0.2.1:80", "[::ffff:192.0.2.1]:80"].map(address) {
            assert!(!v6.allow_connect(v4) && !v6.allow_bind(v4), "{v4}");
            assert!(!v6.allow_resolved(v4) && !v6.allow_addr2name(v4), "{v4}");
        }
        let none = NetLimits { families: Families::empty(), ..NetLimits::unlimited() };
        assert!(!none.allow_connect(address("192.0.2.1:80")));
        // libcasper's way to widen: a later limit that says nothing of families.
        assert!(!v6.narrows(&NetLimits::unlimited()));
        assert!(v6.narrows(&NetLimits::nothing().connect(address("192.0.2.1:80"))));
        assert!(
            !NetLimits::nothing()
                .connect(address("192.0.2.1:80"))
                .allow_connect(address("192.0.2.1:80"))
        );
    }

    #[test]
    fn limits_only_narrow() {
        let all = NetLimits::unlimited();
        let one = base().connect(address("192.0.2.1:80")).name2addr(Some("a"), Some("80"));
        assert!(all.narrows(&all) && all.narrows(&one) && one.narrows(&one));
        assert!(one.narrows(&NetLimits::nothing()));
        for wider in [
            all.clone(),
            one.clone().connect(address("192.0.2.1:81")),
            one.clone().connect(address("192.0.2.1:80").ip()),
            one.clone().connect(Endpoint::port(80)),
            one.clone().connect(Endpoint::ANY),
            one.clone().connect_resolved(),
            one.clone().datagrams(),
            one.clone().bind(address("192.0.2.1:80")),
            one.clone().addr2name(address("192.0.2.1:80")),
            one.clone().name2addr(Some("a"), None),
            one.clone().name2addr(None, Some("80")),
            one.clone().name2addr(Some("b"), Some("80")),
            one.clone().families(Families::from_bits_retain(4)),
        ] {
            assert!(!one.narrows(&wider), "{wider:?}");
        }
        let port = base().connect(Endpoint::port(80));
        assert!(port.narrows(&base().connect(address("192.0.2.1:80"))));
        assert!(!port.narrows(&base().connect(address("192.0.2.1:81"))));
        let many = (0..=MOST_ENTRIES).fold(base(), |many, _| many.connect(Endpoint::port(80)));
        assert!(!all.narrows(&many));
    }

    #[test]
    fn no_name_is_a_name_too() {
        let one = base().name2addr(Some("a"), Some("80"));
        assert!(one.allow_name2addr(Some("a"), Some("80")));
        for (host, service) in
            [(Some("a"), None), (None, Some("80")), (None, None), (Some("b"), Some("80"))]
        {
            assert!(!one.allow_name2addr(host, service), "{host:?} {service:?}");
        }
        let any = base().name2addr(Some("a"), None);
        assert!(any.allow_name2addr(Some("a"), None) && any.allow_name2addr(Some("a"), Some("1")));
        assert!(!any.allow_name2addr(None, None) && !any.allow_name2addr(Some(""), None));
    }
}
