//! The process that connects to syslogd, for the service, which is in capability mode.

use std::{
    env,
    ffi::OsString,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStringExt, net::UnixDatagram},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use capsicum_channel::Handle;
use sandbox_spawn::{Builder, Reach, Worker, service};
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{
    Error, Failure, Limits, Open, Opener, Service, ambient,
    service::{Connection, Grants},
    sys,
};

/// How long connecting waits for a syslogd that does not accept, and sending for one that does not read.
const PATIENCE: Duration = Duration::from_millis(100);

/// The one thing that it is asked.
#[service]
pub(crate) trait Connect {
    fn connect(&mut self) -> Result<Connected, Failure>;
}

/// A socket that is connected to syslogd.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Connected {
    Datagram(Handle<OwnedFd>),
    Stream(Handle<OwnedFd>),
}

/// The service: the sockets of which one is syslogd's.
#[derive(Debug)]
pub(crate) struct Connecting(Vec<PathBuf>);

/// There is nothing to limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Nothing;

impl Limits for Nothing {
    fn unlimited() -> Self {
        Self
    }

    fn narrows(&self, _: &Self) -> bool {
        true
    }
}

/// The variable that has the path.
const PATH: &str = "SOCKET";

impl Service for Connecting {
    const NAME: &'static str = "system.syslog.connector";
    /// Addresses; and the metadata of paths, to know the root directory.
    const REACH: Option<&'static Reach> = Some(&Reach::NOTHING.sockets().metadata());
    type Calls = ConnectServer;
    type Client = ConnectClient;
    type Limits = Nothing;
    type Session = ();
    /// Another socket than the system's.
    type Setup = Option<PathBuf>;

    fn describe(path: Option<PathBuf>, process: Builder) -> Result<Builder, String> {
        let process = ambient::prove(process)?;
        Ok(match path {
            Some(path) => process.env(PATH, path),
            None => process,
        })
    }

    fn start(grants: &mut Grants<'_>) -> Result<Self, String> {
        ambient::proven(grants)?;
        let stated = env::var_os(PATH).map(|path| vec![path.into()]);
        let systems = || sys::LOGS.iter().map(PathBuf::from).collect();
        Ok(Self(stated.unwrap_or_else(systems)))
    }
}

impl Connect for Connection<Connecting> {
    fn connect(&mut self) -> Result<Connected, Failure> {
        let mut failure = Failure::invalid("no path to syslogd");
        for path in &self.service().0 {
            match to(path) {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    let path = path.as_os_str().as_encoded_bytes().escape_ascii();
                    failure = Failure::system(format!("connect {path}"))(error);
                }
            }
        }
        Err(failure)
    }
}

fn to(path: &Path) -> std::io::Result<Connected> {
    let datagram = UnixDatagram::unbound()?;
    match datagram.connect(path) {
        Ok(()) => {
            datagram.set_write_timeout(Some(PATIENCE))?;
            Ok(Connected::Datagram(Handle::new(datagram.into())))
        }
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
            // The time is that of connecting too: on Linux it waits while the socket accepts nobody.
            let stream = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            stream.connect(&SockAddr::unix(path)?)?;
            Ok(Connected::Stream(Handle::new(stream.into())))
        }
        Err(error) => Err(error),
    }
}

/// The worker that connects to syslogd for [`Syslog`](super::Syslog), which needs both.
///
/// It is asked for nothing but another connection to the socket that it was started with, by the service
/// alone.
#[derive(Debug)]
pub struct Connector(());

impl Open for Connector {
    type Setup = ();

    const WORKER: Worker = crate::service::worker::<Connecting>();

    /// There is nothing to ask it for.
    fn open(_: Opener<'_>, (): ()) -> Result<Self, Error> {
        Err(Error::Unsupported {
            service: Connecting::NAME.to_owned(),
            what: "channel".to_owned(),
            reason: "`Syslog` opens it".to_owned(),
        })
    }
}

/// The name of the program, as far as it is one.
pub(crate) fn program() -> String {
    let name = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = name.file_name().map(OsString::from).unwrap_or_default().into_vec();
    let plain = name.into_iter().map(char::from).map(|character| {
        if character.is_ascii_alphanumeric() || "-_.".contains(character) { character } else { '_' }
    });
    let name: String = plain.take(super::line::LONGEST_IDENT).collect();
    if name.is_empty() { "program".to_owned() } else { name }
}
