//! Capabilities and ids.

use std::io;

use libc::c_int;

use super::{check, check_int};

/// `CAP_SYS_CHROOT` and `CAP_SYS_ADMIN` of linux/capability.h.
const SYS_CHROOT: u32 = 18;
const SYS_ADMIN: u32 = 21;

/// `_LINUX_CAPABILITY_VERSION_3`: two times the three words effective, permitted, inheritable.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

/// capget(2): whether the caller may make mounts and change roots.
pub(in super::super) fn mounts() -> io::Result<bool> {
    let header = Header { version: VERSION, pid: 0 };
    let mut sets = [0_u32; 6];
    // SAFETY: the kernel reads the header and writes, in this version, six words.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) })?;
    Ok([SYS_CHROOT, SYS_ADMIN].into_iter().all(|capability| sets[0] & 1 << capability != 0))
}

/// Gives up every capability, and every way to regain one by execution.
pub(in super::super) fn drop_capabilities() -> io::Result<()> {
    let control = |option: c_int, argument: u64| {
        // SAFETY: both options take integers.
        check_int(unsafe { libc::prctl(option, argument, 0_u64, 0_u64, 0_u64) })
    };
    // PR_CAP_AMBIENT_CLEAR_ALL
    control(libc::PR_CAP_AMBIENT, 4)?;
    // Past the last capability of the kernel it is an error.
    for capability in 0..64 {
        match control(libc::PR_CAPBSET_DROP, capability) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    let header = Header { version: VERSION, pid: 0 };
    let none = [0_u32; 6];
    // SAFETY: the kernel reads the header and, in this version, six words.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) }).map(drop)
}

/// geteuid(2), getegid(2).
pub(in super::super) fn ids() -> (libc::uid_t, libc::gid_t) {
    // SAFETY: both always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}
