//! Where libcasper is not: on other systems than FreeBSD, and without the feature `native`.

use sandbox_spawn::Worker;

use crate::{Error, dns, fileargs, grp, net, netdb, pwd, sysctl, syslog};

/// What libcasper would be. There is none here, and so no value of this type.
#[derive(Debug)]
pub(crate) enum Libcasper {}

impl Libcasper {
    /// Says that there is none.
    pub(crate) fn start(_services: &[Worker]) -> Result<Self, Error> {
        let reason = if cfg!(feature = "native") {
            format!("it is FreeBSD's, and this is {}", std::env::consts::OS)
        } else {
            "capsicum-casper was built without its feature `native`".to_owned()
        };
        Err(Error::Unsupported {
            service: "casper".to_owned(),
            what: "libcasper.so.1".to_owned(),
            reason,
        })
    }

    pub(crate) fn limit(&mut self, _services: &[Worker]) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) fn dns(&self) -> Result<Box<dyn dns::Api>, Error> {
        match *self {}
    }

    pub(crate) fn fileargs(
        &self,
        _files: fileargs::Files,
    ) -> Result<Box<dyn fileargs::Api>, Error> {
        match *self {}
    }

    pub(crate) fn grp(&self) -> Result<Box<dyn grp::Api>, Error> {
        match *self {}
    }

    pub(crate) fn net(&self) -> Result<Box<dyn net::Api>, Error> {
        match *self {}
    }

    pub(crate) fn net_db(&self) -> Result<Box<dyn netdb::Api>, Error> {
        match *self {}
    }

    pub(crate) fn pwd(&self) -> Result<Box<dyn pwd::Api>, Error> {
        match *self {}
    }

    pub(crate) fn sysctl(&self) -> Result<Box<dyn sysctl::Api>, Error> {
        match *self {}
    }

    pub(crate) fn syslog(&self) -> Result<Box<dyn syslog::Api>, Error> {
        match *self {}
    }
}
