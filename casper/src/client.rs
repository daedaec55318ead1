//! What the clients of all services of this crate have in common: they are written once here.
//!
//! A client is a `Box<dyn Api>`, whose trait is its module's. The trait has the five functions of
//! [`framework`], and those of the service.

/// The part of an `impl Api for Channel<…>` that is the same for all services.
macro_rules! framework {
    ($limits:ty) => {
        fn limit(&self, limits: $limits) -> Result<(), crate::Error> {
            Self::limit(self, limits)
        }

        fn limits(&self) -> Result<$limits, crate::Error> {
            Self::limits(self)
        }

        fn try_clone(&self) -> Result<Box<dyn Api>, crate::Error> {
            Ok(Box::new(Self::try_clone(self)?))
        }

        fn to_frames(&self) -> Result<capsicum_channel::Frames, crate::Error> {
            Self::to_frames(self)
        }

        fn within(&self, time: std::time::Duration) -> Box<dyn Api> {
            Box::new(Self::within(self, time))
        }
    };
}

/// What a client has besides its own methods: its name, its limits, with what it is
/// opened, and its service.
///
/// The last argument, `native: |libcasper, setup| …`, opens it from libcasper.
macro_rules! client {
    ($client:ident, $limits:ty, $setup:ty, $serving:ty, native: $native:expr) => {
        impl $client {
            /// Limits this channel to what `limits` allow, for good: cap_limit_set(3). Channels that were
            /// cloned from it before keep what they have.
            ///
            /// # Errors
            ///
            /// [`Error::NotCapable`](crate::Error::NotCapable) where that would be wider than what it is
            /// limited to, which then stays.
            pub fn limit(&self, limits: $limits) -> Result<(), crate::Error> {
                self.0.limit(limits)
            }

            /// What this channel is limited to: cap_limit_get(3).
            ///
            /// # Errors
            ///
            /// What became of the service. Of a channel of libcasper's it is what this program has limited
            /// it to, for which nobody is asked.
            pub fn limits(&self) -> Result<$limits, crate::Error> {
                self.0.limits()
            }

            /// Another channel, with the limits of this one: cap_clone(3). Each can be narrowed by itself,
            /// and their requests do not wait for each other.
            ///
            /// # Errors
            ///
            /// As of [`to_frames`](Self::to_frames).
            pub fn try_clone(&self) -> Result<Self, crate::Error> {
                self.0.try_clone().map(Self)
            }

            /// The socket of another channel with the limits of this one: to send to another process, as
            /// a [`Handle`](capsicum_channel::Handle), or to grant to a worker with
            /// [`casper::RIGHTS`](crate::RIGHTS). There `From` makes a channel of it again.
            ///
            /// # Errors
            ///
            /// Those of [`Channel::to_frames`](crate::Channel::to_frames);
            /// [`Error::Unsupported`](crate::Error::Unsupported) for a channel of libcasper's, on whose
            /// socket messages of nv(9) travel.
            pub fn to_frames(&self) -> Result<capsicum_channel::Frames, crate::Error> {
                self.0.to_frames()
            }

            /// The same channel, on which each request ends after this time at the latest. Without, it
            /// takes as long as it takes; so it does in any case on a channel of libcasper's
            /// ([`Casper::native`](crate::Casper::native)), which knows no deadlines.
            #[must_use]
            pub fn within(&self, time: std::time::Duration) -> Self {
                Self(self.0.within(time))
            }
        }

        impl crate::Open for $client {
            type Setup = $setup;

            const WORKER: sandbox_spawn::Worker = crate::service::worker::<$serving>();

            fn open(opener: crate::Opener<'_>, setup: Self::Setup) -> Result<Self, crate::Error> {
                match opener.provider {
                    crate::provider::Provider::Portable => {
                        let channel =
                            <crate::Channel<$serving> as crate::Open>::open(opener, setup.into())?;
                        Ok(Self(Box::new(channel)))
                    }
                    crate::provider::Provider::Native(libcasper) => {
                        let open: fn(
                            &crate::sys::Libcasper,
                            $setup,
                        ) -> Result<Box<dyn Api>, crate::Error> = $native;
                        open(&crate::provider::lock(libcasper), setup).map(Self)
                    }
                }
            }
        }

        /// A channel that nothing has been asked on, as
        /// [`to_frames`](crate::Channel::to_frames) makes it.
        impl From<capsicum_channel::Frames> for $client {
            fn from(frames: capsicum_channel::Frames) -> Self {
                Self(Box::new(crate::Channel::<$serving>::from(frames)))
            }
        }

        /// To grant it when entering capability mode, with [`casper::RIGHTS`](crate::RIGHTS).
        impl std::os::fd::AsFd for $client {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl std::fmt::Debug for $client {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($client)).field(&self.as_fd()).finish()
            }
        }
    };
}

pub(crate) use {client, framework};
