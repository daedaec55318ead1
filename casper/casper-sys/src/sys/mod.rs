//! The platform seam: libcasper is FreeBSD's.

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "freebsd")]
pub use freebsd::*;

#[cfg(not(target_os = "freebsd"))]
mod absent;
#[cfg(not(target_os = "freebsd"))]
pub use absent::*;
