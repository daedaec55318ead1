//! Starting a worker from within one.

use std::{
    os::fd::OwnedFd,
    sync::{Mutex, OnceLock, PoisonError},
    time::Instant,
};

use capsicum_channel::{Error as ChannelError, Frames, Handle};
use capsicum_rs::is_capability_error;

use super::request::{ANSWER, ASK, Answer, Request, Source};
use crate::{Error, task::Settings};

/// What sendmsg(2) is refused for, on Linux.
const NARROW: &str = "a descriptor cannot be sent along by a worker that has a grant with less than \
                      its ceiling, or SHUTDOWN and all of what a channel needs in that: hand a grant \
                      on by its name";

/// The socket to the worker's starter.
#[derive(Debug)]
pub(crate) struct Asking(Mutex<(Frames, u64)>);

/// Set in workers: with something in those that may start others.
static INSIDE: OnceLock<Option<Asking>> = OnceLock::new();

/// From here on the process is a worker.
pub(crate) fn enter(control: Option<Frames>) {
    let _ = INSIDE.set(control.map(|control| Asking(Mutex::new((control, 0)))));
}

/// Where this process stands.
pub(crate) enum Place {
    /// It is the program.
    Program,
    /// It is a worker that starts no others.
    Worker,
    /// It is one that does.
    Starting(&'static Asking),
}

pub(crate) fn place() -> Place {
    match INSIDE.get() {
        None => Place::Program,
        Some(None) => Place::Worker,
        Some(Some(asking)) => Place::Starting(asking),
    }
}

impl Asking {
    /// Has a worker started: the socket to it, and its leash.
    pub(crate) fn start(
        &self,
        settings: Settings,
        sources: Vec<Source>,
        sent: Vec<OwnedFd>,
        environment: Vec<u8>,
        deadline: Option<Instant>,
    ) -> Result<(Frames, Frames), Error> {
        let name = settings.worker.clone();
        let failed = |error: ChannelError| match error {
            ChannelError::Closed => Error::start(&name, "what starts workers does not listen"),
            ChannelError::System { source, .. } if is_capability_error(&source).is_some() => {
                Error::start(&name, NARROW)
            }
            ChannelError::Deadline => Error::Deadline { name: name.clone() },
            error => Error::start(&name, &error),
        };
        let sent = sent.into_iter().map(Handle::new).collect();
        let request = Request { settings, sources, sent, environment };
        // What is done with it leaves no half of anything: a late answer has another number.
        let mut asking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (control, sequence) = &mut *asking;
        *sequence += 1;
        let frame = control.encode(ASK, *sequence, &request).map_err(failed)?;
        control.send(&frame, deadline).map_err(failed)?;
        drop((frame, request));
        loop {
            let frame = control.receive(deadline).map_err(failed)?;
            // One that nobody waits for any more is closed, and ends.
            if (frame.kind(), frame.sequence()) != (ANSWER, *sequence) {
                continue;
            }
            let answer: Answer = frame.decode(control.caps()).map_err(failed)?;
            let (frames, leash) = answer.map_err(|reason| Error::start(&name, &reason))?;
            let known =
                |handle: Handle<OwnedFd>| handle.into_inner().ok().map(Frames::from_known_socket);
            let (Some(frames), Some(leash)) = (known(frames), known(leash)) else {
                return Err(Error::start(&name, "an answer without sockets"));
            };
            return Ok((frames, leash));
        }
    }
}
