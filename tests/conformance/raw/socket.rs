//! Sockets, and descriptors sent over them.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    io, mem,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    ptr,
};

use super::{calls, check, length, own};

calls! {
    listen(fd: RawFd, backlog: c_int);
    shutdown(fd: RawFd, how: c_int);
}

/// An address in the file system.
pub(crate) fn unix_address(path: &CStr) -> io::Result<libc::sockaddr_un> {
    // SAFETY: all zeroes is a valid address.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::AF_UNIX as _;
    let bytes = path.to_bytes();
    if bytes.len() >= address.sun_path.len() {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        // Signed on some architectures, of the same size on all.
        *to = c_char::from_ne_bytes([*from]);
    }
    Ok(address)
}

/// The address 127.0.0.1 with a port.
pub(crate) fn loopback(port: u16) -> libc::sockaddr_in {
    // SAFETY: all zeroes is a valid address.
    let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
    address.sin_family = libc::AF_INET as _;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from_be_bytes([127, 0, 0, 1]).to_be();
    address
}

fn size_of<A>() -> libc::socklen_t {
    // Addresses have some dozens of bytes.
    mem::size_of::<A>() as libc::socklen_t
}

pub(crate) fn socket(family: c_int, kind: c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes integers only.
    own(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) })
}

pub(crate) fn socketpair(kind: c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    check(unsafe {
        libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr())
    })?;
    Ok((own(ends[0])?, own(ends[1])?))
}

pub(crate) fn bind<A>(fd: &impl AsRawFd, address: &A) -> io::Result<i64> {
    let at = ptr::from_ref(address).cast::<libc::sockaddr>();
    // SAFETY: the address is readable for its size.
    check(unsafe { libc::bind(fd.as_raw_fd(), at, size_of::<A>()) })
}

pub(crate) fn connect<A>(fd: &impl AsRawFd, address: &A) -> io::Result<i64> {
    let at = ptr::from_ref(address).cast::<libc::sockaddr>();
    // SAFETY: the address is readable for its size.
    check(unsafe { libc::connect(fd.as_raw_fd(), at, size_of::<A>()) })
}

pub(crate) fn send(fd: &impl AsRawFd, from: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL;
    // SAFETY: the buffer is readable for its length.
    length(unsafe { libc::send(fd.as_raw_fd(), from.as_ptr().cast(), from.len(), flags) })
}

pub(crate) fn recv(fd: &impl AsRawFd, into: &mut [u8], flags: c_int) -> io::Result<usize> {
    // SAFETY: the buffer is writable for its length.
    length(unsafe { libc::recv(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), flags) })
}

/// sendto(2) with an address.
pub(crate) fn sendto<A>(fd: &impl AsRawFd, from: &[u8], address: &A) -> io::Result<usize> {
    let at = ptr::from_ref(address).cast::<libc::sockaddr>();
    // SAFETY: the buffer and the address are readable for their lengths.
    length(unsafe {
        libc::sendto(fd.as_raw_fd(), from.as_ptr().cast(), from.len(), 0, at, size_of::<A>())
    })
}

pub(crate) fn accept(fd: &impl AsRawFd) -> io::Result<OwnedFd> {
    // SAFETY: no address is asked for.
    own(unsafe { libc::accept(fd.as_raw_fd(), ptr::null_mut(), ptr::null_mut()) })
}

pub(crate) fn accept4(fd: &impl AsRawFd) -> io::Result<OwnedFd> {
    // SAFETY: no address is asked for.
    own(unsafe {
        libc::accept4(fd.as_raw_fd(), ptr::null_mut(), ptr::null_mut(), libc::SOCK_CLOEXEC)
    })
}

type NameCall = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> c_int;

fn name(call: NameCall, fd: RawFd) -> io::Result<libc::sockaddr_in> {
    let mut out = loopback(0);
    let mut length = size_of::<libc::sockaddr_in>();
    // SAFETY: room for an address of the length that is passed.
    check(unsafe { call(fd, (&raw mut out).cast(), &raw mut length) })?;
    Ok(out)
}

pub(crate) fn getsockname(fd: &impl AsRawFd) -> io::Result<libc::sockaddr_in> {
    name(libc::getsockname, fd.as_raw_fd())
}

pub(crate) fn getpeername(fd: &impl AsRawFd) -> io::Result<libc::sockaddr_in> {
    name(libc::getpeername, fd.as_raw_fd())
}

/// getsockopt(2) of an `int` of the level `SOL_SOCKET`.
pub(crate) fn getsockopt(fd: &impl AsRawFd, option: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>();
    let at = (&raw mut value).cast();
    // SAFETY: room for an `int`, as is stated.
    check(unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, at, &raw mut length)
    })?;
    Ok(value)
}

/// setsockopt(2) of an `int` of the level `SOL_SOCKET`.
pub(crate) fn setsockopt(fd: &impl AsRawFd, option: c_int, value: c_int) -> io::Result<i64> {
    let at = (&raw const value).cast();
    // SAFETY: an `int`, as is stated.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, at, size_of::<c_int>())
    })
}

/// sendmsg(2) of one byte, with a descriptor if there is one to pass.
pub(crate) fn sendmsg(fd: &impl AsRawFd, pass: Option<RawFd>) -> io::Result<usize> {
    let mut byte = [b'm'];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // Aligned as a header of control messages must be.
    let mut control = [0u64; 8];
    // SAFETY: all zeroes is a valid message header.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if let Some(passed) = pass {
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: arithmetic only.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(4) } as _;
        // SAFETY: the control buffer is 64 bytes long, which is more than the space stated above.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header).cast::<c_int>().write_unaligned(passed);
        }
    }
    // SAFETY: everything that the header points to outlives the call.
    length(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) })
}

/// recvmsg(2): the descriptor that came with a byte.
pub(crate) fn recvmsg(fd: &impl AsRawFd) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0u8];
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast::<c_void>(), iov_len: 1 };
    let mut control = [0u64; 8];
    // SAFETY: all zeroes is a valid message header.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = 64;
    // SAFETY: everything that the header points to outlives the call.
    length(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) })?;
    // SAFETY: the kernel has filled the control buffer; the first header is within it or null.
    let passed = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            return Ok(None);
        }
        libc::CMSG_DATA(header).cast::<c_int>().read_unaligned()
    };
    own(passed).map(Some)
}
