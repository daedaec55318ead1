//! The service as a process of this program.

use super::{Api, Key, SysctlLimits, service::Serving};
use crate::{Channel, Error};

impl Api for Channel<Serving> {
    crate::client::framework!(SysctlLimits);

    fn read(&self, key: Key) -> Result<Vec<u8>, Error> {
        Ok((**self).read(key)?.into_vec())
    }

    fn write(&self, key: Key, value: Vec<u8>) -> Result<(), Error> {
        Ok((**self).write(key, value.into())?)
    }

    fn write_integer(&self, key: Key, value: i64) -> Result<(), Error> {
        Ok((**self).write_integer(key, value)?)
    }

    fn mib(&self, name: &str) -> Result<Vec<i32>, Error> {
        Ok((**self).mib(name.to_owned())?)
    }
}
