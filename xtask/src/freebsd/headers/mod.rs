//! Our constants held against FreeBSD's headers, as the `ziglang` package ships them.
//!
//! The headers are read, not compiled: [`macros`] collects the `#define`s and [`expression`]
//! evaluates them, so that every number is compared with the one FreeBSD's own sources have.

mod constants;
mod expression;
mod macros;
mod rights;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use super::{directory, setup};
use crate::workspace::Workspace;
use macros::Macros;

/// The constants of the FreeBSD backend, named as in C.
const CONSTANTS: &str = "capsicum-rs/src/sys/freebsd/constants.rs";

/// Where the backend's constants may be from, under FreeBSD's include directory. `sys/capsicum.h`
/// comes first: the rights are held against it alone.
const HEADERS: [&str; 28] = [
    "sys/capsicum.h",
    "sys/caprights.h",
    "sys/procdesc.h",
    "sys/errno.h",
    "sys/fcntl.h",
    "sys/event.h",
    "sys/wait.h",
    "sys/syscall.h",
    "sys/signal.h",
    "sys/socket.h",
    "sys/un.h",
    "sys/mman.h",
    "sys/stat.h",
    "sys/jail.h",
    "sys/unistd.h",
    "sys/procctl.h",
    "sys/rtprio.h",
    "sys/resource.h",
    "sys/sysctl.h",
    "sys/inotify.h",
    "sys/ioccom.h",
    "sys/filio.h",
    "sys/sockio.h",
    "sys/ttycom.h",
    "sys/acl.h",
    "sys/extattr.h",
    "sys/limits.h",
    "x86/_limits.h",
];

/// Every constant of ours against the headers; the error lists all that differ.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let include =
        setup::zig_package(&directory(workspace))?.join("lib/libc/include/generic-freebsd");
    let mut capsicum = Macros::default();
    let mut all = Macros::default();
    for name in HEADERS {
        let text = read(&include.join(name))?;
        all.add(&text).with_context(|| name.to_owned())?;
        // The fcntl commands are defined by the numbers of fcntl.h.
        if ["sys/capsicum.h", "sys/fcntl.h"].contains(&name) {
            capsicum.add(&text)?;
        }
    }
    let mut faults = rights::compare(&capsicum);
    let constants = workspace.root.join(CONSTANTS);
    let (checked, more) = constants::compare(&read(&constants)?, &all)?;
    faults.extend(more);
    if !faults.is_empty() {
        bail!("{} constants are not FreeBSD's:\n{}", faults.len(), faults.join("\n"));
    }
    println!(
        "{} rights, {} fcntl commands and {checked} constants are those of FreeBSD's headers",
        rights::count(),
        rights::fcntl_count()
    );
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
