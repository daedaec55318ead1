//! The platform seam: two modules with the same functions, and the only `unsafe` of the crate.

mod files;
#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;
mod posix;

#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

pub(crate) use files::{descriptors_at_most, hung_up, memory, open, user, wait_again};
pub(crate) use posix::{LocalTime, local_time, resolver_message};
