//! The socket of a channel: waiting, and being dead.
//!
//! Without a deadline a call blocks in the kernel. With one there are two ways. The time can be set on
//! the socket (`SO_RCVTIMEO`), which costs nothing where the last one will do; but whoever else has
//! the socket can set it too, and the other end of a connection may have kept a copy of what it
//! passed on. Or ppoll(2) waits, whoever has the socket; but Linux refuses it in capability mode
//! unless everything else has `EVENT` too. So the first is for sockets that were made here, the
//! second for others, and each for the other where a right is missing.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use capsicum_rs::is_capability_error;

use crate::{Caps, Error, header, sys, sys::Direction};

/// How long an operation may take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// No time at all.
    Now,
    /// Until then.
    By(Instant),
    /// As long as it takes.
    Forever,
}

impl Until {
    /// This, or so much from now, where that is earlier.
    pub(crate) fn or_soon(self, time: Duration) -> Self {
        let soon = Instant::now() + time;
        match self {
            Self::Now => Self::Now,
            Self::By(deadline) => Self::By(deadline.min(soon)),
            Self::Forever => Self::By(soon),
        }
    }

    pub(crate) fn has_passed(self) -> bool {
        match self {
            Self::Now => true,
            Self::By(deadline) => Instant::now() >= deadline,
            Self::Forever => false,
        }
    }
}

impl From<Option<Instant>> for Until {
    fn from(deadline: Option<Instant>) -> Self {
        deadline.map_or(Self::Forever, Self::By)
    }
}

/// What one direction has found out about waiting.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// ppoll(2) is refused.
    blind: bool,
    /// Setting the time is refused.
    timeless: bool,
    /// The time that is set on the socket.
    set: Option<Duration>,
}

/// How much longer than asked for a call may wait, to spare setting the time anew.
const TOLERANCE: Duration = Duration::from_millis(1);

/// How long to wait where the kernel says that a socket is ready, and again that it is not: someone
/// else who has it uses it, or has made it non-blocking.
const AGAIN: Duration = Duration::from_millis(1);

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// It was made here: nobody else has it.
    own: bool,
    dead: AtomicBool,
}

impl Socket {
    /// Takes a connected socket of sequenced packets.
    pub(crate) fn new(fd: OwnedFd) -> Result<Self, Error> {
        let unsuitable = |reason| Err(Error::Unsuitable { reason });
        let socket = match sys::socket(fd.as_fd()) {
            Ok(socket) => socket,
            Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => {
                return unsuitable("it is no socket");
            }
            Err(error) => return Err(Error::system("getsockopt")(error)),
        };
        if (socket.family, socket.kind) != (libc::AF_UNIX, libc::SOCK_SEQPACKET) {
            return unsuitable("it is no Unix socket of sequenced packets");
        }
        if socket.listens {
            return unsuitable("it listens");
        }
        if !sys::connected(fd.as_fd()).map_err(Error::system("getpeername"))? {
            return unsuitable("it is not connected");
        }
        Ok(Self { fd, own: false, dead: AtomicBool::new(false) })
    }

    /// Takes what is known to be one.
    pub(crate) fn known(fd: OwnedFd) -> Self {
        Self { fd, own: false, dead: AtomicBool::new(false) }
    }

    /// A connected pair.
    pub(crate) fn pair() -> Result<(Self, Self), Error> {
        let (one, other) = sys::pair().map_err(Error::system("socketpair"))?;
        let socket = |fd| Self { fd, own: true, dead: AtomicBool::new(false) };
        Ok((socket(one), socket(other)))
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// Makes room for frames of this size, where the kernel lets us and there is none yet.
    pub(crate) fn make_room(&self, caps: Caps) -> Result<(), Error> {
        let size = caps.inline.saturating_add(header::LENGTH);
        let read = || sys::buffers(self.fd.as_fd());
        let (send, receive) = match read() {
            Ok(buffers) => buffers,
            // Then the kernel will say so when something is sent.
            Err(error) if is_capability_error(&error).is_some() => return Ok(()),
            Err(error) => return Err(Error::system("getsockopt")(error)),
        };
        let fits = |buffer| size <= sys::largest_datagram(buffer);
        let wanted = size.saturating_add(size.saturating_sub(sys::largest_datagram(size)));
        // What comes of it is read again.
        if sys::RECEIVER_BUFFERS && !fits(receive) {
            let _ = sys::raise_buffer(self.fd.as_fd(), Direction::Receive, wanted);
        }
        if fits(send) {
            return Ok(());
        }
        let _ = sys::raise_buffer(self.fd.as_fd(), Direction::Send, wanted);
        let (send, _) = read().map_err(Error::system("getsockopt"))?;
        let most = sys::largest_datagram(send).saturating_sub(header::LENGTH);
        if fits(send) { Ok(()) } else { Err(Error::TooLarge { size: caps.inline, most }) }
    }

    /// Gives the channel up, for both ends.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Relaxed);
        // Not where the right to is missing: then the other end learns it when this one is closed.
        let _ = sys::shut_down(self.fd.as_fd());
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.dead.load(Relaxed) { Err(Error::Closed) } else { Ok(()) }
    }

    fn failed(&self, way: Direction, error: io::Error) -> Error {
        match error.raw_os_error() {
            Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN | libc::ECONNREFUSED) => {
                // Where sending finds it out, what the other end has sent before is there still.
                if way == Direction::Receive {
                    self.dead.store(true, Relaxed);
                }
                Error::Closed
            }
            _ => Error::system(if way == Direction::Send { "sendmsg" } else { "recvmsg" })(error),
        }
    }

    /// Makes a call on the socket, which is told whether it may block, until it is done. `None`:
    /// there was no time, and it is not.
    #[inline]
    pub(crate) fn call<T>(
        &self,
        way: Direction,
        until: Until,
        waiting: &mut Waiting,
        mut call: impl FnMut(BorrowedFd<'_>, bool) -> io::Result<T>,
    ) -> Result<Option<T>, Error> {
        self.check()?;
        // Mostly there is room to send, or all the time to receive.
        let forever = matches!(until, Until::Forever);
        let at_once = match way {
            Direction::Send => !forever || waiting.set.is_none(),
            Direction::Receive => forever && waiting.set.is_none(),
        };
        let mut failed = None;
        if at_once {
            match call(self.fd.as_fd(), forever) {
                Ok(done) => return Ok(Some(done)),
                Err(error) => failed = Some(error),
            }
        }
        self.insist(way, until, waiting, failed, call)
    }

    /// The same, where it takes more than one system call; the first may have failed already.
    fn insist<T>(
        &self,
        way: Direction,
        until: Until,
        waiting: &mut Waiting,
        mut failed: Option<io::Error>,
        mut call: impl FnMut(BorrowedFd<'_>, bool) -> io::Result<T>,
    ) -> Result<Option<T>, Error> {
        if matches!(until, Until::Forever) && waiting.set.is_some() {
            // Where that is refused, the call ends now and then, and is made again.
            match sys::set_timeout(self.fd.as_fd(), way, None) {
                Err(error) if is_capability_error(&error).is_some() => {}
                Err(error) => return Err(Error::system("setsockopt")(error)),
                Ok(()) => waiting.set = None,
            }
        }
        // Mostly there is room to send, and mostly nothing yet to receive.
        let mut wait = way == Direction::Receive;
        let (mut reset, mut tries) = (false, 0_u32);
        loop {
            let mut block = matches!(until, Until::Forever);
            if let Until::By(deadline) = until
                && wait
            {
                let left = deadline.saturating_duration_since(Instant::now());
                block = self.wait(way, left, waiting)?;
            }
            let error = match failed.take().map_or_else(|| call(self.fd.as_fd(), block), Err) {
                Ok(done) => return Ok(Some(done)),
                Err(error) => error,
            };
            match (error.raw_os_error(), until) {
                (Some(libc::EINTR), _) => continue,
                (Some(libc::EAGAIN), Until::Now) => return Ok(None),
                (Some(libc::EAGAIN), Until::By(deadline)) if Instant::now() >= deadline => {
                    return Err(Error::Deadline);
                }
                (Some(libc::EAGAIN), Until::By(_)) => {
                    if wait {
                        tries += 1;
                    }
                    wait = true;
                }
                (Some(libc::EAGAIN), Until::Forever) => {
                    // Non-blocking, by someone else's doing.
                    tries += 1;
                    if !waiting.blind {
                        let _ = self.wait(way, Duration::from_secs(1), waiting);
                    }
                }
                // The other end has gone without reading everything. What it sent before is there
                // still.
                (Some(libc::ECONNRESET), _) if way == Direction::Receive && !reset => reset = true,
                _ => return Err(self.failed(way, error)),
            }
            if tries > 1 {
                sys::rest(AGAIN);
            }
        }
    }

    /// Waits for the socket, or arranges that the call does: whether that may block.
    fn wait(&self, way: Direction, left: Duration, waiting: &mut Waiting) -> Result<bool, Error> {
        if left.is_zero() {
            return Ok(false);
        }
        let timed = way == Direction::Receive || sys::SEND_TIMEOUT_HOLDS;
        if timed && self.own && !waiting.timeless && self.set_timeout(way, left, waiting)? {
            return Ok(true);
        }
        if !waiting.blind {
            match sys::ready(self.fd.as_fd(), way, left) {
                Err(error) if is_capability_error(&error).is_some() => waiting.blind = true,
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => return Ok(false),
                Err(error) => return Err(Error::system("ppoll")(error)),
                Ok(_) => return Ok(false),
            }
        }
        if timed && self.set_timeout(way, left, waiting)? {
            return Ok(true);
        }
        let source = io::Error::from_raw_os_error(sys::ENOTCAPABLE);
        Err(Error::system("waiting until a deadline, by setsockopt or ppoll")(source))
    }

    /// Sets the time that a call may take: whether the right to is there.
    fn set_timeout(
        &self,
        way: Direction,
        left: Duration,
        waiting: &mut Waiting,
    ) -> Result<bool, Error> {
        if waiting.set.is_some_and(|set| set >= left && set <= left.saturating_add(TOLERANCE)) {
            return Ok(true);
        }
        match sys::set_timeout(self.fd.as_fd(), way, Some(left)) {
            Ok(()) => {
                waiting.set = Some(left);
                Ok(true)
            }
            Err(error) if is_capability_error(&error).is_some() => {
                waiting.timeless = true;
                Ok(false)
            }
            Err(error) => Err(Error::system("setsockopt")(error)),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
