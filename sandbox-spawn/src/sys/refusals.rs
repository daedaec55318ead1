//! What a process was refused that ends for it: told through a pipe by the handler of the signal that a
//! refusal raises.

use std::{
    ffi::c_void,
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
    ptr,
    sync::atomic::{AtomicI32, Ordering::Relaxed},
};

use libc::c_int;

use super::{
    posix::{check, owned},
    refusal_told,
};

pub(crate) use super::REFUSAL as SIGNAL;

/// The number of a call, and its arguments as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) number: u32,
    pub(crate) arguments: Option<[u64; 6]>,
}

/// As it travels: the number, whether there are arguments, and these.
const WORDS: usize = 8;

/// A pipe whose ends do not wait: who reads asks once, and who writes is about to end.
pub(crate) fn report() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the call writes two numbers.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
    Ok((owned(ends[0]), owned(ends[1])))
}

/// Reads it: what the process has told, if that is anything. It may have written whatever it likes.
pub(crate) fn read(report: BorrowedFd<'_>) -> Option<Told> {
    let mut words = [0_u64; WORDS];
    // SAFETY: the kernel writes no more than there is room for.
    let read =
        unsafe { libc::read(report.as_raw_fd(), words.as_mut_ptr().cast(), size_of_val(&words)) };
    if usize::try_from(read) != Ok(size_of_val(&words)) {
        return None;
    }
    let [number, known, arguments @ ..] = words;
    let number = number.try_into().ok()?;
    Some(Told { number, arguments: (known != 0).then_some(arguments) })
}

/// Where the handler writes to.
static REPORT: AtomicI32 = AtomicI32::new(-1);

/// Has the first refusal told there, before it ends the process.
pub(crate) fn tell(report: OwnedFd) -> io::Result<()> {
    REPORT.store(report.into_raw_fd(), Relaxed);
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeros are a valid action, whose fields are set through pointers to them; sigemptyset fills a
    // set; no old action is asked for. The handler calls nothing but what is async-signal-safe.
    check(unsafe {
        let action = action.as_mut_ptr();
        (*action).sa_sigaction = handler as extern "C" fn(_, _, _) as usize;
        (*action).sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND | libc::SA_NODEFER;
        libc::sigemptyset(&raw mut (*action).sa_mask);
        libc::sigaction(SIGNAL, action, ptr::null_mut())
    })
    .map(drop)
}

/// Tells what was refused, and ends the process by the same signal, which has its default action now.
extern "C" fn handler(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel has passed both, for as long as this runs.
    if let Some(Told { number, arguments }) = unsafe { refusal_told(info, context) } {
        let [one, two, three, four, five, six] = arguments.unwrap_or_default();
        let known = u64::from(arguments.is_some());
        let words: [u64; WORDS] = [number.into(), known, one, two, three, four, five, six];
        let report: RawFd = REPORT.load(Relaxed);
        // SAFETY: so many bytes are there. What cannot be told is not told.
        unsafe { libc::write(report, words.as_ptr().cast(), size_of_val(&words)) };
    }
    loop {
        // SAFETY: takes no pointers; it is the process's own id. Where even that is refused, the refusal
        // raises what ends it.
        unsafe { libc::kill(libc::getpid(), signal) };
    }
}
