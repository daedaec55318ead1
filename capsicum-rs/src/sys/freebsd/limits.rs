//! Limiting descriptors: first everything that the kernel could refuse is checked, then the calls
//! are made, so that nothing has changed where there is an error.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::OnceLock,
};

use super::{
    calls::{self, MOST_IOCTLS},
    rights_words::{askable, named},
    sysctl,
};
use crate::{Error, Fcntls, Ioctls, Limits, Rights};

/// `cap_rights_limit(2)`, `cap_fcntls_limit(2)` and `cap_ioctls_limit(2)` on one descriptor.
///
/// Another thread that limits, closes or replaces the same descriptor meanwhile can make the
/// second or third of them fail after the first.
pub(crate) fn limit(fd: BorrowedFd<'_>, limits: &Limits) -> Result<(), Error> {
    let fd = fd.as_raw_fd();
    Change::narrowing(fd, limits, askable_of(fd, limits.rights)?)?.apply()
}

/// `cap_rights_get(3)`, `cap_fcntls_get(2)` and `cap_ioctls_get(2)` of one descriptor.
pub(crate) fn limits_of(fd: BorrowedFd<'_>) -> Result<Limits, Error> {
    let held = held(fd.as_raw_fd())?;
    Ok(as_named(held, kernel_rights()?))
}

/// The rights that the running kernel knows: rights(4) of its release.
pub(super) fn kernel_rights() -> Result<Rights, Error> {
    static KNOWN: OnceLock<Rights> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let known = if is_known(Rights::ALL)? {
        Rights::ALL
    } else {
        let mut known = Rights::NONE;
        for (_, right) in Rights::each() {
            if is_known(right)? {
                known |= right;
            }
        }
        known
    };
    Ok(*KNOWN.get_or_init(|| known))
}

/// Whether the kernel knows all these rights. `cap_rights_limit(2)` looks at the rights (`EINVAL`)
/// before it looks for the descriptor, and -1 is none (`EBADF`).
fn is_known(rights: Rights) -> Result<bool, Error> {
    match calls::cap_rights_limit(-1, rights).map_err(|error| (error.raw_os_error(), error)) {
        Ok(()) | Err((Some(libc::EBADF), _)) => Ok(true),
        Err((Some(libc::EINVAL), _)) => Ok(false),
        Err((Some(libc::ENOSYS), _)) => Err(without("capabilities", "CAPABILITIES")),
        Err((_, error)) => Err(Error::system("cap_rights_limit(2)", error)),
    }
}

/// The error of a kernel that was built without an option.
pub(super) fn without(what: &str, option: &str) -> Error {
    Error::Unenforceable {
        what: what.to_owned(),
        reason: format!("this kernel was built without `options {option}`, which GENERIC has"),
    }
}

/// The part of the rights that the kernel can be given for a descriptor.
pub(super) fn askable_of(fd: RawFd, rights: Rights) -> Result<Rights, Error> {
    askable(rights, kernel_rights()?).map_err(|lacking| Error::Unenforceable {
        what: format!("`{}` on descriptor {fd}", names(lacking)),
        reason: format!("the kernel of FreeBSD {} has no such right", sysctl::release()),
    })
}

/// Rights by name, and bits that are none by value.
fn names(rights: Rights) -> String {
    if Rights::ALL.contains(rights) { rights.to_string() } else { format!("{:#x}", rights.bits()) }
}

fn as_named(held: Limits, kernel: Rights) -> Limits {
    Limits { rights: named(held.rights, kernel), ..held }
}

/// Commands without `FCNTL` and requests without `IOCTL` are none, as `cap_rights_limit(2)` has it.
fn without_idle_parts(limits: Limits) -> Limits {
    let Limits { rights, fcntls, ioctls } = limits;
    Limits {
        rights,
        fcntls: if rights.contains(Rights::FCNTL) { fcntls } else { Fcntls::NONE },
        ioctls: if rights.contains(Rights::IOCTL) { ioctls } else { Ioctls::none() },
    }
}

/// The limits of a descriptor in the kernel's own words.
fn held(fd: RawFd) -> Result<Limits, Error> {
    let failed = |call: &str, error: io::Error| match error.raw_os_error() {
        Some(libc::ENOSYS) => without("limits of descriptors", "CAPABILITIES"),
        _ => Error::system(format!("{call} on descriptor {fd}"), error),
    };
    Ok(Limits {
        rights: calls::cap_rights_get(fd).map_err(|error| failed("cap_rights_get(3)", error))?,
        fcntls: calls::cap_fcntls_get(fd).map_err(|error| failed("cap_fcntls_get(2)", error))?,
        ioctls: calls::cap_ioctls_get(fd).map_err(|error| failed("cap_ioctls_get(2)", error))?,
    })
}

/// New limits for a descriptor that the kernel will take.
#[derive(Debug)]
pub(super) struct Change {
    fd: RawFd,
    from: Limits,
    to: Limits,
}

impl Change {
    /// To what was asked for, with `rights` in the place of its rights.
    ///
    /// [`Error::NotCapable`] where that is more than the descriptor has.
    pub(super) fn narrowing(fd: RawFd, asked: &Limits, rights: Rights) -> Result<Self, Error> {
        let from = held(fd)?;
        let to = without_idle_parts(Limits { rights, ..asked.clone() });
        if !from.contains(&to) {
            return Err(Error::NotCapable {
                descriptor: fd,
                asked: Box::new(asked.clone()),
                has: Box::new(as_named(from, kernel_rights()?)),
            });
        }
        Self { fd, from, to }.within_count()
    }

    /// To what the descriptor has and the ceiling allows, which is never too much.
    pub(super) fn under(fd: RawFd, ceiling: &Limits) -> Result<Self, Error> {
        let from = held(fd)?;
        let to = without_idle_parts(from.intersection(ceiling));
        Self { fd, from, to }.within_count()
    }

    fn within_count(self) -> Result<Self, Error> {
        match &self.to.ioctls {
            Ioctls::Only(requests) if self.sets_ioctls() && requests.len() > MOST_IOCTLS => {
                Err(Error::Unenforceable {
                    what: format!("{} ioctl requests on descriptor {}", requests.len(), self.fd),
                    reason: format!(
                        "FreeBSD holds a descriptor to at most {MOST_IOCTLS}: \
                         name fewer, or all with `Ioctls::All`"
                    ),
                })
            }
            _ => Ok(self),
        }
    }

    fn sets_fcntls(&self) -> bool {
        self.to.rights.contains(Rights::FCNTL) && self.to.fcntls != self.from.fcntls
    }

    fn sets_ioctls(&self) -> bool {
        self.to.rights.contains(Rights::IOCTL) && self.to.ioctls != self.from.ioctls
    }

    /// The descriptor, and what it will have.
    pub(super) fn outcome(&self) -> Result<(RawFd, Limits), Error> {
        Ok((self.fd, as_named(self.to.clone(), kernel_rights()?)))
    }

    /// Makes the calls.
    pub(super) fn apply(&self) -> Result<(), Error> {
        let fd = self.fd;
        let failed = |call: &str, error| Error::system(format!("{call} on descriptor {fd}"), error);
        // All that this kernel knows is not limited at all, so that rights of later releases,
        // which have no name here, stay.
        if self.to.rights != kernel_rights()? {
            calls::cap_rights_limit(fd, self.to.rights)
                .map_err(|error| failed("cap_rights_limit(2)", error))?;
        }
        if self.sets_fcntls() {
            calls::cap_fcntls_limit(fd, self.to.fcntls)
                .map_err(|error| failed("cap_fcntls_limit(2)", error))?;
        }
        match &self.to.ioctls {
            Ioctls::Only(requests) if self.sets_ioctls() => {
                let requests: Vec<_> =
                    requests.iter().map(|request| libc::c_ulong::from(*request)).collect();
                calls::cap_ioctls_limit(fd, &requests)
                    .map_err(|error| failed("cap_ioctls_limit(2)", error))
            }
            _ => Ok(()),
        }
    }
}
