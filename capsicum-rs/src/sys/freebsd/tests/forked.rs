//! Test bodies in a process of their own: libtest has threads, and the mode is irrevocable.

use std::{
    io::{self, Write},
    os::unix::process::ExitStatusExt,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitStatus,
};

/// Seconds after which a body is ended by a signal.
const DEADLINE: libc::c_uint = 60;

/// Runs a body in a child with one thread, and fails if it panics or does not end in time.
///
/// fork(3), and not pdfork(2): it takes malloc's locks before it copies a threaded process.
pub(super) fn alone(body: impl FnOnce()) {
    // SAFETY: libthr's fork(3) leaves malloc usable in the child, and the bodies use no other
    // lock that a thread of libtest may hold: panics are caught, and reported without print macros.
    let child = unsafe { libc::fork() };
    assert_ne!(child, -1, "fork: {}", io::Error::last_os_error());
    if child == 0 {
        run(body);
    }
    let mut status = 0;
    // SAFETY: the call writes one integer, and `status` is one.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(ended, child, "waitpid: {}", io::Error::last_os_error());
    let status = ExitStatus::from_raw(status);
    assert!(status.success(), "the body ended with {status}");
}

fn run(body: impl FnOnce()) -> ! {
    // SAFETY: sets a timer of this process; the signal's default action ends it.
    unsafe { libc::alarm(DEADLINE) };
    let outcome = catch_unwind(AssertUnwindSafe(body));
    if let Err(payload) = &outcome {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("panic");
        let _ = writeln!(io::stderr(), "in the child: {text}");
    }
    // SAFETY: ends the process; no exit handler of the parent runs in it.
    unsafe { libc::_exit(outcome.is_err().into()) }
}
