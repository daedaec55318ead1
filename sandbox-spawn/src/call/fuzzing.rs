//! For fuzzers: both ends of the protocol against one that sends anything, without a process. Built
//! with `--cfg fuzzing` only.

use std::{
    fs::File,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use capsicum_channel::{Frame, Frames};

use super::{Stream, exchange::Exchange, serve, server::cancelled, waiter::Waiter, wire};

/// So few that all answers to them fit into a socket that nobody reads.
const MOST_FRAMES: usize = 12;

const KINDS: [u16; 12] = [
    wire::CALL,
    wire::CANCEL,
    wire::CREDIT,
    wire::REPLY,
    wire::STARTED,
    wire::ITEM,
    wire::END,
    wire::CANCELLED,
    wire::PANICKED,
    wire::UNSENDABLE,
    0,
    u16::MAX,
];

fn descriptors(count: u8) -> Vec<OwnedFd> {
    let null = || File::open("/dev/null").map(OwnedFd::from).ok();
    (0..count).filter_map(|_| null()).collect()
}

fn kind(byte: u8) -> u16 {
    KINDS[usize::from(byte) % KINDS.len()]
}

/// A client's calls, which are made, answered, taken and given up in any order: four bytes for each step.
///
/// # Panics
///
/// Where what is counted differs from what is there.
pub fn exchange(steps: &[u8]) {
    let mut exchange = Exchange::default();
    for step in steps.chunks_exact(4) {
        let &[what, which, id, more] = step else { continue };
        // Numbers of calls near those that there are.
        let id = exchange.next().saturating_sub(u64::from(id % 70));
        match what % 5 {
            0 => {
                let laden = Frame::new(wire::CALL, 0, &[], descriptors(more % 4));
                if let Ok(frame) = laden
                    && exchange.has_room(frame.descriptors().len())
                {
                    exchange.enter(&frame, which % 2 == 0);
                }
            }
            1 | 2 => {
                let payload = &step[..usize::from(more >> 6)];
                let id = if what % 2 == 0 { exchange.first().unwrap_or(id) } else { id };
                let frame = Frame::new(kind(which), id, payload, descriptors(more % 4));
                // After what breaks the protocol there is nothing more.
                let Ok(frame) = frame else { continue };
                if exchange.deliver(frame).is_err() {
                    return;
                }
            }
            3 if which % 2 == 0 => exchange.set_waiter(id, Waiter::this_thread()),
            3 if more % 2 == 0 => drop(exchange.take(id)),
            3 if exchange.awaits_only(id) => exchange.conclude(id),
            3 => {}
            _ if which % 8 == 0 => drop(exchange.a_waiter()),
            _ => drop(exchange.abandon(id)),
        }
        exchange.check();
    }
}

/// A server whose client sends these frames, four bytes for each, and no more.
pub fn server(frames: &[u8]) {
    let Ok((mut client, there)) = Frames::pair() else { return };
    let mut next = 0;
    for frame in frames.chunks_exact(4).take(MOST_FRAMES) {
        let &[which, id, more, payload] = frame else { continue };
        let kind = if which < 100 { wire::CALL } else { kind(which) };
        // Mostly the right one.
        let id = if id < 200 { next } else { u64::from(id - 200) };
        next += u64::from(kind == wire::CALL);
        let bytes = [payload, more % 3, which];
        let length = usize::from(more >> 6);
        let frame = Frame::new(kind, id, &bytes[..length], descriptors((more / 3) % 3));
        if frame.is_ok_and(|frame| client.try_send(&frame).is_err()) {
            break;
        }
    }
    let socket = client.as_fd().try_clone_to_owned().map(UnixStream::from);
    if socket.and_then(|socket| socket.shutdown(Shutdown::Write)).is_err() {
        return;
    }
    let _ = serve(there, |(what, rest): (u8, Option<u8>), turn| match what % 5 {
        0 => turn.reply(&rest),
        1 => turn.stream(&rest, Stream::new(0..u32::from(what))),
        2 => turn.stream(&rest, Stream::new((0..9_u32).take_while(|_| !cancelled()))),
        // No hook runs.
        3 => std::panic::resume_unwind(Box::new("as it was asked to")),
        _ => Ok(()),
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_steps_leave_an_exchange_whole(steps: Vec<u8>) {
            super::exchange(&steps);
        }

        #[test]
        fn any_frames_end_a_server(frames: Vec<u8>) {
            super::server(&frames);
        }
    }
}
