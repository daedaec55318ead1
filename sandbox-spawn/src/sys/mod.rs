//! The platform seam: two modules with the same functions, and the only `unsafe` of the crate.

mod execution;
#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;
mod posix;
pub(crate) mod refusals;

#[cfg(target_os = "freebsd")]
pub(crate) use freebsd::*;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

pub(crate) use execution::{Execution, KEPT};
pub(crate) use posix::{
    above, arrange, become_guard, become_keeper, become_user, change_directory, end_like, exit,
    inherited, leave_descriptors, leave_keeper, limit_resource, most_descriptors, parent, rest,
    set_environment, wait_for,
};
