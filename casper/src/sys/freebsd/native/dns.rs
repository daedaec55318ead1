//! cap_dns(3)
//!
//! Who holds limits, in libcap_dns: `dns_limit` takes no type and no family that the old limits have not
//! (`dns_allowed_type`, `dns_allowed_family`), and none at all where they have some, since a list that is not
//! there is all. Each request asks the same two functions before anything else. So both narrow by themselves,
//! but for two things:
//!
//! - There is no list of nothing. casper-sys writes the number of no family into each list of families,
//!   which no request for addresses or names can have. Limits that allow no type or no family are that.
//! - The family is that of the request. One of IPv6 is answered about IPv4 too, where it is written as IPv6:
//!   gethostbyaddr(3) and getnameinfo(3) take `::ffff:192.0.2.1` for what it stands for. So IPv6 without IPv4 is
//!   not held there. IPv4 cannot be written the other way.

use std::net::SocketAddr;

use casper_sys::{DnsType, Family};

use super::shared::{Of, Shared, framework};
use crate::{
    Error, Failure,
    dns::{Api, DnsLimits, Families, Found, Hints, NameFlags, Types},
};

type Channel = casper_sys::Dns;
const NAME: &str = <Channel as Of>::NAME;

const TYPES: [(Types, DnsType); 2] =
    [(Types::NAME2ADDR, DnsType::NameToAddress), (Types::ADDR2NAME, DnsType::AddressToName)];

const FAMILIES: [(Families, Family); 2] = [(Families::V4, Family::V4), (Families::V6, Family::V6)];

impl Shared<Channel, DnsLimits> {
    /// The families that may be asked for by a request of this type.
    fn allowed(&self, kind: Types) -> Result<Families, Error> {
        let limits = Self::limits(self);
        if limits.allow(kind) {
            return Ok(limits.families);
        }
        Err(Error::from_failure(NAME, Failure::not_capable(format!("{kind:?}"))))
    }
}

impl Api for Shared<Channel, DnsLimits> {
    framework!(DnsLimits);

    fn limit(&self, new: DnsLimits) -> Result<(), Error> {
        self.narrow(&new, |channel, held| {
            let failed = |error| super::explain(NAME, error);
            if new.types.is_empty() || new.families.is_empty() {
                channel.limit_families(&[]).map_err(failed)?;
                *held = new;
                return Ok(());
            }
            // Before anything is set.
            if new.families == Families::V6 {
                let reason = "libcap_dns is asked for IPv4 that is written as IPv6 too";
                return Err(super::no_limit(NAME, "limit to IPv6 without IPv4", reason));
            }
            if new.families != held.families {
                let chosen = FAMILIES.iter().filter(|(family, _)| new.families.contains(*family));
                let chosen: Vec<_> = chosen.map(|(_, family)| *family).collect();
                channel.limit_families(&chosen).map_err(failed)?;
                held.families = new.families;
            }
            if new.types != held.types {
                let chosen = TYPES.iter().filter(|(kind, _)| new.types.contains(*kind));
                let chosen: Vec<_> = chosen.map(|(_, kind)| *kind).collect();
                channel.limit_types(&chosen).map_err(failed)?;
                held.types = new.types;
            }
            Ok(())
        })
    }

    fn getaddrinfo(
        &self,
        name: Option<&str>,
        service: Option<&str>,
        hints: Hints,
    ) -> Result<Found, Error> {
        let allowed = self.allowed(Types::NAME2ADDR)?;
        self.resolve(name, service, hints, allowed)
    }

    fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameFlags,
    ) -> Result<(String, String), Error> {
        let allowed = self.allowed(Types::ADDR2NAME)?;
        self.names(address, flags, allowed)
    }
}
