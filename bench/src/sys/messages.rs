//! Messages as a program makes them that does nothing else: send(2), recv(2), and one control
//! message.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

use super::{check, owned};

/// A socket pair of sequenced packets.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) }.into())?;
    Ok((owned(fds[0].into())?, owned(fds[1].into())?))
}

/// Starts `work` in a forked child.
pub(crate) fn start(work: impl FnOnce() -> bool) -> io::Result<libc::pid_t> {
    // SAFETY: this program has one thread, so that the child may do whatever the parent may.
    let pid = unsafe { libc::fork() };
    check(pid.into())?;
    if pid == 0 {
        super::deadline(300);
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
        // SAFETY: _exit returns to nobody.
        unsafe { libc::_exit(i32::from(!done)) };
    }
    Ok(pid)
}

/// Waits for it: whether it came to its end.
pub(crate) fn wait(pid: libc::pid_t) -> io::Result<bool> {
    let mut status = 0;
    // SAFETY: `status` is what waitpid writes.
    check(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into())?;
    Ok(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0)
}

/// sched_setaffinity(2) of the caller, to one processor.
pub(crate) fn pin(processor: usize) -> io::Result<()> {
    pin_process(0, processor)
}

/// The same of another process, or of the caller (0).
pub(crate) fn pin_process(pid: u32, processor: usize) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: zeros are an empty set; the macro writes within it; the kernel reads it.
    check(unsafe {
        let mut set: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(pid, size_of_val(&set), &raw const set).into()
    })
    .map(drop)
}

/// sendmsg(2) with one descriptor, as it is in cmsg(3).
pub(crate) fn send_with(socket: &OwnedFd, buffer: &[u8], passed: &OwnedFd) -> bool {
    let mut control = [0_u64; 3];
    let mut part =
        libc::iovec { iov_base: buffer.as_ptr().cast_mut().cast(), iov_len: buffer.len() };
    // SAFETY: zeros are a valid msghdr; the control buffer has room for one descriptor; the kernel
    // only reads.
    unsafe {
        let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as usize;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as usize;
        libc::CMSG_DATA(header).cast::<[u8; 4]>().write(passed.as_raw_fd().to_ne_bytes());
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) > 0
    }
}

/// recvmsg(2), and the descriptor that came with it.
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<OwnedFd> {
    receive_both(socket, buffer)?.1
}

/// recvmsg(2) with room for a descriptor: how many bytes came, and whether one came with them.
pub(crate) fn receive_both(
    socket: &OwnedFd,
    buffer: &mut [u8],
) -> Option<(usize, Option<OwnedFd>)> {
    let mut control = [0_u64; 3];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: zeros are a valid msghdr; the kernel writes no more than the lengths that it is told;
    // the descriptor that it has written is nobody else's.
    let (count, fd) = unsafe {
        let mut message: libc::msghdr = MaybeUninit::zeroed().assume_init();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        let flags = libc::MSG_CMSG_CLOEXEC;
        let count = libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags);
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if count <= 0 || header.is_null() {
            (count, None)
        } else {
            let fd = RawFd::from_ne_bytes(libc::CMSG_DATA(header).cast::<[u8; 4]>().read());
            (count, Some(fd))
        }
    };
    let count = usize::try_from(count).ok().filter(|count| *count > 0)?;
    Some((count, fd.and_then(|fd| owned(fd.into()).ok())))
}
