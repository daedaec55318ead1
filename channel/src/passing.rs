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

use crate::{Caps, Error, sys};

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
pub(crate) struct Packing {
    caps: Caps,
    ceiling: Option<Arc<Limits>>,
    pub(crate) passed: Vec<Passed>,
    shared: u64,
    pub(crate) failed: Option<Error>,
}

impl Packing {
    /// Descriptors go into `passed`, which is empty.
    pub(crate) fn new(caps: Caps, ceiling: Option<Arc<Limits>>, passed: Vec<Passed>) -> Self {
        Self { caps, ceiling, passed, shared: caps.shared, failed: None }
    }

    fn add(
        &mut self,
        holder: &Arc<impl AsFd + Send + Sync + 'static>,
        limits: &Limits,
        shared: u64,
    ) -> Result<u32, Error> {
        let most = self.caps.descriptors.min(Caps::MAX_DESCRIPTORS);
        let count = self.passed.len() + 1;
        if count > most {
            return Err(Error::TooManyDescriptors { count, most });
        }
        self.shared = self.shared.checked_sub(shared).ok_or(Error::TooLarge {
            size: usize::try_from(shared).unwrap_or(usize::MAX),
            most: usize::try_from(self.shared).unwrap_or(usize::MAX),
        })?;
        let narrower = sys::narrowed(holder.as_fd(), limits, self.ceiling.as_deref())?;
        self.passed.push(match narrower {
            Some(fd) => Passed::Owned(fd),
            None => Passed::Shared(Arc::clone(holder) as Arc<dyn AsFd + Send + Sync>),
        });
        u32::try_from(count - 1).map_err(|_| Error::TooManyDescriptors { count, most })
    }
}

/// The message that is being decoded.
pub(crate) struct Unpacking {
    received: Vec<Option<OwnedFd>>,
    shared: u64,
    pub(crate) failed: Option<Error>,
}

impl Unpacking {
    pub(crate) fn new(received: Vec<OwnedFd>, caps: Caps) -> Self {
        let received = received.into_iter().map(Some).collect();
        Self { received, shared: caps.shared, failed: None }
    }

    /// How many have not been asked for.
    pub(crate) fn left(&self) -> usize {
        self.received.iter().flatten().count()
    }

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

thread_local! {
    static PACKING: RefCell<Option<Packing>> = const { RefCell::new(None) };
    static UNPACKING: RefCell<Option<Unpacking>> = const { RefCell::new(None) };
}

/// Puts something into the thread's place, and what was there before back when it is dropped: a
/// type may well send a message of its own while it is serialised, or panic.
struct Scope<T: 'static> {
    place: &'static std::thread::LocalKey<RefCell<Option<T>>>,
    before: Option<T>,
}

impl<T> Scope<T> {
    fn enter(place: &'static std::thread::LocalKey<RefCell<Option<T>>>, message: T) -> Self {
        Self { place, before: place.replace(Some(message)) }
    }

    fn leave(mut self) -> Option<T> {
        self.place.replace(self.before.take())
    }
}

impl<T> Drop for Scope<T> {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.place.set(Some(before));
        } else if std::thread::panicking() {
            self.place.set(None);
        }
    }
}

/// Runs `encode` with a message that handles can be put into.
pub(crate) fn pack<T>(packing: Packing, encode: impl FnOnce() -> T) -> (T, Packing) {
    let (caps, ceiling) = (packing.caps, packing.ceiling.clone());
    let scope = Scope::enter(&PACKING, packing);
    let result = encode();
    (result, scope.leave().unwrap_or_else(|| Packing::new(caps, ceiling, Vec::new())))
}

/// Runs `decode` with a message that handles can be taken out of.
pub(crate) fn unpack<T>(unpacking: Unpacking, decode: impl FnOnce() -> T) -> (T, Unpacking) {
    let scope = Scope::enter(&UNPACKING, unpacking);
    let result = decode();
    (result, scope.leave().unwrap_or_else(|| Unpacking::new(Vec::new(), Caps::default())))
}

/// Puts a descriptor into the message that this thread encodes; `shared` counts bytes of memory.
pub(crate) fn add<E: serde::ser::Error>(
    holder: &Arc<impl AsFd + Send + Sync + 'static>,
    limits: &Limits,
    shared: u64,
) -> Result<u32, E> {
    PACKING.with_borrow_mut(|message| {
        let message = message
            .as_mut()
            .ok_or_else(|| E::custom("descriptors are sent by channels, and by nothing else"))?;
        message.add(holder, limits, shared).map_err(|error| {
            let text = E::custom(&error);
            message.failed.get_or_insert(error);
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
    let taken = UNPACKING.with_borrow_mut(|message| {
        let message = message.as_mut();
        message.map(|message| message.take(index, shared))
    });
    let taken = taken
        .ok_or_else(|| E::custom("descriptors are received by channels, and by nothing else"))?;
    taken.and_then(make).map_err(|error| {
        let text = E::custom(&error);
        UNPACKING.with_borrow_mut(|message| {
            if let Some(message) = message {
                message.failed.get_or_insert(error);
            }
        });
        text
    })
}
