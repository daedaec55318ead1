//! The client's end of a connection to a service.

use std::{
    fmt,
    ops::Deref,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use capsicum_channel::{Caps, Frame, Frames};
use capsicum_rs::Rights;
use sandbox_spawn::{CallError, call};

use crate::{
    Error, Failure,
    service::{Control, Service, Told},
};

/// A service channel: a connection to a service, with limits of its own.
///
/// The methods of the service are those of its client, to which this dereferences. A connection is
/// closed with the last value that is of it; when the last connection of a service's process is closed,
/// that ends.
///
/// It is used in the process that has it. [`to_frames`](Self::to_frames) makes another connection with
/// the same limits, whose socket can be sent or granted to another process.
pub struct Channel<S: Service> {
    client: call::Client,
    calls: S::Client,
}

/// What a process in capability mode needs on the socket of a service channel: on a
/// [`Channel`] that it has when it enters (which is a descriptor to grant), or on one that it is
/// [granted](sandbox_spawn::Builder::grant) or sent (where it makes a channel of the socket there, so
/// that it looks at what that is).
pub const RIGHTS: Rights =
    Frames::RIGHTS.union(Rights::GETSOCKOPT).union(Rights::GETPEERNAME).union(Rights::SETSOCKOPT);

type Decoded<T> = Result<Result<T, Failure>, capsicum_channel::Error>;

fn unexpected<T>() -> Decoded<T> {
    Err(capsicum_channel::Error::protocol("the answer to another request"))
}

impl<S: Service> Channel<S> {
    pub(crate) fn new(client: call::Client) -> Self {
        let client = client.lending(S::HANDLES);
        Self { calls: client.clone().into(), client }
    }

    fn ask<T>(
        &self,
        request: &Control<S::Limits>,
        decode: call::Decode<T, Failure>,
    ) -> Result<T, Error> {
        let reply = self.client.control(request, decode).and_then(call::Reply::wait);
        reply.map_err(|error: CallError<Failure>| Error::from(error))
    }

    /// Waits until the service has started: why it has not.
    pub(crate) fn started(&self) -> Result<Result<(), String>, Error> {
        fn decode<S: Service>(frame: Frame, caps: Caps) -> Decoded<Result<(), String>> {
            match frame.decode::<Told<S::Limits>>(caps)? {
                Told::Started(started) => Ok(Ok(started)),
                _ => unexpected(),
            }
        }
        self.ask(&Control::Start, decode::<S>)
    }

    /// Limits this connection to what `limits` allow, as cap_limit_set(3) does, for good. Connections
    /// that were cloned from it before keep what they have.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] where that would be wider than what it is limited to, which then stays.
    pub fn limit(&self, limits: S::Limits) -> Result<(), Error> {
        fn decode<S: Service>(frame: Frame, caps: Caps) -> Decoded<()> {
            match frame.decode::<Told<S::Limits>>(caps)? {
                Told::Limited(limited) => Ok(limited),
                _ => unexpected(),
            }
        }
        self.ask(&Control::Limit(limits), decode::<S>)
    }

    /// What this connection is limited to: cap_limit_get(3).
    ///
    /// # Errors
    ///
    /// What became of the connection.
    pub fn limits(&self) -> Result<S::Limits, Error> {
        fn decode<S: Service>(frame: Frame, caps: Caps) -> Decoded<S::Limits> {
            match frame.decode::<Told<S::Limits>>(caps)? {
                Told::Limits(limits) => Ok(Ok(limits)),
                _ => unexpected(),
            }
        }
        self.ask(&Control::Limits, decode::<S>)
    }

    /// Another connection, with the limits of this one: cap_clone(3). Each can be narrowed further by
    /// itself, and their requests do not wait for each other.
    ///
    /// # Errors
    ///
    /// As of [`to_frames`](Self::to_frames).
    pub fn try_clone(&self) -> Result<Self, Error> {
        let peer = self.client.peer().clone();
        Ok(Self::new(call::Client::new(self.to_frames()?, peer)))
    }

    /// The socket of another connection with the limits of this one: to send to another process, as a
    /// [`Handle`](capsicum_channel::Handle), or to grant to a worker with [`RIGHTS`]. There it is made
    /// a channel again by [`From`].
    ///
    /// # Errors
    ///
    /// [`Error::Busy`]. [`Error::Unanswered`] where capability mode keeps the service from sending the
    /// socket, or this process from receiving it: the ceiling must have [`RIGHTS`].
    pub fn to_frames(&self) -> Result<Frames, Error> {
        fn decode<S: Service>(
            frame: Frame,
            caps: Caps,
        ) -> Decoded<capsicum_channel::Handle<Frames>> {
            match frame.decode::<Told<S::Limits>>(caps)? {
                Told::Cloned(cloned) => Ok(cloned),
                _ => unexpected(),
            }
        }
        let handle = self.ask(&Control::Clone, decode::<S>)?;
        handle.into_inner().map_err(|_| Error::Unanswered {
            service: S::NAME.to_owned(),
            reason: "the connection is in use".to_owned(),
        })
    }

    /// The same connection, on which each request ends after this time at the latest.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Self::new(self.client.within(time))
    }

    /// The same connection, on which all requests end by then.
    #[must_use]
    pub fn by(&self, deadline: Instant) -> Self {
        Self::new(self.client.by(deadline))
    }
}

/// A connection of which nothing has been used, as [`Channel::to_frames`] makes it.
impl<S: Service> From<Frames> for Channel<S> {
    fn from(frames: Frames) -> Self {
        Self::new(call::Client::named(frames, S::NAME))
    }
}

/// Its methods are the service's.
impl<S: Service> Deref for Channel<S> {
    type Target = S::Client;

    fn deref(&self) -> &S::Client {
        &self.calls
    }
}

/// To grant it when entering capability mode, with [`RIGHTS`].
impl<S: Service> AsFd for Channel<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.client.as_fd()
    }
}

impl<S: Service> fmt::Debug for Channel<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&S::NAME).finish()
    }
}
