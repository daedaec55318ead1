//! What the suites share: a peer that sends what it likes, and counts of what is open.
#![allow(dead_code, reason = "no suite needs all of it")]

pub(crate) mod raw;

use std::{
    fs::File,
    io::IoSlice,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use capsicum_channel::Channel;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, setsockopt, socketpair,
    sockopt,
};

/// The length of a frame's header.
pub(crate) const HEADER: usize = 16;

/// A datagram with a header of its own making.
pub(crate) fn datagram(
    length: u32,
    kind: u16,
    count: u16,
    sequence: u64,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::from(length.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// A datagram whose header is true.
pub(crate) fn honest(payload: &[u8], count: usize) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    datagram(length, 0, u16::try_from(count).expect("few descriptors"), 0, payload)
}

/// A socket pair as a hostile peer has it.
pub(crate) fn sockets() -> (OwnedFd, OwnedFd) {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (one, other) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).expect("socketpair");
    // Room for what is too large.
    for end in [&one, &other] {
        setsockopt(end, sockopt::SndBuf, &(1 << 20)).expect("setsockopt");
        setsockopt(end, sockopt::RcvBuf, &(1 << 20)).expect("setsockopt");
    }
    (one, other)
}

/// A channel, and the socket of a peer that is none.
pub(crate) fn victim<S, R>() -> (Channel<S, R>, OwnedFd) {
    let (one, other) = sockets();
    (Channel::from_socket(one).expect("a channel"), other)
}

/// Sends any bytes with any descriptors, as a record.
pub(crate) fn throw(socket: &impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    throw_part(socket, bytes, descriptors, true);
}

/// Sends any bytes with any descriptors, as a part of a record, which ends there or not. On Linux all are whole, but
/// with `--cfg capsicum_parts`.
pub(crate) fn throw_part(
    socket: &impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    ends: bool,
) {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if numbers.is_empty() { &[][..] } else { &rights[..] };
    let socket = socket.as_fd().as_raw_fd();
    let flags = if ends { MsgFlags::MSG_EOR } else { MsgFlags::empty() };
    let mark = [u8::from(ends)];
    let mark = if cfg!(capsicum_parts) { &mark[..] } else { &[] };
    let bytes = [IoSlice::new(bytes), IoSlice::new(mark)];
    sendmsg::<()>(socket, &bytes, control, flags, None).expect("sendmsg");
}

/// The numbers that new descriptors get: the same before and after, if nothing was left open.
pub(crate) fn free_numbers() -> Vec<RawFd> {
    let files: Vec<File> = (0..64).map(|_| File::open("/dev/null").expect("/dev/null")).collect();
    files.iter().map(AsRawFd::as_raw_fd).collect()
}

/// A regular file with some content.
pub(crate) fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    std::io::Write::write_all(&mut file, content).expect("write");
    std::io::Seek::rewind(&mut file).expect("lseek");
    file
}

/// Whether a program that is executed would not get it.
pub(crate) fn close_on_exec(fd: &impl AsFd) -> bool {
    let flags = nix::fcntl::fcntl(fd.as_fd(), nix::fcntl::FcntlArg::F_GETFD).expect("fcntl");
    flags & 1 != 0
}

/// Whether the object can be mapped for writing, as others see it.
pub(crate) fn map_writable(file: &File) -> bool {
    raw::map_writable(file)
}

/// Memory that a hostile peer makes: its seals could be set, and are not, or cannot be.
pub(crate) fn memory(length: u64, final_seals: bool) -> OwnedFd {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    let flags = if final_seals { MFdFlags::empty() } else { MFdFlags::MFD_ALLOW_SEALING };
    let file = File::from(memfd_create(c"hostile", flags).expect("memfd_create"));
    file.set_len(length).expect("ftruncate");
    file.into()
}

/// Where a file's first page is that is not there: its length where all are.
pub(crate) fn first_hole(file: &File) -> u64 {
    if cfg!(target_os = "freebsd") {
        // The pages of shared memory are reserved when it gets its length, and there is no such question.
        return file.metadata().expect("fstat").len();
    }
    let place = nix::unistd::lseek(file, 0, nix::unistd::Whence::SeekHole).expect("lseek");
    u64::try_from(place).expect("a place")
}
