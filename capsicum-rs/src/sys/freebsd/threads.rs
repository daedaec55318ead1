//! Whether the calling thread is the only one of its process.

use std::{io, ptr};

use super::sysctl;

/// How many threads there are, where there is more than one.
pub(super) fn several() -> Option<usize> {
    // pthread_join(3) returns when the kernel has marked the thread, shortly before it is gone.
    for _ in 0..20 {
        if !others() {
            return None;
        }
        rest();
    }
    // In capability mode the number cannot be had.
    Some(sysctl::threads().unwrap_or(0).max(2))
}

/// Sleeps for 100 microseconds, or less. Not `std::thread::sleep`: that is `clock_nanosleep(2)`,
/// which capability mode does not have (`sys/kern/syscalls.master`), so that it would panic.
fn rest() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 100_000 };
    // SAFETY: the call reads one `timespec`, and writes none where the pointer to it is null.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}

/// Whether there is another thread. `thr_kill(2)` to thread -1 means all others, and signal 0 only
/// asks; unlike `kern.proc.pid` it answers in capability mode too.
fn others() -> bool {
    // SAFETY: both arguments are integers, and signal 0 does nothing to any thread.
    let none = unsafe { libc::thr_kill(-1, 0) } == -1;
    // Whatever else went wrong, the answer that is safe is yes.
    !(none && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH))
}

/// The kernel's id of the calling thread: `thr_self(2)`.
pub(super) fn own_id() -> libc::c_long {
    let mut id = 0;
    // SAFETY: the call writes one `long`, and `id` is one. It fails for bad addresses only.
    unsafe { libc::thr_self(&raw mut id) };
    id
}

/// Tells libthr that the calling thread, in a copy that pdfork(2) made, has a new id.
///
/// libthr does so itself after fork(2), but up to FreeBSD 14 pdfork(2) is a bare system call. The
/// kernel knows the owner of a lock by that id, so that with the old one a lock for which a second
/// thread waits, malloc's included, could never be released.
pub(super) fn adopt_id(former: libc::c_long) {
    let own = own_id();
    // SAFETY: a `pthread_t` points to the thread's structure, which lives as long as the thread,
    // belongs to it alone and starts with the id, a `long` (lib/libthr/thread/thr_private.h;
    // `_thread_off_tid` tells debuggers so). Only a value that is the former id is replaced.
    unsafe {
        let id = ptr::with_exposed_provenance_mut::<libc::c_long>(libc::pthread_self());
        if id.read() == former {
            id.write(own);
        }
    }
}
