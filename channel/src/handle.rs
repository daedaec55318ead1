//! Descriptors within messages.

use std::{
    fmt,
    ops::Deref,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use capsicum_rs::Limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Descriptor, passing};

/// A descriptor in a message: a file, a socket, an end of a pipe, a directory, another channel.
///
/// It is a value of serde's like any other, and may be anywhere in a type that is sent. The
/// receiver gets a descriptor of its own; the sender keeps its one. Serialising a handle by
/// anything other than a channel is an error.
///
/// The sender may state [`Limits`](capsicum_rs::Limits). `Ok` from sending means that they hold at
/// the other end:
///
/// - FreeBSD: they are set on a duplicate, and that is sent.
/// - Linux: rights belong to numbers there. What a process in capability mode receives has its
///   ceiling, so that limits can be held if [they are no narrower than that](crate::Channel::peer_ceiling),
///   or if a file that is open for less makes up the difference: a regular file is opened again,
///   for reading or for writing only. The new one has an offset of its own. Everything else is
///   [`Error::Unsupported`](crate::Error::Unsupported). Nothing is sent wider than asked.
///
/// Without a statement the descriptor is sent as it is.
///
/// ```
/// use std::{fs::File, io::Read};
///
/// use capsicum_channel::{Channel, Handle};
///
/// let (mut here, mut there) = Channel::<(String, Handle<File>), ()>::pair()?;
/// here.send(&("the manifest".to_owned(), Handle::new(File::open("Cargo.toml")?)))?;
///
/// let (name, mut file) = there.recv()?;
/// let mut text = String::new();
/// (&*file).read_to_string(&mut text)?;
/// assert!(name == "the manifest" && text.starts_with("[package]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Handle<T> {
    descriptor: Arc<T>,
    limits: Limits,
}

impl<T: Descriptor> Handle<T> {
    /// A handle without limits of its own.
    pub fn new(descriptor: T) -> Self {
        Self::limited(descriptor, Limits::ALL)
    }

    /// A handle that is received with these limits at most.
    pub fn limited(descriptor: T, limits: impl Into<Limits>) -> Self {
        Self { descriptor: Arc::new(descriptor), limits: limits.into() }
    }

    /// What the sender states. Of a handle that was received it says nothing.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The descriptor.
    ///
    /// # Errors
    ///
    /// The handle itself, while a [`Frame`](crate::Frame) that was encoded with it exists.
    pub fn into_inner(self) -> Result<T, Self> {
        let Self { descriptor, limits } = self;
        Arc::try_unwrap(descriptor).map_err(|descriptor| Self { descriptor, limits })
    }
}

impl<T> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.descriptor
    }
}

impl<T: AsFd> AsFd for Handle<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl<T: Descriptor> From<T> for Handle<T> {
    fn from(descriptor: T) -> Self {
        Self::new(descriptor)
    }
}

impl<T: fmt::Debug> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("descriptor", &self.descriptor)
            .field("limits", &format_args!("{}", self.limits))
            .finish()
    }
}

impl<T: Descriptor> Serialize for Handle<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        passing::add(&self.descriptor, &self.limits, 0)?.serialize(serializer)
    }
}

impl<'de, T: Descriptor> Deserialize<'de> for Handle<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let index = u32::deserialize(deserializer)?;
        passing::take(index, 0, T::receive).map(Self::new)
    }
}
