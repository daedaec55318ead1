//! Channels to services.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
    ptr::{self, NonNull},
};

use super::{
    bindings::casper::{Libcasper, cap_channel_t},
    limits::{self, LimitList},
    load,
};
use crate::{Error, Service};

/// `CASPER_NO_UNIQ` of libcasper.h: names in messages may come twice.
const NO_UNIQUE: i32 = 1;

/// A channel to a service.
///
/// It can be moved to another thread, not shared by threads: two that ask at once would read each
/// other's answers. [`Channel::try_clone`] makes another one. Dropping it closes it, and a service ends
/// when the last channel to it is closed.
#[derive(Debug)]
pub struct Channel {
    raw: NonNull<cap_channel_t>,
    service: Service,
    casper: &'static Libcasper,
}

impl std::fmt::Debug for Libcasper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Libcasper")
    }
}

// SAFETY: memory of malloc(3) and a socket, which belong to no thread.
unsafe impl Send for Channel {}

impl Channel {
    /// Owns what a function of libcasper returned.
    pub(super) fn own(
        raw: *mut cap_channel_t,
        service: Service,
        call: &'static str,
    ) -> Result<Self, Error> {
        let error = io::Error::last_os_error();
        let Some(raw) = NonNull::new(raw) else {
            return Err(refusal(service, call, error));
        };
        let channel = Self { raw, service, casper: load::casper()? };
        // libnv waits for answers with select(2), which has no place for a higher number and writes
        // past its sets.
        if usize::try_from(channel.socket()).is_ok_and(|socket| socket < libc::FD_SETSIZE) {
            channel.without_signal();
            Ok(channel)
        } else {
            let source = io::Error::from_raw_os_error(libc::EMFILE);
            Err(Error::System { call, source })
        }
    }

    /// Gives it up, without closing it.
    pub(super) fn into_raw(self) -> *mut cap_channel_t {
        let raw = self.raw.as_ptr();
        std::mem::forget(self);
        raw
    }

    pub(super) fn raw(&self) -> *mut cap_channel_t {
        self.raw.as_ptr()
    }

    fn socket(&self) -> libc::c_int {
        // SAFETY: the channel is open until it is dropped.
        unsafe { self.casper.cap_sock(self.raw()) }
    }

    /// libnv sends without `MSG_NOSIGNAL`: without this, a service that is gone would end a program that
    /// does not ignore `SIGPIPE`.
    #[allow(clippy::cast_possible_truncation, reason = "4 bytes")]
    fn without_signal(&self) {
        let on: libc::c_int = 1;
        // A socket that is limited to less than CAP_SETSOCKOPT has it from before, or the program
        // ignores the signal, as Rust's do.
        // SAFETY: one number is read, of which the size is told.
        unsafe {
            libc::setsockopt(
                self.socket(),
                libc::SOL_SOCKET,
                libc::SO_NOSIGPIPE,
                (&raw const on).cast(),
                size_of_val(&on) as libc::socklen_t,
            );
        }
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service
    }

    /// Another channel to the same process of the service, with the same limits: cap_clone(3). The
    /// limits of each are its own from then on.
    ///
    /// # Errors
    /// [`Error::Died`], [`Error::System`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        const CALL: &str = "cap_clone";
        // SAFETY: the channel is open.
        let raw = unsafe { self.casper.cap_clone(self.raw()) };
        Self::own(raw, self.service, CALL).map_err(|error| self.explain(error, CALL))
    }

    /// What the channel is limited to, as the service keeps it; `None` where it was not limited:
    /// cap_limit_get(3).
    ///
    /// # Errors
    /// [`Error::Died`], [`Error::System`].
    pub fn limits(&self) -> Result<Option<LimitList>, Error> {
        const CALL: &str = "cap_limit_get";
        let nv = load::nv()?;
        let mut list = ptr::null_mut();
        // SAFETY: the channel is open, and the list is written.
        let done = unsafe { self.casper.cap_limit_get(self.raw(), &raw mut list) };
        if done != 0 {
            return Err(self.failed(CALL));
        }
        Ok(limits::take(nv, list))
    }

    /// The socket, which can be sent to another process and be made a channel there: cap_unwrap(3).
    #[must_use]
    pub fn into_socket(self) -> OwnedFd {
        let casper = self.casper;
        // SAFETY: the channel is given up here, and cap_unwrap(3) frees all of it but the socket, which
        // nobody else owns.
        unsafe {
            let socket = casper.cap_unwrap(self.into_raw(), ptr::null_mut());
            OwnedFd::from_raw_fd(socket)
        }
    }

    /// A channel of a socket that [`Channel::into_socket`] returned, of the same service: cap_wrap(3).
    ///
    /// The library of the service has to have been loaded in this process before capability mode is
    /// entered: by [`Casper::start`](super::Casper::start) or [`Channel::prepare`].
    ///
    /// libcasper trusts what comes over the socket: a peer that is no service of libcasper's can end
    /// this program.
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::System`]; `EMFILE` where the socket's number is 1024 or more.
    pub fn from_socket(socket: OwnedFd, service: Service) -> Result<Self, Error> {
        const CALL: &str = "cap_wrap";
        Self::prepare(service)?;
        let casper = load::casper()?;
        // A property of the service, which is the same for all of its channels (its CREATE_SERVICE).
        let flags = if service == Service::FileArgs { NO_UNIQUE } else { 0 };
        // SAFETY: the socket is open.
        let raw = unsafe { casper.cap_wrap(socket.as_raw_fd(), flags) };
        if raw.is_null() {
            return Err(Error::System { call: CALL, source: io::Error::last_os_error() });
        }
        // It is the channel's now.
        let _ = socket.into_raw_fd();
        Self::own(raw, service, CALL)
    }

    /// Loads what is needed to use channels to a service that this process has not started itself.
    ///
    /// # Errors
    /// [`Error::Unsupported`], also in capability mode, where nothing can be loaded.
    pub fn prepare(service: Service) -> Result<(), Error> {
        load::load(service)
    }

    /// The error of a call that has just failed, and set errno(2).
    pub(super) fn failed(&self, call: &'static str) -> Error {
        self.failed_with(call, io::Error::last_os_error())
    }

    pub(super) fn failed_with(&self, call: &'static str, source: io::Error) -> Error {
        self.explain(refusal(self.service, call, source), call)
    }

    /// The error of a call that the service has made, whose errno(2) may be any: `ECONNRESET` is of the peer
    /// that it connected to, unless it is gone itself.
    pub(super) fn told(&self, call: &'static str, source: io::Error) -> Error {
        match source.raw_os_error() {
            Some(libc::ENOTCAPABLE) => Error::NotCapable { service: self.service, call },
            _ if self.hung_up() => Error::Died { service: self.service, call },
            _ => Error::System { call, source },
        }
    }

    fn explain(&self, error: Error, call: &'static str) -> Error {
        match error {
            Error::System { .. } if self.hung_up() => Error::Died { service: self.service, call },
            other => other,
        }
    }

    /// An error where the service is gone, for calls that tell nobody.
    pub(super) fn alive(&self, call: &'static str) -> Result<(), Error> {
        if self.hung_up() { Err(Error::Died { service: self.service, call }) } else { Ok(()) }
    }

    fn hung_up(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.socket(), events: 0, revents: 0 };
        // SAFETY: one structure is read and written, and nothing is waited for.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
        ready == 1 && poll.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket is open as long as the channel is, which is borrowed.
        unsafe { BorrowedFd::borrow_raw(self.socket()) }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // SAFETY: the channel is open, and nobody has it after this.
        unsafe { self.casper.cap_close(self.raw()) };
    }
}

/// Why a service, or the kernel, refused.
pub(super) fn refusal(service: Service, call: &'static str, source: io::Error) -> Error {
    match source.raw_os_error() {
        Some(libc::ENOTCAPABLE) => Error::NotCapable { service, call },
        Some(libc::ENOTCONN | libc::EPIPE | libc::ECONNRESET) => Error::Died { service, call },
        _ => Error::System { call, source },
    }
}

/// What the types of services have in common.
macro_rules! channel_of {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $type {
            channel: $crate::Channel,
        }

        impl $type {
            /// The channel.
            #[must_use]
            pub fn channel(&self) -> &$crate::Channel {
                &self.channel
            }

            /// The channel alone.
            #[must_use]
            pub fn into_channel(self) -> $crate::Channel {
                self.channel
            }

            /// From a channel to this service.
            ///
            /// # Errors
            /// [`Error::Invalid`](crate::Error::Invalid) where it is one to another service.
            pub fn from_channel(channel: $crate::Channel) -> Result<Self, $crate::Error> {
                if channel.service() == $crate::Service::$type {
                    Ok(Self { channel })
                } else {
                    Err($crate::Error::Invalid {
                        call: concat!(stringify!($type), "::from_channel"),
                        what: format!("the channel is one to {}", channel.service()),
                    })
                }
            }

            /// Another channel to the same process of the service, with the same limits: cap_clone(3).
            ///
            /// # Errors
            /// [`Error::Died`](crate::Error::Died), [`Error::System`](crate::Error::System).
            pub fn try_clone(&self) -> Result<Self, $crate::Error> {
                Ok(Self { channel: self.channel.try_clone()? })
            }
        }
    };
}
pub(super) use channel_of;
