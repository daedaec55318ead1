//! sendmsg(2) and recvmsg(2) with descriptors.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    ptr,
};

use super::{
    SEND_FLAGS, WHOLE_RECORDS, control_length, length_of, no_room, passes_descriptor, posix::owned,
    record_ends,
};
use crate::Caps;

/// Room for the control message of `Caps::MAX_DESCRIPTORS` descriptors, aligned as its header is.
const CONTROL: usize = 136;
const _: () =
    assert!(CONTROL * size_of::<u64>() >= 40 + Caps::MAX_DESCRIPTORS * size_of::<RawFd>());

/// What one call has received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// How many bytes were added to the buffer.
    pub(crate) bytes: usize,
    /// The record ends here. On FreeBSD 15 the next call may bring more of it.
    pub(crate) ends: bool,
    /// Some of it did not fit, into the buffer or into the table of descriptors.
    pub(crate) truncated: bool,
    /// There was something else than descriptors with it.
    pub(crate) foreign: bool,
}

fn flag(wait: bool) -> libc::c_int {
    if wait { 0 } else { libc::MSG_DONTWAIT }
}

fn transferred(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The length that the control message of so many descriptors has: with its padding (`SPACE`), and
/// without (`LEN`).
fn control_lengths(count: usize) -> (usize, usize) {
    let bytes = libc::c_uint::try_from(count * size_of::<RawFd>()).unwrap_or(0);
    // SAFETY: both only calculate.
    let (space, length) = unsafe { (libc::CMSG_SPACE(bytes), libc::CMSG_LEN(bytes)) };
    (space as usize, length as usize)
}

/// Sends a record, or the rest of one. Without descriptors it is send(2), which needs `WRITE` only.
pub(crate) fn send<D: AsFd>(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[D],
    wait: bool,
) -> io::Result<usize> {
    let flags = SEND_FLAGS | libc::MSG_NOSIGNAL | flag(wait);
    if descriptors.is_empty() {
        // SAFETY: the kernel reads as many bytes as there are.
        return transferred(unsafe {
            libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags)
        });
    }
    let (space, length) = control_lengths(descriptors.len());
    let mut control = [MaybeUninit::<u64>::uninit(); CONTROL];
    if space > size_of_val(&control) {
        return Err(io::Error::from_raw_os_error(libc::E2BIG));
    }
    // Also what pads the control message: the kernel reads it all.
    control[..space.div_ceil(size_of::<u64>())].fill(MaybeUninit::zeroed());
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: zeros are a valid msghdr: no address, no parts, no control data.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = control_length(space);
    // SAFETY: the control buffer is aligned and as long as `space`, so that its first header and
    // the data of that, which is so many descriptors, lie within it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = control_length(length);
        let mut data = libc::CMSG_DATA(header).cast::<[u8; size_of::<RawFd>()]>();
        for descriptor in descriptors {
            data.write(descriptor.as_fd().as_raw_fd().to_ne_bytes());
            data = data.add(1);
        }
    }
    // SAFETY: the message names one buffer and the control data, which are only read; the
    // descriptors are borrowed, and so open.
    transferred(unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, flags) })
}

/// Receives a record, or a part of one, with at most so many descriptors, each close-on-exec. Both are
/// added to what is there: to the buffer so many bytes, if it has the capacity, of which nothing is
/// touched that is not received.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    room: usize,
    most: usize,
    descriptors: &mut Vec<Option<OwnedFd>>,
    wait: bool,
) -> io::Result<Received> {
    if most == 0 && WHOLE_RECORDS {
        return receive_bytes(fd, buffer, room, wait);
    }
    let free = free(buffer, room);
    let mut control = [MaybeUninit::<u64>::uninit(); CONTROL];
    let mut part = libc::iovec { iov_base: free.as_mut_ptr().cast(), iov_len: free.len() };
    // SAFETY: zeros are a valid msghdr: no address, no parts, no control data.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    let length = control_lengths(most).0.min(size_of_val(&control));
    message.msg_controllen = control_length(length);
    let flags = libc::MSG_CMSG_CLOEXEC | flag(wait);
    // SAFETY: the kernel writes no more into either buffer than their lengths, which it is told.
    let bytes = transferred(unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) });
    let bytes = match bytes {
        Err(error) if no_room(&error) => {
            return Ok(Received { bytes: 0, ends: true, truncated: true, foreign: false });
        }
        bytes => bytes?,
    };
    // SAFETY: the kernel has written so many of the free bytes, which follow those that are there.
    unsafe { buffer.set_len(buffer.len() + bytes) };
    // Whatever has come is owned before anything else is looked at.
    let foreign = take(&message, descriptors);
    Ok(Received {
        bytes,
        ends: record_ends(message.msg_flags),
        truncated: message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0,
        foreign,
    })
}

fn free(buffer: &mut Vec<u8>, room: usize) -> &mut [MaybeUninit<u8>] {
    let free = buffer.spare_capacity_mut();
    let room = room.min(free.len());
    &mut free[..room]
}

/// Receives a record, without its descriptors: the kernel closes them, and this process never has
/// them. recv(2) takes less time than recvmsg(2).
fn receive_bytes(
    fd: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    room: usize,
    wait: bool,
) -> io::Result<Received> {
    // Then the result is how long the record was.
    let flags = libc::MSG_TRUNC | flag(wait);
    let free = free(buffer, room);
    // SAFETY: the kernel writes no more than there is room for, which it is told.
    let length = transferred(unsafe {
        libc::recv(fd.as_raw_fd(), free.as_mut_ptr().cast(), free.len(), flags)
    })?;
    let (bytes, truncated) = (length.min(free.len()), length > free.len());
    // SAFETY: the kernel has written so many of the free bytes, which follow those that are there.
    unsafe { buffer.set_len(buffer.len() + bytes) };
    Ok(Received { bytes, ends: true, truncated, foreign: false })
}

/// Takes over the descriptors of a message that recvmsg(2) has filled in, and tells whether there
/// was something else.
fn take(message: &libc::msghdr, descriptors: &mut Vec<Option<OwnedFd>>) -> bool {
    let mut foreign = false;
    let end = message.msg_control.addr().saturating_add(length_of(message.msg_controllen));
    // SAFETY: the kernel has set `msg_controllen` to what it wrote, of which the header is a part.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(ptr::from_ref(message)) };
    while !next.is_null() {
        // SAFETY: the macros return headers that lie within the control data.
        let (header, data) = unsafe { (next.read(), libc::CMSG_DATA(next)) };
        let rights = header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS;
        foreign |= !rights;
        if rights || passes_descriptor(header.cmsg_level, header.cmsg_type) {
            let length = length_of(header.cmsg_len).saturating_sub(control_lengths(0).1);
            // Whatever a header says: behind the end nothing was written.
            let count = length.min(end.saturating_sub(data.addr())) / size_of::<RawFd>();
            descriptors.reserve(count);
            for index in 0..count {
                // SAFETY: the kernel wrote so many descriptors behind the header, all of them new.
                let fd = unsafe { data.cast::<[u8; size_of::<RawFd>()]>().add(index).read() };
                let fd = RawFd::from_ne_bytes(fd);
                if fd >= 0 {
                    descriptors.push(Some(owned(fd)));
                }
            }
        }
        // SAFETY: as for the first header.
        next = unsafe { libc::CMSG_NXTHDR(ptr::from_ref(message), next) };
    }
    foreign
}
