//! cap_netdb(3)
//!
//! Who holds limits, in libcap_netdb: nobody. `netdb_limit` accepts any, and `netdb_getprotobyname` does not look at
//! them. The one command is getprotobyname, so that no service can be looked up in any case, which is what limits
//! of services are held by.

use std::os::unix::ffi::OsStringExt;

use super::shared::{Of, Shared, framework};
use crate::{
    Error, Failure,
    netdb::{
        Api, NetDbLimits, ProtocolEntry, ServiceEntry,
        service::{optional, protocol, words},
    },
    sys::RawProtocol,
};

type Channel = casper_sys::NetDb;
const NAME: &str = <Channel as Of>::NAME;

fn failed(failure: Failure) -> Error {
    Error::from_failure(NAME, failure)
}

/// What the library has no command for.
fn no_command(call: &str) -> Error {
    Error::Unsupported {
        service: NAME.to_owned(),
        what: call.to_owned(),
        reason: "libcap_netdb has getprotobyname alone".to_owned(),
    }
}

impl Api for Shared<Channel, NetDbLimits> {
    framework!(NetDbLimits);

    fn limit(&self, new: NetDbLimits) -> Result<(), Error> {
        self.narrow(&new, |_, held| {
            if new.protocols.is_some() {
                let reason = "libcap_netdb accepts limits, and holds none";
                return Err(super::no_limit(NAME, "limit to protocols", reason));
            }
            *held = new.clone();
            Ok(())
        })
    }

    fn protocol_by_name(&self, name: &str) -> Result<Option<ProtocolEntry>, Error> {
        words(name).map_err(failed)?;
        let found = self.ask(|channel, _| channel.protocol(name))?;
        let raw = found.map(|found| RawProtocol {
            name: found.name.into_vec(),
            aliases: found.aliases.into_iter().map(OsStringExt::into_vec).collect(),
            number: found.number,
        });
        raw.map(protocol).transpose().map_err(failed)
    }

    fn protocol_by_number(&self, _: i32) -> Result<Option<ProtocolEntry>, Error> {
        Err(no_command("getprotobynumber"))
    }

    fn service_by_name(
        &self,
        name: &str,
        protocol: Option<&str>,
    ) -> Result<Option<ServiceEntry>, Error> {
        words(name).map_err(failed)?;
        optional(protocol.map(str::to_owned).as_ref()).map_err(failed)?;
        if !Self::limits(self).allow_service(name) {
            return Err(failed(Failure::not_capable(format!("the service {name:?}"))));
        }
        Err(no_command("getservbyname"))
    }

    fn service_by_port(
        &self,
        port: u16,
        protocol: Option<&str>,
    ) -> Result<Option<ServiceEntry>, Error> {
        optional(protocol.map(str::to_owned).as_ref()).map_err(failed)?;
        if !Self::limits(self).allow_some_service() {
            return Err(failed(Failure::not_capable(format!("the service of port {port}"))));
        }
        Err(no_command("getservbyport"))
    }
}
