//! The platform seam: two modules with the same functions, and the only `unsafe` of the crate.

#[cfg(target_os = "freebsd")]
mod freebsd;
mod held;
#[cfg(target_os = "linux")]
mod linux;
mod memory;
#[cfg(capsicum_parts)]
mod parts;
mod posix;
mod racy;
mod sockets;

#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

pub(crate) use held::Held;
pub(crate) use memory::{Mapping, memory, seal, seals};
#[cfg(capsicum_parts)]
pub(crate) use parts::{receive, send};
pub(crate) use posix::{
    Direction, buffers, connected, pair, raise_buffer, ready, rest, set_timeout, shut_down, socket,
};
pub(crate) use racy::{load, store};
pub(crate) use sockets::Received;
#[cfg(not(capsicum_parts))]
pub(crate) use sockets::{receive, send};

/// What fstat(2) tells, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    /// The type and the permissions.
    pub(crate) mode: libc::mode_t,
    /// Bytes.
    pub(crate) size: u64,
}
