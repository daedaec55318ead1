//! What is Linux's own.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    os::unix::fs::OpenOptionsExt,
};

use capsicum_rs::{Limits, Rights};

use super::{Status, posix::check};
use crate::Error;

/// What capability mode answers where a right is missing.
pub(crate) const ENOTCAPABLE: i32 = 135;

/// A record is sent as a whole or not at all, and one call brings all of it and can tell its length.
/// Built with `--cfg capsicum_parts` it is as on FreeBSD 15: see `parts`.
pub(crate) const WHOLE_RECORDS: bool = !cfg!(capsicum_parts);

/// See FreeBSD's.
pub(crate) fn descriptors_go_apart() -> bool {
    !WHOLE_RECORDS
}

/// What a worker's channel needs: recvmsg(2), sendmsg(2) on a pinned connection, and setsockopt(2)
/// of the time that a call may take. poll(2) would need `EVENT` on everything else too.
pub(crate) const RIGHTS: Rights = Rights::READ.union(Rights::WRITE).union(Rights::SETSOCKOPT);

/// Every datagram is a record.
pub(super) const SEND_FLAGS: libc::c_int = 0;
/// Whether a record ends with what recvmsg(2) has brought: always.
pub(super) fn record_ends(_flags: libc::c_int) -> bool {
    true
}

/// Whether recvmsg(2) says that the table has no room for the descriptors of a record: `MSG_CTRUNC` does.
pub(super) fn no_room(_error: &io::Error) -> bool {
    false
}

/// The time that is set on a socket is how long a call waits altogether.
pub(crate) const SEND_TIMEOUT_HOLDS: bool = true;

/// The length of a control message in the kernel's type.
pub(super) fn control_length(length: usize) -> usize {
    length
}

/// The same back.
pub(super) fn length_of(length: usize) -> usize {
    length
}

/// Only the sender's buffer counts.
pub(crate) const RECEIVER_BUFFERS: bool = false;

/// How large a datagram may be with a send buffer of this size: af_unix keeps 32 bytes.
pub(crate) fn largest_datagram(buffer: usize) -> usize {
    buffer.saturating_sub(32)
}

/// Whether such a control message brings a descriptor, besides `SCM_RIGHTS`: `SCM_PIDFD`, for
/// which the socket must have asked.
pub(super) fn passes_descriptor(level: libc::c_int, kind: libc::c_int) -> bool {
    level == libc::SOL_SOCKET && kind == 4
}

/// `MFD_NOEXEC_SEAL` (Linux 6.3): nobody can execute it, and where programs may be executed
/// capability mode has no other memory.
pub(super) const MEMORY_FLAGS: libc::c_uint = 8;
/// The seals of memory that does not change any more.
pub(crate) const SEALS_FIXED: libc::c_int =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
/// The seals of memory that only its maker writes, through the mapping that it has already.
pub(crate) const SEALS_SHARED: libc::c_int =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE;
/// Seals hold for every descriptor of the memory.
pub(crate) const MEMORY_LIMITS: Limits = Limits::ALL;
/// Before Linux 6.7 memory that is sealed against writing could not be mapped shared; and in
/// capability mode that needs `MMAP_RW`.
pub(crate) const FIXED_IS_SHARED: bool = false;

/// fstat(2), the call itself: some versions of glibc make newfstatat(2) of it, which capability mode
/// refuses.
fn stat(fd: BorrowedFd<'_>) -> io::Result<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    let fd = libc::c_long::from(fd.as_raw_fd());
    // SAFETY: the kernel writes a `struct stat`, which on these architectures is libc's.
    let result = unsafe { libc::syscall(libc::SYS_fstat, fd, stat.as_mut_ptr()) };
    check(if result == 0 { 0 } else { -1 })?;
    // SAFETY: the kernel has written it.
    Ok(unsafe { stat.assume_init() })
}

/// fstat(2).
pub(crate) fn status(fd: BorrowedFd<'_>) -> io::Result<Status> {
    let stat = stat(fd)?;
    Ok(Status { mode: stat.st_mode, size: stat.st_size.try_into().unwrap_or(0) })
}

/// Whether memory has no pages but those of the page cache: a huge page that is not there when it
/// is touched is `SIGBUS`. `None` where that cannot be told.
pub(crate) fn ordinary_pages(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // Of a huge page, here.
    if stat(fd)?.st_blksize <= 4096 {
        return Ok(true);
    }
    let mut status = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the kernel writes a `struct statfs`.
    check(unsafe { libc::fstatfs(fd.as_raw_fd(), status.as_mut_ptr()) })?;
    // SAFETY: the kernel has written it.
    Ok(unsafe { status.assume_init() }.f_type == libc::TMPFS_MAGIC)
}

/// madvise(2) `MADV_POPULATE_READ`, which fails where touching a page would be `SIGBUS`. Kernels before
/// 5.14 do not have it.
pub(super) fn populate(at: *mut u8, length: usize) -> io::Result<()> {
    loop {
        // SAFETY: the range is a mapping, whose content this does not change.
        let result = check(unsafe { libc::madvise(at.cast(), length, libc::MADV_POPULATE_READ) });
        match result {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}

/// What a file that is open for reading only is not good for.
const READ_ONLY_LACKS: Rights = Rights::WRITE.union(Rights::FTRUNCATE);
/// What a file that is open for writing only is not good for: reading and every mapping.
const WRITE_ONLY_LACKS: Rights = Rights::READ.union(Rights::MMAP_X).difference(Rights::SEEK);

/// A descriptor that can be sent in place of this one, so that the receiver has no more than
/// `limits`; `None` where this one can.
///
/// The receiver can use its number for what its ceiling has. So `limits` hold if they have all of
/// that, or all that a descriptor in a narrower mode leaves of it.
pub(crate) fn narrowed(
    fd: BorrowedFd<'_>,
    limits: &Limits,
    ceiling: Option<&Limits>,
) -> Result<Option<OwnedFd>, Error> {
    if *limits == Limits::ALL {
        return Ok(None);
    }
    let Some(ceiling) = ceiling else {
        let reason = "the receiver is not known to be in capability mode: state its ceiling, or no \
                      limits";
        return Err(unsupported(&Limits::ALL, limits, reason));
    };
    if limits.contains(ceiling) {
        return Ok(None);
    }
    let without = |lacks| Limits { rights: ceiling.rights.difference(lacks), ..ceiling.clone() };
    let modes = [(libc::O_RDONLY, READ_ONLY_LACKS), (libc::O_WRONLY, WRITE_ONLY_LACKS)];
    let Some((mode, lacks)) =
        modes.into_iter().find(|(_, lacks)| limits.contains(&without(*lacks)))
    else {
        let reason = "rights belong to numbers on Linux, and the receiver's ceiling has it";
        return Err(unsupported(ceiling, limits, reason));
    };
    let refuse = |reason: String| {
        Err(unsupported(&Limits::from(ceiling.rights & lacks), limits, reason.as_str()))
    };
    let system = Error::system("fstat");
    let before = stat(fd).map_err(&system)?;
    if before.st_mode & libc::S_IFMT != libc::S_IFREG {
        return refuse("only a regular file can be opened again for less".to_owned());
    }
    // SAFETY: the command takes no argument.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) });
    let flags = flags.map_err(Error::system("fcntl(F_GETFL)"))?;
    if flags & libc::O_ACCMODE == mode && flags & libc::O_PATH == 0 {
        return Ok(None);
    }
    if before.st_nlink == 0 {
        return refuse("it has no name, and who has it could open it again for more".to_owned());
    }
    let reopened = std::fs::OpenOptions::new()
        .read(mode == libc::O_RDONLY)
        .write(mode == libc::O_WRONLY)
        .custom_flags((flags & libc::O_APPEND) | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let reopened = match reopened {
        Ok(file) => OwnedFd::from(file),
        Err(error) => return refuse(format!("the file cannot be opened again for less: {error}")),
    };
    let after = stat(std::os::fd::AsFd::as_fd(&reopened)).map_err(&system)?;
    if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino) {
        return refuse("another file is at its place in procfs".to_owned());
    }
    same_offset(fd, &reopened).map_err(Error::system("lseek"))?;
    Ok(Some(reopened))
}

/// lseek(2): the new descriptor goes on where the other one is.
fn same_offset(from: BorrowedFd<'_>, to: &OwnedFd) -> io::Result<()> {
    // SAFETY: lseek takes no pointers.
    let offset = unsafe { libc::lseek(from.as_raw_fd(), 0, libc::SEEK_CUR) };
    // SAFETY: as above.
    if offset < 0 || unsafe { libc::lseek(to.as_raw_fd(), offset, libc::SEEK_SET) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn unsupported(has: &Limits, limits: &Limits, reason: &str) -> Error {
    let surplus = has.rights.difference(limits.rights);
    let what = if surplus.is_empty() {
        format!("keeping a descriptor that is sent to the limits `{limits}`")
    } else {
        format!("sending a descriptor without `{surplus}`")
    };
    Error::Unsupported(capsicum_rs::Error::Unenforceable { what, reason: reason.to_owned() })
}
