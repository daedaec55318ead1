//! A channel of libcasper's that threads share, and its limits.

use std::{
    fmt,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{Error, Limits};

/// The types of channels to services.
pub(super) trait Of: Send + Sized + 'static {
    const NAME: &'static str;

    fn channel(&self) -> &casper_sys::Channel;

    fn another(&self) -> Result<Self, casper_sys::Error>;
}

macro_rules! of {
    ($($type:ident: $name:literal;)*) => {
        $(impl Of for casper_sys::$type {
            const NAME: &'static str = $name;

            fn channel(&self) -> &casper_sys::Channel {
                Self::channel(self)
            }

            fn another(&self) -> Result<Self, casper_sys::Error> {
                self.try_clone()
            }
        })*
    };
}

of! {
    Dns: "system.dns";
    FileArgs: "system.fileargs";
    Grp: "system.grp";
    Net: "system.net";
    NetDb: "system.netdb";
    Pwd: "system.pwd";
    Sysctl: "system.sysctl";
    Syslog: "system.syslog";
}

/// A channel, for one thread at a time: two that ask at once would read each other's answers.
pub(super) struct Shared<T, L> {
    state: Arc<Mutex<(T, L)>>,
    socket: RawFd,
    /// Held while a database is asked: there is one place in it for a service's process, which all clones
    /// have, and which a lookup between two entries may move.
    place: Arc<Mutex<()>>,
}

impl<T, L> Clone for Shared<T, L> {
    fn clone(&self) -> Self {
        let (state, place) = (Arc::clone(&self.state), Arc::clone(&self.place));
        Self { state, socket: self.socket, place }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A channel is used, and limits are set, in single steps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Of, L: Limits> Shared<T, L> {
    pub(super) fn new(channel: T, limits: L) -> Self {
        let socket = channel.channel().as_fd().as_raw_fd();
        Self { state: Arc::new(Mutex::new((channel, limits))), socket, place: Arc::default() }
    }

    /// Asks something. The error is for the caller to explain.
    pub(super) fn lend<R>(&self, ask: impl FnOnce(&T) -> R) -> R {
        ask(&lock(&self.state).0)
    }

    /// Asks something, with what the channel is limited to.
    pub(super) fn ask<R>(
        &self,
        ask: impl FnOnce(&T, &L) -> Result<R, casper_sys::Error>,
    ) -> Result<R, Error> {
        let state = lock(&self.state);
        ask(&state.0, &state.1).map_err(|error| super::explain(T::NAME, error))
    }

    /// As [`ask`](Self::ask), without anybody else at the place in the database.
    pub(super) fn ask_in_turn<R>(
        &self,
        ask: impl FnOnce(&T, &L) -> Result<R, casper_sys::Error>,
    ) -> Result<R, Error> {
        let _place = lock(&self.place);
        self.ask(ask)
    }

    /// Limits the channel, where that is no wider. `set` notes each part that it has set.
    pub(super) fn narrow(
        &self,
        new: &L,
        set: impl FnOnce(&T, &mut L) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut state = lock(&self.state);
        let (channel, held) = &mut *state;
        if !held.narrows(new) {
            let what = "limits that are wider than those that it has".to_owned();
            return Err(Error::NotCapable { service: T::NAME.to_owned(), what });
        }
        set(channel, held)
    }

    pub(super) fn limits(&self) -> L {
        lock(&self.state).1.clone()
    }

    /// Another channel to the same process: cap_clone(3).
    pub(super) fn another(&self) -> Result<Self, Error> {
        let (channel, limits) = self.ask(|channel, held| Ok((channel.another()?, held.clone())))?;
        Ok(Self { place: Arc::clone(&self.place), ..Self::new(channel, limits) })
    }
}

impl<T, L> AsFd for Shared<T, L> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is the socket of the channel in `state`, which is open as long as that value is:
        // the channel is lent out for shared use only, and so neither replaced nor dropped before.
        unsafe { BorrowedFd::borrow_raw(self.socket) }
    }
}

impl<T, L> fmt::Debug for Shared<T, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.socket).finish()
    }
}

/// The part of an `impl Api for Shared<…>` that is the same for all services.
macro_rules! framework {
    ($limits:ty) => {
        fn limits(&self) -> Result<$limits, Error> {
            Ok(Self::limits(self))
        }

        fn try_clone(&self) -> Result<Box<dyn Api>, Error> {
            Ok(Box::new(self.another()?))
        }

        fn to_frames(&self) -> Result<capsicum_channel::Frames, Error> {
            Err(Error::Unsupported {
                service: NAME.to_owned(),
                what: "socket to send".to_owned(),
                reason: "messages of nv(9) travel on a channel of libcasper's".to_owned(),
            })
        }

        fn within(&self, _: std::time::Duration) -> Box<dyn Api> {
            Box::new(self.clone())
        }
    };
}
pub(super) use framework;
