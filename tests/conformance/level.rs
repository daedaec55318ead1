//! The levels of containment that the suite runs at.

use std::io;

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
pub(crate) fn descend(level: Containment) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if level == Containment::Descriptors {
        return crate::raw::without_syscall(libc::SYS_landlock_create_ruleset);
    }
    let _ = level;
    Ok(())
}
