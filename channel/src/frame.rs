//! Frames: what one datagram holds.

use std::{
    borrow::Cow,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use capsicum_rs::Limits;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Caps, Error,
    bounded::{Bounded, Bounds},
    header::{self, Header},
    passing::{self, Passed},
};

/// A message in the form in which it travels: two numbers, bytes and descriptors.
///
/// What the numbers mean is up to those who use [`Frames`](crate::Frames); a
/// [`Channel`](crate::Channel) counts its messages with `sequence` and leaves `kind` at 0.
///
/// One that was [received in place](crate::Frames::receive_in_place) borrows its bytes, `'a`; others have
/// their own.
///
/// ```
/// use capsicum_channel::{Caps, Frame};
///
/// let frame = Frame::encode(7, 1, &("three", 4_u8), Caps::default())?;
/// assert_eq!((frame.kind(), frame.sequence(), frame.payload()), (7, 1, &b"\x05three\x04"[..]));
/// assert_eq!(frame.decode::<(String, u8)>(Caps::default())?, ("three".to_owned(), 4));
/// # Ok::<(), capsicum_channel::Error>(())
/// ```
#[derive(Debug)]
pub struct Frame<'a> {
    kind: u16,
    sequence: u64,
    /// The header, written last, and the payload. Neither before it is filled.
    bytes: Cow<'a, [u8]>,
    descriptors: Vec<Passed>,
}

impl Frame<'static> {
    /// A frame of bytes that are not a value of serde's.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] and [`Error::TooManyDescriptors`] where no frame could hold them.
    pub fn new(
        kind: u16,
        sequence: u64,
        payload: &[u8],
        descriptors: Vec<OwnedFd>,
    ) -> Result<Self, Error> {
        let descriptors = descriptors.into_iter().map(Passed::Owned).collect();
        let bytes = Cow::Owned([&[0; header::LENGTH], payload].concat());
        let mut frame = Self { kind, sequence, bytes, descriptors };
        frame.finish()?;
        Ok(frame)
    }

    /// Encodes a value, whose handles go along.
    ///
    /// Limits on handles that are narrower than what they are need to know who will receive them,
    /// on Linux: use [`Frames::encode`](crate::Frames::encode).
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::TooManyDescriptors`], [`Error::Unsupported`] and
    /// [`Error::Encode`].
    pub fn encode<T: Serialize + ?Sized>(
        kind: u16,
        sequence: u64,
        value: &T,
        caps: Caps,
    ) -> Result<Self, Error> {
        let mut frame = Self::unfilled();
        frame.fill(kind, sequence, value, caps, None)?;
        Ok(frame)
    }

    /// Buffers, to be [filled](Self::fill) before they are a frame.
    pub(crate) fn unfilled() -> Self {
        Self { kind: 0, sequence: 0, bytes: Cow::Owned(Vec::new()), descriptors: Vec::new() }
    }

    /// Becomes the frame of a value, for a peer with this ceiling, in the buffers that it has. After
    /// an error it holds no descriptors.
    pub(crate) fn fill<T: Serialize + ?Sized>(
        &mut self,
        kind: u16,
        sequence: u64,
        value: &T,
        caps: Caps,
        ceiling: Option<&Arc<Limits>>,
    ) -> Result<(), Error> {
        (self.kind, self.sequence) = (kind, sequence);
        self.close();
        let Self { bytes, descriptors, .. } = self;
        let bytes = bytes.to_mut();
        bytes.clear();
        bytes.extend_from_slice(&[0; header::LENGTH]);
        let most = header::LENGTH.saturating_add(caps.inline);
        let (result, failed) = passing::pack(caps, ceiling, descriptors, || {
            postcard::serialize_with_flavor(value, Capped { bytes, most })
        });
        let error = match (result, failed) {
            (Ok(()), None) => return self.finish(),
            (Err(error), None) => unencoded(&error, caps),
            (_, Some(error)) => *error,
        };
        self.close();
        Err(error)
    }

    /// Writes the header.
    fn finish(&mut self) -> Result<(), Error> {
        let size = self.bytes.len() - header::LENGTH;
        let most = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
        let length = u32::try_from(size).map_err(|_| Error::TooLarge { size, most })?;
        let (count, most) = (self.descriptors.len(), Caps::MAX_DESCRIPTORS);
        let number = u16::try_from(count).ok().filter(|_| count <= most);
        let Some(descriptors) = number else {
            return Err(Error::TooManyDescriptors { count, most });
        };
        let header = Header { length, kind: self.kind, descriptors, sequence: self.sequence };
        self.bytes.to_mut()[..header::LENGTH].copy_from_slice(&header.write());
        Ok(())
    }

    /// Closes the descriptors that it holds.
    #[inline]
    pub(crate) fn close(&mut self) {
        self.descriptors.clear();
    }
}

impl<'a> Frame<'a> {
    /// A frame that was received: every claim of its header, which is in the bytes too, has been checked.
    #[inline]
    pub(crate) fn received(
        header: Header,
        bytes: &'a [u8],
        descriptors: &mut Vec<Option<OwnedFd>>,
    ) -> Self {
        let mut passed = Vec::new();
        // Mostly there are none.
        if !descriptors.is_empty() {
            passed.extend(descriptors.drain(..).flatten().map(Passed::Owned));
        }
        let bytes = Cow::Borrowed(bytes);
        Self { kind: header.kind, sequence: header.sequence, bytes, descriptors: passed }
    }

    /// The same frame with bytes of its own, to be kept.
    #[must_use]
    pub fn into_owned(self) -> Frame<'static> {
        let Self { kind, sequence, bytes, descriptors } = self;
        Frame { kind, sequence, bytes: Cow::Owned(bytes.into_owned()), descriptors }
    }

    /// What kind of message it is.
    #[must_use]
    pub fn kind(&self) -> u16 {
        self.kind
    }

    /// Which message it is, or which one it answers.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The encoded value.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[header::LENGTH..]
    }

    /// The descriptors, in order.
    pub fn descriptors(&self) -> impl ExactSizeIterator<Item = BorrowedFd<'_>> {
        self.descriptors.iter().map(AsFd::as_fd)
    }

    pub(crate) fn passed(&self) -> &[Passed] {
        &self.descriptors
    }

    /// The header and the payload.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Decodes the value, which takes over the descriptors; what it does not take is closed.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] where the bytes or descriptors are not what `T` wants, to the last byte
    /// and descriptor. [`Error::System`] where a descriptor could not be checked: in capability mode
    /// that needs rights in the ceiling, see [`Descriptor`](crate::Descriptor).
    pub fn decode<T: DeserializeOwned>(self, caps: Caps) -> Result<T, Error> {
        let Self { bytes, descriptors, .. } = self;
        let mut owned = Vec::new();
        // Mostly there are none.
        if !descriptors.is_empty() {
            owned = descriptors.into_iter().map(own).collect::<Result<_, _>>()?;
        }
        decode(&bytes[header::LENGTH..], &mut owned, caps)
    }
}

/// A descriptor that can be taken out of its frame.
fn own(passed: Passed) -> Result<Option<OwnedFd>, Error> {
    match passed {
        Passed::Owned(fd) => Ok(Some(fd)),
        // Decoded by the process that has encoded it.
        Passed::Shared(holder) => holder
            .as_fd()
            .try_clone_to_owned()
            .map(Some)
            .map_err(Error::system("fcntl(F_DUPFD_CLOEXEC)")),
    }
}

/// Decodes a payload and its descriptors, to the last of both. None of those is left.
#[inline]
pub(crate) fn decode<T: DeserializeOwned>(
    payload: &[u8],
    descriptors: &mut Vec<Option<OwnedFd>>,
    caps: Caps,
) -> Result<T, Error> {
    let bounds = Bounds::new(payload.len());
    let mut input = postcard::Deserializer::from_bytes(payload);
    let (result, unpacked) =
        passing::unpack(descriptors, caps, || T::deserialize(Bounded::new(&mut input, &bounds)));
    if let Some(error) = unpacked.failed {
        return Err(*error);
    }
    let value = result.map_err(undecoded)?;
    if unpacked.surplus {
        return Err(Error::protocol("descriptors that the value does not have"));
    }
    match input.finalize() {
        Ok([]) => Ok(value),
        _ => Err(Error::protocol("bytes after the value")),
    }
}

#[cold]
fn undecoded(error: postcard::Error) -> Error {
    Error::protocol(match error {
        postcard::Error::SerdeDeCustom => "a value that is none of its type".to_owned(),
        other => other.to_string(),
    })
}

#[cold]
fn unencoded(error: &postcard::Error, caps: Caps) -> Error {
    match error {
        postcard::Error::SerializeBufferFull => {
            Error::TooLarge { size: caps.inline.saturating_add(1), most: caps.inline }
        }
        other => Error::Encode { reason: other.to_string() },
    }
}

/// Output that ends at a cap.
struct Capped<'a> {
    bytes: &'a mut Vec<u8>,
    most: usize,
}

impl postcard::ser_flavors::Flavor for Capped<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        if self.bytes.len() >= self.most {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.bytes.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
