//! The system calls of capsicum(4), each as the kernel has it.

use std::{io, os::fd::RawFd};

use super::{
    constants::{CAP_ALL0, CAP_ALL1, CAP_FCHROOT, CAP_INOTIFY_ADD, CAP_INOTIFY_RM, CAP_IOCTLS_ALL},
    rights_words::{from_words, to_words},
};
use crate::{Fcntls, Ioctls, Rights};

/// How many requests `cap_ioctls_limit(2)` takes: `IOCTLS_MAX_COUNT`, which no header has, of
/// `sys/kern/sys_capability.c`.
pub(super) const MOST_IOCTLS: usize = 256;

/// `cap_rights_t`, whose words `libc` keeps to itself.
#[repr(C)]
struct CapRights {
    words: [u64; 2],
}

const _: () = assert!(
    size_of::<CapRights>() == size_of::<libc::cap_rights_t>()
        && align_of::<CapRights>() == align_of::<libc::cap_rights_t>()
);

/// Whether two pairs of words are the same; `==` on arrays is not for constants.
const fn same(one: [u64; 2], other: [u64; 2]) -> bool {
    one[0] == other[0] && one[1] == other[1]
}

const NEITHER: [u64; 2] = to_words(Rights::NONE);
const _: () = assert!(same(to_words(Rights::ALL), [CAP_ALL0, CAP_ALL1]));
const _: () = assert!(same(to_words(Rights::FCHROOT), [CAP_FCHROOT, NEITHER[1]]));
const _: () = assert!(same(to_words(Rights::INOTIFY_ADD), [NEITHER[0], CAP_INOTIFY_ADD]));
const _: () = assert!(same(to_words(Rights::INOTIFY_RM), [NEITHER[0], CAP_INOTIFY_RM]));

/// The answer of a call that returns -1 where it failed.
pub(super) fn checked(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// `cap_enter(2)`
pub(super) fn cap_enter() -> io::Result<()> {
    // SAFETY: takes no argument and touches no memory of the process.
    checked(unsafe { libc::cap_enter() }).map(drop)
}

/// `cap_getmode(2)`
pub(super) fn cap_getmode() -> io::Result<bool> {
    let mut mode: libc::c_uint = 0;
    // SAFETY: the call writes one integer, and `mode` is one.
    checked(unsafe { libc::cap_getmode(&raw mut mode) })?;
    Ok(mode != 0)
}

/// procctl(2) `PROC_TRAPCAP_CTL` of this process.
pub(super) fn trap_refusals(on: bool) -> io::Result<()> {
    let own = libc::id_t::from(std::process::id());
    let mut how = if on { libc::PROC_TRAPCAP_CTL_ENABLE } else { libc::PROC_TRAPCAP_CTL_DISABLE };
    let argument = (&raw mut how).cast();
    // SAFETY: the command reads one integer, and `how` is one.
    checked(unsafe { libc::procctl(libc::P_PID, own, libc::PROC_TRAPCAP_CTL, argument) }).map(drop)
}

/// `cap_rights_limit(2)`
pub(super) fn cap_rights_limit(fd: RawFd, rights: Rights) -> io::Result<()> {
    let rights = CapRights { words: to_words(rights) };
    // SAFETY: the call reads a `cap_rights_t`, whose layout `CapRights` has: both its words are
    // there, as version 0 says.
    checked(unsafe { libc::cap_rights_limit(fd, (&raw const rights).cast()) }).map(drop)
}

/// `cap_rights_get(3)`
pub(super) fn cap_rights_get(fd: RawFd) -> io::Result<Rights> {
    let mut rights = CapRights { words: [0; 2] };
    let version = libc::CAP_RIGHTS_VERSION_00;
    // SAFETY: the call writes a `cap_rights_t` of the version that is stated, and `CapRights` has
    // room for its two words.
    checked(unsafe { libc::__cap_rights_get(version, fd, (&raw mut rights).cast()) })?;
    Ok(from_words(rights.words))
}

/// `cap_fcntls_limit(2)`
pub(super) fn cap_fcntls_limit(fd: RawFd, fcntls: Fcntls) -> io::Result<()> {
    // SAFETY: both arguments are integers.
    checked(unsafe { libc::cap_fcntls_limit(fd, fcntls.bits()) }).map(drop)
}

/// `cap_fcntls_get(2)`
pub(super) fn cap_fcntls_get(fd: RawFd) -> io::Result<Fcntls> {
    let mut fcntls = 0;
    // SAFETY: the call writes one `uint32_t`, and `fcntls` is one.
    checked(unsafe { libc::cap_fcntls_get(fd, &raw mut fcntls) })?;
    Ok(Fcntls::from_bits_truncate(fcntls))
}

/// `cap_ioctls_limit(2)`
pub(super) fn cap_ioctls_limit(fd: RawFd, requests: &[libc::c_ulong]) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of one slice, which the call reads.
    checked(unsafe { libc::cap_ioctls_limit(fd, requests.as_ptr(), requests.len()) }).map(drop)
}

/// `cap_ioctls_get(2)`
pub(super) fn cap_ioctls_get(fd: RawFd) -> io::Result<Ioctls> {
    let mut requests: [libc::c_ulong; MOST_IOCTLS] = [0; MOST_IOCTLS];
    // SAFETY: the call writes at most as many requests as the length says, which is the array's.
    let count = unsafe { libc::cap_ioctls_get(fd, requests.as_mut_ptr(), requests.len()) };
    match count {
        CAP_IOCTLS_ALL => Ok(Ioctls::All),
        count => {
            let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
            // ioctl(2) cuts its request to 32 bits, so that a longer one matches none.
            let held = requests.iter().take(count).filter_map(|held| u32::try_from(*held).ok());
            Ok(Ioctls::only(held))
        }
    }
}
