//! How descriptors get into and out of serde's types.
//!
//! serde has no notion of a descriptor, and a type may be reached through any number of other
//! serialisers (those that derive generates for tagged and flattened types are some). So the
//! descriptors of the message that a thread is encoding or decoding are kept beside it, and a
//! handle that finds no message there is an error: it cannot be serialised by anything else.

use std::{
    cell::RefCell,
    fmt,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use capsicum_rs::Limits;

use crate::{
    Caps, Error,
    sys::{self, Held},
};

/// A descriptor of a frame.
pub(crate) enum Passed {
    /// One that was received, or made to be sent.
    Owned(OwnedFd),
    /// One that the sender has too. It cannot be closed, and its number given to another object,
    /// before the frame is sent.
    Shared(Arc<dyn AsFd + Send + Sync>),
}

impl AsFd for Passed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Owned(fd) => fd.as_fd(),
            Self::Shared(holder) => holder.as_fd(),
        }
    }
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_fd().fmt(f)
    }
}

/// The message that is being encoded.
struct Packing {
    /// How many descriptors it may have.
    most: usize,
    /// How many bytes of memory it may still have.
    shared: u64,
    ceiling: Option<Arc<Limits>>,
    passed: Vec<Passed>,
    failed: Option<Box<Error>>,
}

impl Packing {
    fn add(
        &mut self,
        holder: &Arc<impl AsFd + Send + Sync + 'static>,
        fd: BorrowedFd<'_>,
        limits: &Limits,
        shared: u64,
    ) -> Result<u32, Error> {
        let (count, most) = (self.passed.len() + 1, self.most);
        if count > most {
            return Err(Error::TooManyDescriptors { count, most });
        }
        self.shared = self.shared.checked_sub(shared).ok_or(Error::TooLarge {
            size: usize::try_from(shared).unwrap_or(usize::MAX),
            most: usize::try_from(self.shared).unwrap_or(usize::MAX),
        })?;
        let narrower = sys::narrowed(fd, limits, self.ceiling.as_deref())?;
        self.passed.push(match narrower {
            Some(fd) => Passed::Owned(fd),
            None => Passed::Shared(Arc::clone(holder) as Arc<dyn AsFd + Send + Sync>),
        });
        u32::try_from(count - 1).map_err(|_| Error::TooManyDescriptors { count, most })
    }
}

/// The message that is being decoded.
struct Unpacking {
    /// How many bytes of memory it may still have.
    shared: u64,
    received: Vec<Option<OwnedFd>>,
    failed: Option<Box<Error>>,
}

impl Unpacking {
    fn take(&mut self, index: u32, shared: u64) -> Result<OwnedFd, Error> {
        self.shared = self
            .shared
            .checked_sub(shared)
            .ok_or_else(|| Error::protocol("more shared memory than may be received"))?;
        usize::try_from(index)
            .ok()
            .and_then(|index| self.received.get_mut(index)?.take())
            .ok_or_else(|| Error::protocol("a descriptor that was not sent, or is used twice"))
    }
}

// A type may well send a message of its own while it is serialised, or panic: afterwards there is again what was
// there before.
thread_local! {
    static PACKING: Held<RefCell<Packing>> = const { Held::none() };
    static UNPACKING: Held<RefCell<Unpacking>> = const { Held::none() };
}

/// Runs `encode`, with handles going into `passed`.
#[inline]
pub(crate) fn pack<T>(
    caps: Caps,
    ceiling: Option<&Arc<Limits>>,
    passed: &mut Vec<Passed>,
    encode: impl FnOnce() -> T,
) -> (T, Option<Box<Error>>) {
    let message = RefCell::new(Packing {
        most: caps.descriptors.min(Caps::MAX_DESCRIPTORS),
        shared: caps.shared,
        ceiling: ceiling.cloned(),
        passed: std::mem::take(passed),
        failed: None,
    });
    let result = Held::during(&PACKING, &message, encode);
    let message = message.into_inner();
    *passed = message.passed;
    (result, message.failed)
}

/// What is left of a message that has been decoded.
pub(crate) struct Unpacked {
    /// Descriptors that nothing has asked for were there, and have been closed.
    pub(crate) surplus: bool,
    pub(crate) failed: Option<Box<Error>>,
}

/// Runs `decode`, with handles coming out of `received`, which is empty then.
#[inline]
pub(crate) fn unpack<T>(
    received: &mut Vec<Option<OwnedFd>>,
    caps: Caps,
    decode: impl FnOnce() -> T,
) -> (T, Unpacked) {
    let message = RefCell::new(Unpacking {
        shared: caps.shared,
        received: std::mem::take(received),
        failed: None,
    });
    let result = Held::during(&UNPACKING, &message, decode);
    let Unpacking { received: mut left, failed, .. } = message.into_inner();
    let surplus = left.iter().any(Option::is_some);
    left.clear();
    *received = left;
    (result, Unpacked { surplus, failed })
}

/// Puts a descriptor into the message that this thread encodes; `shared` counts bytes of memory.
pub(crate) fn add<E: serde::ser::Error>(
    holder: &Arc<impl AsFd + Send + Sync + 'static>,
    limits: &Limits,
    shared: u64,
) -> Result<u32, E> {
    // Before the message is borrowed: it is code of the holder's.
    let fd = holder.as_fd();
    Held::look(&PACKING, |message| {
        let Some(message) = message else {
            return Err(E::custom("descriptors are sent by channels, and by nothing else"));
        };
        let mut message = message.borrow_mut();
        message.add(holder, fd, limits, shared).map_err(|error| {
            let text = E::custom(&error);
            message.failed.get_or_insert_with(|| Box::new(error));
            text
        })
    })
}

/// Takes a descriptor out of the message that this thread decodes, and makes something of it.
pub(crate) fn take<T, E: serde::de::Error>(
    index: u32,
    shared: u64,
    make: impl FnOnce(OwnedFd) -> Result<T, Error>,
) -> Result<T, E> {
    Held::look(&UNPACKING, |message| {
        let Some(message) = message else {
            return Err(E::custom("descriptors are received by channels, and by nothing else"));
        };
        // Not borrowed while something is made of it.
        let taken = message.borrow_mut().take(index, shared);
        taken.and_then(make).map_err(|error| {
            let text = E::custom(&error);
            message.borrow_mut().failed.get_or_insert_with(|| Box::new(error));
            text
        })
    })
}
