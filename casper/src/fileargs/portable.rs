//! The service as a process of this program.

use std::os::fd::OwnedFd;

use capsicum_channel::Handle;

use super::{Ahead, Api, FileArgsLimits, Status, service::Serving};
use crate::{Channel, Error, Service};

fn received(handle: Handle<OwnedFd>) -> Result<OwnedFd, Error> {
    handle.into_inner().map_err(|_| Error::Unanswered {
        service: Serving::NAME.to_owned(),
        reason: "the descriptor is in use".to_owned(),
    })
}

impl Api for Channel<Serving> {
    crate::client::framework!(FileArgsLimits);

    fn open(&self, path: &[u8], ahead: u8) -> Result<(OwnedFd, Ahead), Error> {
        let opened = (**self).open(path.to_owned().into(), ahead)?;
        drop(opened.receipt);
        let ahead =
            opened.ahead.into_iter().map(|(path, file)| Ok((path.into_vec(), received(file)?)));
        Ok((received(opened.file)?, ahead.collect::<Result<_, Error>>()?))
    }

    fn lstat(&self, path: &[u8]) -> Result<Status, Error> {
        Ok((**self).lstat(path.to_owned().into())?)
    }

    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        Ok((**self).realpath(path.to_owned().into())?.into_vec())
    }
}
