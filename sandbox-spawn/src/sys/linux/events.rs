//! epoll(7): waiting for any of many descriptors, at a cost that does not grow with them.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use libc::c_int;

use super::super::posix::{check, owned};

/// How many events one call brings.
const MOST: usize = 64;

/// Descriptors that are waited for, each with a number by which its events are told.
///
/// What is watched must be forgotten before it is closed: a process that was forked may have a copy,
/// and the kernel watches what descriptors refer to.
#[derive(Debug)]
pub(crate) struct Events(OwnedFd);

impl Events {
    /// epoll_create1(2)
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(owned).map(Self)
    }

    fn control(&self, operation: c_int, fd: RawFd, number: usize) -> io::Result<()> {
        let mut event =
            libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: number as u64 };
        // SAFETY: the kernel reads the event.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &raw mut event) })
            .map(drop)
    }

    /// Watches a socket, or anything else that becomes readable.
    pub(crate) fn watch(&self, fd: BorrowedFd<'_>, number: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), number)
    }

    /// Watches for the end of a process.
    pub(crate) fn watch_process(&self, process: BorrowedFd<'_>, number: usize) -> io::Result<()> {
        self.watch(process, number)
    }

    /// Does not watch a socket any more.
    pub(crate) fn forget(&self, fd: BorrowedFd<'_>) {
        // It fails only for what is not watched.
        let _ = self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), 0);
    }

    /// Does not watch a process any more.
    pub(crate) fn forget_process(&self, process: BorrowedFd<'_>) {
        self.forget(process);
    }

    /// Waits until something has happened to one of them: the numbers of those.
    pub(crate) fn wait(&self) -> Vec<usize> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; MOST];
        loop {
            let most = c_int::try_from(events.len()).unwrap_or(1);
            let at = events.as_mut_ptr();
            // SAFETY: the kernel writes no more events than there is room for.
            let count = check(unsafe { libc::epoll_wait(self.0.as_raw_fd(), at, most, -1) });
            if let Ok(count) = count {
                let count = usize::try_from(count).unwrap_or(0);
                let number = |event: &libc::epoll_event| usize::try_from(event.u64).unwrap_or(0);
                return events.iter().take(count).map(number).collect();
            }
        }
    }
}
