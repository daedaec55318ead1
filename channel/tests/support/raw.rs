//! The calls of the suites that nothing safe makes.

use std::{
    fs::File,
    os::fd::{AsFd, AsRawFd},
};

/// mmap(2) of the first page, shared and writable, and munmap(2).
pub(crate) fn map_writable(file: &File) -> bool {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: the kernel chooses where, and what it maps is unmapped unused.
    unsafe {
        let at = libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_SHARED, fd, 0);
        at != libc::MAP_FAILED && libc::munmap(at, 4096) == 0
    }
}

/// signal(3): `SIGPIPE` ends the program again, as it does where Rust has not ignored it.
pub(crate) fn default_pipe_signal() {
    // SAFETY: no handler is set that would run.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Sets how many descriptors this process may have, and returns how many they were: `RLIMIT_NOFILE`, soft.
pub(crate) fn limit_descriptors(most: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the structure, and then reads it.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0, "getrlimit");
        let before = std::mem::replace(&mut limit.rlim_cur, most);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0, "setrlimit");
        before
    }
}

/// What this thread allocates: the harness has another, at any time.
pub(crate) mod allocations {
    use std::{
        alloc::{GlobalAlloc, Layout, System},
        cell::Cell,
    };

    struct Counting;

    #[global_allocator]
    static COUNTING: Counting = Counting;

    thread_local! {
        // Neither is made when it is first used, nor dropped: both would allocate.
        static LIVE: Cell<usize> = const { Cell::new(0) };
        static FROM: Cell<usize> = const { Cell::new(0) };
        static MOST: Cell<usize> = const { Cell::new(0) };
    }

    // SAFETY: the system's allocator does it all; this only counts.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // What another thread has allocated may be freed by this one.
            let live = LIVE.get().wrapping_add(layout.size());
            LIVE.set(live);
            MOST.set(MOST.get().max(live));
            // SAFETY: the caller keeps to the contract, which is the same.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
            LIVE.set(LIVE.get().wrapping_sub(layout.size()));
            // SAFETY: as above.
            unsafe { System.dealloc(at, layout) }
        }
    }

    /// Bytes that are allocated now.
    pub(crate) fn live() -> usize {
        LIVE.get()
    }

    /// From here on the most is counted.
    pub(crate) fn start() {
        FROM.set(live());
        MOST.set(live());
    }

    /// How much more was allocated at any time since then.
    pub(crate) fn most() -> usize {
        MOST.get().saturating_sub(FROM.get())
    }
}
