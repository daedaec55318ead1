//! A process that executes a program at once, as posix_spawn(3) starts it.
//!
//! fork(2) copies the page tables of a process that is then thrown away, and both copies fault on what they
//! write meanwhile. Here the child has the memory of its parent, which waits until it has executed the
//! program or ended (`CLONE_VM`, `CLONE_VFORK`), and the table of descriptors, until it has asked for
//! one of its own that ends at some number.

use std::{cell::Cell, ffi::c_void, io, mem::MaybeUninit, os::fd::RawFd, ptr};

use capsicum_rs::ProcessDescriptor;
use libc::c_int;

use super::super::{
    execution::{Execution, Failed},
    posix::check,
};

/// Sixteen bytes each: what the child needs is a few frames without recursion, a fraction of this.
const STACK: usize = 4096;

/// `CLOSE_RANGE_UNSHARE`
const UNSHARE: libc::c_uint = 2;

/// What the child is told, and tells.
struct Plan<'a> {
    execution: &'a Execution<'a>,
    failed: Cell<Option<Failed>>,
}

/// Starts it: its descriptor, at `least` or above, once it has executed the program. What fails is told
/// and comes back.
pub(crate) fn start_execution(
    execution: &Execution<'_>,
    least: RawFd,
    _report: RawFd,
    failed: impl FnOnce(&str),
) -> Result<ProcessDescriptor, String> {
    start(execution, least).inspect_err(|reason| failed(reason))
}

fn start(execution: &Execution<'_>, least: RawFd) -> Result<ProcessDescriptor, String> {
    let plan = Plan { execution, failed: Cell::new(None) };
    let pid = share(&plan).map_err(|error| format!("clone: {error}"))?;
    let process = ProcessDescriptor::of_child(pid.cast_unsigned(), least);
    if process.is_err() {
        // SAFETY: takes no pointers but a null one; nobody has waited for the child, whose id this is.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, ptr::null_mut(), 0);
        }
    }
    match plan.failed.take() {
        // Dropped, it is waited for.
        Some(failed) => Err(failed.words()),
        None => process.map_err(|error| error.to_string()),
    }
}

/// clone(2) `CLONE_VM|CLONE_VFORK|CLONE_FILES`: the child's id, once it has left this memory. No handler
/// of a signal runs in the child: all are blocked there until the program, which has none, unblocks them.
fn share(plan: &Plan<'_>) -> io::Result<libc::pid_t> {
    let mut stack = Vec::<MaybeUninit<u128>>::with_capacity(STACK);
    // SAFETY: the end of what was allocated, which is aligned to 16 bytes as a stack has to be.
    let top = unsafe { stack.as_mut_ptr().add(STACK) };
    let (mut all, mut before) =
        (MaybeUninit::<libc::sigset_t>::zeroed(), MaybeUninit::<libc::sigset_t>::zeroed());
    // SAFETY: sigfillset fills the set that sigprocmask reads; the old one is written to `before`.
    check(unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
    })?;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::SIGCHLD;
    let plan = ptr::from_ref(plan).cast_mut().cast::<c_void>();
    // SAFETY: the stack is the child's alone and outlives its use of this memory, since the call returns only
    // when that is over; so does the plan, which the child writes to through a cell.
    let pid = check(unsafe { libc::clone(child, top.cast(), flags, plan) });
    // SAFETY: it was filled above; no old set is asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    pid
}

/// In the child.
extern "C" fn child(plan: *mut c_void) -> c_int {
    // SAFETY: what `share` has passed, which waits meanwhile.
    let plan = unsafe { &*plan.cast::<Plan<'_>>() };
    // Until then everything that is done to a descriptor is done to the parent's.
    // SAFETY: takes no pointers.
    let apart = unsafe {
        let first = plan.execution.above();
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, UNSHARE)
    };
    let failed = match apart {
        0 => plan.execution.replace(None),
        _ => Failed::now("close_range"),
    };
    plan.failed.set(Some(failed));
    super::super::exit(crate::start::NOT_RUN)
}
