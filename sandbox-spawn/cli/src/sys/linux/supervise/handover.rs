//! How the listener comes from the process that becomes the program to its supervisor: through a
//! pair of sockets, as the last thing before execution, which closes the program's copies.

use std::{
    mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use super::super::calls::{self, Errno, checked};

/// Room for the header of one descriptor, aligned.
const ROOM: usize = 8;

/// socketpair(2): of a kind whose messages carry no address, so that the filter lets them pass.
pub(in super::super) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two descriptors.
    checked(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }.into())?;
    // SAFETY: the kernel just returned these descriptors and nothing else knows of them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

fn message(byte: &mut libc::iovec, control: &mut [u64; ROOM], length: usize) -> libc::msghdr {
    // SAFETY: a header of zeros is valid, and says that nothing is there.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = byte;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = length as _;
    header
}

/// The bytes of a descriptor's number.
#[allow(clippy::cast_possible_truncation)]
const NUMBER: u32 = mem::size_of::<RawFd>() as u32;

/// sendmsg(2) with `SCM_RIGHTS`.
pub(in super::super) fn send(socket: &OwnedFd, descriptor: &OwnedFd) -> Result<(), Errno> {
    let (mut data, mut control) = ([1_u8], [0_u64; ROOM]);
    let mut byte = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: computes a length; it is less than the room.
    let length = unsafe { libc::CMSG_SPACE(NUMBER) } as usize;
    let header = message(&mut byte, &mut control, length);
    // SAFETY: the control buffer is aligned, zeroed, and has room for one header with one number.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        (*first).cmsg_level = libc::SOL_SOCKET;
        (*first).cmsg_type = libc::SCM_RIGHTS;
        (*first).cmsg_len = libc::CMSG_LEN(NUMBER) as _;
        libc::CMSG_DATA(first).cast::<RawFd>().write_unaligned(descriptor.as_raw_fd());
    }
    // SAFETY: the header describes buffers that outlive the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
    checked(sent as libc::c_long).map(drop)
}

/// recvmsg(2): the descriptor that was sent; `None` where none was.
pub(in super::super) fn receive(socket: &OwnedFd) -> Option<OwnedFd> {
    let (mut data, mut control) = ([0_u8], [0_u64; ROOM]);
    let mut byte = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: computes a length; it is less than the room.
    let length = unsafe { libc::CMSG_SPACE(NUMBER) } as usize;
    let mut header = message(&mut byte, &mut control, length);
    loop {
        // SAFETY: the header describes buffers that outlive the call.
        let received =
            unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        match received {
            -1 if calls::errno() == libc::EINTR => {}
            1 => break,
            _ => return None,
        }
    }
    // SAFETY: the kernel filled the control buffer as the header says, and there is room for one
    // descriptor only.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(&raw const header).as_ref()?;
        if (first.cmsg_level, first.cmsg_type) != (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            return None;
        }
        let number = libc::CMSG_DATA(ptr::from_ref(first)).cast::<RawFd>().read_unaligned();
        Some(OwnedFd::from_raw_fd(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_arrives_and_silence_is_none() {
        let (here, there) = pair().unwrap();
        let (reader, writer) = calls::pipe().unwrap();
        send(&there, &writer).unwrap();
        drop(writer);
        let arrived = receive(&here).unwrap();
        calls::say(arrived.as_raw_fd(), b"x");
        drop(arrived);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut std::fs::File::from(reader), &mut text).unwrap();
        assert_eq!(text, "x");
        drop(there);
        assert!(receive(&here).is_none());
    }
}
