//! The last steps of the process that becomes the program.

use std::{
    ffi::{CStr, CString},
    os::fd::OwnedFd,
    ptr,
};

use capsicum_rs::{
    Error, Rights,
    program::{Names, Program},
};
use libc::c_char;

use super::{
    calls::{self, Errno},
    level::{LESSER, Means},
    prepared::{Content, Fresh, Prepared, Shown},
    report::{Report, Step},
};

/// Names that lead nowhere in a private root and private namespaces.
///
/// No addresses: a Unix socket beneath a granted directory would be one of the host's.
const PRIVATE: Names = Names::PATHS
    .union(Names::METADATA)
    .union(Names::ATTRIBUTES)
    .union(Names::EXECUTE)
    .union(Names::SIGNALS)
    .union(Names::PROCESSES)
    .union(Names::IPC)
    .union(Names::IDENTITY);

/// Names that Landlock holds, and those that only disclose.
const SHARED: Names = Names::PATHS
    .union(Names::METADATA)
    .union(Names::EXECUTE)
    .union(Names::SIGNALS)
    .union(Names::IDENTITY);

/// Enters Landlock and the filter.
///
/// Allocates, which is sound here: the wrapper has one thread, so that its child has a heap whose
/// locks are free.
pub(super) fn confine(prepared: &Prepared<'_>, means: Means) -> Result<(), Report> {
    let mut beneath: Vec<(OwnedFd, Rights)> = Vec::with_capacity(prepared.contents.len());
    for (index, content) in prepared.contents.iter().enumerate() {
        let (path, rights, optional) = match content {
            Content::Shown(Shown { path, rights, optional, .. }) => (path, rights, *optional),
            Content::Fresh(Fresh { path, rights, .. }) if means != Means::Landlock => {
                (path, rights, false)
            }
            // Of its own, the program has nothing here.
            Content::Fresh(_) => continue,
        };
        match calls::refer(path) {
            Ok(descriptor) => beneath.push((descriptor, *rights)),
            Err(_) if optional => {}
            Err(errno) => return Err(Report::at(Step::Refer, index, errno)),
        }
    }
    let enter = |names| {
        let program = Program::new(names);
        let program = if means == Means::Landlock { program } else { program.without_landlock() };
        beneath
            .iter()
            .fold(program, |program, (descriptor, rights)| program.beneath(descriptor, *rights))
            .enter()
    };
    let entered = if means == Means::Landlock {
        match enter(SHARED) {
            // Landlock before ABI 6 does not hold signals: then there are none to others.
            Err(Error::Unenforceable { .. }) => enter(SHARED.difference(Names::SIGNALS)),
            other => other,
        }
    } else {
        enter(PRIVATE)
    };
    entered.map_err(|error| Report { text: error.to_string(), ..Report::new(Step::Confine, 0) })?;
    if means == Means::Landlock && !prepared.plan.quiet {
        calls::say(2, LESSER);
    }
    Ok(())
}

/// execve(2) of the first candidate that can be executed; returns why none could.
pub(super) fn execute(prepared: &Prepared<'_>) -> Errno {
    let plan = prepared.plan;
    let arguments = pointers(plan.arguments.iter().map(CString::as_c_str));
    let environment = pointers(plan.environment.iter().map(CString::as_c_str));
    let mut worst = libc::ENOENT;
    for candidate in &plan.candidates {
        // SAFETY: the path is a string, and both arrays end in null and hold strings of `plan`,
        // which outlives the call.
        unsafe { libc::execve(candidate.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
        match calls::errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            errno @ (libc::EACCES | libc::EPERM) => worst = errno,
            errno => return errno,
        }
    }
    worst
}

fn pointers<'s>(strings: impl Iterator<Item = &'s CStr>) -> Vec<*const c_char> {
    strings.map(CStr::as_ptr).chain([ptr::null()]).collect()
}
