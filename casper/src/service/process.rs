//! The process of a service: a thread for each connection, until the last one is closed.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

use capsicum_channel::{Error, Frames, Handle};
use sandbox_spawn::call::{self, Asked, Turn, serve_controlled};
use serde::de::IgnoredAny;

use super::{Connection, Control, Limits, Service, Told};
use crate::Failure;

/// How many connections the process of a service serves at once; clones beyond are
/// [`Error::Busy`](crate::Error::Busy).
pub const MOST_CONNECTIONS: usize = 64;

/// Bytes of the stack of a connection's thread: modules of the C library's name service use some.
const STACK: usize = 1 << 20;

/// The connections of a process.
#[derive(Debug, Default)]
struct Crowd {
    count: Mutex<usize>,
    fewer: Condvar,
}

impl Crowd {
    /// Counts one more, if there may be one.
    fn enter(self: &Arc<Self>) -> Option<Seat> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if *count >= MOST_CONNECTIONS {
            return None;
        }
        *count += 1;
        Some(Seat(Arc::clone(self)))
    }

    /// Waits until there are none.
    fn wait(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            count = self.fewer.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A connection that is counted.
struct Seat(Arc<Crowd>);

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.fewer.notify_all();
    }
}

/// The whole life of the process: its exit status.
pub(super) fn run<S: Service>(service: Result<S, String>, frames: Frames) -> u8 {
    let service = match service {
        Ok(service) => service,
        Err(reason) => return refuse::<S>(frames, &reason),
    };
    let crowd = Arc::new(Crowd::default());
    let connection = Connection {
        service: Arc::new(service),
        limits: S::Limits::unlimited(),
        session: S::Session::default(),
    };
    let started = connect(&crowd, connection, frames);
    crowd.wait();
    u8::from(started.is_err())
}

/// Says why there is no service.
fn refuse<S: Service>(frames: Frames, reason: &str) -> u8 {
    let told = Told::<S::Limits>::Started(Err(reason.to_owned()));
    let _ = serve_controlled(frames, |_: Asked<IgnoredAny, Control<S::Limits>>, turn| {
        turn.reply(&told)
    });
    1
}

/// Serves a connection in a thread of its own.
fn connect<S: Service>(
    crowd: &Arc<Crowd>,
    connection: Connection<S>,
    frames: Frames,
) -> Result<(), Failure> {
    let seat = crowd.enter().ok_or(Failure::Busy(MOST_CONNECTIONS))?;
    let spawned = thread::Builder::new().stack_size(STACK).spawn(move || {
        let mut connection = connection;
        // What ends it is the client, or what the client has done.
        let _ = serve_controlled(frames, |asked, turn| match asked {
            Asked::Call(request) => {
                <S::Calls as call::Server<_>>::answer(&mut connection, request, turn)
            }
            Asked::Control(control) => answer(&seat, &mut connection, control, turn),
        });
    });
    spawned.map(drop).map_err(Failure::system("pthread_create"))
}

fn answer<S: Service>(
    seat: &Seat,
    connection: &mut Connection<S>,
    control: Control<S::Limits>,
    turn: &mut Turn<'_>,
) -> Result<(), Error> {
    turn.reply(&match control {
        Control::Start => Told::Started(Ok(())),
        Control::Limits => Told::Limits(connection.limits.clone()),
        Control::Limit(new) => Told::Limited(if connection.limits.narrows(&new) {
            connection.limits = new;
            Ok(())
        } else {
            Err(Failure::not_capable("limits that are wider than those that it has"))
        }),
        Control::Clone => Told::Cloned(clone(seat, connection)),
    })
}

fn clone<S: Service>(seat: &Seat, connection: &Connection<S>) -> Result<Handle<Frames>, Failure> {
    let (here, there) = Frames::pair().map_err(|error| match error {
        Error::System { operation, source } => Failure::system(operation)(source),
        other => Failure::invalid(other.to_string()),
    })?;
    let another = Connection {
        service: Arc::clone(&connection.service),
        limits: connection.limits.clone(),
        session: connection.session.clone(),
    };
    connect(&seat.0, another, here)?;
    Ok(Handle::new(there))
}
