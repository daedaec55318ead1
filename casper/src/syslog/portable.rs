//! The service as a process of this program.

use super::{Api, Facility, Options, Priority, Severities, SyslogLimits, service::Serving};
use crate::{Channel, Error};

impl Api for Channel<Serving> {
    crate::client::framework!(SyslogLimits);

    fn openlog(
        &self,
        ident: Option<String>,
        options: Options,
        facility: Facility,
    ) -> Result<(), Error> {
        Ok((**self).openlog(ident, options, facility)?)
    }

    fn syslog(&self, priority: Priority, message: String) -> Result<(), Error> {
        Ok((**self).syslog(priority, message)?)
    }

    fn setlogmask(&self, mask: Severities) -> Result<Severities, Error> {
        Ok((**self).setlogmask(mask)?)
    }

    fn closelog(&self) -> Result<(), Error> {
        Ok((**self).closelog()?)
    }
}
