//! Child processes by pidfd.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::process::ExitStatusExt,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

use super::{
    call::{self, copies},
    open,
    probe::{self, Filters},
};
use crate::Error;

/// A child that is not waited for yet.
#[derive(Debug)]
pub(crate) struct Child {
    pidfd: OwnedFd,
    pid: u32,
}

/// Why this process may start no other just to try something: after unshare(2) of `CLONE_NEWPID` that
/// one would be the first of the new namespace, and take it with it when it ends.
pub(super) fn awaits_first() -> Option<String> {
    let namespace = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).ok();
    // Without its first process the new one has no link. Without procfs nothing is entered.
    let own = namespace("pid")?;
    (namespace("pid_for_children").as_ref() != Some(&own)).then(|| {
        "the process has unshared its process namespace, and the next one that it starts would be \
         the first there: start that one, and enter in it"
            .to_owned()
    })
}

/// Why a process cannot be found in procfs by its id: `/proc` is that of another process namespace,
/// where the id is another process's.
pub(super) fn known_otherwise() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status");
    let own = status.is_ok_and(|status| numbered(&status, std::process::id()));
    (!own).then(|| {
        "/proc shows the processes of another process namespace than the process's own: mount one \
         of its own"
            .to_owned()
    })
}

/// `NSpid` has a number for each namespace from the procfs's down to that of the process; kernels
/// without namespaces have no such line.
pub(super) fn numbered(status: &str, own: u32) -> bool {
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let numbers = line("NSpid:").or_else(|| line("Pid:")).unwrap_or_default();
    numbers.split_whitespace().eq([own.to_string().as_str()])
}

/// What a panic exits with, as the standard library's main does.
const PANICKED: u8 = 101;

fn one_thread() -> Result<(), Error> {
    match open::threads()? {
        0 | 1 => Ok(()),
        threads => Err(Error::Threaded { threads, what: "fork" }),
    }
}

pub(crate) fn fork(child: impl FnOnce() -> u8) -> Result<Child, Error> {
    one_thread()?;
    // Capability mode has no ids to open: there the descriptor comes with the child, which skips
    // the C library's own bookkeeping of forks.
    let (pid, pidfd) = if probe::filters() == Filters::Capability {
        call::fork_with_pidfd().map_err(|error| Error::system("clone(CLONE_PIDFD)", error))?
    } else {
        (call::fork().map_err(|error| Error::system("fork", error))?, None)
    };
    if pid == 0 {
        run(child);
    }
    let pidfd = match pidfd {
        Some(pidfd) => pidfd,
        None => open_child(pid)?,
    };
    Ok(Child { pidfd, pid: pid.cast_unsigned() })
}

pub(crate) fn fork_below(first: RawFd, child: impl FnOnce() -> u8) -> Result<Child, Error> {
    one_thread()?;
    let copied = if probe::filters() == Filters::Capability {
        None
    } else {
        let forked = copies::fork_below(first, PANICKED);
        forked.map_err(|error| Error::system("clone(CLONE_FILES)", error))?
    };
    let Some(pid) = copied else {
        let closed = move || if copies::close_from(first).is_ok() { child() } else { PANICKED };
        let Child { pidfd, pid } = fork(closed)?;
        return Ok(Child { pidfd: copies::moved_above(pidfd, first), pid });
    };
    if pid == 0 {
        run(child);
    }
    Ok(Child { pidfd: copies::moved_above(open_child(pid)?, first), pid: pid.cast_unsigned() })
}

/// Closing a pidfd ends nothing, so that every child is one.
pub(crate) fn fork_lasting(
    first: Option<RawFd>,
    child: impl FnOnce() -> u8,
) -> Result<Child, Error> {
    match first {
        None => fork(child),
        Some(first) => fork_below(first, child),
    }
}

/// The descriptor of a child that is there already.
pub(crate) fn of_child(pid: u32, first: RawFd) -> Result<Child, Error> {
    let no_child = || io::Error::from_raw_os_error(libc::ECHILD);
    let number = libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0);
    let pidfd = number.ok_or_else(no_child).and_then(call::pidfd_open);
    let pidfd = pidfd.map_err(|error| Error::system(format!("pidfd_open({pid})"), error))?;
    // Whoever is no parent could not wait for it.
    call::wait(pidfd.as_raw_fd(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
        .map_err(|error| Error::system(format!("waitid({pid})"), error))?;
    Ok(Child { pidfd: copies::moved_above(pidfd, first), pid })
}

/// In the child.
fn run(child: impl FnOnce() -> u8) -> ! {
    call::exit(catch_unwind(AssertUnwindSafe(child)).unwrap_or(PANICKED))
}

/// Nobody else waits for the child, so that the id is still its own.
fn open_child(pid: libc::pid_t) -> Result<OwnedFd, Error> {
    call::pidfd_open(pid).map_err(|error| Error::system("pidfd_open", error))
}

/// `CLD_EXITED`, and whether a core was written, from waitid(2) to wait(2).
fn status(ended: &call::Ended) -> ExitStatus {
    ExitStatus::from_raw(match ended.code {
        libc::CLD_EXITED => ended.status << 8,
        libc::CLD_DUMPED => ended.status | 0x80,
        _ => ended.status,
    })
}

/// How long to sleep between two looks where poll(2) is refused.
const LOOK: Duration = Duration::from_millis(2);

#[allow(clippy::unnecessary_wraps)] // FreeBSD's needs a right.
impl Child {
    pub(crate) fn pid(&self) -> Result<u32, Error> {
        Ok(self.pid)
    }

    pub(crate) fn kill(&self, signal: i32) -> Result<(), Error> {
        call::pidfd_send_signal(self.pidfd.as_raw_fd(), signal)
            .map_err(|error| Error::system(format!("pidfd_send_signal({})", self.pid), error))
    }

    pub(crate) fn wait_until(&self, deadline: Instant) -> Result<Option<ExitStatus>, Error> {
        loop {
            let fd = self.pidfd.as_raw_fd();
            match call::wait(fd, libc::WEXITED | libc::WNOHANG) {
                Ok(Some(ended)) => return Ok(Some(status(&ended))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::system(format!("waitid({})", self.pid), error)),
                Ok(None) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            match call::readable(fd, left) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    // Refused where some descriptor lacks EVENT.
                    thread::sleep(LOOK.min(left));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn kill_and_reap(&mut self) {
        // An error leaves a child that has ended, or one that limits keep from being killed.
        if self.kill(libc::SIGKILL).is_ok() {
            let _ = call::wait(self.pidfd.as_raw_fd(), libc::WEXITED);
        } else {
            let _ = call::wait(self.pidfd.as_raw_fd(), libc::WEXITED | libc::WNOHANG);
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_another_number_in_procfs_is_not_known_by_its_own() {
        let status = |lines: &str| format!("Name:\tNSpid:\nPid:\t7\nPPid:\t1\n{lines}Umask:\t0\n");
        assert!(numbered(&status("NSpid:\t7\n"), 7));
        assert!(numbered(&status(""), 7));
        for (lines, own) in [("", 8), ("NSpid:\t7\t7\n", 7), ("NSpid:\t7\t1\n", 1)] {
            assert!(!numbered(&status(lines), own), "{lines:?} {own}");
        }
        assert!(!numbered("", 7));
        assert_eq!(known_otherwise(), None);
    }
}
