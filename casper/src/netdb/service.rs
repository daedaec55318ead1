//! The process of the service.

use std::ffi::{CStr, CString};

use sandbox_spawn::{Builder, Reach, service};

use super::{NetDbLimits, ProtocolEntry, ServiceEntry};
use crate::{
    Failure, Service, reach,
    service::{Connection, Grants},
    sys::{self, RawProtocol, RawService},
};

/// Bytes of a name.
const LONGEST: usize = 255;

/// What a client asks.
#[service]
pub(crate) trait Requests {
    fn protocol_by_name(&mut self, name: String) -> Result<Option<ProtocolEntry>, Failure>;
    fn protocol_by_number(&mut self, number: i32) -> Result<Option<ProtocolEntry>, Failure>;
    fn service_by_name(
        &mut self,
        name: String,
        protocol: Option<String>,
    ) -> Result<Option<ServiceEntry>, Failure>;
    fn service_by_port(
        &mut self,
        port: u16,
        protocol: Option<String>,
    ) -> Result<Option<ServiceEntry>, Failure>;
}

/// The service `system.netdb`. It holds nothing.
#[derive(Debug)]
pub(crate) struct Serving;

impl Service for Serving {
    const NAME: &'static str = "system.netdb";
    const REACH: Option<&'static Reach> =
        Some(&Reach::NOTHING.paths(reach::NAME_SERVICE).metadata());
    type Calls = RequestsServer;
    type Client = RequestsClient;
    type Limits = NetDbLimits;
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

/// A name that can be meant.
pub(crate) fn words(name: &str) -> Result<CString, Failure> {
    if name.is_empty() || name.len() > LONGEST {
        return Err(Failure::invalid(format!("a name has between 1 and {LONGEST} bytes")));
    }
    CString::new(name).map_err(|_| Failure::invalid("a name has no NUL"))
}

pub(crate) fn optional(name: Option<&String>) -> Result<Option<CString>, Failure> {
    name.map(|name| words(name)).transpose()
}

fn text(name: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(name).map_err(|_| Failure::invalid("the name is no UTF-8"))
}

fn texts(names: Vec<Vec<u8>>) -> Result<Vec<String>, Failure> {
    names.into_iter().map(text).collect()
}

/// An entry in words.
pub(crate) fn protocol(raw: RawProtocol) -> Result<ProtocolEntry, Failure> {
    Ok(ProtocolEntry { name: text(raw.name)?, aliases: texts(raw.aliases)?, number: raw.number })
}

fn service(raw: RawService) -> Result<ServiceEntry, Failure> {
    Ok(ServiceEntry {
        name: text(raw.name)?,
        aliases: texts(raw.aliases)?,
        port: raw.port,
        protocol: text(raw.protocol)?,
    })
}

/// Whether an entry that a number has found bears a name that is allowed: before anything else is made of it, since of
/// one that may not be looked up it is not told whether there is one.
fn named(name: &[u8], aliases: &[Vec<u8>], allow: impl Fn(&str) -> bool) -> bool {
    let allow = |name: &[u8]| allow(&String::from_utf8_lossy(name));
    allow(name) || aliases.iter().any(|alias| allow(alias))
}

impl Requests for Connection<Serving> {
    fn protocol_by_name(&mut self, name: String) -> Result<Option<ProtocolEntry>, Failure> {
        let words = words(&name)?;
        if !self.limits().allow_protocol(&name) {
            return Err(Failure::not_capable(format!("the protocol {name:?}")));
        }
        sys::protocol_by_name(&words).map(protocol).transpose()
    }

    fn protocol_by_number(&mut self, number: i32) -> Result<Option<ProtocolEntry>, Failure> {
        let limits = self.limits();
        if !limits.allow_some_protocol() {
            return Err(Failure::not_capable(format!("the protocol {number}")));
        }
        let found = sys::protocol_by_number(number)
            .filter(|found| named(&found.name, &found.aliases, |name| limits.allow_protocol(name)));
        found.map(protocol).transpose()
    }

    fn service_by_name(
        &mut self,
        name: String,
        protocol: Option<String>,
    ) -> Result<Option<ServiceEntry>, Failure> {
        let (words, protocol) = (words(&name)?, optional(protocol.as_ref())?);
        if !self.limits().allow_service(&name) {
            return Err(Failure::not_capable(format!("the service {name:?}")));
        }
        let protocol: Option<&CStr> = protocol.as_deref();
        sys::service_by_name(&words, protocol).map(service).transpose()
    }

    fn service_by_port(
        &mut self,
        port: u16,
        protocol: Option<String>,
    ) -> Result<Option<ServiceEntry>, Failure> {
        let protocol = optional(protocol.as_ref())?;
        let limits = self.limits();
        if !limits.allow_some_service() {
            return Err(Failure::not_capable(format!("the service of port {port}")));
        }
        let found = sys::service_by_port(port, protocol.as_deref())
            .filter(|found| named(&found.name, &found.aliases, |name| limits.allow_service(name)));
        found.map(service).transpose()
    }
}
