//! System calls as hostile code makes them: by number, with any arguments.

use std::{
    ffi::CStr,
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    ptr,
};

/// A system call; pointers are passed as numbers.
pub(crate) fn call(number: libc::c_long, args: &[usize]) -> io::Result<usize> {
    let mut padded = [0_usize; 6];
    padded[..args.len()].copy_from_slice(args);
    // SAFETY: the cases pass addresses of memory of their own that outlives the call, with the
    // lengths that the kernel expects; calls that would end or replace the process's memory are
    // made on purpose.
    let result = unsafe {
        libc::syscall(number, padded[0], padded[1], padded[2], padded[3], padded[4], padded[5])
    };
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The same, where the result is a new descriptor.
pub(crate) fn opened(number: libc::c_long, args: &[usize]) -> io::Result<OwnedFd> {
    let fd = call(number, args)?;
    let fd = RawFd::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the call has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor, or a negative number that stands for none, as an argument.
pub(crate) fn number(fd: RawFd) -> usize {
    fd.cast_unsigned() as usize
}

/// A path as an argument.
pub(crate) fn text(path: &CStr) -> usize {
    path.as_ptr() as usize
}

pub(crate) fn address<T>(value: &T) -> usize {
    ptr::from_ref(value) as usize
}

pub(crate) fn address_mut<T>(value: &mut T) -> usize {
    ptr::from_mut(value) as usize
}

/// An empty file in memory, which may be executed.
pub(crate) fn memory() -> io::Result<OwnedFd> {
    opened(libc::SYS_memfd_create, &[text(c"escape"), 0])
}

/// (read, write)
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0_i32; 2];
    call(libc::SYS_pipe2, &[address_mut(&mut ends), 0])?;
    // SAFETY: the kernel has just made both.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// What is shared with children, and forgotten at the end.
pub(crate) struct Page {
    at: *mut u8,
}

impl Page {
    const SIZE: usize = 4096;

    pub(crate) fn new() -> io::Result<Self> {
        let (read_write, shared) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping of no file, at an address of the kernel's choice.
        let at = unsafe { libc::mmap(ptr::null_mut(), Self::SIZE, read_write, shared, -1, 0) };
        if at == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self { at: at.cast() })
        }
    }

    /// The state in the first byte, the text after its length.
    pub(crate) fn write(&self, state: u8, text: &str) {
        let bytes = &text.as_bytes()[..text.len().min(Self::SIZE - 4)];
        let len = u16::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
        // SAFETY: within the page, which stays mapped; the one reader reads after the writer ended.
        unsafe {
            ptr::copy_nonoverlapping(len.as_ptr(), self.at.add(1), 2);
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.add(3), bytes.len());
            self.at.write_volatile(state);
        }
    }

    /// Gives the memory back.
    pub(crate) fn unmap(self) {
        // SAFETY: `self` is the one that has its address, and is gone.
        unsafe { libc::munmap(self.at.cast(), Self::SIZE) };
    }

    pub(crate) fn read(&self) -> (u8, String) {
        // SAFETY: within the page; the writer has ended.
        let bytes = unsafe { std::slice::from_raw_parts(self.at, Self::SIZE) };
        let len = usize::from(u16::from_le_bytes([bytes[1], bytes[2]])).min(Self::SIZE - 3);
        (bytes[0], String::from_utf8_lossy(&bytes[3..3 + len]).into_owned())
    }
}

/// fork(2): 0 in the child.
pub(crate) fn fork() -> io::Result<libc::pid_t> {
    // SAFETY: the callers have one thread.
    let pid = unsafe { libc::fork() };
    if pid < 0 { Err(io::Error::last_os_error()) } else { Ok(pid) }
}

pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: _exit returns to nobody.
    unsafe { libc::_exit(status) }
}

/// waitpid(2) of this child: its status, or `None` where it still runs.
pub(crate) fn ended(pid: libc::pid_t) -> Option<i32> {
    let mut status = 0;
    // SAFETY: `status` is what waitpid writes.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) };
    (waited == pid).then_some(status)
}

/// Ends what is left of an attack's group, of which all are or become this process's children.
pub(crate) fn end_group(group: libc::pid_t) {
    kill(-group, libc::SIGKILL);
    // SAFETY: no status is asked for.
    while unsafe { libc::waitpid(-group, ptr::null_mut(), libc::__WALL) } > 0 {}
}

/// waitpid(2) of any child that has ended, whatever signal its end was to send.
pub(crate) fn any_ended() -> Option<libc::pid_t> {
    // SAFETY: no status is asked for.
    let pid = unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG | libc::__WALL) };
    (pid > 0).then_some(pid)
}

/// waitpid(2)
pub(crate) fn wait(pid: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is what waitpid writes.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    status
}

pub(crate) fn kill(pid: libc::pid_t, signal: i32) {
    // SAFETY: kill takes no pointers.
    unsafe { libc::kill(pid, signal) };
}

/// Gives up root for this user and group.
pub(crate) fn become_user(id: u32) -> io::Result<()> {
    call(libc::SYS_setgroups, &[0, 0])?;
    call(libc::SYS_setresgid, &[id as usize; 3])?;
    call(libc::SYS_setresuid, &[id as usize; 3])?;
    // As a program that was started by that user: procfs shows it to itself.
    call(libc::SYS_prctl, &[libc::PR_SET_DUMPABLE as usize, 1])?;
    Ok(())
}

/// Whether this process is root's.
pub(crate) fn root() -> bool {
    // SAFETY: geteuid takes nothing.
    unsafe { libc::geteuid() == 0 }
}
