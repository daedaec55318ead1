//! Resolving by libcasper, which `Dns` and `Net` do. What may be asked, and what an answer is, are those of the
//! portable services, and so are the errors.

use std::{net::SocketAddr, os::unix::ffi::OsStringExt};

use casper_sys::{Family, Query, Resolved};

use super::shared::{Of, Shared};
use crate::{
    Error, Failure, Limits,
    dns::{Families, Found, Hints, NameFlags},
    resolver::{MOST, Question, name_flags, named},
    sys::{RawAddress, RawAddresses, Unresolved},
};

/// The names of a host and of a service, in the bytes of whoever has answered.
type Names = (Vec<u8>, Vec<u8>);

/// The channels that resolve.
pub(super) trait Resolves: Of {
    fn resolve(&self, query: &Query<'_>) -> Result<Vec<Resolved>, casper_sys::Error>;

    fn names(&self, address: SocketAddr, flags: i32) -> Result<Names, casper_sys::Error>;
}

macro_rules! resolves {
    ($($type:ident),*) => {
        $(impl Resolves for casper_sys::$type {
            fn resolve(&self, query: &Query<'_>) -> Result<Vec<Resolved>, casper_sys::Error> {
                Self::resolve(self, query)
            }

            fn names(&self, address: SocketAddr, flags: i32) -> Result<Names, casper_sys::Error> {
                let (host, service) = self.name(&address, flags)?;
                Ok((host.into_vec(), service.into_vec()))
            }
        })*
    };
}

resolves!(Dns, Net);

/// What a code of the resolver is, and the errno(2) that comes with it; other errors are the channel's.
fn unresolved(service: &str, error: casper_sys::Error) -> Result<Unresolved, Error> {
    match error {
        casper_sys::Error::Resolver { code, .. } => Ok(Unresolved::Code(code)),
        casper_sys::Error::System { source, .. } => Ok(Unresolved::System(source)),
        other => Err(super::explain(service, other)),
    }
}

/// The addresses, and whether there are more than are returned.
fn addresses(found: Vec<Resolved>) -> (RawAddresses, bool) {
    let more = found.len() > MOST;
    let mut all = RawAddresses::default();
    for Resolved { address, socket_type, protocol, canonical } in found.into_iter().take(MOST) {
        all.addresses.push(RawAddress { address, kind: socket_type, protocol });
        all.canonical = all.canonical.or(canonical.map(OsStringExt::into_vec));
    }
    (all, more)
}

impl<T: Resolves, L: Limits> Shared<T, L> {
    /// getaddrinfo(3), of what the channel may ask for.
    pub(super) fn resolve(
        &self,
        name: Option<&str>,
        service: Option<&str>,
        hints: Hints,
        allowed: Families,
    ) -> Result<Found, Error> {
        let failed = |failure: Failure| Error::from_failure(T::NAME, failure);
        let question = Question::new(name, service, hints, allowed).map_err(failed)?;
        let raw = question.hints;
        // libcap_dns answers with the number of this code where its limits refuse, so that it is not asked.
        let found = if name.is_none() && raw.flags & libc::AI_CANONNAME != 0 {
            Err(Unresolved::Code(libc::EAI_BADFLAGS))
        } else {
            let query = Query {
                host: name,
                service,
                family: match raw.family {
                    libc::AF_INET => Some(Family::V4),
                    libc::AF_INET6 => Some(Family::V6),
                    _ => None,
                },
                socket_type: raw.kind,
                protocol: 0,
                flags: raw.flags,
            };
            match self.lend(|channel| channel.resolve(&query)) {
                Ok(found) => Ok(addresses(found)),
                Err(error) => Err(unresolved(T::NAME, error)?),
            }
        };
        question.answer(found).map_err(failed)
    }

    /// getnameinfo(3), of what the channel may ask for.
    pub(super) fn names(
        &self,
        address: SocketAddr,
        flags: NameFlags,
        allowed: Families,
    ) -> Result<(String, String), Error> {
        let failed = |failure: Failure| Error::from_failure(T::NAME, failure);
        let flags = name_flags(address, flags, allowed).map_err(failed)?;
        let names = match self.lend(|channel| channel.names(address, flags)) {
            Ok(names) => Ok(names),
            Err(error) => Err(unresolved(T::NAME, error)?),
        };
        named(address, names).map_err(failed)
    }
}
