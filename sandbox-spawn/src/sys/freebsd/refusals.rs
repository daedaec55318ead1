//! `SIGTRAP`, as the kernel sends it for a refusal: procctl(2) `PROC_TRAPCAP_CTL`.

use std::ffi::{c_int, c_void};

use super::super::refusals::Told;

/// What a refusal raises.
pub(crate) const REFUSAL: c_int = libc::SIGTRAP;

/// `TRAP_CAP` of sys/signal.h.
const CAPABILITY: c_int = 4;

/// `siginfo_t`, whose last part `libc` keeps to itself.
#[repr(C)]
struct Info {
    signal: c_int,
    error: c_int,
    code: c_int,
    pid: libc::pid_t,
    uid: libc::uid_t,
    status: c_int,
    address: *mut c_void,
    value: *mut c_void,
    /// `si_syscall`
    call: c_int,
}

const _: () = assert!(size_of::<Info>() <= size_of::<libc::siginfo_t>());

/// What a signal says of a refusal, if that has raised it. The arguments of the call are not among it.
///
/// # Safety
///
/// The first is what the kernel has passed to a handler of [`REFUSAL`], which runs.
pub(in super::super) unsafe fn refusal_told(
    info: *const libc::siginfo_t,
    _context: *const c_void,
) -> Option<Told> {
    // SAFETY: the kernel has filled a structure of this layout.
    let Info { code, call, .. } = unsafe { &*info.cast::<Info>() };
    (*code == CAPABILITY).then(|| Told { number: call.cast_unsigned(), arguments: None })
}
