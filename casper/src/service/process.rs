//! The process of a service: a thread for each connection, until the last one is closed. The first connection has
//! the thread that the process starts with.

use std::{
    collections::{HashMap, hash_map::Entry},
    os::fd::{AsFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Error, Frames, Handle};
use sandbox_spawn::call::{self, Asked, Turn, cancelled, serve_controlled};
use serde::de::IgnoredAny;

use super::{Connection, Control, Limits, Service, Told};
use crate::{Failure, sys};

/// How many connections the process of a service serves at once; clones beyond are
/// [`Error::Busy`](crate::Error::Busy).
pub const MOST_CONNECTIONS: usize = 64;

/// How many of them may descend from one clone of the first connection, itself included: whoever was given one
/// cannot take the seats of all others by cloning it.
pub const MOST_OF_A_CLONE: usize = 16;

/// Beyond how many none but the first connection is cloned: however many clones are cloned together, whoever opened the
/// service has seats left to give away.
pub const MOST_BY_CLONES: usize = 48;

/// Bytes of the stack of a clone's thread: modules of the C library's name service use some.
const STACK: usize = 1 << 20;

/// The connections of a process.
#[derive(Debug, Default)]
struct Crowd {
    seats: Mutex<Seats>,
    fewer: Condvar,
}

#[derive(Debug, Default)]
struct Seats {
    all: usize,
    /// Of each lineage that has some: those that descend from one clone of the first connection.
    lineages: HashMap<u64, usize>,
    /// The number of the next lineage.
    next: u64,
}

impl Crowd {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seat of the first connection.
    fn first(self: &Arc<Self>) -> Seat {
        self.seats().all += 1;
        Seat { crowd: Arc::clone(self), lineage: None }
    }

    /// Waits until there are none.
    fn wait(&self) {
        let mut seats = self.seats();
        while seats.all > 0 {
            seats = self.fewer.wait(seats).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A connection that is counted.
struct Seat {
    crowd: Arc<Crowd>,
    /// `None`: the first connection, whose clones each begin one.
    lineage: Option<u64>,
}

impl Seat {
    /// A seat for a clone of its connection, if there may be one.
    fn another(&self) -> Result<Self, Failure> {
        let mut seats = self.crowd.seats();
        let most = if self.lineage.is_some() { MOST_BY_CLONES } else { MOST_CONNECTIONS };
        if seats.all >= most {
            return Err(Failure::Busy(most));
        }
        let lineage = self.lineage.unwrap_or_else(|| {
            seats.next += 1;
            seats.next
        });
        let of_lineage = seats.lineages.entry(lineage).or_default();
        if *of_lineage >= MOST_OF_A_CLONE {
            return Err(Failure::Busy(MOST_OF_A_CLONE));
        }
        *of_lineage += 1;
        seats.all += 1;
        Ok(Self { crowd: Arc::clone(&self.crowd), lineage: Some(lineage) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.crowd.seats();
        seats.all -= 1;
        if let Some(lineage) = self.lineage
            && let Entry::Occupied(mut held) = seats.lineages.entry(lineage)
        {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
        drop(seats);
        self.crowd.fewer.notify_all();
    }
}

/// How much of what a connection was answered its client has not read: descriptors among it count against
/// all that the user of the process sends, on Linux, whether anybody is at the other end or not.
#[derive(Debug, Default)]
pub(super) struct Unread {
    socket: Option<OwnedFd>,
    /// Whether it was waited for in vain, since it was last read.
    in_vain: AtomicBool,
}

/// Bytes of answers that may wait to be read, in the kernel's memory, before a descriptor is sent: two or three
/// small answers. Those of all connections together must be fewer than any service may have on their way, and the
/// kernel counts those of all processes of the user.
const MOST_UNREAD: u32 = 2 << 10;

impl Unread {
    /// Of this connection. A service in capability mode sends nothing but clones, which have seats.
    fn of<S: Service>(frames: &Frames) -> Result<Self, Failure> {
        let socket = S::REACH.map(|_| frames.as_fd().try_clone_to_owned()).transpose();
        let unread = socket.map(|socket| Self { socket, in_vain: AtomicBool::new(false) });
        unread.map_err(Failure::system("dup"))
    }

    fn is_more_than(&self, most: u32) -> bool {
        // Of one that cannot be asked nothing is known.
        let unread = |socket: &OwnedFd| sys::unread(socket.as_fd()).is_ok_and(|bytes| bytes > most);
        self.socket.as_ref().is_some_and(unread)
    }

    /// Waits until it is no more than this, or it is not to be waited for any longer, which is false.
    fn wait(&self, most: u32, given_up: impl Fn() -> bool) -> bool {
        const LONGEST: Duration = Duration::from_millis(50);
        let mut pause = Duration::from_micros(100);
        while self.is_more_than(most) {
            if given_up() {
                return false;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST);
        }
        true
    }

    /// Waits until there is room for a descriptor, and not for ever: nobody may be there any more, and the client's
    /// own end in a request that waits.
    pub(super) fn room(&self) -> Result<(), Failure> {
        const LONGEST: Duration = Duration::from_secs(5);
        let until = Instant::now() + LONGEST;
        let in_vain = || self.in_vain.load(Ordering::Relaxed) || Instant::now() >= until;
        let read = self.wait(MOST_UNREAD, || cancelled() || in_vain());
        self.in_vain.store(!read, Ordering::Relaxed);
        if read {
            return Ok(());
        }
        Err(Failure::system("send")(std::io::ErrorKind::BrokenPipe.into()))
    }

    /// Waits until all is read, or the other end is closed, when nothing is received any more. What has come
    /// is closed: the other end may be among it.
    fn end(&self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.is_more_than(0)) {
            sys::discard(socket.as_fd());
        }
        self.wait(0, || false);
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
        unread: Arc::default(),
    };
    // The first one has the thread that there is: with a single one, every system call on a descriptor takes less
    // time, and so does much of the C library.
    let Ok(first) = serving(crowd.first(), connection, frames) else { return 1 };
    // The others go on, as after a panic of another thread.
    let _ = catch_unwind(AssertUnwindSafe(first));
    crowd.wait();
    0
}

/// Says why there is no service.
fn refuse<S: Service>(frames: Frames, reason: &str) -> u8 {
    let told = Told::<S::Limits>::Started(Err(reason.to_owned()));
    let _ = serve_controlled(frames, 0, |_: Asked<IgnoredAny, Control<S::Limits>>, turn| {
        turn.reply(&told)
    });
    1
}

/// What serves a connection to its end.
fn serving<S: Service>(
    seat: Seat,
    mut connection: Connection<S>,
    frames: Frames,
) -> Result<impl FnOnce() + Send + 'static, Failure> {
    let unread = Arc::new(Unread::of::<S>(&frames)?);
    connection.unread = Arc::clone(&unread);
    Ok(move || {
        let mut connection = connection;
        // What ends it is the client, or what the client has done.
        let _ = serve_controlled(frames, S::HANDLES, |asked, turn| match asked {
            Asked::Call(request) => {
                <S::Calls as call::Server<_>>::answer(&mut connection, request, turn)
            }
            Asked::Control(control) => answer(&seat, &mut connection, control, turn),
        });
        // Else a client that breaks off one connection after the other, and keeps the sockets, would
        // have sent to it without end what it does not read. What the connection remembers of that is
        // there until then.
        unread.end();
        drop(connection);
        drop(seat);
    })
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
    let another_seat = seat.another()?;
    let (here, there) = Frames::pair().map_err(|error| match error {
        Error::System { operation, source } => Failure::system(operation)(source),
        other => Failure::invalid(other.to_string()),
    })?;
    let another = Connection {
        service: Arc::clone(&connection.service),
        limits: connection.limits.clone(),
        session: connection.session.clone(),
        unread: Arc::default(),
    };
    let serving = serving(another_seat, another, here)?;
    let spawned = thread::Builder::new().stack_size(STACK).spawn(serving);
    spawned.map_err(Failure::system("pthread_create"))?;
    Ok(Handle::new(there))
}
