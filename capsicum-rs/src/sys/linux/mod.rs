//! Linux: descriptors by a seccomp filter, lookups by Landlock and, where it is asked for, by a
//! private root.
//!
//! [`syscalls`] is the table of system calls in the words of [`rule`]; [`policy`] is what every
//! descriptor number may be used for; [`compile`](mod@compile) makes one program of the two, and
//! [`model`] says the same in plain Rust, and [`explain`](mod@explain) in words.
//! [`enter`](mod@enter), [`limit`](mod@limit) and [`confine`](mod@confine) install.

mod bpf;
mod broker;
mod call;
mod compile;
mod confine;
mod directories;
mod enter;
mod explain;
mod granted;
mod landlock;
mod limit;
mod mounts;
mod open;
mod policy;
mod probe;
pub(crate) mod process;
mod record;
mod requests;
mod rings;
mod root;
mod rule;
mod search;
mod support;
mod syscalls;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(any(test, fuzzing))]
mod interpreter;
#[cfg(any(test, fuzzing))]
mod model;
#[cfg(test)]
mod tests;

pub(crate) use confine::confine;
pub(crate) use enter::enter;
pub(crate) use explain::{explain, system_call};
pub(crate) use limit::{limit, limits_of};
pub(crate) use probe::mode;
pub(crate) use support::support;

/// The numbers of the former Linux port of Capsicum.
pub(crate) const ECAPMODE: i32 = 134;
pub(crate) const ENOTCAPABLE: i32 = 135;

/// What Landlock refuses with.
pub(crate) fn refuses_with(errno: i32) -> bool {
    errno == libc::EACCES
}
