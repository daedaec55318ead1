//! The constants of FreeBSD's headers that `libc` lacks, or has in the values of FreeBSD 14.

// sys/capsicum.h (FreeBSD 15): CAPRIGHT(0, 0x0000080000000000ULL).
pub(crate) const CAP_FCHROOT: u64 = 0x0200_0800_0000_0000;
// sys/capsicum.h (FreeBSD 15): CAPRIGHT(1, 0x0000000000200000ULL).
pub(crate) const CAP_INOTIFY_ADD: u64 = 0x0400_0000_0020_0000;
// sys/capsicum.h (FreeBSD 15): CAPRIGHT(1, 0x0000000000400000ULL).
pub(crate) const CAP_INOTIFY_RM: u64 = 0x0400_0000_0040_0000;
// sys/capsicum.h (FreeBSD 15): CAPRIGHT(0, 0x00000FFFFFFFFFFFULL), all used bits of word 0.
pub(crate) const CAP_ALL0: u64 = 0x0200_0fff_ffff_ffff;
// sys/capsicum.h (FreeBSD 15): CAPRIGHT(1, 0x00000000007FFFFFULL), all used bits of word 1.
pub(crate) const CAP_ALL1: u64 = 0x0400_0000_007f_ffff;
// sys/capsicum.h: SSIZE_MAX, what cap_ioctls_get(2) returns where no request was taken away.
pub(crate) const CAP_IOCTLS_ALL: isize = isize::MAX;
