//! The service as a process of this program.

use std::{net::SocketAddr, os::fd::OwnedFd, time::Duration};

use capsicum_channel::Handle;

use super::{Api, Found, Hints, NameFlags, NetLimits, service::Serving};
use crate::{Channel, Error, Service};

/// The socket that was sent.
fn owned(socket: Handle<OwnedFd>) -> Result<OwnedFd, Error> {
    socket.into_inner().map_err(|_| Error::Unanswered {
        service: Serving::NAME.to_owned(),
        reason: "the socket is in use".to_owned(),
    })
}

impl Api for Channel<Serving> {
    crate::client::framework!(NetLimits);

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

    fn connect(&self, socket: OwnedFd, to: SocketAddr, time: Duration) -> Result<(), Error> {
        Ok((**self).connect(socket.into(), to.into(), time)?)
    }

    fn bind(&self, socket: OwnedFd, to: SocketAddr) -> Result<(), Error> {
        Ok((**self).bind(socket.into(), to.into())?)
    }

    fn connect_tcp(&self, to: SocketAddr, time: Duration) -> Result<OwnedFd, Error> {
        owned((**self).connect_tcp(to.into(), time)?)
    }

    fn connect_udp(&self, to: SocketAddr) -> Result<OwnedFd, Error> {
        owned((**self).connect_udp(to.into())?)
    }

    fn bind_tcp(&self, to: SocketAddr) -> Result<OwnedFd, Error> {
        owned((**self).bind_tcp(to.into())?)
    }

    fn bind_udp(&self, to: SocketAddr) -> Result<OwnedFd, Error> {
        owned((**self).bind_udp(to.into())?)
    }
}
