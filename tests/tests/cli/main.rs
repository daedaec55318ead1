//! The command `sandbox-spawn`, from outside: exit codes, what a program sees, signals, the demo.

mod binary;
mod deadline;
mod usage;

#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;
