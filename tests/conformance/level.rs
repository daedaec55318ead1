//! The levels of containment that the suite runs at.

use std::sync::OnceLock;

use capsicum_rs::{Containment, Sandbox, Support};

/// Whether this is FreeBSD.
pub(crate) const FREEBSD: bool = cfg!(target_os = "freebsd");

/// The levels of this system that this suite knows how to reach, each with what it lacks here.
pub(crate) fn levels(support: &Support) -> Vec<(Containment, Option<String>)> {
    support.levels.iter().map(|level| (level.containment, level.lacks.clone())).collect()
}

static OF_THIS_PROCESS: OnceLock<Containment> = OnceLock::new();

/// A sandbox of the level of this case, and no other: [`descend`] sees to it that no better one is
/// to be had, and this one is entered only where it is asked for.
pub(crate) fn sandbox() -> Sandbox<'static> {
    match OF_THIS_PROCESS.get() {
        Some(Containment::Directories) => Sandbox::new().require(Containment::Directories),
        _ => Sandbox::new(),
    }
}

/// Makes the kernel look like one that offers this level and no better one.
#[cfg(target_os = "linux")]
pub(crate) fn descend(level: Containment) -> std::io::Result<()> {
    let _ = OF_THIS_PROCESS.set(level);
    match level {
        Containment::Descriptors => crate::raw::without_syscall(libc::SYS_landlock_create_ruleset),
        Containment::Landlock => crate::raw::without_syscall(libc::SYS_pivot_root),
        _ => Ok(()),
    }
}

/// There is but one level.
#[cfg(target_os = "freebsd")]
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(crate) fn descend(level: Containment) -> std::io::Result<()> {
    let _ = OF_THIS_PROCESS.set(level);
    Ok(())
}
