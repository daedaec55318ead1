//! Calls that both systems have: sockets other than their messages.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
    time::Duration,
};

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Send,
    Receive,
}

pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Takes over a descriptor that a call has just made.
pub(super) fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: callers pass what the kernel has just returned as new, so that nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// socketpair(2) of sequenced packets.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds: [RawFd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two descriptors, for which there is room.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    Ok((owned(fds[0]), owned(fds[1])))
}

/// ppoll(2) of one descriptor: whether it became ready within the time.
pub(crate) fn ready(fd: BorrowedFd<'_>, way: Direction, within: Duration) -> io::Result<bool> {
    let events = match way {
        Direction::Send => libc::POLLOUT,
        Direction::Receive => libc::POLLIN,
    };
    let mut watched = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(within.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: within.subsec_nanos().into(),
    };
    // SAFETY: one descriptor is named, and the time is only read.
    let count = check(unsafe { libc::ppoll(&raw mut watched, 1, &raw const time, ptr::null()) })?;
    if watched.revents & libc::POLLNVAL != 0 {
        // FreeBSD's answer where the descriptor lacks CAP_EVENT.
        return Err(io::Error::from_raw_os_error(super::ENOTCAPABLE));
    }
    Ok(count > 0)
}

/// nanosleep(2), or less. Not `std::thread::sleep`: that is clock_nanosleep(2), which FreeBSD's capability
/// mode does not have (sys/kern/syscalls.master), so that it would panic.
pub(crate) fn rest(time: Duration) {
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: the time is only read, and nothing is written where the pointer to it is null.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}

fn option<T: Copy>(fd: BorrowedFd<'_>, level: libc::c_int, name: libc::c_int) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let at = value.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `length` bytes, and so many are there.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, at, &raw mut length) })?;
    // SAFETY: the callers ask for plain integers, of which all bytes, zeroed before, are valid.
    Ok(unsafe { value.assume_init() })
}

fn set_option<T: Copy>(fd: BorrowedFd<'_>, name: libc::c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let at = ptr::from_ref(value).cast();
    // SAFETY: the kernel reads `length` bytes of the value.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, name, at, length) }).map(drop)
}

/// How long a blocking call waits, at most; `None` is for ever.
pub(crate) fn set_timeout(
    fd: BorrowedFd<'_>,
    way: Direction,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let name = match way {
        Direction::Send => libc::SO_SNDTIMEO,
        Direction::Receive => libc::SO_RCVTIMEO,
    };
    // Zero would be for ever.
    let time = timeout.map_or(Duration::ZERO, |time| time.max(Duration::from_micros(1)));
    let time = libc::timeval {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: time.subsec_micros().into(),
    };
    set_option(fd, name, &time)
}

/// What a socket is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    /// `AF_*`.
    pub(crate) family: libc::c_int,
    /// `SOCK_*`.
    pub(crate) kind: libc::c_int,
    /// Whether it takes connections rather than data.
    pub(crate) listens: bool,
}

/// getsockopt(2) of what a socket is; `ENOTSOCK` where the descriptor is none.
pub(crate) fn socket(fd: BorrowedFd<'_>) -> io::Result<Socket> {
    Ok(Socket {
        family: option(fd, libc::SOL_SOCKET, libc::SO_DOMAIN)?,
        kind: option(fd, libc::SOL_SOCKET, libc::SO_TYPE)?,
        listens: option::<libc::c_int>(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? != 0,
    })
}

/// How many bytes the socket buffers: to send, and to receive.
pub(crate) fn buffers(fd: BorrowedFd<'_>) -> io::Result<(usize, usize)> {
    let read = |name| {
        let size = option::<libc::c_int>(fd, libc::SOL_SOCKET, name)?;
        Ok::<_, io::Error>(usize::try_from(size).unwrap_or(0))
    };
    Ok((read(libc::SO_SNDBUF)?, read(libc::SO_RCVBUF)?))
}

/// Asks for a buffer of this size.
pub(crate) fn raise_buffer(fd: BorrowedFd<'_>, way: Direction, size: usize) -> io::Result<()> {
    let name = match way {
        Direction::Send => libc::SO_SNDBUF,
        Direction::Receive => libc::SO_RCVBUF,
    };
    set_option(fd, name, &libc::c_int::try_from(size).unwrap_or(libc::c_int::MAX))
}

/// Whether the socket has a peer, or has had one: getpeername(2).
pub(crate) fn connected(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut address = MaybeUninit::<libc::sockaddr_storage>::uninit();
    let mut length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
    let at = address.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `length` bytes, and so many are there.
    match check(unsafe { libc::getpeername(fd.as_raw_fd(), at, &raw mut length) }) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => Ok(was_connected(fd)),
        Err(error) => Err(error),
    }
}

/// FreeBSD knows no peer any more once the other end is closed (`soisdisconnected` in sys/kern/uipc_socket.c), but what
/// that has sent is there still. recv(2) fails of a socket only that was never connected.
fn was_connected(fd: BorrowedFd<'_>) -> bool {
    let mut byte = 0_u8;
    let look = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the kernel writes one byte at most, which is there.
    let read = unsafe { libc::recv(fd.as_raw_fd(), (&raw mut byte).cast(), 1, look) };
    read >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOTCONN)
}

/// shutdown(2) of both ways.
pub(crate) fn shut_down(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: shutdown takes no pointers.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RDWR) }).map(drop)
}
