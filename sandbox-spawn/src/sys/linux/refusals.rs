//! `SIGSYS`, as a filter raises it: seccomp(2) `SECCOMP_RET_TRAP`.

use std::ffi::{c_int, c_void};

use super::super::refusals::Told;

/// What a refusal raises.
pub(crate) const REFUSAL: c_int = libc::SIGSYS;

/// `SYS_SECCOMP`
const SECCOMP: c_int = 1;

/// `siginfo_t` of `SIGSYS`.
#[repr(C)]
struct Info {
    signal: c_int,
    error: c_int,
    code: c_int,
    address: *mut c_void,
    call: c_int,
    arch: u32,
}

const _: () = assert!(size_of::<Info>() <= size_of::<libc::siginfo_t>());

/// What a signal says of a refusal, if that has raised it.
///
/// # Safety
///
/// Both are what the kernel has passed to a handler of [`REFUSAL`], which runs.
pub(in super::super) unsafe fn refusal_told(
    info: *const libc::siginfo_t,
    context: *const c_void,
) -> Option<Told> {
    // SAFETY: of this signal the kernel fills these fields.
    let Info { code, call, .. } = unsafe { &*info.cast::<Info>() };
    if *code != SECCOMP {
        return None;
    }
    // SAFETY: the kernel has saved the registers there.
    let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    Some(Told { number: call.cast_unsigned(), arguments: Some(arguments(machine)) })
}

#[cfg(target_arch = "x86_64")]
fn arguments(machine: &libc::mcontext_t) -> [u64; 6] {
    use libc::{REG_R8, REG_R9, REG_R10, REG_RDI, REG_RDX, REG_RSI};
    [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9].map(|register| {
        let at = usize::try_from(register).unwrap_or(usize::MAX);
        machine.gregs.get(at).copied().unwrap_or_default().cast_unsigned()
    })
}

#[cfg(target_arch = "aarch64")]
fn arguments(machine: &libc::mcontext_t) -> [u64; 6] {
    let [one, two, three, four, five, six, ..] = machine.regs;
    [one, two, three, four, five, six]
}
