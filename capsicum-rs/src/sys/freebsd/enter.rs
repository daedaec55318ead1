//! Entering capability mode: `cap_enter(2)`, after the descriptors were limited.
//!
//! The mode is a flag of the process's credentials. Every thread looks at them when it next enters
//! the kernel, so the mode holds for all threads; a system call in which another thread is at that
//! moment ends as it began.

use std::{io, os::fd::RawFd};

use super::{
    Request, calls, descriptors,
    limits::{Change, askable_of, kernel_rights, without},
    threads,
};
use crate::{Containment, Entered, Error, Limits, Missing, Mode};

/// What was found out before anything is changed.
pub(super) struct Checked {
    /// What becomes of the granted descriptors.
    pub(super) grants: Vec<Change>,
    /// What becomes of the others.
    bounds: Vec<Change>,
    pub(super) missing: Vec<Missing>,
    /// Whether there are other threads, where that matters.
    threaded: bool,
}

/// Finds out everything that can be refused. Nothing is changed.
pub(super) fn check(request: &Request) -> Result<Checked, Error> {
    let offered = Containment::Capsicum;
    if let Some(required) = request.require
        && required > offered
    {
        let reason = "FreeBSD has no other level".to_owned();
        return Err(Error::Containment { required, offered, reason });
    }
    mode().map_err(|_| without("capability mode", "CAPABILITY_MODE"))?;

    let mut missing = Vec::new();
    let bounded = request.ceiling != Limits::ALL;
    let several = if bounded { threads::several() } else { None };
    if let Some(threads) = several {
        let what = format!("the ceiling in a process with {threads} threads");
        let reason = "another thread may be opening a descriptor at this moment, which would \
                      have every right: enter before starting threads, or state the ceiling \
                      `Limits::ALL`";
        missing.push(Missing { what, reason: reason.to_owned() });
    }
    if request.without_submounts {
        let what = "directories without what is mounted beneath them".to_owned();
        let reason = "a lookup goes on in what is mounted".to_owned();
        missing.push(Missing { what, reason });
    }
    let grants = grants(request, &mut missing)?;
    if let Some(first) = missing.first()
        && !request.best_effort
    {
        let Missing { what, reason } = first.clone();
        return Err(Error::Unenforceable { what, reason });
    }
    let bounds = if bounded { bounds(request, several.is_some())? } else { Vec::new() };
    Ok(Checked { grants, bounds, missing, threaded: several.is_some() })
}

/// Limits the granted descriptors and all others, and enters capability mode.
pub(crate) fn enter(request: &Request) -> Result<Entered, Error> {
    let Checked { grants, bounds: others, missing, threaded } = check(request)?;
    for change in grants.iter().chain(&others) {
        skip_closed(change.apply(), threaded)?;
    }
    // Outside of capability mode it does nothing.
    let trapped = request.traps.then(|| calls::trap_refusals(true)).transpose();
    trapped.map_err(|error| Error::system("procctl(PROC_TRAPCAP_CTL)", error))?;
    if let Err(error) = calls::cap_enter() {
        if request.traps {
            let _ = calls::trap_refusals(false);
        }
        return Err(Error::system("cap_enter(2)", error));
    }
    if mode()? != Mode::Capability {
        return Err(Error::Unenforceable {
            what: "capability mode".to_owned(),
            reason: "cap_enter(2) succeeded and cap_getmode(2) denies it".to_owned(),
        });
    }
    if threaded {
        // What other threads opened since the list was made.
        for change in bounds(request, true)? {
            skip_closed(change.apply(), true)?;
        }
    }
    Ok(Entered { containment: Containment::Capsicum, missing, filter_len: 0 })
}

/// The mode of the process: `cap_getmode(2)`.
pub(crate) fn mode() -> Result<Mode, Error> {
    match calls::cap_getmode() {
        Ok(true) => Ok(Mode::Capability),
        Ok(false) => Ok(Mode::Ambient),
        Err(error) => Err(Error::system("cap_getmode(2)", error)),
    }
}

/// What becomes of the granted descriptors. Rights that this release lacks go to `missing`.
fn grants(request: &Request, missing: &mut Vec<Missing>) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    for (fd, limits) in &request.grants {
        let rights = match askable_of(*fd, limits.rights) {
            Ok(rights) => rights,
            Err(Error::Unenforceable { what, reason }) if request.best_effort => {
                missing.push(Missing { what, reason });
                limits.rights & kernel_rights()?
            }
            Err(error) => return Err(error),
        };
        changes.push(Change::narrowing(*fd, limits, rights)?);
    }
    Ok(changes)
}

/// What becomes of the descriptors that are open and not granted. A right of the ceiling that
/// this release lacks is no error, for a ceiling gives nothing.
fn bounds(request: &Request, threaded: bool) -> Result<Vec<Change>, Error> {
    let failed = |error| Error::system("listing the open descriptors", error);
    let open = match descriptors::open().map_err(failed)? {
        Ok(open) => open,
        Err(some) if threaded => some,
        Err(_) => return Err(failed(io::Error::from_raw_os_error(libc::EAGAIN))),
    };
    let granted = |fd: &RawFd| request.grants.iter().any(|(other, _)| other == fd);
    let mut changes = Vec::new();
    for fd in open.into_iter().filter(|fd| !granted(fd)) {
        changes.extend(skip_closed(Change::under(fd, &request.ceiling), threaded)?);
    }
    Ok(changes)
}

/// A descriptor that another thread closed meanwhile needs no limits.
fn skip_closed<T>(outcome: Result<T, Error>, threaded: bool) -> Result<Option<T>, Error> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if threaded && error.raw_os_error() == Some(libc::EBADF) => Ok(None),
        Err(error) => Err(error),
    }
}
