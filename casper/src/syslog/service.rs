//! The process of the service.

use std::{env, os::fd::OwnedFd, path::PathBuf, time::SystemTime};

use capsicum_channel::Frames;
use sandbox_spawn::{Builder, service};

use super::{
    Facility, Options, Priority, Severities, SyslogLimits,
    connector::{Connecting, program},
    line::{is_ident, line},
    link::Link,
    zone::zone,
};
use crate::{
    CEILING, Channel, Failure, Open, Opener, RIGHTS, Service,
    provider::Provider,
    service::{Connection, Grants},
};

/// What a client asks.
#[service]
pub(crate) trait Requests {
    fn openlog(
        &mut self,
        ident: Option<String>,
        options: Options,
        facility: Facility,
    ) -> Result<(), Failure>;
    fn syslog(&mut self, priority: Priority, message: String) -> Result<(), Failure>;
    fn setlogmask(&mut self, mask: Severities) -> Result<Severities, Failure>;
    fn closelog(&mut self) -> Result<(), Failure>;
}

/// The service `system.syslog`.
#[derive(Debug)]
pub(crate) struct Serving {
    link: Link,
    program: String,
    pid: u32,
}

/// What openlog(3) and setlogmask(3) have said.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// `None`: the program's name.
    pub(crate) ident: Option<String>,
    pub(crate) options: Options,
    pub(crate) facility: Facility,
    pub(crate) mask: Severities,
}

impl Session {
    /// openlog(3)
    pub(crate) fn open(&mut self, ident: Option<String>, options: Options, facility: Facility) {
        *self = Self { ident, options, facility, mask: self.mask };
    }

    /// setlogmask(3)
    pub(crate) fn set_mask(&mut self, mask: Severities) -> Severities {
        let old = self.mask;
        if !mask.is_empty() {
            self.mask = mask;
        }
        old
    }

    /// closelog(3), with which the mask stays.
    pub(crate) fn close(&mut self) {
        *self = Self { mask: self.mask, ..Self::default() };
    }
}

/// Refuses a name that is none.
pub(crate) fn check_name(ident: Option<&str>) -> Result<(), Failure> {
    if ident.is_none_or(is_ident) {
        return Ok(());
    }
    Err(Failure::invalid(
        "a name has up to 64 visible characters of ASCII, and none of `[`, `]`, `:`, `<`, `>`",
    ))
}

impl Default for Session {
    fn default() -> Self {
        Self {
            ident: None,
            options: Options::empty(),
            facility: Facility::default(),
            mask: Severities::all(),
        }
    }
}

/// Another socket than the system's.
#[derive(Debug)]
pub(crate) struct Target(pub(crate) Option<PathBuf>);

impl From<()> for Target {
    fn from((): ()) -> Self {
        Self(None)
    }
}

const PROGRAM: &str = "PROGRAM";
const PID: &str = "PID";
const CONNECTOR: &str = "connector";

impl Service for Serving {
    const NAME: &'static str = "system.syslog";
    type Calls = RequestsServer;
    type Client = RequestsClient;
    type Limits = SyslogLimits;
    type Session = Session;
    type Setup = Target;

    fn describe(Target(socket): Target, process: Builder) -> Result<Builder, String> {
        let opener = Opener { provider: &Provider::Portable };
        let connector = Channel::<Connecting>::open(opener, socket)
            .and_then(|channel| channel.to_frames())
            .map_err(|error| {
                format!("{error} (it needs the worker `casper::syslog::Connector` too)")
            })?;
        Ok(process
            .grant(CONNECTOR, OwnedFd::from(connector), RIGHTS | CEILING)
            .env(PROGRAM, program())
            .env(PID, std::process::id().to_string())
            .env("TZ", zone()))
    }

    fn start(grants: &mut Grants<'_>) -> Result<Self, String> {
        let connector = Frames::from_socket(grants.take::<OwnedFd>(CONNECTOR)?)
            .map_err(|error| error.to_string())?;
        let connector = Channel::<Connecting>::from(connector);
        let stated = |name| env::var(name).map_err(|_| format!("it was not told its {name}"));
        let pid = stated(PID)?.parse().map_err(|_| "the program's id is none")?;
        Ok(Self { link: Link::new((*connector).clone()), program: stated(PROGRAM)?, pid })
    }
}

impl Connection<Serving> {
    fn check_ident(&self, ident: &str) -> Result<(), Failure> {
        if self.limits().allows_ident(ident) {
            return Ok(());
        }
        Err(Failure::not_capable(format!("the name {ident:?}")))
    }

    fn check_facility(&self, facility: Facility) -> Result<(), Failure> {
        if self.limits().allows_facility(facility) {
            return Ok(());
        }
        Err(Failure::not_capable(format!("the facility {facility:?}")))
    }
}

impl Requests for Connection<Serving> {
    fn openlog(
        &mut self,
        ident: Option<String>,
        options: Options,
        facility: Facility,
    ) -> Result<(), Failure> {
        check_name(ident.as_deref())?;
        self.check_ident(ident.as_deref().unwrap_or(&self.service().program))?;
        self.check_facility(facility)?;
        self.session().open(ident, options, facility);
        Ok(())
    }

    fn syslog(&mut self, priority: Priority, message: String) -> Result<(), Failure> {
        let session = self.remembered();
        let severity = priority.severity;
        let facility = priority.facility.unwrap_or(session.facility);
        let ident = session.ident.as_deref().unwrap_or(&self.service().program);
        // Limits may have come since openlog.
        self.check_ident(ident)?;
        self.check_facility(facility)?;
        if !self.limits().allows_severity(severity) {
            return Err(Failure::not_capable(format!("the severity {severity:?}")));
        }
        if !session.mask.has(severity) {
            return Ok(());
        }
        let pid = session.options.contains(Options::PID).then_some(self.service().pid);
        let line = line((facility, severity), SystemTime::now(), ident, pid, &message);
        self.service().link.send(&line)
    }

    fn setlogmask(&mut self, mask: Severities) -> Result<Severities, Failure> {
        Ok(self.session().set_mask(mask))
    }

    fn closelog(&mut self) -> Result<(), Failure> {
        self.session().close();
        Ok(())
    }
}
