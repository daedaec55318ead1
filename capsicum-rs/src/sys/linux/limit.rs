//! Limiting one descriptor, by a filter of its own.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use super::{
    bpf::{Insn, op},
    call,
    compile::compile,
    open,
    policy::{Held, Kind, Object, Policy},
    probe::{self, Filters},
    process, record,
    syscalls::Arch,
};
use crate::{Error, Limits};

/// `PR_SET_NO_NEW_PRIVS`, without which a filter takes privilege, and after which no program that
/// is executed gains any.
pub(super) fn no_new_privileges() -> Result<(), Error> {
    call::prctl(libc::PR_SET_NO_NEW_PRIVS.cast_unsigned(), 1)
        .map(drop)
        .map_err(|error| Error::system("prctl(PR_SET_NO_NEW_PRIVS)", error))
}

/// How many instructions the kernel takes: `BPF_MAXINSNS`.
pub(super) const MOST: usize = 4096;

/// Tries in a child whether the kernel would take the program after those that it has: all filters
/// of a process together, inherited ones included, may have 32,768 instructions of its own kind.
///
/// Whether every thread would take it shows only where they take one: where there are others, a
/// filter that allows everything is installed for all. A thread with a filter of its own refuses it.
pub(super) fn try_out(program: &[Insn]) -> Result<(), Error> {
    if open::threads()? > 1 {
        let code = op::RETURN;
        install(&[Insn { code, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW }])?;
    }
    // A process without any filter has the room.
    if call::prctl(libc::PR_GET_SECCOMP.cast_unsigned(), 0).is_ok_and(|mode| mode == 0) {
        return Ok(());
    }
    if let Some(reason) = process::awaits_first() {
        return Err(Error::Unenforceable { what: "one more filter".to_owned(), reason });
    }
    call::try_in_child(|| call::install(program)).map_err(|error| refused(&error))
}

/// Tries in a child whether the kernel would take a listener after the filters that the process has:
/// along all of them it knows one. A process without any filter has none.
pub(super) fn try_listening() -> Result<(), Error> {
    if call::prctl(libc::PR_GET_SECCOMP.cast_unsigned(), 0).is_ok_and(|mode| mode == 0) {
        return Ok(());
    }
    let code = op::RETURN;
    let allowing = [Insn { code, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW }];
    call::try_in_child(|| {
        call::prctl(libc::PR_SET_NO_NEW_PRIVS.cast_unsigned(), 1)?;
        call::install_supervised(&allowing).map(drop)
    })
    .map_err(|error| not_listening(&error))
}

/// The program of a policy, if the kernel takes one of its length.
pub(super) fn program(policy: &Policy) -> Result<Vec<Insn>, Error> {
    let program = compile(policy, Arch::HOST);
    fits(program.len(), policy)?;
    Ok(program)
}

/// Installs a program for all threads, after `no_new_privs`.
pub(super) fn install(program: &[Insn]) -> Result<(), Error> {
    call::install(program).map_err(|error| refused(&error))
}

/// Installs a program for the calling thread, after `no_new_privs`; where the listener is.
pub(super) fn install_supervised(program: &[Insn]) -> Result<OwnedFd, Error> {
    call::install_supervised(program).map_err(|error| not_listening(&error))
}

/// Why the kernel did not take a filter with a listener.
fn not_listening(error: &io::Error) -> Error {
    match error.raw_os_error() {
        // The kernel knows one listener along all the filters of a process. `EPERM` is what an outer
        // filter of ours answers.
        Some(libc::EBUSY | libc::EPERM) => Error::Unenforceable {
            what: "supervision".to_owned(),
            reason: format!(
                "a supervisor of its own, a container's perhaps, already has the calls of this \
                 process: {error}"
            ),
        },
        _ => refused(error),
    }
}

/// Why the kernel did not take a filter.
fn refused(error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::ESRCH) => Error::Unenforceable {
            what: "a filter on every thread".to_owned(),
            reason: "another thread has a filter of its own: limit before starting threads"
                .to_owned(),
        },
        Some(libc::ENOMEM) => Error::Unenforceable {
            what: "one more filter".to_owned(),
            reason: "the filters of this process leave no room for it: limit descriptors in one \
                     step, with `Sandbox`"
                .to_owned(),
        },
        Some(libc::EINVAL | libc::ENOSYS) => Error::Unenforceable {
            what: "any right".to_owned(),
            reason: format!("the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER): {error}"),
        },
        code => Error::system(
            "seccomp(SECCOMP_SET_MODE_FILTER)",
            code.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error),
        ),
    }
}

/// Refuses a program that the kernel would not take.
pub(super) fn fits(len: usize, policy: &Policy) -> Result<(), Error> {
    if len <= MOST {
        return Ok(());
    }
    let requests =
        policy.granted.values().filter(|held| held.limits.ioctls != policy.ceiling.ioctls).count();
    Err(Error::TooLarge {
        instructions: len,
        most: MOST,
        advice: format!(
            "{} descriptors are granted, {requests} of them with ioctl requests of their own, \
             which cost most: give several the same requests, or grant fewer",
            policy.granted.len()
        ),
    })
}

pub(crate) fn limit(fd: BorrowedFd<'_>, limits: &Limits) -> Result<(), Error> {
    let mut record = record::lock();
    let number = fd.as_raw_fd().cast_unsigned();
    let has = record.limits(number);
    if !has.contains(limits) {
        return Err(Error::NotCapable {
            descriptor: fd.as_raw_fd(),
            asked: Box::new(limits.clone()),
            has: Box::new(has.clone()),
        });
    }
    if has == limits {
        return Ok(());
    }
    // What was known of a pinned object stays so: it keeps its number.
    let object = record.numbers.get(&number).map_or_else(Object::default, |held| held.object);
    let capability = probe::filters() == Filters::Capability;
    let pinned = |limits: &Limits| !record.ceiling.contains(limits);
    // What is pinned keeps the object that it has now.
    let file = pinned(has)
        && call::mode_of(fd.as_raw_fd()).is_ok_and(|mode| mode & libc::S_IFMT != libc::S_IFDIR);
    let object = Object { relimited: capability && !file, ..object };
    let held = Held { limits: limits.clone(), object };
    // The others keep what they have beyond the ceiling.
    let mut granted = record.numbers.clone();
    granted.retain(|_, held| pinned(&held.limits));
    granted.insert(number, held.clone());
    let program = program(&Policy {
        kind: Kind::Limit,
        granted,
        ceiling: record.ceiling.clone(),
        capability,
        landlock: true,
        directories: false,
        arrives: false,
        statable: false,
        brokered: false,
        signal_scope: true,
        addressable: false,
        reopens: false,
        traps: record.traps,
        pid: std::process::id(),
    })?;
    no_new_privileges()?;
    install(&program)?;
    record.numbers.insert(number, held);
    Ok(())
}

pub(crate) fn limits_of(fd: BorrowedFd<'_>) -> Result<Limits, Error> {
    let record = record::lock();
    if record.is_blank() && probe::filters() != Filters::None {
        return Err(Error::Unknown { descriptor: fd.as_raw_fd() });
    }
    Ok(record.limits(fd.as_raw_fd().cast_unsigned()).clone())
}
