//! The requests of ioctl(2).
//!
//! A filter sees the request and not what it points to. Many requests take descriptors, process
//! ids or paths from memory, or make new descriptors, and drivers add to them; so every request
//! is one of those that are known to act on its descriptor alone, or one that the caller names.

use std::collections::BTreeSet;

use crate::{Ioctls, Limits, Rights};

pub(super) const FIOCLEX: u32 = 0x5451;
pub(super) const FIONCLEX: u32 = 0x5450;
pub(super) const TIOCSPGRP: u32 = 0x5410;

/// `FS_IOC_SETFLAGS` and `FS_IOC_FSSETXATTR`: fchflags(2) of Linux.
pub(super) const SET_INODE_FLAGS: &[u32] = &[0x4008_6602, 0x401c_5820];

/// What `Ioctls::All` is on Linux: requests that read or change their descriptor alone.
const ALONE: &[u32] = &[
    // Terminals: TCGETS, TCSETS*, TCGETA, TCSETA*, TCSBRK, TCXONC, TCFLSH, TIOCGPGRP, TIOCOUTQ,
    // TIOCGWINSZ, TIOCM*, FIONREAD, TIOCGSID, TCGETS2, TCSETS2*, TIOCGPTN, TIOCSPTLCK, TIOCGPTLCK.
    // Not TIOCSWINSZ, which signals the foreground group (SIGWINCH), nor TIOCEXCL and TIOCNXCL,
    // which decide who else may open the terminal.
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x5405,
    0x5406,
    0x5407,
    0x5408,
    0x5409,
    0x540a,
    0x540b,
    0x540f,
    0x5411,
    0x5413,
    0x5415,
    0x5416,
    0x5417,
    0x5418,
    0x541b,
    0x5429,
    0x802c_542a,
    0x402c_542b,
    0x402c_542c,
    0x402c_542d,
    0x8004_5430,
    0x4004_5431,
    0x8004_5439,
    // FIONBIO, FIONCLEX, FIOCLEX, FIOQSIZE.
    0x5421,
    FIONCLEX,
    FIOCLEX,
    0x5460,
    // SIOCATMARK, SIOCOUTQ is TIOCOUTQ, SIOCGSTAMP_NEW, SIOCGSTAMPNS_NEW.
    0x8905,
    0x8010_8906,
    0x8010_8907,
    // FS_IOC_GETFLAGS, FS_IOC_GETVERSION, FS_IOC_FSGETXATTR, FS_IOC_FIEMAP, FIGETBSZ.
    0x8008_6601,
    0x8008_7601,
    0x801c_581f,
    0xc020_660b,
    0x2,
    // BLKROGET, BLKGETSIZE, BLKSSZGET, BLKGETSIZE64.
    0x125e,
    0x1260,
    0x1268,
    0x8008_1272,
];

/// Refused even where the caller names them: these are ways out, not uses of a descriptor.
///
/// `TIOCSCTTY`, `TIOCSPGRP`, `TIOCSTI`, `TIOCLINUX`, `TIOCCONS`, `TIOCSETD`, `TIOCGPTPEER` (a new
/// descriptor), `FIOSETOWN`, `SIOCSPGRP`, `FIOASYNC` (signals), `SIOCGSKNS` (a namespace),
/// `FICLONE`, `FICLONERANGE`, `FIDEDUPERANGE` (another descriptor's content),
/// `SECCOMP_IOCTL_NOTIF_ADDFD` (a descriptor at a number of choice).
const NEVER: &[u32] = &[
    0x540e,
    TIOCSPGRP,
    0x5412,
    0x541c,
    0x541d,
    0x5423,
    0x5441,
    0x8901,
    0x8902,
    0x5452,
    0x894c,
    0x4004_9409,
    0x4020_940d,
    0xc018_9436,
    0x4018_2103,
];

/// The requests that a descriptor takes.
pub(super) fn taken(limits: &Limits) -> BTreeSet<u32> {
    let named = match &limits.ioctls {
        _ if !limits.rights.contains(Rights::IOCTL) => return BTreeSet::new(),
        Ioctls::All => ALONE,
        Ioctls::Only(requests) => {
            return requests
                .iter()
                .copied()
                .filter(|request| !NEVER.contains(request) && !SET_INODE_FLAGS.contains(request))
                .collect();
        }
    };
    named.iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_is_both_harmless_and_a_way_out() {
        assert!(ALONE.iter().all(|r| !NEVER.contains(r) && !SET_INODE_FLAGS.contains(r)));
    }

    #[test]
    fn a_terminal_is_used_and_others_are_not_signalled_or_kept_from_it() {
        let all = taken(&Limits::from(Rights::IOCTL));
        assert!(all.contains(&0x5401) && all.contains(&0x5413));
        for request in [0x5414, 0x540c, 0x540d] {
            assert!(!all.contains(&request), "{request:#x}");
        }
        // Who controls a terminal of its own says so.
        assert!(taken(&Limits::from(Rights::IOCTL).ioctls(Ioctls::only([0x5414]))).len() == 1);
    }

    #[test]
    fn a_way_out_is_not_taken_even_where_it_is_named() {
        let limits = Limits::from(Rights::IOCTL).ioctls(Ioctls::only([0x5412, 0x5413]));
        assert_eq!(taken(&limits), [0x5413].into());
    }
}
