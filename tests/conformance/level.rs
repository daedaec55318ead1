//! The levels of containment that the suite runs at.

use capsicum_rs::{Containment, Support};

/// Whether this is FreeBSD.
pub(crate) const FREEBSD: bool = cfg!(target_os = "freebsd");

/// The levels of this system that this suite knows how to reach, each with what it lacks here.
pub(crate) fn levels(support: &Support) -> Vec<(Containment, Option<String>)> {
    support
        .levels
        .iter()
        // On every kernel of this version of the library: no caller reaches it.
        .filter(|level| level.containment != Containment::Directories)
        .map(|level| (level.containment, level.lacks.clone()))
        .collect()
}

/// Makes the kernel look like one that offers this level and no better one.
#[cfg(target_os = "linux")]
pub(crate) fn descend(level: Containment) -> std::io::Result<()> {
    if level == Containment::Descriptors {
        crate::raw::without_syscall(libc::SYS_landlock_create_ruleset)?;
    }
    Ok(())
}

/// There is but one level.
#[cfg(target_os = "freebsd")]
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(crate) fn descend(_: Containment) -> std::io::Result<()> {
    Ok(())
}
