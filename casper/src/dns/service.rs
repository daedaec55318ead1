//! The process of the service.

use sandbox_spawn::{Builder, Reach, service};

use super::{DnsLimits, Found, Hints, NameFlags, Types};
use crate::{
    Failure, Service,
    address::Address,
    resolver,
    service::{Connection, Grants},
    sys,
};

/// What a client asks.
#[service]
pub(crate) trait Requests {
    fn getaddrinfo(
        &mut self,
        name: Option<String>,
        service: Option<String>,
        hints: Hints,
    ) -> Result<Found, Failure>;
    fn getnameinfo(
        &mut self,
        address: Address,
        flags: NameFlags,
    ) -> Result<(String, String), Failure>;
}

/// The service `system.dns`. It holds nothing.
#[derive(Debug)]
pub(crate) struct Serving;

impl Service for Serving {
    const NAME: &'static str = "system.dns";
    const REACH: Option<&'static Reach> =
        Some(&Reach::NOTHING.paths(resolver::REACH).metadata().sockets());
    type Calls = RequestsServer;
    type Client = RequestsClient;
    type Limits = DnsLimits;
    type Session = ();
    type Setup = ();

    fn describe((): (), process: Builder) -> Result<Builder, String> {
        Ok(sys::as_ordinary_user(process))
    }

    fn start(_: &mut Grants<'_>) -> Result<Self, String> {
        sys::refuse_root()?;
        Ok(Self)
    }
}

impl Connection<Serving> {
    fn check(&self, kind: Types) -> Result<(), Failure> {
        if self.limits().allow(kind) {
            return Ok(());
        }
        Err(Failure::not_capable(format!("{kind:?}")))
    }
}

impl Requests for Connection<Serving> {
    fn getaddrinfo(
        &mut self,
        name: Option<String>,
        service: Option<String>,
        hints: Hints,
    ) -> Result<Found, Failure> {
        self.check(Types::NAME2ADDR)?;
        let families = self.limits().allowed_families();
        resolver::resolve(name.as_deref(), service.as_deref(), hints, families)
    }

    fn getnameinfo(
        &mut self,
        address: Address,
        flags: NameFlags,
    ) -> Result<(String, String), Failure> {
        self.check(Types::ADDR2NAME)?;
        resolver::name(address.into(), flags, self.limits().allowed_families())
    }
}
