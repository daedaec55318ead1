//! FreeBSD: the kernel keeps rights with descriptors, and this asks it to.
//!
//! From FreeBSD 14.0. What a release lacks is found out from the kernel itself, never from its
//! version.

mod calls;
mod constants;
mod descriptors;
mod enter;
mod explain;
mod limits;
mod operations;
pub(crate) mod process;
mod rights_words;
mod support;
mod sysctl;
#[cfg(test)]
mod tests;
mod threads;

use super::{Confinement, Request};
use crate::{Error, program::Confined};

pub(crate) use enter::{enter, mode};
pub(crate) use explain::{explain, system_call};
pub(crate) use limits::{limit, limits_of};
pub(crate) use support::support;

pub(crate) const ECAPMODE: i32 = libc::ECAPMODE;
pub(crate) const ENOTCAPABLE: i32 = libc::ENOTCAPABLE;

/// Whether capability mode refuses with this error number besides: it has its own two and no other.
pub(crate) fn refuses_with(_: i32) -> bool {
    false
}

/// Capability mode leaves no global names, so there is nothing that such a program could use.
pub(crate) fn confine(confinement: &Confinement) -> Result<Confined, Error> {
    Err(Error::Unenforceable {
        what: format!("confining a program that uses names ({:?})", confinement.names),
        reason: "capability mode has no global names at all: open what the program needs and \
                 grant it with `Sandbox`, or use a jail"
            .to_owned(),
    })
}
