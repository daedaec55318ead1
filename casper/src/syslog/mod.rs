//! `Syslog`: writing to the system's log, after cap_syslog(3).

pub(crate) mod connector;
mod limits;
pub(crate) mod line;
mod link;
mod portable;
mod priority;
pub(crate) mod service;
mod zone;

use std::{os::fd::AsFd, path::PathBuf, time::Duration};

use capsicum_channel::Frames;
use sandbox_spawn::Worker;

pub use connector::Connector;
pub use limits::SyslogLimits;
pub use priority::{Facility, Options, Priority, Severities, Severity};

use service::{Serving, Target};

use crate::{Channel, Error, Open, Opener, provider::Provider};

/// A channel to the service `system.syslog`.
///
/// What [`openlog`](Self::openlog) and [`setlogmask`](Self::setlogmask) say holds for this channel, and
/// those that are cloned from it later. Lines go to /dev/log on Linux, and to /var/run/logpriv or
/// /var/run/log on FreeBSD.
///
/// - A line has one line: control characters, ends of lines and what changes the direction of writing
///   are escaped as in Rust's strings (`\n`, `\u{1b}`). Backslashes are as they are. Ends of lines at the end of
///   a message are left out.
/// - It has 8192 bytes at most; what is beyond is cut off.
/// - With [`Options::PID`] it says the id of the process that opened the service. What syslogd learns from
///   the kernel besides (`SCM_CREDENTIALS`) is of the service's process.
/// - Its time is that of the time zone that the program has when it opens the service.
///
/// Where syslogd is started again, the service connects again. Where it does not read, a line is an error
/// after about a second (`EAGAIN`), or at the [deadline](Self::within); lines after that wait for a tenth of one each,
/// until one is taken.
///
/// The service needs two workers: itself, in capability mode, and a [`Connector`].
///
/// From libcasper ([`Casper::native`](crate::Casper::native)) there are no limits: setting any is
/// [`Error::Unsupported`], and whoever has the channel can write in any name. `Ok` is then that the line was
/// handed over: nobody says whether syslogd has it. Its form is that of the system's syslog(3), with up to
/// 1600 bytes of the message, and its id that of libcasper's process.
///
/// ```
/// use std::os::unix::net::UnixDatagram;
///
/// use casper::{Casper, syslog::{At, Connector, Facility, Options, Severity, Syslog, SyslogLimits}};
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<Syslog>(), casper::worker::<Connector>()];
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     sandbox_spawn::init(WORKERS)?;
///     // For the example, a syslogd of its own. Elsewhere it is `let syslog: Syslog = casper.open()?`.
///     let path = std::env::temp_dir().join(format!("log-{}", std::process::id()));
///     let syslogd = UnixDatagram::bind(&path)?;
///     let At(syslog) = Casper::start()?.open_with(path.clone())?;
///     syslog.openlog("exampled", Options::PID, Facility::Daemon)?;
///     syslog.limit(SyslogLimits::all().idents(["exampled"]).facilities([Facility::Daemon]))?;
///     std::fs::remove_file(path)?;
///     capsicum_rs::enter()?;
///
///     syslog.syslog(Severity::Notice, "ready\nor not")?;
///     let mut line = [0; 1024];
///     let length = syslogd.recv(&mut line)?;
///     let line = String::from_utf8_lossy(&line[..length]);
///     assert!(line.starts_with("<29>") && line.ends_with(r"]: ready\nor not"), "{line}");
///
///     let other = syslog.syslog((Facility::Auth, Severity::Notice), "root logged in");
///     assert!(matches!(other, Err(casper::Error::NotCapable { .. })));
///     Ok(())
/// }
/// ```
pub struct Syslog(Box<dyn Api>);

/// What a provider does.
pub(crate) trait Api: AsFd + Send + Sync {
    fn limit(&self, limits: SyslogLimits) -> Result<(), Error>;
    fn limits(&self) -> Result<SyslogLimits, Error>;
    fn try_clone(&self) -> Result<Box<dyn Api>, Error>;
    fn to_frames(&self) -> Result<Frames, Error>;
    fn within(&self, time: Duration) -> Box<dyn Api>;
    fn openlog(
        &self,
        ident: Option<String>,
        options: Options,
        facility: Facility,
    ) -> Result<(), Error>;
    fn syslog(&self, priority: Priority, message: String) -> Result<(), Error>;
    fn setlogmask(&self, mask: Severities) -> Result<Severities, Error>;
    fn closelog(&self) -> Result<(), Error>;
}

impl Syslog {
    /// In which name the channel writes, and for which facility: openlog(3). Without, it is the
    /// program's name and [`Facility::User`].
    ///
    /// A name has at most 64 visible characters of ASCII, and none of `[`, `]`, `:`, `<` and `>`, which end
    /// it for who reads the line. An empty one is the program's.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a name that is none; [`Error::NotCapable`] for one, or a facility, that is not
    /// within the limits.
    pub fn openlog(&self, ident: &str, options: Options, facility: Facility) -> Result<(), Error> {
        let ident = Some(ident).filter(|ident| !ident.is_empty());
        self.0.openlog(ident.map(str::to_owned), options, facility)
    }

    /// Writes a line: syslog(3). There is no format: the message is as it is.
    ///
    /// `Ok` is that syslogd's socket has taken it, or that the [mask](Self::setlogmask) leaves it out.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] for what is not within the limits; [`Error::System`] where syslogd does not
    /// run (`ENOENT`, `ECONNREFUSED`) or does not read (`EAGAIN`, `ENOBUFS`).
    pub fn syslog(&self, priority: impl Into<Priority>, message: &str) -> Result<(), Error> {
        // A request has 64 KiB at most, and a line less than this.
        self.0.syslog(priority.into(), line::start(message).to_owned())
    }

    /// Which severities are written, and which were before: setlogmask(3). No severities at all leave
    /// the mask as it is.
    ///
    /// # Errors
    ///
    /// What became of the service.
    pub fn setlogmask(&self, mask: Severities) -> Result<Severities, Error> {
        self.0.setlogmask(mask)
    }

    /// Forgets what [`openlog`](Self::openlog) has said: closelog(3). syslogd's socket is the service's,
    /// and stays open.
    ///
    /// # Errors
    ///
    /// What became of the service.
    pub fn closelog(&self) -> Result<(), Error> {
        self.0.closelog()
    }
}

crate::client::client!(Syslog, SyslogLimits, (), service::Serving, native: |libcasper, ()| {
    libcasper.syslog()
});

/// A [`Syslog`] that writes to a socket elsewhere: of a jail, or of a test.
///
/// ```no_run
/// use casper::{Casper, syslog::At};
///
/// # fn open(casper: &Casper) -> Result<(), casper::Error> {
/// let At(syslog) = casper.open_with("/jails/www/var/run/log".into())?;
/// # drop(syslog);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct At(
    /// The channel.
    pub Syslog,
);

impl Open for At {
    type Setup = PathBuf;

    const WORKER: Worker = Syslog::WORKER;

    fn open(opener: Opener<'_>, path: PathBuf) -> Result<Self, Error> {
        match opener.provider {
            Provider::Portable => {
                let channel = <Channel<Serving> as Open>::open(opener, Target(Some(path)))?;
                Ok(Self(Syslog(Box::new(channel))))
            }
            Provider::Native(_) => Err(Error::Unsupported {
                service: <Serving as crate::Service>::NAME.to_owned(),
                what: "socket of the caller's choice".to_owned(),
                reason: "cap_syslog(3) writes to the system's alone".to_owned(),
            }),
        }
    }
}
