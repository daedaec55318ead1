//! Channels: messages of two types, one for each direction.

use std::{
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use capsicum_rs::{Limits, Rights};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Caps, Error, Frames, descriptor::Descriptor, socket::Until};

/// One end of a connection: sends values of `S`, receives values of `R`.
///
/// What the other end sends is checked before anything is done with it. What no honest peer would
/// send is [`Error::Protocol`]: everything of the message is closed and freed, and the channel is
/// dead.
///
/// Every operation ends by its deadline: one that is stated
/// ([`send_by`](Self::send_by), [`recv_by`](Self::recv_by)) or the channel's own
/// ([`with_deadline`](Self::with_deadline)). Without either it takes as long as it takes. No
/// operation raises `SIGPIPE`, and signals interrupt none.
///
/// ```
/// use std::time::Duration;
///
/// use capsicum_channel::{Channel, Error};
///
/// let (client, server) = Channel::<u32, String>::pair()?;
/// let mut client = client.with_deadline(Duration::from_secs(10));
/// std::thread::spawn(move || {
///     let mut server = server;
///     while let Ok(number) = server.recv() {
///         server.send(&format!("number {number}"))?;
///     }
///     Ok::<(), Error>(())
/// });
///
/// client.send(&7)?;
/// assert_eq!(client.recv()?, "number 7");
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Channel<S, R> {
    frames: Frames,
    sent: u64,
    received: u64,
    within: Option<Duration>,
    types: PhantomData<fn(S) -> R>,
}

impl<S, R> Channel<S, R> {
    /// What a process in capability mode needs on the socket: see [`Frames::RIGHTS`].
    pub const RIGHTS: Rights = Frames::RIGHTS;

    /// Two connected ends.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn pair() -> Result<(Self, Channel<R, S>), Error> {
        let (one, other) = Frames::pair()?;
        Ok((Self::over(one), Channel::over(other)))
    }

    /// Uses a connected Unix socket of sequenced packets, on which nothing has been sent yet.
    ///
    /// # Errors
    ///
    /// Those of [`Frames::from_socket`].
    pub fn from_socket(socket: OwnedFd) -> Result<Self, Error> {
        Frames::from_socket(socket).map(Self::over)
    }

    fn over(frames: Frames) -> Self {
        Self { frames, sent: 0, received: 0, within: None, types: PhantomData }
    }

    /// How long each operation may take that states no deadline.
    #[must_use]
    pub fn with_deadline(self, within: Duration) -> Self {
        Self { within: Some(within), ..self }
    }

    /// How much a message may hold.
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.frames.caps()
    }

    /// Sets how much a message may hold: see [`Frames::set_caps`].
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] and [`Error::TooManyDescriptors`].
    pub fn set_caps(&mut self, caps: Caps) -> Result<(), Error> {
        self.frames.set_caps(caps)
    }

    /// States the ceiling of the process at the other end: see [`Frames::peer_ceiling`].
    pub fn peer_ceiling(&mut self, ceiling: impl Into<Limits>) {
        self.frames.peer_ceiling(ceiling);
    }

    /// Sends what is left of a message that was sent in part, which only FreeBSD 15 does: see [`Frames`]. Sending and
    /// receiving do that too. It is for those who do neither for a while, or ever again.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Deadline`] and [`Error::System`].
    pub fn flush(&mut self) -> Result<(), Error> {
        let deadline = self.within.and_then(|within| Instant::now().checked_add(within));
        self.frames.flush(deadline)
    }

    /// The same as far as that is possible at once: whether nothing is left.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush), but for the deadline.
    pub fn try_flush(&mut self) -> Result<bool, Error> {
        self.frames.try_flush()
    }

    fn until(&self) -> Until {
        Until::from(self.within.and_then(|within| Instant::now().checked_add(within)))
    }
}

impl<S: Serialize, R> Channel<S, R> {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Deadline`], [`Error::TooLarge`], [`Error::TooManyDescriptors`],
    /// [`Error::Unsupported`], [`Error::Encode`] and [`Error::System`]. After all but the first,
    /// nothing has been sent.
    pub fn send(&mut self, message: &S) -> Result<(), Error> {
        self.send_until(message, self.until()).map(drop)
    }

    /// Sends a message, if that can be done by then.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_by(&mut self, message: &S, deadline: Instant) -> Result<(), Error> {
        self.send_until(message, Until::By(deadline)).map(drop)
    }

    /// Sends a message, if that can be done at once: whether it was.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), but for the deadline.
    pub fn try_send(&mut self, message: &S) -> Result<bool, Error> {
        self.send_until(message, Until::Now)
    }

    fn send_until(&mut self, message: &S, until: Until) -> Result<bool, Error> {
        let sent = self.frames.send_value(self.sent, message, until)?;
        self.sent += u64::from(sent);
        Ok(sent)
    }
}

impl<S, R: DeserializeOwned> Channel<S, R> {
    /// Receives a message.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Deadline`], [`Error::Protocol`] and [`Error::System`].
    pub fn recv(&mut self) -> Result<R, Error> {
        let Some(message) = self.receive_until(self.until())? else { return Err(Error::Deadline) };
        Ok(message)
    }

    /// Receives a message, if one comes by then.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub fn recv_by(&mut self, deadline: Instant) -> Result<R, Error> {
        self.receive_until(Until::By(deadline))?.ok_or(Error::Deadline)
    }

    /// Receives a message, if one is there.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv), but for the deadline.
    pub fn try_recv(&mut self) -> Result<Option<R>, Error> {
        self.receive_until(Until::Now)
    }

    fn receive_until(&mut self, until: Until) -> Result<Option<R>, Error> {
        let message = self.frames.receive_value(self.received, until)?;
        self.received += u64::from(message.is_some());
        Ok(message)
    }
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.frames.as_fd()
    }
}

/// The socket, to be passed to another process before anything is sent on it.
impl<S, R> From<Channel<S, R>> for OwnedFd {
    fn from(channel: Channel<S, R>) -> Self {
        channel.frames.into()
    }
}

/// Frames that nothing has been sent on yet, with types.
impl<S, R> From<Frames> for Channel<S, R> {
    fn from(frames: Frames) -> Self {
        Self::over(frames)
    }
}

/// A channel may be sent over another one, before anything is sent on it.
impl<S: 'static, R: 'static> Descriptor for Channel<S, R> {
    fn receive(descriptor: OwnedFd) -> Result<Self, Error> {
        <Frames as Descriptor>::receive(descriptor).map(Self::over)
    }
}
