//! What holds a worker outside capability mode: Landlock, and the filter for programs that use names.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt};

use capsicum_rs::program::Program;

use crate::{Reach, start};

/// Holds the process to this, for ever. The caller has one thread.
pub(crate) fn confine(reach: &Reach) -> Result<(), String> {
    let mut beneath = Vec::new();
    for path in reach.beneath() {
        match open(path.name) {
            Ok(file) => beneath.push((file, path.rights)),
            Err(error) if path.optional && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", path.name)),
        }
    }
    let program = Program::new(reach.names());
    beneath
        .iter()
        .fold(program, |program, (file, rights)| program.beneath(file, *rights))
        .enter()
        .map(drop)
        .map_err(|error| start::words(&error))
}

/// A reference: nothing is read through it.
fn open(path: &str) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path)
}
