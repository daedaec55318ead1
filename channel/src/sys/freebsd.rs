//! What is FreeBSD's own.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use capsicum_rs::{Limits, Rights};

use super::{Status, posix::check};
use crate::Error;

/// FreeBSD 15 takes a part of a record where there is no room for the rest, which must follow before anything else; and
/// a call may bring a part.
pub(crate) const WHOLE_RECORDS: bool = false;

/// Whether descriptors are to be sent before the bytes of their record, in a call of their own.
///
/// Where FreeBSD 15 has room for just the control message, it takes that and no byte, and then waits, or answers
/// `EAGAIN` or `EINTR` as if it had taken nothing (`uipc_sosend_stream_or_seqpacket`): who tries again sends the
/// descriptors twice. A control message alone is taken or not. Before FreeBSD 15 a record is taken as a whole, and one
/// without bytes would be lost to who does not wait for the next (`soreceive_generic`).
///
/// In a jail with another version than the kernel's, it is asked for that one.
pub(crate) fn descriptors_go_apart() -> bool {
    const FIRST: libc::c_int = 1_500_000;
    let mut version: libc::c_int = 0;
    let length = libc::c_int::try_from(size_of_val(&version)).unwrap_or(0);
    // SAFETY: elf_aux_info(3) writes an integer, whose length it is told. It asks nothing of the kernel.
    let error =
        unsafe { libc::elf_aux_info(libc::AT_OSRELDATE, (&raw mut version).cast(), length) };
    error == 0 && version >= FIRST
}

/// What capability mode answers where a right is missing.
pub(crate) const ENOTCAPABLE: i32 = 93;

/// What a worker's channel needs: recvmsg(2), sendmsg(2) and poll(2).
pub(crate) const RIGHTS: Rights = Rights::READ.union(Rights::WRITE).union(Rights::EVENT);

/// From FreeBSD 15 on a record may be sent in parts, and ends where this says so (unix(4)). Before,
/// each call is a record.
pub(super) const SEND_FLAGS: libc::c_int = libc::MSG_EOR;
/// Whether a record ends with what recvmsg(2) has brought.
pub(super) fn record_ends(flags: libc::c_int) -> bool {
    flags & libc::MSG_EOR != 0
}

/// Whether recvmsg(2) says that the table has no room for the descriptors of a record (`unp_externalize` in
/// sys/kern/uipc_usrreq.c). They are closed, and the record is gone; on FreeBSD 15 without them it is still there.
pub(super) fn no_room(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// The time that is set on a socket begins anew whenever there is some room: a receiver who takes a byte now and then can
/// have a call wait that long for each.
pub(crate) const SEND_TIMEOUT_HOLDS: bool = false;

/// The length of a control message in the kernel's type.
pub(super) fn control_length(length: usize) -> libc::socklen_t {
    length.try_into().unwrap_or(0)
}

/// The same back.
pub(super) fn length_of(length: libc::socklen_t) -> usize {
    length as usize
}

/// From FreeBSD 15 on what is sent waits in the receiver's buffer.
pub(crate) const RECEIVER_BUFFERS: bool = true;

/// How large a datagram may be with a send buffer of this size. sosend(9) counts the control
/// message too, and waits for ever where both never fit.
pub(crate) fn largest_datagram(buffer: usize) -> usize {
    buffer.saturating_sub(4096)
}

/// Whether such a control message brings a descriptor, besides `SCM_RIGHTS`: none does.
pub(super) fn passes_descriptor(_level: libc::c_int, _kind: libc::c_int) -> bool {
    false
}

/// There are no others.
pub(super) const MEMORY_FLAGS: libc::c_uint = 0;
/// The seals of memory that does not change any more.
pub(crate) const SEALS_FIXED: libc::c_int =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
/// The seals of memory that its maker writes. FreeBSD cannot seal against writing and leave a
/// mapping writable: `MEMORY_LIMITS` keep the others from it.
pub(crate) const SEALS_SHARED: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
/// What others may do with the memory: read it.
pub(crate) const MEMORY_LIMITS: Limits = Limits {
    rights: Rights::MMAP_R.union(Rights::FSTAT),
    fcntls: capsicum_rs::Fcntls::NONE,
    ioctls: capsicum_rs::Ioctls::none(),
};
/// A private mapping would be a copy at some time that nobody states.
pub(crate) const FIXED_IS_SHARED: bool = true;

/// fstat(2).
pub(crate) fn status(fd: BorrowedFd<'_>) -> io::Result<Status> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the kernel writes a `struct stat`.
    check(unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: the kernel has written it.
    let stat = unsafe { stat.assume_init() };
    Ok(Status { mode: stat.st_mode, size: stat.st_size.try_into().unwrap_or(0) })
}

/// Large pages are there from when the memory gets its size (shm_create_largepage(3)).
#[allow(clippy::unnecessary_wraps, reason = "the other system has to ask")]
pub(crate) fn ordinary_pages(_fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(true)
}

/// Room for shared memory is reserved when it gets its length (`swap_reserve_by_cred` in
/// shm_dotruncate_locked).
#[allow(clippy::unnecessary_wraps, reason = "the other system's can fail")]
pub(super) fn populate(_at: *mut u8, _length: usize) -> io::Result<()> {
    Ok(())
}

/// A descriptor that can be sent in place of this one, so that the receiver has no more than
/// `limits`; `None` where this one can.
///
/// Limits travel with a descriptor. The receiver's ceiling, where there is one, is among them, as it
/// would hold on Linux.
pub(crate) fn narrowed(
    fd: BorrowedFd<'_>,
    limits: &Limits,
    ceiling: Option<&Limits>,
) -> Result<Option<OwnedFd>, Error> {
    let wanted = ceiling.map_or_else(|| limits.clone(), |ceiling| limits.intersection(ceiling));
    if wanted == Limits::ALL {
        return Ok(None);
    }
    let has = capsicum_rs::limits_of(&fd).map_err(Error::Unsupported)?;
    let copy = fd.try_clone_to_owned().map_err(Error::system("fcntl(F_DUPFD_CLOEXEC)"))?;
    capsicum_rs::limit(&copy, wanted.intersection(&has)).map_err(Error::Unsupported)?;
    Ok(Some(copy))
}
