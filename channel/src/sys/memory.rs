//! Shared memory: memfd_create(2), which both systems have, its seals, and mappings.

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    ptr::{self, NonNull},
};

use super::{
    MEMORY_FLAGS, populate,
    posix::{check, owned},
};

const NAME: &CStr = c"capsicum-channel";

/// Anonymous memory that can be sealed.
pub(crate) fn memory() -> io::Result<OwnedFd> {
    let plain = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string.
    let create = |flags| check(unsafe { libc::memfd_create(NAME.as_ptr(), flags) });
    match create(plain | MEMORY_FLAGS) {
        // An older kernel, which does not know all flags.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => create(plain),
        result => result,
    }
    .map(owned)
}

/// `F_ADD_SEALS`.
pub(crate) fn seal(fd: BorrowedFd<'_>, seals: libc::c_int) -> io::Result<()> {
    // SAFETY: the command takes an integer.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
}

/// `F_GET_SEALS`; `EINVAL` where the object is no memory.
pub(crate) fn seals(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: the command takes no argument.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) })
}

/// A mapping of a whole object, or of nothing.
#[derive(Debug)]
pub(crate) struct Mapping {
    at: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to nobody else, and is used through functions that are sound for
// memory that anyone may write to at any time, or through slices of memory that nobody can.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// mmap(2) from the start of an object.
    pub(crate) fn new(
        fd: BorrowedFd<'_>,
        length: usize,
        writable: bool,
        shared: bool,
    ) -> io::Result<Self> {
        if length == 0 {
            return Ok(Self { at: NonNull::<u64>::dangling().cast(), length });
        }
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let sharing = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
        // SAFETY: the kernel chooses where, so that nothing that is in use is replaced.
        let at =
            unsafe { libc::mmap(ptr::null_mut(), length, protection, sharing, fd.as_raw_fd(), 0) };
        match NonNull::new(at.cast::<u8>()) {
            Some(at) if at.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { at, length }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Has the system find room for every page, so that none is missing when it is touched.
    pub(crate) fn populate(&self) -> io::Result<()> {
        if self.length == 0 { Ok(()) } else { populate(self.at(), self.length) }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// The first byte, aligned to a page, or for nothing to eight bytes.
    pub(crate) fn at(&self) -> *mut u8 {
        self.at.as_ptr()
    }

    /// The memory, of an object that cannot shrink and cannot be written to.
    pub(crate) fn fixed(&self) -> &[u8] {
        // SAFETY: the callers have checked the seals: the bytes are there and will not change.
        unsafe { std::slice::from_raw_parts(self.at(), self.length) }
    }

    /// The memory, writable, of an object that no other process has yet.
    pub(crate) fn own(&mut self) -> &mut [u8] {
        // SAFETY: the callers have just made the object, at this length, and passed it to nobody.
        unsafe { std::slice::from_raw_parts_mut(self.at(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: this is the mapping that was made, and its borrows have ended.
            unsafe { libc::munmap(self.at().cast(), self.length) };
        }
    }
}
