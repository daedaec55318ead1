//! A worker in capability mode that was granted a service channel, or is sent one.

use capsicum_channel::{Frames, Handle};
use capsicum_rs::{Limits, Rights};
use casper::{Casper, Dns, Error, Grp, Net, NetDb, Pwd, RIGHTS, Sysctl};
use sandbox_spawn::{CallError, Compartment, Inside, service};

use crate::{
    fileargs,
    harness::{LONG, Outcome, Tested, ensure, text},
    keeper::Keeper,
    syslog,
};

pub(crate) const NAME: &str = "user";

/// What it does with its channel.
#[service]
trait User {
    /// Asks the service of the grant for something: the error, and whether it is the limits'.
    fn ask(&mut self, service: String) -> Result<(), (String, bool)>;
    /// The same by a channel that is sent.
    fn ask_by(&mut self, service: String, channel: Handle<Frames>) -> Result<(), (String, bool)>;
    fn widen(&mut self) -> Result<(), (String, bool)>;
}

struct Worker {
    granted: Option<Frames>,
    service: Option<Box<dyn Asks>>,
}

/// Whichever service it is.
trait Asks {
    fn ask(&self) -> Result<(), Error>;
    fn widen(&self) -> Result<(), Error>;
}

impl<T: Tested> Asks for T {
    fn ask(&self) -> Result<(), Error> {
        Tested::ask(self)
    }

    fn widen(&self) -> Result<(), Error> {
        Tested::widen(self)
    }
}

fn channel(service: &str, frames: Frames) -> Option<Box<dyn Asks>> {
    match service {
        "grp" => Some(Box::new(Grp::from(frames))),
        "pwd" => Some(Box::new(Pwd::from(frames))),
        "sysctl" => Some(Box::new(Sysctl::from(frames))),
        "fileargs" => Some(Box::new(fileargs::Args::from(frames))),
        "syslog" => Some(Box::new(syslog::Log::from(frames))),
        "dns" => Some(Box::new(Dns::from(frames))),
        "net" => Some(Box::new(Net::from(frames))),
        "netdb" => Some(Box::new(NetDb::from(frames))),
        "keeper" => Some(Box::new(Keeper::from(frames))),
        _ => None,
    }
}

fn told(result: Result<(), Error>) -> Result<(), (String, bool)> {
    result.map_err(|error| (text(&error), matches!(error, Error::NotCapable { .. })))
}

impl User for Worker {
    fn ask(&mut self, service: String) -> Result<(), (String, bool)> {
        if let Some(frames) = self.granted.take() {
            self.service = channel(&service, frames);
        }
        let service = self.service.as_ref().ok_or(("no channel".to_owned(), false))?;
        told(service.ask())
    }

    fn ask_by(&mut self, service: String, handle: Handle<Frames>) -> Result<(), (String, bool)> {
        let frames = handle.into_inner().map_err(|_| ("in use".to_owned(), false))?;
        let service = channel(&service, frames).ok_or(("no such service".to_owned(), false))?;
        told(service.ask())
    }

    fn widen(&mut self) -> Result<(), (String, bool)> {
        let service = self.service.as_ref().ok_or(("no channel".to_owned(), false))?;
        told(service.widen())
    }
}

pub(crate) fn run(mut inside: Inside) -> u8 {
    let granted = inside.grant("channel").ok();
    let granted = granted.and_then(|socket| Frames::from_socket(socket).ok());
    let worker = Worker { granted, service: None };
    u8::from(UserServer::serve(inside.into_frames(), worker).is_err())
}

type Answer = Result<(), CallError<(String, bool)>>;

fn refused(answer: Answer) -> Outcome {
    match answer {
        Err(CallError::Remote { error: (_, true), .. }) => Ok(()),
        other => Err(format!("not refused by its limits: {other:?}")),
    }
}

/// A worker uses a channel that it was granted, and one that it is sent, within their limits; and after
/// the program has closed its own.
pub(crate) fn granted<T: Tested>(casper: &Casper, service: &str) -> Outcome {
    let opened: T = casper.open().map_err(text)?;
    let socket = opened.socket().map_err(text)?;
    let limited = opened.another().map_err(text)?;
    limited.limit_to_nothing().map_err(text)?;
    let (sent, empty) = (opened.socket().map_err(text)?, limited.socket().map_err(text)?);
    drop((opened, limited));
    let ceiling: Limits = RIGHTS.into();
    let worker: UserClient = Compartment::builder(NAME)
        .grant("channel", socket, RIGHTS | Rights::SHUTDOWN)
        .ceiling(ceiling)
        .spawn()
        .map_err(text)?
        .client();
    let worker = worker.within(LONG);
    let name = || service.to_owned();
    worker.ask(name()).map_err(|error| format!("granted: {error:?}"))?;
    worker.ask_by(name(), sent.into()).map_err(|error| format!("sent: {error:?}"))?;
    refused(worker.ask_by(name(), empty.into()))?;
    ensure!(worker.widen().is_ok(), "an unlimited channel cannot be limited");
    Ok(())
}
