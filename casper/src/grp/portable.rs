//! The service as a process of this program.

use super::{Api, Group, GrpLimits, service::Serving};
use crate::{Channel, Error};

impl Api for Channel<Serving> {
    crate::client::framework!(GrpLimits);

    fn by_name(&self, name: &str) -> Result<Option<Group>, Error> {
        Ok((**self).by_name(name.to_owned())?.map(Group::from))
    }

    fn by_gid(&self, gid: u32) -> Result<Option<Group>, Error> {
        Ok((**self).by_gid(gid)?.map(Group::from))
    }

    fn page(&self, from: u64) -> Result<(Vec<Group>, Option<u64>), Error> {
        Ok((**self).page(from)?.opened())
    }
}
