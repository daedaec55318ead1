//! Services of libcasper(3): the provider `native`.
//!
//! A file for each service has `impl Api for Shared<…>`, and [`Libcasper`] a function that opens it. The
//! process of the service holds the limits; what they were set to is kept here too, since libcasper
//! sets them part by part and would keep the first parts of a set that it refuses in the end.

mod dns;
mod fileargs;
mod grp;
mod net;
mod netdb;
mod pwd;
mod resolver;
mod shared;
mod sysctl;
mod syslog;

use casper_sys::Service;
use sandbox_spawn::Worker;

use shared::Shared;

use crate::{Error, Limits};

/// libcasper, from which services are opened.
#[derive(Debug)]
pub(crate) struct Libcasper(casper_sys::Casper, fileargs::Origin);

/// Those of them that libcasper has.
fn known(workers: &[Worker]) -> Vec<Service> {
    let named = |service: &Service| workers.iter().any(|worker| worker.name() == service.name());
    Service::ALL.into_iter().filter(named).collect()
}

impl Libcasper {
    /// Loads libcasper and the libraries of these services, and starts it: cap_init(3).
    pub(crate) fn start(workers: &[Worker]) -> Result<Self, Error> {
        let origin = fileargs::Origin::now();
        let started = casper_sys::Casper::start(&known(workers));
        started.map(|started| Self(started, origin)).map_err(|error| match error {
            casper_sys::Error::Unsupported { library, .. } => {
                let of = Service::ALL.into_iter().find(|service| service.library() == library);
                explain(of.map_or("casper", Service::name), error)
            }
            other => explain("casper", other),
        })
    }

    /// cap_service_limit(3): what was given up stays given up, whoever is named.
    pub(crate) fn limit(&mut self, workers: &[Worker]) -> Result<(), Error> {
        let mut services = known(workers);
        services.retain(|service| self.0.may_open(*service));
        self.0.limit(&services).map_err(|error| Error::NotStarted { reason: error.to_string() })
    }

    pub(crate) fn dns(&self) -> Result<Box<dyn crate::dns::Api>, Error> {
        self.open(Service::Dns, casper_sys::Casper::dns, crate::dns::DnsLimits::unlimited())
            .map(|opened| Box::new(opened) as Box<_>)
    }

    pub(crate) fn fileargs(
        &self,
        files: crate::fileargs::Files,
    ) -> Result<Box<dyn crate::fileargs::Api>, Error> {
        let (files, rules) = fileargs::prepared(files, &self.1)?;
        let open = |casper: &casper_sys::Casper| files.open(casper, &rules);
        let opened =
            self.open(Service::FileArgs, open, crate::fileargs::FileArgsLimits::unlimited())?;
        Ok(Box::new(files.channel(opened)))
    }

    pub(crate) fn grp(&self) -> Result<Box<dyn crate::grp::Api>, Error> {
        self.open(Service::Grp, casper_sys::Casper::grp, crate::grp::GrpLimits::unlimited())
            .map(|opened| Box::new(opened) as Box<_>)
    }

    pub(crate) fn net(&self) -> Result<Box<dyn crate::net::Api>, Error> {
        self.open(Service::Net, casper_sys::Casper::net, crate::net::NetLimits::unlimited())
            .map(|opened| Box::new(opened) as Box<_>)
    }

    pub(crate) fn net_db(&self) -> Result<Box<dyn crate::netdb::Api>, Error> {
        let unlimited = crate::netdb::NetDbLimits::unlimited();
        self.open(Service::NetDb, casper_sys::Casper::net_db, unlimited)
            .map(|opened| Box::new(opened) as Box<_>)
    }

    pub(crate) fn pwd(&self) -> Result<Box<dyn crate::pwd::Api>, Error> {
        self.open(Service::Pwd, casper_sys::Casper::pwd, crate::pwd::PwdLimits::unlimited())
            .map(|opened| Box::new(opened) as Box<_>)
    }

    pub(crate) fn sysctl(&self) -> Result<Box<dyn crate::sysctl::Api>, Error> {
        let unlimited = crate::sysctl::SysctlLimits::unlimited();
        self.open(Service::Sysctl, casper_sys::Casper::sysctl, unlimited)
            .map(|opened| Box::new(opened) as Box<_>)
    }

    pub(crate) fn syslog(&self) -> Result<Box<dyn crate::syslog::Api>, Error> {
        let unlimited = crate::syslog::SyslogLimits::unlimited();
        self.open(Service::Syslog, casper_sys::Casper::syslog, unlimited)
            .map(|opened| Box::new(syslog::Log::new(opened)) as Box<_>)
    }

    fn open<T: shared::Of, L: Limits>(
        &self,
        service: Service,
        open: impl FnOnce(&casper_sys::Casper) -> Result<T, casper_sys::Error>,
        limits: L,
    ) -> Result<Shared<T, L>, Error> {
        let opened = open(&self.0).map_err(|error| Error::Start {
            service: service.name().to_owned(),
            reason: match error {
                casper_sys::Error::NotStarted { .. } => {
                    "it was given up, or not named when libcasper was started".to_owned()
                }
                other => other.to_string(),
            },
        })?;
        Ok(Shared::new(opened, limits))
    }
}

/// What an error of libcasper's is to the client of this service.
fn explain(service: &str, error: casper_sys::Error) -> Error {
    let text = error.to_string();
    let service = service.to_owned();
    match error {
        casper_sys::Error::Unsupported { library, reason } => {
            Error::Unsupported { service, what: library.to_owned(), reason }
        }
        casper_sys::Error::Threaded | casper_sys::Error::CapabilityMode => {
            Error::NotStarted { reason: text }
        }
        casper_sys::Error::NotStarted { .. } => Error::Start { service, reason: text },
        casper_sys::Error::NotCapable { call, .. } => {
            Error::NotCapable { service, what: call.to_owned() }
        }
        casper_sys::Error::Died { call, .. } => {
            Error::Died { service, how: format!("{call}: its process is gone") }
        }
        casper_sys::Error::Resolver { call, code, .. } => {
            Error::Resolve { service, what: call.to_owned(), code }
        }
        casper_sys::Error::Invalid { call, what } => {
            Error::Invalid { service, what: format!("{call}: {what}") }
        }
        casper_sys::Error::System { call, source } => {
            Error::System { service, operation: call.to_owned(), source }
        }
        _ => Error::Unanswered { service, reason: text },
    }
}

/// A limit that libcasper cannot hold.
fn no_limit(service: &str, what: &str, reason: &str) -> Error {
    Error::Unsupported {
        service: service.to_owned(),
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}
