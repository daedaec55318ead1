//! Calls: the methods of a [service](crate::service), made by one process and run in another.
//!
//! A *client* sends calls over [`Frames`](capsicum_channel::Frames), a *server* answers them, one after
//! another in the order in which they were sent. Neither trusts the other: what no honest end would
//! send ends the connection, and what the other end can make this one keep is bounded.
//!
//! - Any number of threads may use a client. Their calls are sent at once, without waiting for earlier
//!   answers. A single thread does the same with the methods named `begin_`.
//! - A call ends by its deadline: [`Client::within`], [`Client::by`]. Its answer, should it come later,
//!   is dropped. The worker is told, and does not begin a call that nobody waits for.
//! - A method that returns a [`Stream`] answers with items, as its caller takes them ([`Items`]). When
//!   the caller stops, so does the worker.
//! - A panic in a method is the error [`CallError::Panicked`] of that call. The worker goes on.
//! - A message is encoded and decoded in the place of the connection where it travels. What its types do then
//!   is their own, but for calls on that same connection, which would wait for themselves.
//!
//! The attribute writes what the functions and types here are put together to; this is what it comes
//! to, by hand:
//!
//! ```
//! use capsicum_channel::Frames;
//! use sandbox_spawn::{CallError, call::{Client, serve}};
//!
//! let (here, there) = Frames::pair()?;
//! std::thread::spawn(move || serve(there, |number: u32, turn| turn.reply(&(number * 2))));
//!
//! let client = Client::named(here, "doubling");
//! let reply = client.start::<_, u32, std::convert::Infallible>(&21_u32, |frame, caps| {
//!     frame.decode(caps).map(Ok)
//! })?;
//! assert_eq!(reply.wait()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod connection;
mod error;
mod exchange;
#[cfg(feature = "tokio")]
mod futures;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod inbox;
mod items;
mod local;
mod peer;
mod reply;
mod server;
mod stream;
mod waiter;
mod wire;

pub use client::Client;
pub use error::CallError;
#[cfg(feature = "tokio")]
pub use futures::{AsyncClient, AsyncItems};
pub use items::Items;
pub use local::in_process;
pub use peer::{Fate, Peer};
pub use reply::{Decode, Reply};
pub use server::{Asked, Server, Turn, cancelled, serve, serve_controlled};
pub use stream::Stream;
pub use wire::{DESCRIPTORS, IN_FLIGHT, WINDOW};

/// What the attribute's code names.
#[doc(hidden)]
pub mod expanded {
    pub use capsicum_channel::{Error, Frames};
    pub use serde;
}
