//! What the running kernel enforces.

use std::{ffi::CStr, ptr};

use super::{calls, enter::mode, limits::kernel_rights, operations, sysctl};
use crate::{
    Containment, Enforcement, Error, Level, Mechanism, Mode, RightSupport, Rights, Support,
};

/// Asks the kernel, without changing anything.
pub(crate) fn support() -> Support {
    let release = sysctl::release();
    let known = kernel_rights();
    let mechanisms = vec![
        Mechanism { name: "capability mode", state: capability_mode() },
        Mechanism { name: "capabilities", state: capabilities(&known) },
        Mechanism { name: "procdesc", state: process_descriptors() },
        Mechanism { name: "kern.trap_enotcap", state: trap() },
    ];
    let lacks = mechanisms.iter().take(2).find_map(|mechanism| mechanism.state.clone().err());
    let rights = Rights::each()
        .map(|(name, right)| RightSupport {
            name,
            right,
            enforcement: enforcement(right, &known, &release),
        })
        .collect();
    Support {
        system: format!("FreeBSD {release}"),
        containment: Containment::Capsicum,
        levels: vec![Level { containment: Containment::Capsicum, lacks }],
        mechanisms,
        rights,
    }
}

fn capability_mode() -> Result<String, String> {
    match mode() {
        Ok(Mode::Ambient) => Ok("cap_enter(2)".to_owned()),
        Ok(Mode::Capability) => Ok("cap_enter(2), and this process is in it".to_owned()),
        Err(_) => Err("this kernel was built without `options CAPABILITY_MODE`".to_owned()),
    }
}

fn capabilities(known: &Result<Rights, Error>) -> Result<String, String> {
    match known {
        Ok(known) => {
            let lacking = Rights::each().filter(|(_, right)| !known.contains(*right)).count();
            let all = Rights::each().count();
            Ok(format!("{} of the {all} rights of FreeBSD 15", all - lacking))
        }
        Err(error) => Err(error.to_string()),
    }
}

fn process_descriptors() -> Result<String, String> {
    let mut pid = 0;
    // SAFETY: the call would write one `pid_t`, and `pid` is one; -1 is no descriptor.
    let answer = calls::checked(unsafe { libc::pdgetpid(-1, &raw mut pid) });
    match answer.map_err(|error| error.raw_os_error()) {
        Ok(_) | Err(Some(libc::EBADF)) => Ok("pdfork(2), pdkill(2), kevent(2)".to_owned()),
        Err(_) => Err("this kernel has no process descriptors".to_owned()),
    }
}

/// Whether refusals send `SIGTRAP` too, for debugging.
fn trap() -> Result<String, String> {
    match sysctl::flag(c"kern.trap_enotcap") {
        Ok(false) => Ok("off: a refusal is an error number".to_owned()),
        Ok(true) => Ok("on: a refusal sends SIGTRAP besides".to_owned()),
        Err(error) => Err(format!("not to be read from here: {error}")),
    }
}

fn enforcement(right: Rights, known: &Result<Rights, Error>, release: &str) -> Enforcement {
    match known {
        Err(error) => Enforcement::Refused { reason: error.to_string() },
        Ok(known) if !known.contains(right) => Enforcement::Refused {
            reason: format!("FreeBSD {release} has neither the right nor its operation: 15 has"),
        },
        // rights(4) had it long before the call; its first release is FreeBSD 16.
        Ok(_) if right == Rights::PDWAIT && !has_pdwait() => Enforcement::NoOperation,
        Ok(_) if FEATURES.iter().any(|(rights, name)| rights.contains(right) && lacks(name)) => {
            Enforcement::NoOperation
        }
        Ok(_) => Enforcement::Enforced { operations: operations::of(right).to_vec() },
    }
}

/// Whether the C library knows pdwait(2), which it does where the kernel of its release does.
fn has_pdwait() -> bool {
    // SAFETY: the name ends with a nul; the symbol is looked for and not called.
    !ptr::eq(unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"pdwait".as_ptr()) }, ptr::null())
}

/// Rights whose operations are in parts of the kernel that can be left out or are loaded on
/// demand, and the names by which `feature_present(3)` knows these.
const FEATURES: [(Rights, &CStr); 3] = [
    (Rights::MAC_GET.union(Rights::MAC_SET), c"kern.features.security_mac"),
    (
        Rights::SEM_GETVALUE.union(Rights::SEM_POST).union(Rights::SEM_WAIT),
        c"kern.features.p1003_1b_semaphores",
    ),
    (Rights::PEELOFF, c"kern.features.sctp"),
];

/// Whether the kernel says that it lacks a feature.
fn lacks(feature: &CStr) -> bool {
    sysctl::flag(feature).is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT))
}
