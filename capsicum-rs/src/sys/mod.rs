//! The platform seam: two modules with the same functions, and the only `unsafe` of the crate.

use std::os::fd::RawFd;

use crate::{Containment, Limits, Rights, program::Names};

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

// How FreeBSD writes rights is pure, so its tests run everywhere.
#[cfg(all(test, not(target_os = "freebsd")))]
#[path = "freebsd/rights_words.rs"]
mod freebsd_rights_words;

#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(any(target_os = "freebsd", target_os = "linux")))]
compile_error!("capsicum-rs enforces on FreeBSD and Linux; elsewhere nothing would hold");

/// What [`enter`] is asked for.
#[allow(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The descriptors that are granted, each once.
    pub(crate) grants: Vec<(RawFd, Limits)>,
    /// The limits of all others.
    pub(crate) ceiling: Limits,
    /// The level that must be reached.
    pub(crate) require: Option<Containment>,
    /// The level to reach where the host offers it.
    #[cfg_attr(target_os = "freebsd", expect(dead_code, reason = "it has one level"))]
    pub(crate) prefer: Option<Containment>,
    /// Whether what is mounted beneath a directory is no part of it.
    pub(crate) without_submounts: bool,
    /// Whether what is refused also raises a signal.
    pub(crate) traps: bool,
    /// Whether a broker opens what lies beneath directories that arrive later.
    #[cfg_attr(target_os = "freebsd", expect(dead_code, reason = "the kernel needs none"))]
    pub(crate) broker: bool,
    /// Whether to enter where not everything that was asked for is to be had.
    pub(crate) best_effort: bool,
}

/// What [`confine`] is asked for.
#[cfg_attr(target_os = "freebsd", expect(dead_code, reason = "it only refuses, by the names"))]
#[derive(Clone, Debug)]
pub(crate) struct Confinement {
    /// The names that the filter leaves alone.
    pub(crate) names: Names,
    /// The names that a supervisor answers for.
    pub(crate) supervised: Names,
    /// What Landlock passes.
    pub(crate) beneath: Vec<(RawFd, Rights)>,
    /// Whether a kernel without Landlock will do.
    pub(crate) without_landlock: bool,
}
