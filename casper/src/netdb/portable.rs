//! The service as a process of this program.

use super::{Api, NetDbLimits, ProtocolEntry, ServiceEntry, service::Serving};
use crate::{Channel, Error};

impl Api for Channel<Serving> {
    crate::client::framework!(NetDbLimits);

    fn protocol_by_name(&self, name: &str) -> Result<Option<ProtocolEntry>, Error> {
        Ok((**self).protocol_by_name(name.to_owned())?)
    }

    fn protocol_by_number(&self, number: i32) -> Result<Option<ProtocolEntry>, Error> {
        Ok((**self).protocol_by_number(number)?)
    }

    fn service_by_name(
        &self,
        name: &str,
        protocol: Option<&str>,
    ) -> Result<Option<ServiceEntry>, Error> {
        Ok((**self).service_by_name(name.to_owned(), protocol.map(str::to_owned))?)
    }

    fn service_by_port(
        &self,
        port: u16,
        protocol: Option<&str>,
    ) -> Result<Option<ServiceEntry>, Error> {
        Ok((**self).service_by_port(port, protocol.map(str::to_owned))?)
    }
}
