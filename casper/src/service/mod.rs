//! What a service is, and what its process does.

mod control;
mod limits;
mod process;

use std::sync::Arc;

use capsicum_channel::Frames;
use capsicum_rs::Rights;
use sandbox_spawn::{Builder, Inside, Outside, Reach, Worker, call};

use crate::Failure;

pub(crate) use control::{Control, Told};
pub use limits::Limits;
pub use process::{MOST_BY_CLONES, MOST_CONNECTIONS, MOST_OF_A_CLONE};

/// A service: what its process holds, and what connections to it are limited by.
///
/// What can be asked of it is a trait with the attribute [`service`](sandbox_spawn::service), which is
/// implemented for [`Connection`] of it. See the [crate](crate#a-service-of-ones-own) for an example.
///
/// Answers that bring descriptors are for clients that receive them: on Linux those that wait to be received
/// count against every process of the user, and what keeps a client of [`Net`](crate::Net) or
/// [`FileArgs`](crate::FileArgs) to a few is theirs. Where clients are not trusted, answer with bytes.
pub trait Service: Sized + Send + Sync + 'static {
    /// Its name, by which it is opened, and which is in every error.
    const NAME: &'static str;

    /// What it can reach outside capability mode. Without, its process is in capability mode.
    const REACH: Option<&'static Reach> = None;

    /// How many descriptors the requests of a connection bring at most, all that wait together: those of
    /// handles, and of values in shared memory. Without, none. More is not sent by a [`Channel`](crate::Channel),
    /// and ends the connection of who sends it all the same: what waits in requests of one client is missing
    /// to all others.
    const HANDLES: usize = 0;

    /// The `…Server` of the trait.
    type Calls: call::Server<Connection<Self>>;

    /// The `…Client` of the trait.
    type Client: From<call::Client>;

    /// What limits a connection.
    type Limits: Limits;

    /// What a connection remembers between requests, and a clone of it starts with; often `()`.
    type Session: Clone + Default + Send;

    /// With what it is opened: `()` where nothing but its name is needed.
    type Setup;

    /// Describes its process: its grants, its environment and limits of resources.
    ///
    /// In capability mode the ceiling is [`CEILING`], which the sockets of its connections need. On
    /// Linux a grant with less than that keeps the service from cloning connections, so that grants
    /// should have it besides; of a file, what it was opened for holds all the same.
    ///
    /// # Errors
    ///
    /// What cannot be had, as a reason.
    fn describe(setup: Self::Setup, process: Builder) -> Result<Builder, String>;

    /// Starts the service in its process, which is confined already.
    ///
    /// # Errors
    ///
    /// Why it cannot; the opener gets it as the reason of [`Error::Start`](crate::Error::Start).
    fn start(grants: &mut Grants<'_>) -> Result<Self, String>;
}

/// What a service in capability mode may do with the sockets of its connections: the ceiling of its
/// process. `CONNECT` is what Linux asks for to send a connection's clone (nothing can be connected
/// there); the others are what [`Frames`] needs.
pub const CEILING: Rights = Frames::RIGHTS.union(Rights::CONNECT);

/// Descriptors that a service's process may have, and that all processes of its user may have on their way where it
/// is to send one, on Linux: its connections, what comes in their requests, what it opens for each, and what
/// clients leave unread. It is one number, so that no service may have more on the way than another one bears.
pub(crate) const DESCRIPTORS: u64 = 4096;

/// The grants of a service's process.
#[derive(Debug)]
pub struct Grants<'a>(Granted<'a>);

#[derive(Debug)]
enum Granted<'a> {
    Inside(&'a mut Inside),
    Outside(&'a mut Outside),
}

impl Grants<'_> {
    /// Takes one, as a [`File`](std::fs::File) or whatever a descriptor can become.
    ///
    /// # Errors
    ///
    /// There is none of this name.
    pub fn take<T: From<std::os::fd::OwnedFd>>(&mut self, name: &str) -> Result<T, String> {
        match &mut self.0 {
            Granted::Inside(inside) => inside.grant(name),
            Granted::Outside(outside) => outside.grant(name),
        }
        .map_err(|error| error.to_string())
    }
}

/// A connection to a service, in its process: what the methods of the service are called with.
#[derive(Debug)]
pub struct Connection<S: Service> {
    service: Arc<S>,
    limits: S::Limits,
    session: S::Session,
    unread: Arc<process::Unread>,
}

impl<S: Service> Connection<S> {
    /// The service, which all connections share.
    pub fn service(&self) -> &S {
        &self.service
    }

    /// The same, to keep while the connection is changed.
    pub(crate) fn shared(&self) -> &Arc<S> {
        &self.service
    }

    /// The limits of this connection. Only the framework changes them.
    pub fn limits(&self) -> &S::Limits {
        &self.limits
    }

    /// Waits until the client has read what it was sent, but for some answers: before a descriptor is made
    /// for it.
    pub(crate) fn room(&self) -> Result<(), Failure> {
        self.unread.room()
    }

    /// What this connection remembers, to read.
    pub(crate) fn remembered(&self) -> &S::Session {
        &self.session
    }

    /// What this connection remembers.
    pub fn session(&mut self) -> &mut S::Session {
        &mut self.session
    }
}

/// The worker that is the service's process, for [`init`](sandbox_spawn::init()).
pub(crate) const fn worker<S: Service>() -> Worker {
    match S::REACH {
        None => Worker::new(S::NAME, inside::<S>),
        Some(reach) => Worker::outside(S::NAME, outside::<S>, reach),
    }
}

fn inside<S: Service>(mut inside: Inside) -> u8 {
    let service = S::start(&mut Grants(Granted::Inside(&mut inside)));
    process::run(service, inside.into_frames())
}

fn outside<S: Service>(mut outside: Outside) -> u8 {
    let service = S::start(&mut Grants(Granted::Outside(&mut outside)));
    process::run(service, outside.into_frames())
}
