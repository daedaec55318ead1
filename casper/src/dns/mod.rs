//! `Dns`: names to addresses and addresses to names, after cap_dns(3).

mod limits;
mod portable;
mod service;

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    time::Duration,
};

use capsicum_channel::Frames;

pub use limits::{DnsLimits, Types};

use crate::Error;
pub use crate::resolver::{AddressInfo, Families, Flags, Found, Hints, Kind, NameFlags};

/// A channel to the service `system.dns`.
///
/// It resolves by the C library's getaddrinfo(3) and getnameinfo(3), as the host is set up:
/// /etc/hosts, DNS, multicast DNS, LDAP. Their `EAI_` codes are those of [`Error::Resolve`]; where they
/// say `EAI_SYSTEM`, the errno is that of [`Error::System`].
///
/// The requests of one channel wait for each other. One that takes long can be given up by
/// [`within`](Self::within), but the channel is busy until the C library gives up too. It keeps no
/// other channel waiting: [clone](Self::try_clone) it to resolve several names at once.
///
/// What answers tell is for whoever answers to say: a name that a server sends can be any.
///
/// ```
/// use casper::{Casper, Dns, dns::{DnsLimits, Families, Types}};
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<Dns>()];
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     sandbox_spawn::init(WORKERS)?;
///     let dns: Dns = Casper::start()?.open()?;
///     dns.limit(DnsLimits::nothing().types(Types::NAME2ADDR).families(Families::V4))?;
///     capsicum_rs::enter()?;
///
///     assert!(dns.addresses("localhost")?.iter().all(|address| address.is_loopback()));
///     let address = "127.0.0.1".parse()?;
///     assert!(matches!(dns.gethostbyaddr(address), Err(casper::Error::NotCapable { .. })));
///     Ok(())
/// }
/// ```
pub struct Dns(Box<dyn Api>);

/// What a provider does.
pub(crate) trait Api: AsFd + Send + Sync {
    fn limit(&self, limits: DnsLimits) -> Result<(), Error>;
    fn limits(&self) -> Result<DnsLimits, Error>;
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
}

/// A host, as gethostbyname(3) has it. Its aliases are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host {
    /// Its canonical name.
    pub name: String,
    /// Its addresses, best first.
    pub addresses: Vec<IpAddr>,
}

impl Dns {
    /// Addresses of a name, of the families that the channel may ask for: what most programs want.
    ///
    /// # Errors
    ///
    /// As of [`getaddrinfo`](Self::getaddrinfo).
    pub fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let found = self.0.getaddrinfo(Some(name), None, Hints::default().kind(Kind::Stream))?;
        Ok(addresses(&found))
    }

    /// Addresses of a host, a service or both: getaddrinfo(3).
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] without [`Types::NAME2ADDR`], or a family that the hints state;
    /// [`Error::Resolve`] with the `EAI_` code; [`Error::Invalid`] for a name with a NUL or of more than
    /// 1024 bytes, or a service of more than 64; [`Error::System`], `EFBIG`, for more than 1024 answers.
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
    /// [`Error::NotCapable`] without [`Types::ADDR2NAME`], or the family of the address;
    /// [`Error::Resolve`] with the `EAI_` code.
    pub fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameFlags,
    ) -> Result<(String, String), Error> {
        self.0.getnameinfo(address, flags)
    }

    /// A host by name, with its addresses of these families: gethostbyname2(3).
    ///
    /// # Errors
    ///
    /// As of [`getaddrinfo`](Self::getaddrinfo).
    pub fn gethostbyname(&self, name: &str, families: Families) -> Result<Host, Error> {
        let hints = Hints::default().families(families).kind(Kind::Stream).flags(Flags::CANONNAME);
        let found = self.0.getaddrinfo(Some(name), None, hints)?;
        let addresses = addresses(&found);
        Ok(Host { name: found.canonical.unwrap_or_else(|| name.to_owned()), addresses })
    }

    /// A host by one of its addresses: gethostbyaddr(3).
    ///
    /// # Errors
    ///
    /// As of [`getnameinfo`](Self::getnameinfo); `EAI_NONAME` where it has no name.
    pub fn gethostbyaddr(&self, address: IpAddr) -> Result<Host, Error> {
        let flags = NameFlags::NAMEREQD | NameFlags::NUMERICSERV;
        let (name, _) = self.0.getnameinfo(SocketAddr::new(address, 0), flags)?;
        Ok(Host { name, addresses: vec![address] })
    }
}

/// Each address once.
fn addresses(found: &Found) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for info in &found.addresses {
        let address = info.address.ip();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

crate::client::client!(Dns, DnsLimits, (), service::Serving, native: |libcasper, ()| libcasper.dns());
