//! Sending a frame and receiving one, in as many parts as it takes.

use std::{os::fd::OwnedFd, sync::Arc};

use capsicum_rs::Limits;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Caps, Error, Frame, frame,
    header::{self, Header},
    passing::Passed,
    rest::Rest,
    socket::{Socket, Until, Waiting},
    sys::{self, Direction, Received},
};

/// What sending needs.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) caps: Caps,
    pub(crate) ceiling: Option<Arc<Limits>>,
    /// The buffers of the next frame.
    spare: Option<Frame<'static>>,
    /// What is left of the last one, where the kernel takes parts.
    rest: Rest,
    waiting: Waiting,
}

impl Outgoing {
    pub(crate) fn encode<T: Serialize + ?Sized>(
        &mut self,
        kind: u16,
        sequence: u64,
        value: &T,
    ) -> Result<Frame<'static>, Error> {
        let mut frame = self.spare.take().unwrap_or_else(Frame::unfilled);
        frame.fill(kind, sequence, value, self.caps, self.ceiling.as_ref())?;
        Ok(frame)
    }

    pub(crate) fn reuse(&mut self, mut frame: Frame<'static>) {
        frame.close();
        self.spare = Some(frame);
    }

    /// Whether it was sent, or taken over: not, where there was no time to.
    pub(crate) fn send(
        &mut self,
        socket: &Socket,
        frame: &Frame,
        until: Until,
    ) -> Result<bool, Error> {
        send(socket, frame, self.caps, until, &mut self.waiting, &mut self.rest)
    }

    /// Encodes and sends.
    pub(crate) fn send_value<T: Serialize + ?Sized>(
        &mut self,
        socket: &Socket,
        sequence: u64,
        value: &T,
        until: Until,
    ) -> Result<bool, Error> {
        let Self { caps, ceiling, spare, rest, waiting } = self;
        let spare = spare.get_or_insert_with(Frame::unfilled);
        spare.fill(0, sequence, value, *caps, ceiling.as_ref())?;
        let sent = send(socket, spare, *caps, until, waiting, rest);
        spare.close();
        sent
    }

    /// Whether everything has gone that was taken over.
    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        sys::WHOLE_RECORDS || self.rest.is_gone()
    }

    /// Sends what was taken over and has not gone yet: whether all has.
    pub(crate) fn flush(&mut self, socket: &Socket, until: Until) -> Result<bool, Error> {
        if self.is_flushed() {
            return Ok(true);
        }
        let Self { rest, waiting, .. } = self;
        let flushed = rest.flush(|bytes, passed| put(socket, bytes, passed, until, waiting));
        flushed.map_err(|error| broken(socket, rest, error))
    }
}

fn send(
    socket: &Socket,
    frame: &Frame,
    caps: Caps,
    until: Until,
    waiting: &mut Waiting,
    rest: &mut Rest,
) -> Result<bool, Error> {
    let (size, most) = (frame.payload().len(), caps.inline);
    if size > most {
        return Err(Error::TooLarge { size, most });
    }
    let (count, most_descriptors) = (frame.passed().len(), caps.descriptors);
    if count > most_descriptors {
        return Err(Error::TooManyDescriptors { count, most: most_descriptors });
    }
    let (bytes, passed) = (frame.bytes(), frame.passed());
    let sent = if sys::WHOLE_RECORDS {
        put(socket, bytes, passed, until, waiting).map(|sent| sent.is_some())
    } else {
        let apart = !passed.is_empty() && sys::descriptors_go_apart();
        let sent = rest
            .send(bytes, passed, apart, |bytes, passed| put(socket, bytes, passed, until, waiting));
        sent.map_err(|error| broken(socket, rest, error))
    };
    sent.map_err(|error| too_large(error, size, most))
}

/// Has the kernel take a record, or as much of one as it does: how many bytes. `None`: there was no time.
#[inline]
fn put(
    socket: &Socket,
    bytes: &[u8],
    passed: &[Passed],
    until: Until,
    waiting: &mut Waiting,
) -> Result<Option<usize>, Error> {
    socket.call(Direction::Send, until, waiting, |fd, wait| sys::send(fd, bytes, passed, wait))
}

/// After an error in the midst of a frame the other end is told too. Where it was the other end that closed, what that
/// has sent before is there still.
#[cold]
fn broken(socket: &Socket, rest: &Rest, error: Error) -> Error {
    if rest.is_broken() && !matches!(error, Error::Closed) {
        socket.kill();
    }
    error
}

/// What the kernel says of a datagram that it never takes.
fn too_large(error: Error, size: usize, most: usize) -> Error {
    match error {
        Error::System { source, .. } if source.raw_os_error() == Some(libc::EMSGSIZE) => {
            Error::TooLarge { size, most: most.min(size.saturating_sub(1)) }
        }
        other => other,
    }
}

/// What receiving needs: the frame that is coming, of which FreeBSD 15 may bring a part at a time.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) caps: Caps,
    /// What has come of it.
    buffer: Vec<u8>,
    descriptors: Vec<Option<OwnedFd>>,
    /// It is whole, and was made use of: it is in the way of the next one.
    used: bool,
    waiting: Waiting,
}

impl Incoming {
    /// `None` where there was no time and nothing whole was there.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        socket: &Socket,
        until: Until,
    ) -> Result<Option<Frame<'_>>, Error> {
        let header = self.header(socket, until)?;
        Ok(header.map(|header| self.frame(header)))
    }

    /// The frame of the header that was received last.
    #[inline]
    pub(crate) fn frame(&mut self, header: Header) -> Frame<'_> {
        Frame::received(header, &self.buffer, &mut self.descriptors)
    }

    /// The same, decoded, as the message of this sequence. After an error the socket is dead.
    pub(crate) fn value<T: DeserializeOwned>(
        &mut self,
        socket: &Socket,
        header: Header,
        sequence: u64,
    ) -> Result<T, Error> {
        let decoded = if header.kind == 0 && header.sequence == sequence {
            frame::decode(&self.buffer[header::LENGTH..], &mut self.descriptors, self.caps)
        } else {
            self.descriptors.clear();
            Err(Error::protocol("a message out of its turn"))
        };
        if decoded.is_err() {
            // Also where a descriptor could not be checked: the message is lost.
            socket.kill();
        }
        decoded
    }

    /// Receives a frame into the buffer: its header.
    pub(crate) fn header(
        &mut self,
        socket: &Socket,
        until: Until,
    ) -> Result<Option<Header>, Error> {
        if std::mem::take(&mut self.used) {
            self.buffer.clear();
        }
        match self.whole(socket, until) {
            Ok(header) => {
                self.used = header.is_some();
                Ok(header)
            }
            Err(error) => {
                if error.is_fatal() {
                    self.descriptors.clear();
                    self.buffer.clear();
                    socket.kill();
                }
                Err(error)
            }
        }
    }

    /// Receives until the frame is whole.
    fn whole(&mut self, socket: &Socket, until: Until) -> Result<Option<Header>, Error> {
        let room = header::LENGTH.saturating_add(self.caps.inline);
        if self.buffer.capacity() < room {
            self.buffer.reserve_exact(room - self.buffer.len());
        }
        let most = self.caps.descriptors;
        loop {
            let Self { buffer, descriptors, waiting, .. } = self;
            // Caps that were lowered may have less room than a part of a frame has taken.
            let free = room.checked_sub(buffer.len()).filter(|free| *free > 0);
            let free =
                free.ok_or_else(|| Error::protocol("a frame that is larger than the cap"))?;
            let before = descriptors.len();
            let part = socket.call(Direction::Receive, until, waiting, |fd, wait| {
                sys::receive(fd, buffer, free, most, descriptors, wait)
            })?;
            let Some(part) = part else { return Ok(None) };
            if let Some(header) = self.advance(part, self.descriptors.len() - before)? {
                return Ok(Some(header));
            }
        }
    }

    /// Takes what one call has received: the header, once the frame is whole and what it says of
    /// itself is true.
    fn advance(&mut self, part: Received, brought: usize) -> Result<Option<Header>, Error> {
        let Received { bytes, ends, truncated, foreign } = part;
        let (first, brought) = (self.buffer.len() == bytes, brought > 0);
        if foreign {
            return Err(Error::protocol("something else than descriptors came with a frame"));
        }
        if truncated {
            return Err(Error::protocol("more than the caps, or than this process has room for"));
        }
        if self.descriptors.len() > self.caps.descriptors || (brought && !first) {
            return Err(Error::protocol("more descriptors than may be received"));
        }
        if bytes == 0 && brought && !sys::WHOLE_RECORDS {
            // They have gone ahead: see `sys::descriptors_go_apart`.
            return Ok(None);
        }
        if bytes == 0 {
            // The end. A datagram of no bytes looks the same, and is no frame either.
            return Err(if !first || !self.descriptors.is_empty() {
                Error::protocol("a frame without an end")
            } else {
                Error::Closed
            });
        }
        let filled = self.buffer.len();
        let header = Header::read(&self.buffer);
        let whole = header.map(|header| {
            usize::try_from(header.length).unwrap_or(usize::MAX).saturating_add(header::LENGTH)
        });
        match (header, whole) {
            (Some(header), Some(whole)) if ends && whole == filled => {
                if usize::from(header.descriptors) == self.descriptors.len() {
                    return Ok(Some(header));
                }
                Err(Error::protocol("not as many descriptors as the frame says"))
            }
            (_, whole) if !ends && whole.is_none_or(|whole| whole > filled) => {
                if filled < header::LENGTH.saturating_add(self.caps.inline) {
                    return Ok(None);
                }
                Err(Error::protocol("a frame that is larger than the cap"))
            }
            (None, _) => Err(Error::protocol("fewer bytes than a header has")),
            _ => Err(Error::protocol("not as many bytes as the frame says")),
        }
    }
}
