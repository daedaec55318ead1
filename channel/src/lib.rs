//! Typed messages with descriptors, between processes that do not trust each other.
//!
//! A [`Channel`] sends and receives values of any type that serde knows, over a Unix socket of
//! sequenced packets, encoded by postcard. A [`Handle`] in such a value is a descriptor, which
//! travels along with [limits](capsicum_rs::Limits) that the sender states; [`SharedBytes`] and
//! [`SharedMem`] are memory.
//!
//! The other end may be hostile. Lengths, counts, tags, text, types of descriptors and sizes of
//! memory are checked before use; what is left over is closed. No allocation is sized by a number
//! that a peer has sent without a cap, values are decoded to a depth of 128, and lists have no more
//! elements than the message has bytes, and 65,536. What no honest peer would send is
//! [`Error::Protocol`], and the channel is dead.
//!
//! The words: a *frame* is one message as it travels; its *payload* is the encoded value; *caps*
//! say how much it may hold ([`Caps`]). [`Frames`] is the layer below channels.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bounded;
mod caps;
mod channel;
mod descriptor;
mod error;
mod frame;
mod frames;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handle;
mod header;
mod passing;
mod rest;
mod shared;
mod socket;
mod sys;
mod transfer;

pub use caps::Caps;
pub use channel::Channel;
pub use descriptor::{Descriptor, Directory};
pub use error::Error;
pub use frame::Frame;
pub use frames::{FrameReceiver, FrameSender, Frames};
pub use handle::Handle;
pub use shared::{SharedBytes, SharedMem};

/// Whether the kernel takes a frame as a whole or not at all, so that there is never a rest to
/// [flush](Frames::flush).
#[doc(hidden)]
pub const WHOLE_RECORDS: bool = sys::WHOLE_RECORDS;
