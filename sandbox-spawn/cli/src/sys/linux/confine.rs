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
    level::Means,
    prepared::{Content, Fresh, Prepared, Shown},
    report::{Report, Step},
    supervise::handover,
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

/// Names that Landlock holds.
const HELD: Names = Names::PATHS.union(Names::EXECUTE).union(Names::SIGNALS).union(Names::IDENTITY);

/// Names that a supervisor answers for, where there is one.
const ANSWERED: Names = Names::METADATA.union(Names::ATTRIBUTES);

/// Enters Landlock and the filter, and hands the listener to whoever is at the other end of
/// `supervisor`.
///
/// Allocates, which is sound here: the wrapper has one thread, so that its child has a heap whose
/// locks are free.
pub(super) fn confine(
    prepared: &Prepared<'_>,
    means: Means,
    supervisor: Option<&OwnedFd>,
) -> Result<(), Report> {
    let mut beneath: Vec<(OwnedFd, Rights)> = Vec::with_capacity(prepared.contents.len());
    for (index, content) in prepared.contents.iter().enumerate() {
        let (path, rights, optional) = match content {
            Content::Shown(Shown { path, rights, optional, .. }) => (path, rights, *optional),
            Content::Fresh(Fresh { path, rights, .. }) if means.are_namespaces() => {
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
    let enter = |names: Names| {
        let program = match means {
            Means::UserNamespace | Means::Namespaces => Program::new(names).without_landlock(),
            Means::Supervised => Program::new(names).supervised(ANSWERED),
            // What only discloses.
            Means::Landlock => Program::new(names.union(Names::METADATA)),
        };
        beneath
            .iter()
            .fold(program, |program, (descriptor, rights)| program.beneath(descriptor, *rights))
            .enter()
    };
    let entered = if means.are_namespaces() {
        enter(PRIVATE)
    } else {
        match enter(HELD) {
            // Landlock before ABI 6 does not hold signals: then there are none to others.
            // If that was not the reason, the first one is.
            Err(reason @ Error::Unenforceable { .. }) => {
                enter(HELD.difference(Names::SIGNALS)).map_err(|_| reason)
            }
            other => other,
        }
    };
    let entered = entered
        .map_err(|error| Report { text: error.to_string(), ..Report::new(Step::Confine, 0) })?;
    match (entered.listener, supervisor) {
        (Some(listener), Some(supervisor)) => {
            handover::send(supervisor, &listener).map_err(|errno| {
                let text =
                    "the filter keeps the supervisor from the listener: a standard stream is a \
                        socket that takes addresses"
                        .to_owned();
                Report { text, ..Report::new(Step::Confine, errno) }
            })
        }
        _ => Ok(()),
    }
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
