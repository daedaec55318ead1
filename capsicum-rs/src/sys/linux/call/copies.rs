//! Copies of this process that take a part of its descriptors along.
//!
//! fork(2) copies the whole table of descriptors, and the copy then closes what it is not to have: with
//! thousands that is most of a fork. Here the copy shares the table until it has asked for one of its
//! own that ends at some number (`CLOSE_RANGE_UNSHARE`), so that the kernel copies no more than that.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    time::Duration,
};

use super::{check, check_int, owned, readable};

/// `PR_GET_TID_ADDRESS`
const TID_ADDRESS: libc::c_int = 40;
/// `CLOSE_RANGE_UNSHARE`
const UNSHARE: libc::c_uint = 2;

/// What the C library wants the kernel to keep for the caller's one thread, and its own fork(2) passes on.
struct Thread {
    /// Where its id is.
    id: *mut libc::c_int,
    /// set_robust_list(2)
    robust: *mut libc::c_void,
    robust_size: usize,
}

impl Thread {
    /// `None` where that is not known: a C library may have something else at that address.
    fn current() -> Option<Self> {
        let mut id = std::ptr::null_mut::<libc::c_int>();
        let (mut robust, mut robust_size) = (std::ptr::null_mut(), 0_usize);
        // SAFETY: the option writes a pointer to `id`.
        check_int(unsafe { libc::prctl(TID_ADDRESS, &raw mut id) }).ok()?;
        // SAFETY: the call writes a pointer and a size.
        check(unsafe {
            let (list, size) = (&raw mut robust, &raw mut robust_size);
            libc::syscall(libc::SYS_get_robust_list, 0, list, size)
        })
        .ok()?;
        // SAFETY: takes no arguments.
        let own = unsafe { libc::syscall(libc::SYS_gettid) };
        // SAFETY: where it is not null, the C library has given it to the kernel as that of an integer.
        let known = !id.is_null() && unsafe { libc::c_long::from(id.read()) == own };
        known.then_some(Self { id, robust, robust_size })
    }
}

/// close_range(2) from a number on.
pub(in super::super) fn close_from(first: RawFd) -> io::Result<()> {
    close_range(first, 0)
}

fn close_range(first: RawFd, flags: libc::c_uint) -> io::Result<()> {
    let first = libc::c_uint::try_from(first).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: takes no pointers; the callers are in a copy of a process, and use none of these any more.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) })
        .map(drop)
}

/// The same descriptor at this number or above; where it is if there is no room.
pub(in super::super) fn moved_above(descriptor: OwnedFd, least: RawFd) -> OwnedFd {
    let fd = descriptor.as_raw_fd();
    // SAFETY: the command takes an integer.
    let copy = check_int(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) });
    copy.ok().and_then(|copy| owned(copy.into()).ok()).unwrap_or(descriptor)
}

/// How long to wait before looking whether the copy is still there.
const LOOK: Duration = Duration::from_millis(50);

/// clone(2) as fork(2), but for handlers of pthread_atfork(3), which are not run; the copy has the
/// descriptors below `first` and no others. 0 in the copy. `None` where this cannot be had, and nothing was
/// done.
///
/// A copy that could not get its own table ends with `failed`.
pub(in super::super) fn fork_below(first: RawFd, failed: u8) -> io::Result<Option<libc::pid_t>> {
    let Some(thread) = Thread::current() else { return Ok(None) };
    // SAFETY: takes no pointers.
    let apart = check_int(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })?;
    let apart = owned(apart.into())?;
    if apart.as_raw_fd() >= first {
        return Ok(None);
    }
    let flags = libc::CLONE_FILES | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID;
    let pid = clone(flags | libc::SIGCHLD, thread.id)?;
    if pid == 0 {
        // Until then everything that is done to a descriptor is done to the caller's.
        if close_range(first, UNSHARE).is_err() {
            super::exit(failed);
        }
        // SAFETY: the list is where it was, in the copy of the thread's memory.
        unsafe { libc::syscall(libc::SYS_set_robust_list, thread.robust, thread.robust_size) };
        let one = 1_u64;
        // SAFETY: eight bytes are read.
        unsafe { libc::write(apart.as_raw_fd(), (&raw const one).cast(), size_of_val(&one)) };
        return Ok(Some(0));
    }
    // What the caller closes next, the copy must have already. One that was killed will not say so.
    while !readable(apart.as_raw_fd(), LOOK).unwrap_or(false) && !has_ended(pid) {}
    Ok(Some(pid))
}

/// clone(2) as fork(2), with other flags, and with the place where the child's id is put.
fn clone(flags: libc::c_int, id: *mut libc::c_int) -> io::Result<libc::pid_t> {
    // SAFETY: without CLONE_VM the copy has a copy of everything, the stack included, and goes on as
    // after fork; callers have one thread. The kernel writes the copy's id to `id` in the copy, which is
    // where the C library keeps it. That is the fourth argument or, on aarch64, the fifth; the other
    // one is not looked at without CLONE_SETTLS.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, id, id) })?;
    libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Whether a child has ended; it is not waited for.
fn has_ended(pid: libc::pid_t) -> bool {
    let Ok(id) = libc::id_t::try_from(pid) else { return true };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` is what waitid writes.
    let waited = check_int(unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), options) });
    // SAFETY: zeroed before and filled by the kernel; waitid fills the fields of SIGCHLD, or none.
    waited.is_err() || unsafe { info.assume_init().si_pid() } != 0
}
