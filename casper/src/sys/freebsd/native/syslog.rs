//! cap_syslog(3)
//!
//! The service holds no limits: whoever has the socket writes in any name. It has one name, for all clones,
//! which is told anew here where another channel has changed it; and the mask is held here. Its answers do
//! not say what became of a line.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex},
};

use super::shared::{Of, Shared, framework, lock};
use crate::{
    Error,
    syslog::{
        Api, Facility, Options, Priority, Severities, SyslogLimits,
        connector::program,
        line::escape,
        service::{Session, check_name},
    },
};

type Channel = casper_sys::Syslog;
const NAME: &str = <Channel as Of>::NAME;

/// Bytes of a message: cap_syslog(3) takes 2047, and syslog(3) makes lines of 2048, which begin with
/// a priority, a time, a host's name of up to 256 bytes, the name, and an id. What is longer they cut in the middle of
/// a character.
const MOST: usize = 1600;

/// A channel, with what openlog(3) and setlogmask(3) have said on it.
pub(super) struct Log {
    shared: Shared<Channel, SyslogLimits>,
    session: Arc<Mutex<Session>>,
    /// The name and the options that the service's process was told last, by whichever clone.
    told: Arc<Mutex<Option<(String, Options)>>>,
    program: Arc<str>,
}

impl Clone for Log {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            session: Arc::clone(&self.session),
            told: Arc::clone(&self.told),
            program: Arc::clone(&self.program),
        }
    }
}

impl Log {
    pub(super) fn new(shared: Shared<Channel, SyslogLimits>) -> Self {
        Self { shared, session: Arc::default(), told: Arc::default(), program: program().into() }
    }

    fn limits(&self) -> SyslogLimits {
        self.shared.limits()
    }

    fn another(&self) -> Result<Self, Error> {
        let shared = self.shared.another()?;
        let session = Arc::new(Mutex::new(lock(&self.session).clone()));
        Ok(Self { shared, session, ..self.clone() })
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.as_fd()
    }
}

impl Api for Log {
    framework!(SyslogLimits);

    fn limit(&self, new: SyslogLimits) -> Result<(), Error> {
        self.shared.narrow(&new, |_, held| {
            if new == *held {
                return Ok(());
            }
            Err(super::no_limit(NAME, "limit", "libcap_syslog holds none"))
        })
    }

    fn openlog(
        &self,
        ident: Option<String>,
        options: Options,
        facility: Facility,
    ) -> Result<(), Error> {
        check_name(ident.as_deref()).map_err(|failure| Error::from_failure(NAME, failure))?;
        lock(&self.session).open(ident, options, facility);
        Ok(())
    }

    fn syslog(&self, priority: Priority, message: String) -> Result<(), Error> {
        let session = lock(&self.session).clone();
        if !session.mask.has(priority.severity) {
            return Ok(());
        }
        let facility = priority.facility.unwrap_or(session.facility);
        let number = i32::from((facility as u8) << 3 | priority.severity as u8);
        let name = session.ident.unwrap_or_else(|| self.program.to_string());
        let wanted = (name, session.options);
        let mut text = String::new();
        escape(&mut text, &message, MOST);
        // Until the line is sent, so that no clone says another name between.
        let mut told = lock(&self.told);
        self.shared.ask(|channel, _| {
            if told.as_ref() != Some(&wanted) {
                *told = None;
                let (name, options) = &wanted;
                let options = if options.contains(Options::PID) { libc::LOG_PID } else { 0 };
                channel.open_log(Some(name), options, i32::from(facility as u8) << 3)?;
                *told = Some(wanted);
            }
            channel.log(number, &text)
        })
    }

    fn setlogmask(&self, mask: Severities) -> Result<Severities, Error> {
        Ok(lock(&self.session).set_mask(mask))
    }

    fn closelog(&self) -> Result<(), Error> {
        lock(&self.session).close();
        Ok(())
    }
}
