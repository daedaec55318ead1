//! What several services can reach outside capability mode.

use capsicum_rs::Rights;
use sandbox_spawn::Path;

const fn read(path: &'static str) -> Path {
    Path::if_there(path, Rights::READ)
}

/// The name service's files, on Linux, where the C library reads them as the host is set up: its
/// configuration and databases, and the modules that it loads.
///
/// Directories rather than files, since databases are replaced by new files. Whoever reaches them is
/// not [root](crate::sys::as_ordinary_user), so that what only root may read there stays so.
pub(crate) const NAME_SERVICE: &[Path] = &[
    read("/etc"),
    read("/lib"),
    read("/lib64"),
    read("/usr/lib"),
    read("/usr/lib64"),
    read("/usr/local/lib"),
    // Where a distribution has everything in a place of its own: NixOS, Guix.
    read("/nix/store"),
    read("/gnu/store"),
    // The modules `db`, `extrausers` and `systemd`.
    read("/var/db"),
    read("/var/lib/misc"),
    read("/var/lib/extrausers"),
    read("/run/userdb"),
];
