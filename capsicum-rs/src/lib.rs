//! Capsicum for Rust: descriptors with explicit rights, and a mode without global names.
//!
//! A program opens what it needs, [limits](limit()) each descriptor to what it will do with it,
//! and [enters](enter) capability mode, in which paths, addresses and process ids name nothing
//! any more. On FreeBSD the kernel enforces it. On Linux the same calls are enforced by
//! seccomp-BPF and Landlock, at a [level](Containment) that is reported.
//!
//! **`Ok` means enforced.** What the running kernel cannot enforce is an [`Error`] that names the
//! right and the reason. [`Sandbox::best_effort`] asks for as much as there is, and reports the
//! rest.
//!
//! The words: a *right* is an operation that a descriptor allows ([`Rights`]); *limits* are rights
//! with the commands and requests within `FCNTL` and `IOCTL` ([`Limits`]); a *grant* is a
//! descriptor with limits that a [`Sandbox`] keeps; its *ceiling* limits all others.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod containment;
mod error;
mod explain;
mod fcntls;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod ioctls;
mod limit;
mod limits;
mod mode;
mod process;
pub mod program;
mod rights;
mod sandbox;
mod support;
mod sys;

pub use containment::Containment;
pub use error::{CapabilityError, Error, describe, is_capability_error};
pub use explain::{CallRule, Explanation, GrantRule, Outcome, SystemCall};
pub use fcntls::Fcntls;
pub use ioctls::Ioctls;
pub use limit::{limit, limits_of};
pub use limits::Limits;
pub use mode::{Mode, enter, mode, sandboxed};
pub use process::ProcessDescriptor;
pub use rights::{ParseRightsError, Rights};
pub use sandbox::{Entered, Missing, Sandbox};
pub use support::{Enforcement, Level, Mechanism, RightSupport, Support};
