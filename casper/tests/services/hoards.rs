//! What clients hoard: answers that they do not receive, and requests that wait, with descriptors in them.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Frame, Frames};
use casper::{Casper, Error, Net, Pwd};

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, ensure, text},
    hostile, net,
};

pub(crate) const CASES: &[Case] = &[
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("attack_sockets_that_nobody_receives_leave_others_theirs", not_received)
    },
    Case {
        lacks: net::same_user,
        ..case("attack_descriptors_in_requests_that_wait_leave_others_theirs", waiting)
    },
];

const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Has a connection of `net` answer with sockets, which nobody receives, until it waits. The number of the next request.
fn unreceived(net: &Net) -> Result<(Frames, u64), Error> {
    const ASKED: u32 = 24;
    let mut socket = net.to_frames()?;
    let asked =
        hostile::ask_without_reading(&mut socket, |net: &Net| drop(net.bind_udp(HERE)), ASKED);
    match asked {
        Ok(()) => Ok((socket, ASKED.into())),
        Err(what) => Err(Error::Invalid { service: Net::NAME.to_owned(), what }),
    }
}

/// Asks for a while, in which all that the others have sent is taken.
fn goes_on(net: &Net) -> Outcome {
    let until = Instant::now() + Duration::from_millis(700);
    while Instant::now() < until {
        net.ask().map_err(|error| format!("nothing is left to the others: {error}"))?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Of three clients of each of two services each takes all the connections that it can have, has sockets made for
/// each, and receives none: the kernel counts all of them against the user of the services.
fn not_received(casper: &Casper) -> Outcome {
    let services: [Net; 2] = [casper.open().map_err(text)?, casper.open().map_err(text)?];
    let mut held = Vec::new();
    for client in services.iter().flat_map(|net| [net; 3]) {
        let client = client.try_clone().map_err(text)?;
        loop {
            match unreceived(&client) {
                Ok((socket, _)) => held.push(socket),
                Err(Error::Busy { .. }) => break,
                Err(error) => return Err(text(error)),
            }
        }
    }
    ensure!(held.len() > 80, "only {} connections", held.len());
    goes_on(&services[0])?;
    services[1].try_clone().map_err(text)?.ask().map_err(text)?;
    // Those of other services are of the same user.
    let other: Pwd = casper.open().map_err(text)?;
    other.another().map_err(text)?.ask().map_err(text)
}

/// While a connection waits for its client to receive, requests that come meanwhile are taken, with whatever
/// descriptors are in them.
fn waiting(casper: &Casper) -> Outcome {
    const ONCE: usize = 60;
    let net: Net = casper.open().map_err(text)?;
    net.ask().map_err(text)?;
    let null = File::open("/dev/null").map_err(text)?;
    let mut held = Vec::new();
    for _ in 0..12 {
        let (mut socket, next) = unreceived(&net).map_err(text)?;
        for sequence in next..next + 4 {
            let many: Result<Vec<OwnedFd>, _> =
                (0..ONCE).map(|_| null.try_clone().map(OwnedFd::from)).collect();
            let frame = Frame::new(1, sequence, &[4], many.map_err(text)?).map_err(text)?;
            // A service that has closed the connection is right to.
            if socket.send(&frame, Some(Instant::now() + LONG)).is_err() {
                break;
            }
        }
        held.push(socket);
    }
    goes_on(&net)?;
    net.try_clone().map_err(text)?.ask().map_err(text)
}
