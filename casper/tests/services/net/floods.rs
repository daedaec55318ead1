//! More descriptors than anybody reads.

use std::{
    fs::File,
    net::Ipv4Addr,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::Frame;
use casper::{Casper, Net};

use super::open;
use crate::{
    harness::{LONG, Outcome, Tested, ensure, text},
    hostile,
};

/// The kernel counts the descriptors on their way for each user: a client that is the same user as the service
/// can keep it from sending any.
pub(crate) fn same_user() -> Option<String> {
    // SAFETY: it always succeeds.
    let root = unsafe { libc::geteuid() } == 0;
    (!root).then(|| "a client of the service's own user uses up what that may send".to_owned())
}

/// Clients that send as many descriptors as a frame holds, as fast as they can, on connections of their own.
pub(super) fn floods(casper: &Casper) -> Outcome {
    let net = open(casper)?;
    let null = File::open("/dev/null").map_err(text)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut socket) = net.to_frames() else { continue };
                    for sequence in 0..4 {
                        let many = (0..64).filter_map(|_| null.try_clone().ok().map(OwnedFd::from));
                        let Ok(frame) = Frame::new(1, sequence, &[4], many.collect()) else {
                            continue;
                        };
                        let _ = socket.send(&frame, Some(Instant::now() + LONG));
                    }
                }
            });
        }
        let mut done = Ok(());
        for _ in 0..300 {
            done = done.and_then(|()| net.ask().map_err(text));
        }
        over.store(true, Ordering::Relaxed);
        done
    })
}

/// Sockets that were sent and not received would count against every process of the service's user.
pub(super) fn not_received(casper: &Casper) -> Outcome {
    const ASKED: u32 = 64;
    /// An address that no other test has, whose sockets are counted, and how it is shown.
    const PLACE: Ipv4Addr = Ipv4Addr::new(127, 0, 77, 7);
    let shown = format!(" {:08X}:", u32::from_ne_bytes(PLACE.octets()));
    let bound = || -> Result<usize, String> {
        let all = std::fs::read_to_string("/proc/net/udp").map_err(text)?;
        Ok(all.lines().filter(|line| line.contains(&shown)).count())
    };
    let net = open(casper)?;
    let ask = |client: &Net| drop(client.bind_udp((PLACE, 0).into()));
    let mut asked = net.to_frames().map_err(text)?;
    hostile::ask_without_reading(&mut asked, ask, ASKED)?;
    let until = Instant::now() + LONG;
    while bound()? == 0 {
        ensure!(Instant::now() < until, "nothing was bound");
    }
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        let bound = bound()?;
        ensure!(bound <= 16, "{bound} sockets wait to be received");
    }
    net.ask().map_err(text)?;
    // Those that are received make room for others.
    for _ in 0..ASKED {
        asked.receive(Some(Instant::now() + LONG)).map_err(text)?;
    }
    Ok(())
}
