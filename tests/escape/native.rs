//! What the suite needs of C and of the machine beside plain system calls.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
    sync::atomic::{AtomicU32, Ordering},
};

/// Signals that this process got.
pub(crate) static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// Whether this process got the signal that is asked for last.
pub(crate) static ASKED: AtomicU32 = AtomicU32::new(0);

extern "C" fn answer(_: libc::c_int) {
    ASKED.store(1, Ordering::SeqCst);
}

/// The signal that the kernel delivers after all others.
pub(crate) const LAST: i32 = 64;

/// Takes note of it.
pub(crate) fn answer_last() {
    // SAFETY: the handler does nothing but set an atomic number.
    unsafe { libc::signal(LAST, answer as *const () as libc::sighandler_t) };
}

/// Counts a signal instead of dying of it.
pub(crate) fn count_signal(signal: i32) {
    // SAFETY: the handler does nothing but add to an atomic number.
    unsafe { libc::signal(signal, count as *const () as libc::sighandler_t) };
}

/// What two processes see.
#[derive(Clone, Copy)]
pub(crate) struct Shared {
    at: usize,
}

impl Shared {
    pub(crate) fn new() -> io::Result<Self> {
        let (kind, none) = (libc::MAP_SHARED | libc::MAP_ANONYMOUS, std::ptr::null_mut());
        // SAFETY: a new mapping of no file, at an address of the kernel's choice.
        let at = unsafe { libc::mmap(none, 4096, 3, kind, -1, 0) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { at: at as usize })
    }

    /// A number in it.
    pub(crate) fn word(&self, index: usize) -> &AtomicU32 {
        assert!(index < 1024, "beyond the page");
        // SAFETY: within the page, which stays mapped until `unmap`, and aligned; every access to
        // it is atomic.
        unsafe { &*(self.at as *const AtomicU32).add(index) }
    }

    pub(crate) fn unmap(self) {
        // SAFETY: the callers keep no reference into it.
        unsafe { libc::munmap(self.at as *mut libc::c_void, 4096) };
    }
}

/// A terminal: its controlling side, and the number of the other one.
pub(crate) fn terminal() -> io::Result<(OwnedFd, u32)> {
    // SAFETY: takes no pointer.
    let master = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    if master < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made it.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    let fd = crate::raw::number(std::os::fd::AsRawFd::as_raw_fd(&master));
    let (mut index, unlocked) = (0_u32, 0_u32);
    crate::raw::call(libc::SYS_ioctl, &[fd, 0x4004_5431, crate::raw::address(&unlocked)])?;
    crate::raw::call(libc::SYS_ioctl, &[fd, 0x8004_5430, crate::raw::address_mut(&mut index)])?;
    Ok((master, index))
}

/// Reads memory that a call has made.
pub(crate) fn peek(at: usize, len: usize) -> Vec<u8> {
    // SAFETY: the callers name readable memory that the kernel has just mapped for them.
    unsafe { std::slice::from_raw_parts(at as *const u8, len) }.to_vec()
}

/// Writes to memory that a call has made.
pub(crate) fn poke(at: usize, bytes: &[u8]) {
    // SAFETY: the callers name writable memory that the kernel has just mapped for them and that
    // nothing of Rust's lies in.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
}

/// A number in memory that the kernel changes.
pub(crate) fn kernel_word(at: usize) -> &'static AtomicU32 {
    // SAFETY: the callers name aligned memory of a ring, which stays mapped until they end.
    unsafe { &*(at as *const AtomicU32) }
}

/// Calls code in memory that was made executable: it returns 77.
pub(crate) fn run(at: usize) -> i32 {
    // SAFETY: the callers have written a function without arguments there, and made the memory
    // executable; a fault ends their child, which is what they look at.
    let code: extern "C" fn() -> i32 = unsafe { std::mem::transmute(at) };
    code()
}

/// The system call of this number as a 32-bit program makes it: the answer, which is negative for
/// an error.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call_32(number: i64, args: [usize; 3]) -> i64 {
    let answer: i64;
    // SAFETY: the callers pass addresses of memory beneath 4 GiB, with its length. The entry
    // clobbers what is stated; rbx, which LLVM keeps for itself, is restored.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) args[0] => _,
            inlateout("rax") number => answer,
            in("rcx") args[1],
            in("rdx") args[2],
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    answer
}

/// Has a call fail with `EPERM` from here on.
pub(crate) fn without(call: libc::c_long) -> io::Result<()> {
    let number = u32::try_from(call).map_err(io::Error::other)?;
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: u16::try_from(code).unwrap_or(0),
        jt,
        jf,
        k,
    };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, refuse),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    crate::raw::call(libc::SYS_prctl, &[38, 1])?;
    crate::raw::call(libc::SYS_seccomp, &[1, 0, crate::raw::address(&filter)])?;
    Ok(())
}

/// A descriptor that its process keeps open until its end.
pub(crate) fn borrowed(fd: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: the attacks close descriptors by number only on purpose, and use none of these then.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}
