//! What only FreeBSD has.

use std::{
    ffi::{CStr, c_char, c_int, c_long},
    io, mem,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    ptr,
};

use super::{calls, check, own};

pub(crate) const ECAPMODE: i32 = 94;
pub(crate) const ENOTCAPABLE: i32 = 93;

calls! {
    chflagsat(dir: RawFd, path: &CStr, flags: u64, at: c_int);
    fchflags(fd: RawFd, flags: u64);
    jail_attach(jail: c_int);
    msgget(key: libc::key_t, flags: c_int);
    pdkill(fd: RawFd, signal: c_int);
    semget(key: libc::key_t, count: c_int, flags: c_int);
    shmget(key: libc::key_t, size: usize, flags: c_int);
    thr_kill2(pid: libc::pid_t, thread: c_long, signal: c_int);
    unmount(path: &CStr, flags: c_int);
}

/// fpathconf(2) of `_PC_NAME_MAX`.
pub(crate) fn fpathconf(fd: &impl AsRawFd) -> io::Result<i64> {
    // SAFETY: takes integers only.
    check(unsafe { libc::fpathconf(fd.as_raw_fd(), libc::_PC_NAME_MAX) })
}

/// pdfork(2): no descriptor in the child.
pub(crate) fn fork_with_descriptor() -> io::Result<(libc::pid_t, Option<OwnedFd>)> {
    let mut fd = -1;
    let thread = own_thread();
    // SAFETY: room for a descriptor; the processes of this suite fork while they have one thread.
    let pid = check(unsafe { libc::pdfork(&raw mut fd, libc::PD_CLOEXEC) })?;
    if pid == 0 {
        adopt_thread(thread);
        return Ok((0, None));
    }
    Ok((libc::pid_t::try_from(pid).map_err(io::Error::other)?, Some(own(fd)?)))
}

/// The kernel's id of the calling thread.
fn own_thread() -> c_long {
    let mut id = 0;
    // SAFETY: room for an id.
    unsafe { libc::thr_self(&raw mut id) };
    id
}

/// Tells libthr the new id of the one thread of a copy, which the libthr of FreeBSD 14.0 does not
/// do after pdfork(2): with the old one no lock could be released for which another thread waits.
fn adopt_thread(former: c_long) {
    let own = own_thread();
    // SAFETY: a `pthread_t` points to the thread's structure, which starts with the id. Only a
    // value that is the former id is replaced.
    unsafe {
        let id = ptr::with_exposed_provenance_mut::<c_long>(libc::pthread_self());
        if id.read() == former {
            id.write(own);
        }
    }
}

/// Waits for a child by its descriptor, which tells the status as wait(2) does. Whether a process
/// that has a descriptor can be waited for by its id is up to the release.
pub(crate) fn wait_child(child: &super::Child) -> io::Result<c_int> {
    let queue = queue()?;
    // SAFETY: all zeroes is a valid `kevent`.
    let mut change: libc::kevent = unsafe { mem::zeroed() };
    // Descriptors are not negative.
    change.ident = child.descriptor.as_raw_fd() as libc::uintptr_t;
    change.filter = libc::EVFILT_PROCDESC;
    change.flags = libc::EV_ADD | libc::EV_ONESHOT;
    change.fflags = libc::NOTE_EXIT;
    let mut event = change;
    loop {
        let at = &raw mut event;
        // SAFETY: one change, room for one event, and no time.
        let taken = check(unsafe {
            libc::kevent(queue.as_raw_fd(), &raw const change, 1, at, 1, ptr::null())
        });
        match taken {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            // An error number or a status, either of which is small.
            Ok(_) if event.flags & libc::EV_ERROR != 0 => {
                return Err(io::Error::from_raw_os_error(event.data as c_int));
            }
            Ok(_) => return Ok(event.data as c_int),
        }
    }
}

/// pdkill(2).
pub(crate) fn kill_descriptor(fd: &impl AsRawFd, signal: c_int) -> io::Result<()> {
    pdkill(fd.as_raw_fd(), signal).map(drop)
}

/// pdgetpid(2).
pub(crate) fn pdgetpid(fd: &impl AsRawFd) -> io::Result<libc::pid_t> {
    let mut pid = 0;
    // SAFETY: room for a process id.
    check(unsafe { libc::pdgetpid(fd.as_raw_fd(), &raw mut pid) })?;
    Ok(pid)
}

/// Kills the children of the case with it.
pub(crate) fn bind_to_parent() -> io::Result<()> {
    let mut signal: c_int = libc::SIGKILL;
    let command = libc::PROC_PDEATHSIG_CTL;
    // SAFETY: the command takes a pointer to a signal number.
    check(unsafe { libc::procctl(libc::P_PID, 0, command, (&raw mut signal).cast()) }).map(drop)
}

/// fstat(2).
pub(crate) fn fstat(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `stat`.
    let mut out: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: room for the answer.
    check(unsafe { libc::fstat(fd.as_raw_fd(), &raw mut out) }).map(drop)
}

/// fexecve(2).
pub(super) fn execute(
    fd: &impl AsRawFd,
    argv: &[*const c_char],
    envp: &[*const c_char],
) -> io::Error {
    // SAFETY: both lists end with null, and their strings outlive the call.
    unsafe { libc::fexecve(fd.as_raw_fd(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// An event queue: kqueue(2).
pub(crate) fn queue() -> io::Result<OwnedFd> {
    // SAFETY: takes nothing.
    own(unsafe { libc::kqueue() })
}

/// Has the queue watch a descriptor for reading.
pub(crate) fn watch(queue: &impl AsRawFd, fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: all zeroes is a valid `kevent`.
    let mut change: libc::kevent = unsafe { mem::zeroed() };
    // Descriptors are not negative.
    change.ident = fd.as_raw_fd() as libc::uintptr_t;
    change.filter = libc::EVFILT_READ;
    change.flags = libc::EV_ADD;
    let none = ptr::null_mut();
    // SAFETY: one change, no room for events is claimed, and no time.
    check(unsafe { libc::kevent(queue.as_raw_fd(), &raw const change, 1, none, 0, ptr::null()) })
        .map(drop)
}

/// Takes the events that are there.
pub(crate) fn take_events(queue: &impl AsRawFd) -> io::Result<i64> {
    // SAFETY: all zeroes is a valid `kevent`.
    let mut event: libc::kevent = unsafe { mem::zeroed() };
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let none = ptr::null();
    // SAFETY: room for one event, no changes, and a time that outlives the call.
    check(unsafe { libc::kevent(queue.as_raw_fd(), none, 0, &raw mut event, 1, &raw const now) })
}

const ATTRIBUTE: &CStr = c"conformance";
const USER: c_int = libc::EXTATTR_NAMESPACE_USER;

pub(crate) fn set_attribute(fd: &impl AsRawFd) -> io::Result<()> {
    let value = c"value".as_ptr().cast();
    // SAFETY: a string and a value that is readable for its length.
    let n = unsafe { libc::extattr_set_fd(fd.as_raw_fd(), USER, ATTRIBUTE.as_ptr(), value, 5) };
    check(n as i64).map(drop)
}

pub(crate) fn get_attribute(fd: &impl AsRawFd) -> io::Result<()> {
    let mut out = [0u8; 16];
    let (at, room) = (out.as_mut_ptr().cast(), out.len());
    // SAFETY: a string and a buffer that is writable for its length.
    let n = unsafe { libc::extattr_get_fd(fd.as_raw_fd(), USER, ATTRIBUTE.as_ptr(), at, room) };
    check(n as i64).map(drop)
}

pub(crate) fn list_attributes(fd: &impl AsRawFd) -> io::Result<()> {
    let mut out = [0u8; 256];
    // SAFETY: a buffer that is writable for its length.
    let n =
        unsafe { libc::extattr_list_fd(fd.as_raw_fd(), USER, out.as_mut_ptr().cast(), out.len()) };
    check(n as i64).map(drop)
}

pub(crate) fn delete_attribute(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: a string that outlives the call.
    check(unsafe { libc::extattr_delete_fd(fd.as_raw_fd(), USER, ATTRIBUTE.as_ptr()) }).map(drop)
}

/// The flags of a file, to be set again with one more.
pub(crate) fn file_flags(fd: &impl AsRawFd) -> io::Result<c_int> {
    // SAFETY: all zeroes is a valid `stat`.
    let mut out: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: room for the answer.
    check(unsafe { libc::fstat(fd.as_raw_fd(), &raw mut out) })?;
    Ok(out.st_flags.cast_signed())
}

/// Sets a file's flags as they were, and the one against dump(8).
pub(crate) fn fchflags_nodump(fd: &impl AsRawFd, others: c_int) -> io::Result<()> {
    fchflags(fd.as_raw_fd(), u64::from(others.cast_unsigned()) | libc::UF_NODUMP).map(drop)
}

/// Whether the file has the flag.
pub(crate) fn has_nodump(fd: &impl AsRawFd) -> bool {
    file_flags(fd).is_ok_and(|flags| u64::from(flags.cast_unsigned()) & libc::UF_NODUMP != 0)
}

/// ptrace(2) attach.
pub(crate) fn trace(pid: libc::pid_t) -> io::Result<i64> {
    // SAFETY: `PT_ATTACH` takes no addresses.
    check(unsafe { libc::ptrace(libc::PT_ATTACH, pid, ptr::null_mut(), 0) })
}

/// getrandom(2).
pub(crate) fn getrandom() -> io::Result<i64> {
    let mut out = [0u8; 16];
    // SAFETY: the buffer is writable for its length.
    check(unsafe { libc::getrandom(out.as_mut_ptr().cast(), out.len(), 0) } as i64)
}

/// shm_open(2) of a name that is made.
pub(crate) fn shm_open(name: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: a string that outlives the call.
    own(unsafe { libc::shm_open(name.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600) })
}

/// sysctl(3) by name: sets a value, which has global effect.
pub(crate) fn set_sysctl(name: &CStr, value: &CStr) -> io::Result<i64> {
    let bytes = value.to_bytes();
    let none = ptr::null_mut();
    // SAFETY: a string, and a value that is readable for its length.
    check(unsafe {
        let value = bytes.as_ptr().cast();
        libc::sysctlbyname(name.as_ptr(), none, ptr::null_mut(), value, bytes.len())
    })
}

/// cpuset_setaffinity(2) of another process, to its first processor.
pub(crate) fn set_affinity(pid: libc::pid_t) -> io::Result<i64> {
    // As wide as the kernel's own set, whose size may be looked at before the mode is: 1,024 bits
    // since FreeBSD 14. The type of `libc` is that of FreeBSD 12.
    const SIZE: usize = 128;
    let mut set = [0_u64; SIZE / 8];
    set[0] = 1;
    let (level, which) = (libc::CPU_LEVEL_WHICH, libc::CPU_WHICH_PID);
    let at = set.as_ptr().cast();
    // SAFETY: the set is as large as is stated, and outlives the call.
    check(unsafe { libc::cpuset_setaffinity(level, which, pid.into(), SIZE, at) })
}

/// A file handle, which names an inode whatever the path.
pub(crate) struct Handle(libc::fhandle_t);

/// getfh(2).
pub(crate) fn handle_of(path: &CStr) -> io::Result<Handle> {
    // SAFETY: all zeroes is a valid handle.
    let mut handle: libc::fhandle_t = unsafe { mem::zeroed() };
    // SAFETY: a string that outlives the call, and room for a handle.
    check(unsafe { libc::getfh(path.as_ptr(), &raw mut handle) })?;
    Ok(Handle(handle))
}

/// fhopen(2).
pub(crate) fn open_handle(handle: &Handle) -> io::Result<OwnedFd> {
    // SAFETY: the handle outlives the call.
    own(unsafe { libc::fhopen(&raw const handle.0, libc::O_RDONLY) })
}
