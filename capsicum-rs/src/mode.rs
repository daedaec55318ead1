//! Capability mode: entering it, and asking whether it holds.

use crate::{Entered, Error, Limits, sys};

/// Whether a process may use global names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The ordinary state: paths, addresses and process ids work.
    Ambient,
    /// Capability mode: only descriptors work, and for as long as the process and its
    /// children live.
    Capability,
}

/// Enters capability mode: cap_enter(2), and no more. Irrevocable and inherited.
///
/// Every descriptor keeps the limits that it has, and those that come later are not limited. To
/// bound those too, and to limit several descriptors in one step, use
/// [`Sandbox`](crate::Sandbox). Entering twice is no error.
///
/// FreeBSD: the mode holds for every thread; a system call that another thread is in at this moment
/// ends as it began.
///
/// Linux: with directories open, the level [`Containment::Landlock`](crate::Containment::Landlock)
/// is needed, and a caller with one thread.
///
/// # Errors
///
/// [`Error::Containment`], [`Error::Threaded`] and [`Error::Unenforceable`] where this kernel
/// cannot hold the process to its descriptors; the last also on Linux where a directory or a
/// listening socket was limited before: descriptors that are opened through it would have more
/// rights than it, so state a ceiling with [`Sandbox`](crate::Sandbox).
///
/// ```no_run
/// let file = std::fs::File::open("/etc/hosts")?;
/// capsicum_rs::enter()?;
/// assert!(capsicum_rs::sandboxed());
/// assert!(std::fs::File::open("/etc/hosts").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn enter() -> Result<Entered, Error> {
    sys::enter(&sys::Request {
        grants: Vec::new(),
        ceiling: Limits::ALL,
        require: None,
        prefer: None,
        broker: false,
        without_submounts: false,
        traps: false,
        best_effort: false,
    })
}

/// Whether the process is in capability mode: cap_sandboxed(3).
///
/// Linux: the filter itself is asked, so that the answer holds after fork(2) and execve(2) too.
///
/// ```
/// assert!(!capsicum_rs::sandboxed());
/// ```
#[must_use]
pub fn sandboxed() -> bool {
    matches!(mode(), Ok(Mode::Capability))
}

/// The mode of the process: cap_getmode(2).
///
/// # Errors
///
/// [`Error::System`] with `ENOSYS` on a FreeBSD kernel without Capsicum.
///
/// ```
/// assert_eq!(capsicum_rs::mode()?, capsicum_rs::Mode::Ambient);
/// # Ok::<(), capsicum_rs::Error>(())
/// ```
pub fn mode() -> Result<Mode, Error> {
    sys::mode()
}
