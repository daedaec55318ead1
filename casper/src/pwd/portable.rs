//! The service as a process of this program.

use super::{Api, PwdLimits, User, service::Serving};
use crate::{Channel, Error};

impl Api for Channel<Serving> {
    crate::client::framework!(PwdLimits);

    fn by_name(&self, name: &str) -> Result<Option<User>, Error> {
        Ok((**self).by_name(name.to_owned())?.map(User::from))
    }

    fn by_uid(&self, uid: u32) -> Result<Option<User>, Error> {
        Ok((**self).by_uid(uid)?.map(User::from))
    }

    fn page(&self, from: u64) -> Result<(Vec<User>, Option<u64>), Error> {
        Ok((**self).page(from)?.opened())
    }
}
