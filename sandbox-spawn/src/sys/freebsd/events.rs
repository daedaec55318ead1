//! kqueue(2): waiting for any of many descriptors, at a cost that does not grow with them.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd},
    ptr,
};

use libc::c_int;

use super::super::posix::{check, owned};

/// How many events one call brings.
const MOST: usize = 64;

const NO_EVENT: libc::kevent = libc::kevent {
    ident: 0,
    filter: 0,
    flags: 0,
    fflags: 0,
    data: 0,
    udata: ptr::null_mut(),
    ext: [0; 4],
};

/// Descriptors that are waited for, each with a number by which its events are told.
///
/// A process that is forked does not have it.
#[derive(Debug)]
pub(crate) struct Events(OwnedFd);

impl Events {
    /// kqueue(2)
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no argument.
        check(unsafe { libc::kqueue() }).map(owned).map(Self)
    }

    fn change(&self, fd: RawFd, filter: i16, flags: u16, number: usize) -> io::Result<()> {
        let change = libc::kevent {
            ident: usize::try_from(fd).map_err(|_| io::ErrorKind::InvalidInput)?,
            filter,
            flags,
            fflags: if filter == libc::EVFILT_PROCDESC { libc::NOTE_EXIT } else { 0 },
            // Given back with the event.
            udata: ptr::without_provenance_mut(number),
            ..NO_EVENT
        };
        // SAFETY: one change is read, and no event is asked for.
        check(unsafe {
            let queue = self.0.as_raw_fd();
            libc::kevent(queue, &raw const change, 1, ptr::null_mut(), 0, ptr::null())
        })
        .map(drop)
    }

    /// Watches a socket, or anything else that becomes readable.
    pub(crate) fn watch(&self, fd: BorrowedFd<'_>, number: usize) -> io::Result<()> {
        self.change(fd.as_raw_fd(), libc::EVFILT_READ, libc::EV_ADD, number)
    }

    /// Watches for the end of a process. One that has ended already is told at once.
    pub(crate) fn watch_process(&self, process: BorrowedFd<'_>, number: usize) -> io::Result<()> {
        self.change(process.as_raw_fd(), libc::EVFILT_PROCDESC, libc::EV_ADD, number)
    }

    /// Does not watch a socket any more.
    pub(crate) fn forget(&self, fd: BorrowedFd<'_>) {
        // It fails only for what is not watched.
        let _ = self.change(fd.as_raw_fd(), libc::EVFILT_READ, libc::EV_DELETE, 0);
    }

    /// Does not watch a process any more.
    pub(crate) fn forget_process(&self, process: BorrowedFd<'_>) {
        let _ = self.change(process.as_raw_fd(), libc::EVFILT_PROCDESC, libc::EV_DELETE, 0);
    }

    /// Waits until something has happened to one of them: the numbers of those.
    pub(crate) fn wait(&self) -> Vec<usize> {
        let mut events = [NO_EVENT; MOST];
        loop {
            let most = c_int::try_from(events.len()).unwrap_or(1);
            let (queue, at) = (self.0.as_raw_fd(), events.as_mut_ptr());
            // SAFETY: no change is passed, and the kernel writes no more events than there is room for.
            let count =
                check(unsafe { libc::kevent(queue, ptr::null(), 0, at, most, ptr::null()) });
            if let Ok(count) = count {
                let count = usize::try_from(count).unwrap_or(0);
                return events.iter().take(count).map(|event| event.udata.addr()).collect();
            }
        }
    }
}
