//! What clients hoard: answers that they do not receive, and requests that wait, with descriptors in them.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Frame, Frames};
use casper::{Casper, Error, MOST_CONNECTIONS, Net, Pwd, Sysctl};

use socket2::SockRef;

use crate::{
    fileargs::Args,
    harness::{Case, LONG, Outcome, Tested, case, ensure, text},
    host, hostile, net,
};

pub(crate) const CASES: &[Case] = &[
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("attack_sockets_that_nobody_receives_leave_others_theirs", not_received)
    },
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("attack_files_that_nobody_receives_leave_others_theirs", files_not_received)
    },
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("attack_a_client_that_leaves_its_own_end_behind_leaves_its_seat", left_behind)
    },
    Case {
        lacks: hostile::unread_is_not_told,
        ..case("attack_a_client_that_asks_with_its_own_end_leaves_its_seat", asked_with)
    },
    Case {
        lacks: || net::same_user().or_else(host::users),
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

/// This process may have as many as most programs: what it sends is the user's too.
fn few_descriptors() -> Outcome {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one.
    ensure!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0, "no limit");
    limit.rlim_cur = limit.rlim_cur.min(1024);
    // SAFETY: the kernel reads it.
    ensure!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0, "it stays");
    Ok(())
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

/// The same with files, and what comes along with them. The services that have the program's user are others than
/// those of `nobody`.
fn files_not_received(casper: &Casper) -> Outcome {
    const ASKED: u32 = 40;
    few_descriptors()?;
    let files: Args = casper.open().map_err(text)?;
    let ahead = |args: &Args| args.open_one();
    let alone = |args: &Args| drop(args.ask());
    let mut held = Vec::new();
    for client in [&files; 3] {
        let client = client.another().map_err(text)?;
        loop {
            match client.socket() {
                Ok(mut socket) => {
                    // Single ones first, of which some go without a receipt.
                    hostile::ask_without_reading(&mut socket, alone, ASKED)?;
                    held.push(socket);
                }
                Err(Error::Busy { .. }) => break,
                Err(error) => return Err(text(error)),
            }
            match client.socket() {
                Ok(mut socket) => {
                    hostile::ask_without_reading(&mut socket, ahead, ASKED)?;
                    held.push(socket);
                }
                Err(Error::Busy { .. }) => break,
                Err(error) => return Err(text(error)),
            }
        }
    }
    ensure!(held.len() > 40, "only {} connections", held.len());
    let until = Instant::now() + Duration::from_millis(700);
    while Instant::now() < until {
        files.ask().map_err(|error| format!("no files for others: {error}"))?;
        thread::sleep(Duration::from_millis(10));
    }
    let other: Sysctl = casper.open().map_err(text)?;
    other.another().map_err(|error| format!("another service: {error}"))?.ask().map_err(text)
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

/// A client leaves answers unread, sends its own end of the connection after that, and is gone: the end is in the queue of
/// the other end, which waits for it to be closed or read. Some break the connection off before, and some have so
/// much answered that the service waits to send.
fn left_behind(casper: &Casper) -> Outcome {
    let service: Pwd = casper.open().map_err(text)?;
    let (kind, payload) = hostile::request(|pwd: &Pwd| drop(pwd.ask()))?;
    let deadline = || Some(Instant::now() + LONG);
    for number in 0..MOST_CONNECTIONS - 1 {
        let mut socket = service.socket().map_err(text)?;
        let own = socket.as_fd().try_clone_to_owned().map_err(text)?;
        let asked: u64 = if number % 2 == 0 { 1 } else { 380 };
        for sequence in 0..asked {
            let frame = Frame::new(kind, sequence, &payload, Vec::new()).map_err(text)?;
            // A service that has closed the connection is right to.
            let _ = socket.send(&frame, deadline());
        }
        hostile::readable(&socket)?;
        if asked == 1 {
            let frame = Frame::new(999, asked, &[], Vec::new()).map_err(text)?;
            socket.send(&frame, deadline()).map_err(text)?;
            let nothing = [std::io::IoSlice::new(&[])];
            let _ = SockRef::from(&socket).send_vectored(&nothing);
        }
        let frame = Frame::new(kind, asked + 1, &payload, vec![own]).map_err(text)?;
        let _ = socket.send(&frame, deadline());
    }
    let mut held = Vec::new();
    for _ in 0..MOST_CONNECTIONS - 1 {
        let another = hostile::patient(|| service.another());
        held.push(another.map_err(|error| format!("{} seats are left: {error}", held.len()))?);
    }
    Ok(())
}

/// The same where requests bring descriptors: the end is in one that waits.
fn asked_with(casper: &Casper) -> Outcome {
    let net: Net = casper.open().map_err(text)?;
    let deadline = || Some(Instant::now() + LONG);
    for _ in 0..MOST_CONNECTIONS - 1 {
        let (mut socket, next) = unreceived(&net).map_err(text)?;
        let own = socket.as_fd().try_clone_to_owned().map_err(text)?;
        let frame = Frame::new(1, next, &[2, 0], vec![own]).map_err(text)?;
        socket.send(&frame, deadline()).map_err(text)?;
    }
    let mut held = Vec::new();
    for _ in 0..MOST_CONNECTIONS - 1 {
        let another = hostile::patient(|| net.another());
        held.push(another.map_err(|error| format!("{} seats are left: {error}", held.len()))?);
    }
    Ok(())
}
