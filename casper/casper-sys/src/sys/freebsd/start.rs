//! Starting libcasper, and opening services.

use std::{io, ptr};

use super::{
    Channel, Dns, FileArgs, Grp, Net, NetDb, Pwd, Sysctl, Syslog,
    channel::refusal,
    load,
    text::{c_strings, pointers},
};
use crate::{Error, FileRules, Service};

/// libcasper, from which services are opened.
///
/// Dropping it ends it: its process descriptor is closed. Services that were opened go on.
#[derive(Debug)]
pub struct Casper {
    /// To libcasper itself, whatever service it is said to be one to.
    channel: Channel,
    services: Vec<Service>,
}

impl Casper {
    /// Loads libcasper and the libraries of the services, and then starts it: cap_init(3). Only these
    /// services can be opened.
    ///
    /// Its process has all descriptors that are open and all memory of this process. Start it before
    /// there is anything in them that no service should have.
    ///
    /// # Errors
    /// - [`Error::CapabilityMode`], [`Error::Threaded`]: it is too late.
    /// - [`Error::Unsupported`]: a library is missing, or lacks a function. Nothing was started.
    /// - [`Error::System`]: pdfork(2) or socketpair(2) failed.
    pub fn start(services: &[Service]) -> Result<Self, Error> {
        const CALL: &str = "cap_init";
        if in_capability_mode() {
            return Err(Error::CapabilityMode);
        }
        let casper = load::casper()?;
        // Before the fork: a service registers itself when its library is loaded, and what is loaded
        // here later is not loaded there.
        for service in services {
            load::load(*service)?;
        }
        if threaded() {
            return Err(Error::Threaded);
        }
        // SAFETY: the process has one thread, so that no lock is held in the copy of it.
        let raw = unsafe { casper.cap_init() };
        let channel = Channel::own(raw, services.first().copied().unwrap_or(Service::Dns), CALL)?;
        let started = Self { channel, services: services.to_vec() };
        started.allow_only(services)?;
        Ok(started)
    }

    /// Narrows what can be opened: cap_service_limit(3).
    ///
    /// # Errors
    /// [`Error::NotStarted`] for a service that cannot be opened already, [`Error::System`].
    pub fn limit(&mut self, services: &[Service]) -> Result<(), Error> {
        for service in services {
            self.named(*service)?;
        }
        self.allow_only(services)?;
        self.services = services.to_vec();
        Ok(())
    }

    fn allow_only(&self, services: &[Service]) -> Result<(), Error> {
        const CALL: &str = "cap_service_limit";
        let mut services = services.to_vec();
        services.sort_unstable();
        services.dedup();
        let names: Vec<&str> = services.iter().map(|service| service.name()).collect();
        let names = c_strings(CALL, &names)?;
        let pointers = pointers(&names);
        let casper = load::casper()?;
        // SAFETY: the names and the array of them live until the call returns.
        let done = unsafe {
            casper.cap_service_limit(self.channel.raw(), pointers.as_ptr(), pointers.len())
        };
        if done == 0 { Ok(()) } else { Err(self.channel.failed(CALL)) }
    }

    /// Whether a service was named and not given up: [`Casper::open`] opens it.
    #[must_use]
    pub fn may_open(&self, service: Service) -> bool {
        self.services.contains(&service)
    }

    fn named(&self, service: Service) -> Result<(), Error> {
        if self.may_open(service) { Ok(()) } else { Err(Error::NotStarted { service }) }
    }

    /// A new process of a service, and a channel to it: cap_service_open(3). Also in capability mode.
    ///
    /// Use [`Casper::file_args`] for files: a channel to `system.fileargs` that was opened otherwise
    /// allows nothing.
    ///
    /// # Errors
    /// [`Error::NotStarted`], [`Error::System`]; [`Error::Died`] where libcasper itself is gone.
    pub fn open(&self, service: Service) -> Result<Channel, Error> {
        const CALL: &str = "cap_service_open";
        self.named(service)?;
        let casper = load::casper()?;
        let name = c_strings(CALL, &[service.name()])?;
        let name = name.first().map_or(ptr::null(), |name| name.as_ptr());
        // SAFETY: the channel is open, and the name lives until the call returns.
        let raw = unsafe { casper.cap_service_open(self.channel.raw(), name) };
        if raw.is_null() {
            return Err(refusal(service, CALL, io::Error::last_os_error()));
        }
        Channel::own(raw, service, CALL)
    }

    pub(super) fn fileargs_channel(&self) -> Result<&Channel, Error> {
        self.named(Service::FileArgs)?;
        Ok(&self.channel)
    }

    /// Names and addresses of hosts.
    ///
    /// # Errors
    /// As [`Casper::open`].
    pub fn dns(&self) -> Result<Dns, Error> {
        Dns::from_channel(self.open(Service::Dns)?)
    }

    /// Files of a fixed list. Names that are relative start from where this process was when libcasper
    /// was started.
    ///
    /// # Errors
    /// As [`Casper::open`]; [`Error::Invalid`] for a name with a zero byte, or where there are none.
    pub fn file_args(
        &self,
        files: &[&std::path::Path],
        rules: &FileRules,
    ) -> Result<FileArgs, Error> {
        FileArgs::open_from(self, files, rules)
    }

    /// Groups.
    ///
    /// # Errors
    /// As [`Casper::open`].
    pub fn grp(&self) -> Result<Grp, Error> {
        Grp::from_channel(self.open(Service::Grp)?)
    }

    /// The network.
    ///
    /// # Errors
    /// As [`Casper::open`].
    pub fn net(&self) -> Result<Net, Error> {
        Net::from_channel(self.open(Service::Net)?)
    }

    /// Protocols.
    ///
    /// # Errors
    /// As [`Casper::open`].
    pub fn net_db(&self) -> Result<NetDb, Error> {
        NetDb::from_channel(self.open(Service::NetDb)?)
    }

    /// Users.
    ///
    /// # Errors
    /// As [`Casper::open`].
    pub fn pwd(&self) -> Result<Pwd, Error> {
        Pwd::from_channel(self.open(Service::Pwd)?)
    }

    /// Variables of the kernel.
    ///
    /// # Errors
    /// As [`Casper::open`].
    pub fn sysctl(&self) -> Result<Sysctl, Error> {
        Sysctl::from_channel(self.open(Service::Sysctl)?)
    }

    /// The system's log.
    ///
    /// # Errors
    /// As [`Casper::open`].
    pub fn syslog(&self) -> Result<Syslog, Error> {
        Syslog::from_channel(self.open(Service::Syslog)?)
    }
}

fn in_capability_mode() -> bool {
    let mut mode = 0;
    // SAFETY: one number is written. It fails for bad addresses only.
    unsafe { libc::cap_getmode(&raw mut mode) == 0 && mode != 0 }
}

/// Whether there are other threads. thr_kill(2) to thread -1 means all others, and signal 0 only asks.
fn threaded() -> bool {
    // pthread_join(3) returns when the kernel has marked the thread, shortly before it is gone.
    for _ in 0..20 {
        // SAFETY: both arguments are integers, and signal 0 does nothing to any thread.
        let none = unsafe { libc::thr_kill(-1, 0) } == -1;
        if none && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH) {
            return false;
        }
        let time = libc::timespec { tv_sec: 0, tv_nsec: 100_000 };
        // SAFETY: the call reads one `timespec`, and writes none where the pointer to it is null.
        unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
    }
    true
}
