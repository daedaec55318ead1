//! Frames over a socket: what channels, and what other layers use that need more than one kind of
//! message.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use capsicum_rs::{Limits, Rights};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Caps, Error, Frame,
    descriptor::Descriptor,
    header::Header,
    socket::{Socket, Until},
    sys,
    transfer::{Incoming, Outgoing},
};

/// How long to receive before another try to send what is left. Room for it comes without anything to receive, and
/// only one of them can be waited for.
const SLICE: Duration = Duration::from_millis(1);

/// A connected socket that carries [`Frame`]s.
///
/// [`Channel`](crate::Channel) is this with types. Here the numbers in the header are the caller's:
/// which answer belongs to which request, what is a part of a stream, what ends it.
///
/// A deadline is a moment of the monotonic clock, `None` is to wait for as long as it takes. After
/// [`Error::Deadline`] nothing has been sent, and nothing lost that was received.
///
/// FreeBSD 15 takes a frame in parts where the other end has no room for all of it. Where a deadline
/// passes between two, or there is no time at all, the frame counts as sent: its *rest* is kept here,
/// one at most, and goes before anything else that is sent, and while something is received.
/// [`is_flushed`](Self::is_flushed) tells whether there is one, and [`flush`](Self::flush) waits until
/// it has gone. Closing this end before is as if the frame had been cut off. On other systems there is
/// never a rest.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use capsicum_channel::{Error, Frame, Frames};
///
/// let (mut here, mut there) = Frames::pair()?;
/// let deadline = Some(Instant::now() + Duration::from_secs(1));
/// here.send(&Frame::new(1, 42, b"question", Vec::new())?, deadline)?;
///
/// let question = there.receive(deadline)?;
/// assert_eq!((question.kind(), question.sequence()), (1, 42));
/// let answer = there.encode(2, question.sequence(), &(true, "answer"))?;
/// there.send(&answer, deadline)?;
///
/// assert_eq!(here.receive(deadline)?.decode::<(bool, String)>(here.caps())?.1, "answer");
/// drop(there);
/// assert!(matches!(here.receive(deadline), Err(Error::Closed)));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Frames {
    socket: Socket,
    sender: Outgoing,
    receiver: Incoming,
}

/// The sending half of [`Frames`].
#[derive(Debug)]
pub struct FrameSender {
    socket: Arc<Socket>,
    sender: Outgoing,
}

/// The receiving half of [`Frames`].
#[derive(Debug)]
pub struct FrameReceiver {
    socket: Arc<Socket>,
    receiver: Incoming,
}

impl Frames {
    /// What a process in capability mode needs on the socket, to send and receive with descriptors
    /// and deadlines: `READ`, `WRITE` and, on Linux `SETSOCKOPT`, on FreeBSD `EVENT`.
    ///
    /// On Linux the socket must be granted with more than the ceiling has (a ceiling of nothing, for
    /// one), since sendmsg(2) is for pinned connections; and no other grant may lack anything that
    /// the ceiling has. Without descriptors to send neither matters.
    pub const RIGHTS: Rights = sys::RIGHTS;

    /// Two connected ends.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn pair() -> Result<(Self, Self), Error> {
        let (one, other) = Socket::pair()?;
        let one = Self::new(one);
        let other = Self::new(other);
        one.socket.make_room(Caps::default())?;
        other.socket.make_room(Caps::default())?;
        Ok((one, other))
    }

    /// Uses a socket that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Unsuitable`] where it is no connected Unix socket of sequenced packets, and
    /// [`Error::System`] where that cannot be told: in capability mode it needs `GETSOCKOPT` and
    /// `GETPEERNAME`.
    pub fn from_socket(socket: OwnedFd) -> Result<Self, Error> {
        let frames = Self::new(Socket::new(socket)?);
        frames.socket.make_room(Caps::default())?;
        Ok(frames)
    }

    /// Uses a socket of which it is known that it is one, since whoever made it says so and is
    /// believed: nothing is asked of the kernel. For what was received in capability mode, where
    /// asking takes rights. With a descriptor of another kind everything is an error.
    ///
    /// The kernel has room for frames if whoever made it has made that (Linux: by
    /// [`set_caps`](Self::set_caps) on this end; FreeBSD: on either).
    #[must_use]
    pub fn from_known_socket(socket: OwnedFd) -> Self {
        Self::new(Socket::known(socket))
    }

    fn new(socket: Socket) -> Self {
        Self { socket, sender: Outgoing::default(), receiver: Incoming::default() }
    }

    /// How much a frame may hold.
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.sender.caps
    }

    /// Sets how much a frame may hold, and makes room for it in the kernel. Both ends should have
    /// the same caps.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] where the kernel has no such buffers (Linux: `net.core.wmem_max`;
    /// FreeBSD: `kern.ipc.maxsockbuf`), [`Error::TooManyDescriptors`] for more than
    /// [`Caps::MAX_DESCRIPTORS`].
    ///
    /// A frame of which FreeBSD 15 has brought a part already is held to the new caps too.
    pub fn set_caps(&mut self, caps: Caps) -> Result<(), Error> {
        if caps.descriptors > Caps::MAX_DESCRIPTORS {
            let most = Caps::MAX_DESCRIPTORS;
            return Err(Error::TooManyDescriptors { count: caps.descriptors, most });
        }
        self.socket.make_room(caps)?;
        (self.sender.caps, self.receiver.caps) = (caps, caps);
        Ok(())
    }

    /// Takes no more descriptors than this with a frame from here on, whatever may be sent: see
    /// [`Caps::descriptors`].
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use capsicum_channel::{Error, Frames, Handle};
    ///
    /// let (mut here, mut there) = Frames::pair()?;
    /// there.receive_at_most(0);
    /// let frame = here.encode(0, 0, &Handle::new(File::open("/dev/null")?))?;
    /// here.send(&frame, None)?;
    /// assert!(matches!(there.receive(None), Err(Error::Protocol { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn receive_at_most(&mut self, descriptors: usize) {
        let caps = &mut self.receiver.caps;
        caps.descriptors = caps.descriptors.min(descriptors);
    }

    /// States the ceiling that the process at the other end has in capability mode, for everything
    /// that it receives.
    ///
    /// On Linux handles with limits of their own are held to what it leaves open, and refused
    /// without it; that it is true is the caller's to know: who starts a worker does. On FreeBSD it is
    /// set on every descriptor that is sent.
    pub fn peer_ceiling(&mut self, ceiling: impl Into<Limits>) {
        self.sender.ceiling = Some(Arc::new(ceiling.into()));
    }

    /// Encodes a value for the other end: with these caps, and for its ceiling.
    ///
    /// # Errors
    ///
    /// Those of [`Frame::encode`].
    pub fn encode<T: Serialize + ?Sized>(
        &mut self,
        kind: u16,
        sequence: u64,
        value: &T,
    ) -> Result<Frame<'static>, Error> {
        self.sender.encode(kind, sequence, value)
    }

    /// Takes the buffers of a frame that is not needed any more, for the next one that is encoded.
    /// What it holds is closed and freed.
    pub fn reuse(&mut self, frame: Frame<'static>) {
        self.sender.reuse(frame);
    }

    /// Sends a frame, or leaves a rest of it to be sent: see [`Frames`].
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Deadline`], [`Error::TooLarge`], [`Error::TooManyDescriptors`]
    /// and [`Error::System`].
    pub fn send(&mut self, frame: &Frame, deadline: Option<Instant>) -> Result<(), Error> {
        self.sender.send(&self.socket, frame, deadline.into()).map(drop)
    }

    /// Sends a frame if that is possible at once, or leaves a rest of it to be sent: whether it was.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), but for the deadline.
    pub fn try_send(&mut self, frame: &Frame) -> Result<bool, Error> {
        self.sender.send(&self.socket, frame, Until::Now)
    }

    /// Sends what is left of a frame that was sent in part, before its deadline.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). After [`Error::Deadline`] some of it is still left.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use capsicum_channel::{Frame, Frames};
    ///
    /// let (mut here, there) = Frames::pair()?;
    /// let soon = || Some(Instant::now() + Duration::from_millis(10));
    /// while here.send(&Frame::new(1, 2, &vec![0; 50_000], Vec::new())?, soon()).is_ok() {}
    /// // Here the other end does not read. In FreeBSD 15 it has a part of the last frame.
    /// assert_eq!(here.flush(soon()).is_ok(), here.is_flushed());
    /// # Ok::<(), capsicum_channel::Error>(())
    /// ```
    pub fn flush(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        self.sender.flush(&self.socket, deadline.into()).map(drop)
    }

    /// Sends what is left of a frame, as far as that is possible at once: whether all of it was.
    ///
    /// # Errors
    ///
    /// Those of [`flush`](Self::flush), but for the deadline.
    pub fn try_flush(&mut self) -> Result<bool, Error> {
        self.sender.flush(&self.socket, Until::Now)
    }

    /// Whether nothing is left of what was sent: see [`Frames`].
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.sender.is_flushed()
    }

    /// Receives a frame.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`], [`Error::Deadline`], [`Error::Protocol`] and [`Error::System`].
    pub fn receive(&mut self, deadline: Option<Instant>) -> Result<Frame<'static>, Error> {
        self.receive_in_place(deadline).map(Frame::into_owned)
    }

    /// Receives a frame, whose bytes are where they were received until the next one is: to be decoded at
    /// once.
    ///
    /// # Errors
    ///
    /// Those of [`receive`](Self::receive).
    ///
    /// ```
    /// use capsicum_channel::Frames;
    ///
    /// let (mut here, mut there) = Frames::pair()?;
    /// let frame = here.encode(1, 0, "one")?;
    /// here.send(&frame, None)?;
    /// let caps = there.caps();
    /// let frame = there.receive_in_place(None)?;
    /// assert_eq!((frame.kind(), frame.decode::<String>(caps)?), (1, "one".to_owned()));
    /// # Ok::<(), capsicum_channel::Error>(())
    /// ```
    pub fn receive_in_place(&mut self, deadline: Option<Instant>) -> Result<Frame<'_>, Error> {
        let Some(header) = self.receive_header(deadline.into())? else {
            return Err(Error::Deadline);
        };
        Ok(self.receiver.frame(header))
    }

    /// Receives a frame if one is there.
    ///
    /// # Errors
    ///
    /// Those of [`receive`](Self::receive), but for the deadline.
    pub fn try_receive(&mut self) -> Result<Option<Frame<'static>>, Error> {
        let header = self.receive_header(Until::Now)?;
        Ok(header.map(|header| self.receiver.frame(header).into_owned()))
    }

    /// Gives the connection up: both ends find it closed. For a layer above that has received what
    /// no honest peer would send.
    pub fn close(&mut self) {
        self.socket.kill();
    }

    /// Both directions, for two threads.
    #[must_use]
    pub fn split(self) -> (FrameSender, FrameReceiver) {
        let socket = Arc::new(self.socket);
        let sender = FrameSender { socket: Arc::clone(&socket), sender: self.sender };
        (sender, FrameReceiver { socket, receiver: self.receiver })
    }

    /// Encodes and sends, with the buffers of the last time.
    pub(crate) fn send_value<T: Serialize + ?Sized>(
        &mut self,
        sequence: u64,
        value: &T,
        until: Until,
    ) -> Result<bool, Error> {
        self.sender.send_value(&self.socket, sequence, value, until)
    }

    /// Receives and decodes.
    pub(crate) fn receive_value<T: DeserializeOwned>(
        &mut self,
        sequence: u64,
        until: Until,
    ) -> Result<Option<T>, Error> {
        let Some(header) = self.receive_header(until)? else { return Ok(None) };
        self.receiver.value(&self.socket, header, sequence).map(Some)
    }

    /// Receives a frame into the buffer: its header.
    #[inline]
    fn receive_header(&mut self, until: Until) -> Result<Option<Header>, Error> {
        if self.sender.is_flushed() {
            return self.receiver.header(&self.socket, until);
        }
        self.receive_and_flush(until)
    }

    /// Receives while something is left to send, without which the other end may have nothing to answer.
    #[cold]
    fn receive_and_flush(&mut self, until: Until) -> Result<Option<Header>, Error> {
        loop {
            // Where the other end does not receive any more, what it has sent is there still. All else ends the
            // connection.
            let flushed = self.sender.flush(&self.socket, Until::Now).unwrap_or(true);
            let now = if flushed { until } else { until.or_soon(SLICE) };
            match self.receiver.header(&self.socket, now) {
                Err(Error::Deadline) if !flushed && !until.has_passed() => {}
                received => return received,
            }
        }
    }
}

impl FrameSender {
    /// The socket, for those who state rights on it. Who reads from it or writes to it breaks the
    /// connection.
    #[must_use]
    pub fn socket(&self) -> Arc<dyn AsFd + Send + Sync> {
        Arc::<Socket>::clone(&self.socket)
    }

    /// See [`Frames::caps`].
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.sender.caps
    }

    /// See [`Frames::encode`].
    pub fn encode<T: Serialize + ?Sized>(
        &mut self,
        kind: u16,
        sequence: u64,
        value: &T,
    ) -> Result<Frame<'static>, Error> {
        self.sender.encode(kind, sequence, value)
    }

    /// See [`Frames::reuse`].
    pub fn reuse(&mut self, frame: Frame<'static>) {
        self.sender.reuse(frame);
    }

    /// See [`Frames::send`].
    pub fn send(&mut self, frame: &Frame, deadline: Option<Instant>) -> Result<(), Error> {
        self.sender.send(&self.socket, frame, deadline.into()).map(drop)
    }

    /// See [`Frames::try_send`].
    pub fn try_send(&mut self, frame: &Frame) -> Result<bool, Error> {
        self.sender.send(&self.socket, frame, Until::Now)
    }

    /// See [`Frames::flush`]. The receiving half does not do that.
    pub fn flush(&mut self, deadline: Option<Instant>) -> Result<(), Error> {
        self.sender.flush(&self.socket, deadline.into()).map(drop)
    }

    /// See [`Frames::try_flush`].
    pub fn try_flush(&mut self) -> Result<bool, Error> {
        self.sender.flush(&self.socket, Until::Now)
    }

    /// See [`Frames::is_flushed`].
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.sender.is_flushed()
    }

    /// See [`Frames::close`]. A thread that is receiving finds it closed too.
    pub fn close(&mut self) {
        self.socket.kill();
    }
}

impl FrameReceiver {
    /// See [`Frames::caps`].
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.receiver.caps
    }

    /// See [`Frames::receive`].
    pub fn receive(&mut self, deadline: Option<Instant>) -> Result<Frame<'static>, Error> {
        self.receive_in_place(deadline).map(Frame::into_owned)
    }

    /// See [`Frames::receive_in_place`].
    pub fn receive_in_place(&mut self, deadline: Option<Instant>) -> Result<Frame<'_>, Error> {
        let received = self.receiver.receive(&self.socket, deadline.into())?;
        let Some(frame) = received else { return Err(Error::Deadline) };
        Ok(frame)
    }

    /// See [`Frames::try_receive`].
    pub fn try_receive(&mut self) -> Result<Option<Frame<'static>>, Error> {
        Ok(self.receiver.receive(&self.socket, Until::Now)?.map(Frame::into_owned))
    }

    /// See [`Frames::close`]. A thread that is sending finds it closed too.
    pub fn close(&mut self) {
        self.socket.kill();
    }
}

impl AsFd for Frames {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for FrameSender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for FrameReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Frames> for OwnedFd {
    fn from(frames: Frames) -> Self {
        frames.socket.into_fd()
    }
}

/// A socket that was received must be suitable: what is not breaks the protocol.
impl Descriptor for Frames {
    fn receive(descriptor: OwnedFd) -> Result<Self, Error> {
        Self::from_socket(descriptor).map_err(|error| match error {
            Error::Unsuitable { reason } => {
                Error::protocol(format!("a descriptor that is no channel: {reason}"))
            }
            other => other,
        })
    }
}
