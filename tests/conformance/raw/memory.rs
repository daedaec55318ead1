//! Memory that outlives a fork: how a child reports without a descriptor.

use std::{
    ffi::c_int,
    io,
    os::fd::AsRawFd,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
};

const SIZE: usize = 16 * 1024;

/// A page shared with the children: a state, a counter and a message.
///
/// A pipe would be one more descriptor to grant, and so would change the policy under test.
pub(crate) struct SharedPage(*mut Contents);

#[repr(C)]
struct Contents {
    state: AtomicU32,
    counter: AtomicU32,
    length: AtomicU32,
    text: [u8; SIZE - 12],
}

impl SharedPage {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: anonymous, and at an address of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANON,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(at.cast()))
    }

    fn contents(&self) -> &Contents {
        // SAFETY: mapped as long as `self` lives; all zeroes is a valid value.
        unsafe { &*self.0 }
    }

    /// Leaves a message and then the state (not 0).
    pub(crate) fn report(&self, state: u32, text: &str) {
        let take = text.len().min(SIZE - 12);
        // SAFETY: within the mapping; only one process writes, and readers wait for the state.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), (&raw mut (*self.0).text).cast(), take);
        }
        self.contents().length.store(u32::try_from(take).unwrap_or(0), SeqCst);
        self.contents().state.store(state, SeqCst);
    }

    /// The state (0 before a report) and the message.
    pub(crate) fn reported(&self) -> (u32, String) {
        let contents = self.contents();
        let state = contents.state.load(SeqCst);
        let length = contents.length.load(SeqCst) as usize;
        (state, String::from_utf8_lossy(&contents.text[..length.min(SIZE - 12)]).into_owned())
    }

    /// A counter for signal handlers and other processes.
    pub(crate) fn counter(&self) -> &AtomicU32 {
        &self.contents().counter
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and no reference outlives `self`.
        unsafe { libc::munmap(self.0.cast(), SIZE) };
    }
}

/// Maps this much anonymous memory, writes to each page, lets it grow to twice as much where the
/// system can, and unmaps it.
pub(crate) fn use_memory(size: usize) -> io::Result<()> {
    // SAFETY: anonymous, and at an address of the kernel's choice.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    for page in (0..size).step_by(4096) {
        // SAFETY: within the mapping.
        unsafe { at.cast::<u8>().add(page).write_volatile(1) };
    }
    #[cfg(target_os = "linux")]
    let (at, size) = {
        // SAFETY: the mapping made above, which nothing refers to.
        let grown = unsafe { libc::mremap(at, size, size * 2, libc::MREMAP_MAYMOVE) };
        if grown == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        (grown, size * 2)
    };
    // SAFETY: as above.
    super::check(unsafe { libc::mprotect(at, size, libc::PROT_READ) })?;
    // SAFETY: as above.
    super::check(unsafe { libc::munmap(at, size) }).map(drop)
}

/// Maps a page of a descriptor with one protection, and then asks for another.
pub(crate) fn map_and_change(
    fd: &impl AsRawFd,
    flags: c_int,
    first: c_int,
    then: c_int,
) -> io::Result<()> {
    // SAFETY: at an address of the kernel's choice.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), 4096, first, flags, fd.as_raw_fd(), 0) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping made above, which nothing refers to.
    let changed = super::check(unsafe { libc::mprotect(at, 4096, then) });
    // SAFETY: as above.
    super::check(unsafe { libc::munmap(at, 4096) })?;
    changed.map(drop)
}
