//! Executing the program anew: what is done between the new process and execve(2), on either system.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    ptr,
};

use super::{
    close_from,
    posix::{check, copy_above, copy_to, leave_parent},
};

/// The number of the one descriptor that the program finds besides the standard streams.
pub(crate) const KEPT: RawFd = 3;

/// Where the program's own file is meanwhile.
const FILE: RawFd = KEPT + 1;

/// A program that is to be executed, in a child of a keeper or of a guard: with one argument, without
/// environment. Its standard streams are the parent's, which are /dev/null.
pub(crate) struct Execution<'a> {
    pub(crate) program: BorrowedFd<'a>,
    pub(crate) argument: &'a CStr,
    /// What it finds at [`KEPT`].
    pub(crate) kept: BorrowedFd<'a>,
    /// Its standard error: where the loader says what keeps it from going on.
    pub(crate) stderr: Option<BorrowedFd<'a>>,
    pub(crate) parent: u32,
    /// It stays in the session of its parent.
    pub(crate) guarded: bool,
}

/// Where what tells of a failure is then, if anything does.
const REPORT: RawFd = FILE + 1;

/// What has failed in the new process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    what: &'static str,
    error: i32,
}

impl Failed {
    /// With the error of the call that was made last.
    pub(super) fn now(what: &'static str) -> Self {
        Self::of(what, &io::Error::last_os_error())
    }

    fn of(what: &'static str, error: &io::Error) -> Self {
        Self { what, error: error.raw_os_error().unwrap_or(0) }
    }

    pub(super) fn words(self) -> String {
        format!("{}: {}", self.what, io::Error::from_raw_os_error(self.error))
    }
}

impl Execution<'_> {
    /// A number above all of these descriptors, and of what they are moved to.
    pub(super) fn above(&self) -> RawFd {
        let stderr = self.stderr.map_or(0, |fd| fd.as_raw_fd());
        let most = stderr.max(self.program.as_raw_fd()).max(self.kept.as_raw_fd()).max(FILE);
        most.saturating_add(1)
    }

    /// Leaves the parent behind and executes the program; what comes back is why not. It calls nothing but
    /// what is async-signal-safe, allocates nothing, and writes to nothing but its own stack, since
    /// that may be in the memory of the parent.
    ///
    /// Signals are the program's to see to: what the parent ignores or blocks stays so until then.
    ///
    /// The descriptor by which the new process itself is to say why not, if it is, has its number again then.
    pub(super) fn replace(&self, report: Option<RawFd>) -> Failed {
        if let Err(error) = leave_parent(self.parent, self.guarded) {
            return Failed::of("leaving the parent", &error);
        }
        if let Err(error) = self.arrange(report) {
            return Failed::of("its descriptors", &error);
        }
        let arguments = [self.argument.as_ptr(), ptr::null()];
        let environment = [ptr::null()];
        // SAFETY: both lists end with a null, and the argument is a C string.
        unsafe { libc::fexecve(FILE, arguments.as_ptr(), environment.as_ptr()) };
        let failed = Failed::now("execve");
        if let Some(report) = report {
            // Without it nobody is told.
            let _ = copy_to(REPORT, report);
        }
        failed
    }

    /// Only the standard streams and the one that is kept stay open for the program.
    fn arrange(&self, report: Option<RawFd>) -> io::Result<()> {
        // Out of the way of what comes next.
        let program = copy_above(self.program.as_raw_fd(), REPORT + 1)?;
        let report = report.map(|report| copy_above(report, REPORT + 1)).transpose()?;
        copy_to(self.stderr.map_or(0, |fd| fd.as_raw_fd()), 2)?;
        let kept = self.kept.as_raw_fd();
        if kept == KEPT {
            // SAFETY: the command takes an integer.
            check(unsafe { libc::fcntl(KEPT, libc::F_SETFD, 0) })?;
        } else {
            copy_to(kept, KEPT)?;
        }
        // SAFETY: takes no pointers.
        check(unsafe { libc::dup3(program, FILE, libc::O_CLOEXEC) })?;
        let Some(report) = report else { return close_from(REPORT) };
        // SAFETY: takes no pointers.
        check(unsafe { libc::dup3(report, REPORT, libc::O_CLOEXEC) })?;
        close_from(REPORT + 1)
    }
}
