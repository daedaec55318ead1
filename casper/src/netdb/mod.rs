//! `NetDb`: protocols and services, after cap_netdb(3).

mod limits;
mod portable;
pub(crate) mod service;

use std::{os::fd::AsFd, time::Duration};

use capsicum_channel::Frames;
use serde::{Deserialize, Serialize};

pub use limits::{MOST_NAMES, NetDbLimits};

use crate::Error;

/// A channel to the service `system.netdb`.
///
/// It looks up what /etc/protocols and /etc/services have, by the C library. libcasper's service has
/// getprotobyname(3) alone: from [`Casper::native`](crate::Casper::native) all else is
/// [`Error::Unsupported`], and so are limits to protocols, which it accepts and does not hold.
///
/// ```
/// use casper::{Casper, NetDb, netdb::NetDbLimits};
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<NetDb>()];
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     sandbox_spawn::init(WORKERS)?;
///     let netdb: NetDb = Casper::start()?.open()?;
///     netdb.limit(NetDbLimits::nothing().protocol("tcp"))?;
///     capsicum_rs::enter()?;
///
///     // A host may have no such database.
///     if let Some(tcp) = netdb.getprotobyname("tcp")? {
///         assert_eq!(tcp.number, 6);
///     }
///     assert!(matches!(netdb.getprotobyname("udp"), Err(casper::Error::NotCapable { .. })));
///     Ok(())
/// }
/// ```
pub struct NetDb(Box<dyn Api>);

/// A protocol: protocols(5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProtocolEntry {
    /// Its name, such as `tcp`.
    pub name: String,
    /// Its other names, such as `TCP`.
    pub aliases: Vec<String>,
    /// Its number, such as 6.
    pub number: i32,
}

/// A service: services(5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceEntry {
    /// Its name, such as `ssh`.
    pub name: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Its port, such as 22.
    pub port: u16,
    /// The protocol, such as `tcp`.
    pub protocol: String,
}

/// What a provider does.
pub(crate) trait Api: AsFd + Send + Sync {
    fn limit(&self, limits: NetDbLimits) -> Result<(), Error>;
    fn limits(&self) -> Result<NetDbLimits, Error>;
    fn try_clone(&self) -> Result<Box<dyn Api>, Error>;
    fn to_frames(&self) -> Result<Frames, Error>;
    fn within(&self, time: Duration) -> Box<dyn Api>;
    fn protocol_by_name(&self, name: &str) -> Result<Option<ProtocolEntry>, Error>;
    fn protocol_by_number(&self, number: i32) -> Result<Option<ProtocolEntry>, Error>;
    fn service_by_name(
        &self,
        name: &str,
        protocol: Option<&str>,
    ) -> Result<Option<ServiceEntry>, Error>;
    fn service_by_port(
        &self,
        port: u16,
        protocol: Option<&str>,
    ) -> Result<Option<ServiceEntry>, Error>;
}

impl NetDb {
    /// A protocol by a name of its: getprotobyname(3). `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] for a name that the limits do not have; [`Error::Invalid`] for one that is
    /// empty, has a NUL or more than 255 bytes.
    pub fn getprotobyname(&self, name: &str) -> Result<Option<ProtocolEntry>, Error> {
        self.0.protocol_by_name(name)
    }

    /// A protocol by its number: getprotobynumber(3). `None` where there is none that the limits have.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] where they have no protocol at all.
    pub fn getprotobynumber(&self, number: i32) -> Result<Option<ProtocolEntry>, Error> {
        self.0.protocol_by_number(number)
    }

    /// A service by a name of its, and the protocol, or any: getservbyname(3). `None` where there is none.
    ///
    /// # Errors
    ///
    /// As of [`getprotobyname`](Self::getprotobyname).
    pub fn getservbyname(
        &self,
        name: &str,
        protocol: Option<&str>,
    ) -> Result<Option<ServiceEntry>, Error> {
        self.0.service_by_name(name, protocol)
    }

    /// A service by its port, and the protocol, or any: getservbyport(3). `None` where there is none that
    /// the limits have.
    ///
    /// # Errors
    ///
    /// As of [`getprotobynumber`](Self::getprotobynumber); [`Error::Invalid`] for the protocol's name.
    pub fn getservbyport(
        &self,
        port: u16,
        protocol: Option<&str>,
    ) -> Result<Option<ServiceEntry>, Error> {
        self.0.service_by_port(port, protocol)
    }
}

crate::client::client!(NetDb, NetDbLimits, (), service::Serving, native: |libcasper, ()| libcasper.net_db());
