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
    thread::LocalKey,
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

/// What a thread keeps of the message that it is encoding or decoding.
trait Message: Sized {
    /// There is no message.
    const NONE: Self;

    fn is_there(&self) -> bool;
}

/// The message that is being encoded.
struct Packing {
    there: bool,
    /// How many descriptors it may have.
    most: usize,
    /// How many bytes of memory it may still have.
    shared: u64,
    ceiling: Option<Arc<Limits>>,
    passed: Vec<Passed>,
    failed: Option<Box<Error>>,
}

impl Message for Packing {
    const NONE: Self =
        Self { there: false, most: 0, shared: 0, ceiling: None, passed: Vec::new(), failed: None };

    fn is_there(&self) -> bool {
        self.there
    }
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
    there: bool,
    /// How many bytes of memory it may still have.
    shared: u64,
    received: Vec<Option<OwnedFd>>,
    failed: Option<Box<Error>>,
}

impl Message for Unpacking {
    const NONE: Self = Self { there: false, shared: 0, received: Vec::new(), failed: None };

    fn is_there(&self) -> bool {
        self.there
    }
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

// They stay in their places, and are filled in anew for each message: to move them takes longer than
// to encode a small message.
thread_local! {
    static PACKING: RefCell<Packing> = const { RefCell::new(Packing::NONE) };
    static UNPACKING: RefCell<Unpacking> = const { RefCell::new(Unpacking::NONE) };
}

/// The thread's place while a message is in it. When it is dropped, what was there before is put
/// back: a type may well send a message of its own while it is serialised, or panic.
struct Scope<T: Message + 'static> {
    place: &'static LocalKey<RefCell<T>>,
    before: Option<Box<T>>,
}

impl<T: Message> Scope<T> {
    fn enter(place: &'static LocalKey<RefCell<T>>, fill: impl FnOnce(&mut T)) -> Self {
        let before = place.with_borrow_mut(|message| {
            let before = message.is_there().then(|| Box::new(std::mem::replace(message, T::NONE)));
            fill(message);
            before
        });
        Self { place, before }
    }

    /// `take` leaves no message.
    fn leave<R>(self, take: impl FnOnce(&mut T) -> R) -> R {
        let taken = self.place.with_borrow_mut(take);
        if self.before.is_none() {
            // There is nothing to put back.
            std::mem::forget(self);
        }
        taken
    }
}

impl<T: Message> Drop for Scope<T> {
    fn drop(&mut self) {
        let before = self.before.take().map_or(T::NONE, |before| *before);
        // What is dropped then may have code of its own, which may send a message.
        drop(self.place.replace(before));
    }
}

/// Runs `encode`, with handles going into `passed`, which is empty.
pub(crate) fn pack<T>(
    caps: Caps,
    ceiling: Option<&Arc<Limits>>,
    passed: &mut Vec<Passed>,
    encode: impl FnOnce() -> T,
) -> (T, Option<Box<Error>>) {
    let scope = Scope::enter(&PACKING, |message| {
        message.there = true;
        message.most = caps.descriptors.min(Caps::MAX_DESCRIPTORS);
        message.shared = caps.shared;
        message.ceiling = ceiling.cloned();
        std::mem::swap(&mut message.passed, passed);
    });
    let result = encode();
    let failed = scope.leave(|message| {
        message.there = false;
        message.ceiling = None;
        std::mem::swap(&mut message.passed, passed);
        message.failed.take()
    });
    (result, failed)
}

/// What is left of a message that has been decoded.
pub(crate) struct Unpacked {
    /// Descriptors that nothing has asked for were there, and have been closed.
    pub(crate) surplus: bool,
    pub(crate) failed: Option<Box<Error>>,
}

/// Runs `decode`, with handles coming out of `received`, which is empty then.
pub(crate) fn unpack<T>(
    received: &mut Vec<Option<OwnedFd>>,
    caps: Caps,
    decode: impl FnOnce() -> T,
) -> (T, Unpacked) {
    let scope = Scope::enter(&UNPACKING, |message| {
        message.there = true;
        message.shared = caps.shared;
        std::mem::swap(&mut message.received, received);
    });
    let result = decode();
    let failed = scope.leave(|message| {
        message.there = false;
        std::mem::swap(&mut message.received, received);
        message.failed.take()
    });
    let surplus = received.iter().any(Option::is_some);
    received.clear();
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
    PACKING.with_borrow_mut(|message| {
        if !message.there {
            return Err(E::custom("descriptors are sent by channels, and by nothing else"));
        }
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
    let taken = UNPACKING
        .with_borrow_mut(|message| message.there.then(|| message.take(index, shared)))
        .ok_or_else(|| E::custom("descriptors are received by channels, and by nothing else"))?;
    taken.and_then(make).map_err(|error| {
        let text = E::custom(&error);
        UNPACKING.with_borrow_mut(|message| {
            message.failed.get_or_insert_with(|| Box::new(error));
        });
        text
    })
}
