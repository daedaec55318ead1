//! Services as processes of this program, from its zygote.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use capsicum_channel::Frames;
use sandbox_spawn::{
    Compartment, Process, Resource, Worker,
    call::{Client, Fate, Peer},
};

use crate::{
    Channel, Error, Service,
    casper::{DEADLINE, Open, Opener},
    provider::Provider,
    service::{self, CEILING, DESCRIPTORS},
    sys,
};

/// Bytes of data that it may have: frames of all connections, their threads' stacks, and some more.
const DATA: u64 = 1 << 30;

/// The processes that run. They end with their last connection, whoever has that, or with the program:
/// a value that is dropped does not kill them.
static RUNNING: Mutex<Vec<Arc<Running>>> = Mutex::new(Vec::new());

/// A process of a service.
struct Running {
    name: &'static str,
    process: Mutex<Process>,
}

impl Running {
    fn process(&self) -> MutexGuard<'_, Process> {
        // It is used in single steps, so that a panic elsewhere leaves it whole.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer for Running {
    fn name(&self) -> &str {
        self.name
    }

    fn kill(&self) {
        let _ = self.process().kill();
    }

    fn fate(&self, within: Duration) -> Option<Fate> {
        let end = self.process().wait_timeout(within).ok().flatten()?;
        Some(end.into())
    }
}

/// Keeps a process, and lets go of those that have ended.
fn keep(name: &'static str, process: Process) -> Arc<Running> {
    let running = Arc::new(Running { name, process: Mutex::new(process) });
    let mut all = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|other| !matches!(other.process().wait_timeout(Duration::ZERO), Ok(Some(_))));
    all.push(Arc::clone(&running));
    running
}

fn spawn<S: Service>(setup: S::Setup) -> Result<(Frames, Process), Error> {
    let failed = |reason: String| Error::Start { service: S::NAME.to_owned(), reason };
    let builder = Compartment::builder(S::NAME)
        .ceiling(CEILING)
        .rlimit(Resource::Descriptors, sys::descriptors_at_most(DESCRIPTORS))
        .rlimit(Resource::Data, DATA)
        .rlimit(Resource::FileSize, 0)
        .deadline(DEADLINE);
    let builder = S::describe(setup, builder).map_err(failed)?;
    let spawned = if S::REACH.is_some() {
        builder.spawn_outside()
    } else {
        builder.spawn().map(Compartment::into_parts)
    };
    spawned.map_err(|error| {
        let hint = if capsicum_rs::sandboxed() {
            "; in capability mode services are opened where the ceiling has what sockets need: \
             open them before entering, or clone them"
        } else {
            ""
        };
        failed(format!("{error}{hint}"))
    })
}

/// Any service, as a process of this program's.
impl<S: Service> Open for Channel<S> {
    type Setup = S::Setup;

    const WORKER: Worker = service::worker::<S>();

    fn open(opener: Opener<'_>, setup: S::Setup) -> Result<Self, Error> {
        if !matches!(opener.provider, Provider::Portable) {
            return Err(Error::Unsupported {
                service: S::NAME.to_owned(),
                what: "process".to_owned(),
                reason: "libcasper starts services of its own only: open it from `Casper::start`"
                    .to_owned(),
            });
        }
        let (frames, process) = spawn::<S>(setup)?;
        let running = keep(S::NAME, process);
        let channel = Self::new(Client::new(frames, running));
        match channel.within(DEADLINE).started() {
            Ok(Ok(())) => Ok(channel),
            Ok(Err(reason)) => Err(Error::Start { service: S::NAME.to_owned(), reason }),
            Err(error) => {
                Err(Error::Start { service: S::NAME.to_owned(), reason: error.to_string() })
            }
        }
    }
}
