//! Clients that mean harm, for every service: frames that were honest once, changed at random.

use std::{
    os::fd::{AsFd, AsRawFd},
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Error as ChannelError, Frame, Frames};
use casper::{Casper, Error, MOST_CONNECTIONS};

use crate::{
    harness::{LONG, Outcome, Tested, ensure, text},
    processes,
};

/// Random numbers that are the same in every run (SplitMix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most.max(1) as u64)).unwrap_or(0)
    }
}

/// The frames of a client that asks everything once: their kinds and payloads.
fn honest<T: Tested>() -> Result<Vec<(u16, Vec<u8>)>, String> {
    let (here, mut there) = Frames::pair().map_err(text)?;
    let client = thread::spawn(move || {
        let client = T::from(here).hurried();
        client.ask_everything();
    });
    let mut frames = Vec::new();
    // Each request is given up by its deadline, since nobody answers it.
    let deadline = Instant::now() + LONG;
    while let Ok(frame) = there.receive(Some(deadline)) {
        // Not what says that nobody waits any more.
        if [1, 4].contains(&frame.kind()) {
            frames.push((frame.kind(), frame.payload().to_owned()));
        }
    }
    client.join().map_err(|_| "the client panicked")?;
    ensure!(frames.len() > 3, "{} requests are not everything", frames.len());
    Ok(frames)
}

fn mutated(chance: &mut Chance, payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_owned();
    for _ in 0..=chance.below(3) {
        let place = chance.below(payload.len());
        match chance.below(6) {
            0 if !payload.is_empty() => payload[place] = chance.next().to_le_bytes()[0],
            1 if !payload.is_empty() => payload[place] ^= 1 << chance.below(8),
            2 => payload.truncate(place),
            3 => payload.insert(place, 0xff),
            4 => payload.extend_from_slice(&chance.next().to_le_bytes()),
            _ if !payload.is_empty() => {
                let until = (place + 8).min(payload.len());
                payload[place..until].fill(0xff);
            }
            _ => {}
        }
    }
    payload
}

/// How many connections are thrown at a service, of some frames each.
const CONNECTIONS: usize = 400;

/// Whatever a client sends, the service goes on for the others.
pub(crate) fn mutated_frames<T: Tested>(casper: &Casper) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    let honest = honest::<T>()?;
    let mut chance = Chance(7);
    let mut thrown = 0;
    for round in 0..CONNECTIONS {
        let mut socket = match service.socket() {
            Ok(socket) => socket,
            // Those that were closed are not gone yet.
            Err(Error::Busy { .. }) => {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            Err(error) => return Err(format!("round {round}: {error}")),
        };
        thrown += 1;
        let deadline = Some(Instant::now() + LONG);
        for sequence in 0..=(chance.below(6) as u64) {
            let (kind, payload) = &honest[chance.below(honest.len())];
            let other = u16::try_from(chance.below(30)).unwrap_or(0);
            let kind = if chance.below(8) == 0 { other } else { *kind };
            let sequence = if chance.below(16) == 0 { chance.next() } else { sequence };
            let payload = mutated(&mut chance, payload);
            let frame = Frame::new(kind, sequence, &payload, Vec::new()).map_err(text)?;
            // A service that has closed the connection is right to.
            match socket.send(&frame, deadline) {
                Ok(()) | Err(ChannelError::Closed) => {}
                Err(error) => return Err(format!("round {round}: {error}")),
            }
        }
        if chance.below(2) == 0 {
            // Not all answers are read.
            let _ = socket.receive(Some(Instant::now() + Duration::from_millis(2)));
        }
        if round % 50 == 0 {
            service.ask().map_err(|error| format!("after round {round}: {error}"))?;
        }
    }
    ensure!(thrown > CONNECTIONS / 4, "only {thrown} connections were had");
    service.ask().map_err(text)
}

/// A client that holds as many connections as it can does not keep others from those that they have;
/// and when it is gone, there is room again.
pub(crate) fn many_connections<T: Tested>(casper: &Casper) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    let mut held = Vec::new();
    let refused = loop {
        match service.another() {
            Ok(another) => held.push(another),
            Err(error) => break error,
        }
        ensure!(held.len() <= MOST_CONNECTIONS, "there are {} connections", held.len());
    };
    ensure!(matches!(refused, Error::Busy { most: MOST_CONNECTIONS, .. }), "{refused}");
    ensure!(held.len() + 1 == MOST_CONNECTIONS, "only {} connections", held.len());
    service.ask().map_err(text)?;
    drop(held);
    let deadline = Instant::now() + LONG;
    loop {
        match service.another() {
            Ok(another) => return another.ask().map_err(text),
            Err(Error::Busy { .. }) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(text(error)),
        }
    }
}

/// A client that sends and does not read stops its own connection, and no other one.
pub(crate) fn a_client_that_does_not_read<T: Tested>(casper: &Casper) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    let honest = honest::<T>()?;
    let mut sockets = Vec::new();
    for _ in 0..MOST_CONNECTIONS - 4 {
        let mut socket = service.socket().map_err(text)?;
        let (kind, payload) = &honest[0];
        for sequence in 0..10_000 {
            let frame = Frame::new(*kind, sequence, payload, Vec::new()).map_err(text)?;
            if !matches!(socket.try_send(&frame), Ok(true)) {
                break;
            }
        }
        sockets.push(socket);
    }
    for _ in 0..20 {
        service.ask().map_err(text)?;
    }
    Ok(())
}

/// A client that breaks connections off and keeps their sockets, with what it was answered and has not read,
/// keeps their seats too: so it is sent no more than so many connections are.
pub(crate) fn broken_off<T: Tested>(casper: &Casper) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    let honest = honest::<T>()?;
    let (kind, payload) = &honest[0];
    let deadline = Some(Instant::now() + LONG);
    let mut sockets = Vec::new();
    for _ in 0..MOST_CONNECTIONS - 8 {
        // It may take another connection for a while.
        let mut socket = patient(|| service.socket())?;
        for (sequence, kind) in [*kind, 999].into_iter().enumerate() {
            let frame = Frame::new(kind, sequence as u64, payload, Vec::new()).map_err(text)?;
            socket.send(&frame, deadline).map_err(text)?;
            readable(&socket)?;
        }
        sockets.push(socket);
    }
    let mut held = Vec::new();
    while 1 + sockets.len() + held.len() < MOST_CONNECTIONS {
        held.push(patient(|| service.another())?);
    }
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        let another = service.another();
        ensure!(matches!(another, Err(Error::Busy { .. })), "a seat was free");
    }
    drop(sockets);
    patient(|| service.another())?.ask().map_err(text)
}

/// What takes a connection, when there is room.
pub(crate) fn patient<R>(take: impl Fn() -> Result<R, Error>) -> Result<R, String> {
    let deadline = Instant::now() + LONG;
    loop {
        match take() {
            Err(Error::Busy { .. }) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            result => return result.map_err(text),
        }
    }
}

/// Sends the one request that `ask` makes so many times, and reads no answer.
pub(crate) fn ask_without_reading<T: Tested>(
    socket: &mut Frames,
    ask: fn(&T),
    times: u32,
) -> Outcome {
    let (kind, payload) = request(ask)?;
    let deadline = Some(Instant::now() + LONG);
    for sequence in 0..times {
        let frame = Frame::new(kind, sequence.into(), &payload, Vec::new()).map_err(text)?;
        socket.send(&frame, deadline).map_err(text)?;
    }
    Ok(())
}

/// The kind and the payload of the one request that `ask` makes.
pub(crate) fn request<T: Tested>(ask: fn(&T)) -> Result<(u16, Vec<u8>), String> {
    let (here, mut there) = Frames::pair().map_err(text)?;
    let client = thread::spawn(move || ask(&T::from(here).hurried()));
    let request = there.receive(Some(Instant::now() + LONG)).map_err(text)?;
    let request = (request.kind(), request.payload().to_owned());
    drop(there);
    client.join().map_err(|_| "the client panicked".to_owned())?;
    Ok(request)
}

/// Waits until there is something to read, and leaves it there.
pub(crate) fn readable(socket: &impl AsFd) -> Outcome {
    let mut polled =
        libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: it is one, and the kernel writes to it.
    let ready = unsafe { libc::poll(&raw mut polled, 1, 30_000) };
    ensure!(ready == 1, "no answer");
    Ok(())
}

/// Where what was not read is not told.
pub(crate) fn unread_is_not_told() -> Option<String> {
    (!cfg!(target_os = "linux"))
        .then(|| "what a peer has not read counts against others, and is told, on Linux".to_owned())
}

/// The processes of this program's zygote: their ids.
pub(crate) fn processes() -> Result<Vec<i32>, String> {
    Ok(processes::of_the_zygote()?.into_iter().map(|process| process.pid).collect())
}

/// The one process of a service is not root's.
pub(crate) fn is_an_ordinary_user() -> Outcome {
    let processes = processes::of_the_zygote()?;
    let [process] = processes.as_slice() else {
        return Err(format!("its processes are {processes:?}"));
    };
    ensure!(process.user != 0 && process.group != 0, "it is {process:?}");
    Ok(())
}

/// One whose process is killed is an error that names it, within the deadline; opened again, it works.
pub(crate) fn death<T: Tested>(casper: &Casper) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    let clone = service.another().map_err(text)?;
    service.ask().map_err(text)?;
    let processes = processes()?;
    ensure!(processes.len() == T::PROCESSES, "its processes are {processes:?}");
    for process in processes {
        // SAFETY: takes no pointers; it is a grandchild that was not waited for.
        ensure!(unsafe { libc::kill(process, libc::SIGKILL) } == 0, "it could not be killed");
    }
    let started = Instant::now();
    for dead in [service.hurried(), clone.hurried(), service] {
        match dead.ask() {
            Err(error @ Error::Died { .. }) if error.service() == Some(T::NAME) => {
                ensure!(text(&error).contains("signal 9"), "{error}");
            }
            other => return Err(format!("of a dead service: {other:?}")),
        }
    }
    ensure!(started.elapsed() < LONG, "it took {:?}", started.elapsed());
    let again: T = casper.open().map_err(text)?;
    again.ask().map_err(text)
}

/// Its process ends with the last connection, and not before.
pub(crate) fn end<T: Tested>(casper: &Casper) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    let clone = service.another().map_err(text)?;
    drop(service);
    clone.ask().map_err(text)?;
    ensure!(processes()?.len() == T::PROCESSES, "its processes are {:?}", processes()?);
    drop(clone);
    let deadline = Instant::now() + LONG;
    while !processes()?.is_empty() {
        ensure!(Instant::now() < deadline, "it has not ended");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Nobody gives rights back: not on the same connection, not by a clone, not by another process's.
pub(crate) fn widening<T: Tested>(casper: &Casper) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    let before = service.another().map_err(text)?;
    service.limit_to_nothing().map_err(text)?;
    crate::harness::not_capable(service.ask(), T::NAME)?;
    crate::harness::not_capable(service.widen(), T::NAME)?;
    crate::harness::not_capable(service.ask(), T::NAME)?;
    let clone = service.another().map_err(text)?;
    crate::harness::not_capable(clone.widen(), T::NAME)?;
    crate::harness::not_capable(clone.ask(), T::NAME)?;
    let socket = clone.by_socket().map_err(text)?;
    crate::harness::not_capable(socket.widen(), T::NAME)?;
    crate::harness::not_capable(socket.ask(), T::NAME)?;
    // What was cloned before keeps what it has.
    before.ask().map_err(text)
}

/// Its process is held by a filter, has no capabilities and no way to get any, and is not root.
pub(crate) fn held<T: Tested>(casper: &Casper) -> Outcome {
    let service: T = casper.open().map_err(text)?;
    service.ask().map_err(text)?;
    let processes = processes()?;
    ensure!(processes.len() == 1, "its processes are {processes:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", processes[0])).map_err(text)?;
    let line = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|values| values.split_whitespace().collect::<Vec<_>>())
            .ok_or_else(|| format!("no {name} in {status}"))
    };
    ensure!(line("Seccomp:")? == ["2"], "{status}");
    ensure!(line("NoNewPrivs:")? == ["1"], "{status}");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        ensure!(line(set)? == ["0000000000000000"], "{status}");
    }
    ensure!(!line("Uid:")?.contains(&"0") && !line("Gid:")?.contains(&"0"), "{status}");
    ensure!(line("Groups:")?.iter().all(|group| *group != "0"), "{status}");
    Ok(())
}

/// Where there is no procfs of Linux.
pub(crate) fn no_procfs() -> Option<String> {
    (!cfg!(target_os = "linux"))
        .then(|| "what holds a process is told by Linux's procfs".to_owned())
}
