//! Records in parts on Linux, as FreeBSD 15 has them: in builds for tests with `--cfg capsicum_parts` only.
//!
//! A part is a datagram, with one byte more that says whether the record ends there. Parts are of any size, so that
//! frames are cut anywhere.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::{Received, sockets};

/// How many bytes a part has at most, by turns.
const SIZES: [usize; 7] = [5_000, 1, 700, 15, 16, 17, 20_000];

/// Sends a part of a record, or the rest of one: how many bytes.
pub(crate) fn send<D: AsFd>(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[D],
    wait: bool,
) -> io::Result<usize> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let most = SIZES[TURN.fetch_add(1, Relaxed) % SIZES.len()];
    let part = &bytes[..bytes.len().min(most)];
    // What goes apart has no end.
    let ends = !bytes.is_empty() && part.len() == bytes.len();
    let datagram = [part, &[u8::from(ends)]].concat();
    sockets::send(fd, &datagram, descriptors, wait)?;
    Ok(part.len())
}

/// Receives a part of a record.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    room: usize,
    most: usize,
    descriptors: &mut Vec<Option<OwnedFd>>,
    wait: bool,
) -> io::Result<Received> {
    buffer.reserve(room + 1);
    let mut received = sockets::receive(fd, buffer, room + 1, most, descriptors, wait)?;
    if received.bytes > 0 {
        received.bytes -= 1;
        received.ends = buffer.pop() == Some(1);
    }
    Ok(received)
}
