//! The service as a process of this program.

use std::net::SocketAddr;

use super::{Api, DnsLimits, Found, Hints, NameFlags, service::Serving};
use crate::{Channel, Error};

impl Api for Channel<Serving> {
    crate::client::framework!(DnsLimits);

    fn getaddrinfo(
        &self,
        name: Option<&str>,
        service: Option<&str>,
        hints: Hints,
    ) -> Result<Found, Error> {
        Ok((**self).getaddrinfo(name.map(str::to_owned), service.map(str::to_owned), hints)?)
    }

    fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameFlags,
    ) -> Result<(String, String), Error> {
        Ok((**self).getnameinfo(address.into(), flags)?)
    }
}
