//! The platform seam: two modules with the same functions, and the only `unsafe` of the crate.

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;
mod posix;

#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;
pub(crate) use posix::*;

#[cfg(not(any(target_os = "freebsd", target_os = "linux")))]
compile_error!("sandbox-spawn confines on FreeBSD and Linux; elsewhere nothing would hold");
