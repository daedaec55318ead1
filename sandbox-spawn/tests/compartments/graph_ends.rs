//! Workers that start workers: what a hostile one sends, and how all of them end.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use capsicum_channel::{Frame, Frames, Handle};
use capsicum_rs::Rights;
use sandbox_spawn::{Builder, Compartment, End, Error, Inside};

use crate::{
    Case,
    cases::{case, ensure, soon, text},
    graphs::{CEILING, MOST, STARTS, builder, here, order, outcome, within},
    raw,
    setting::Setting,
};

pub(crate) const CASES: &[Case] = &[
    case("garbage_ends_the_listening_and_nothing_else", garbage, true),
    case("a_flood_of_requests_holds_up_nobody_else", flood, true),
    case(
        "a_narrow_descriptor_is_not_sent_by_other_means",
        |setting| within(setting, "narrow"),
        true,
    ),
    case("what_a_worker_has_started_dies_with_it_whatever_ends_it", dies, true),
    case("a_starter_that_is_stalled_ends_with_its_worker", stalled, true),
    case("a_worker_killed_while_it_starts_others_leaves_nothing", killed_while_starting, true),
    case("a_starter_killed_by_force_takes_its_workers_and_no_others", starter_killed, true),
    case("with_the_keeper_all_levels_of_a_graph_end", keeper_killed, true),
];

/// The starter's socket, as a worker that means harm finds it.
const CONTROL: i32 = 4;

pub(crate) fn hostile(what: &str) -> Result<(), String> {
    match what {
        "empty" => raw::send(CONTROL, b""),
        "short" => raw::send(CONTROL, b"short"),
        "length" => raw::send(CONTROL, &[0xff; 64]),
        "kind" => raw::send(CONTROL, &header(0, 99, 0)),
        "nothing" => raw::send(CONTROL, &header(0, 6, 0)),
        "descriptors" => raw::send(CONTROL, &header(0, 6, 40)),
        "noise" => {
            let noise: Vec<u8> =
                (0..4096_u32).map(|at| u8::try_from(at * 31 % 251).unwrap_or(0)).collect();
            raw::send(CONTROL, &[&header(4096, 6, 0)[..], &noise].concat());
        }
        "much" => raw::send(CONTROL, &[&header(60_000, 6, 0)[..], &vec![0xff; 60_000]].concat()),
        // Until nobody takes any more, and after that.
        "flood" => (0..20_000).for_each(|_| raw::send(CONTROL, &header(0, 6, 0))),
        _ => return Err(format!("{what} is not known")),
    }
    Ok(())
}

fn header(length: u32, kind: u16, descriptors: u16) -> [u8; 16] {
    let mut header = [0; 16];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..6].copy_from_slice(&kind.to_le_bytes());
    header[6..8].copy_from_slice(&descriptors.to_le_bytes());
    header
}

fn alive(worker: &mut Compartment) -> Result<(), String> {
    let frame = Frame::new(7, 8, b"nine", Vec::new()).map_err(text)?;
    worker.frames().send(&frame, soon()).map_err(text)?;
    let echo = worker.frames().receive(soon()).map_err(text)?;
    ensure!(echo.payload() == b"nine", "another answer");
    Ok(())
}

fn garbage(setting: Setting) -> Result<(), String> {
    let mut other = setting.builder("echo").spawn().map_err(text)?;
    let kinds = ["empty", "short", "length", "kind", "nothing", "descriptors", "noise", "much"];
    for kind in kinds {
        let mut worker = builder(setting)?.spawn().map_err(text)?;
        order(&mut worker, "one")?;
        outcome(&mut worker).map_err(|error| format!("before {kind}: {error}"))?;
        order(&mut worker, kind)?;
        outcome(&mut worker)?;
        order(&mut worker, "one")?;
        match outcome(&mut worker) {
            Err(reason) if reason.contains("does not listen") => {}
            // FreeBSD 15 sends nothing where there are no bytes.
            Ok(()) if kind == "empty" && cfg!(target_os = "freebsd") => {}
            other => return Err(format!("after {kind}: {other:?}")),
        }
        ensure!(worker.wait_timeout(Duration::ZERO).map_err(text)?.is_none(), "{kind} ended it");
        worker.kill().map_err(text)?;
        let end = worker.wait().map_err(text)?;
        ensure!(matches!(end, End::Signalled { signal: libc::SIGKILL, .. }), "{kind}: {end}");
        alive(&mut other)?;
    }
    Ok(())
}

fn flood(setting: Setting) -> Result<(), String> {
    let mut other = setting.builder("echo").spawn().map_err(text)?;
    let mut worker = builder(setting)?.spawn().map_err(text)?;
    order(&mut worker, "flood")?;
    alive(&mut other)?;
    let mut third = setting.builder("echo").spawn().map_err(text)?;
    alive(&mut third)?;
    outcome(&mut worker)?;
    // And one that starts and starts.
    let mut looping = looping(setting)?;
    for _ in 0..20 {
        alive(&mut other)?;
    }
    alive(&mut setting.builder("echo").spawn().map_err(text)?)?;
    looping.0.kill().map_err(text)?;
    looping.1.read_to_end(&mut Vec::new()).map_err(text)?;
    Ok(())
}

/// The file has READ only, which a ceiling with more would not be for another number.
pub(crate) fn send_narrow(inside: &mut Inside) -> Result<(), String> {
    let file: File = inside.grant("file").map_err(text)?;
    let own = file.as_raw_fd();
    let passed = raw::send_descriptor(CONTROL, &header(0, 6, 1), own);
    if cfg!(target_os = "linux") {
        ensure!(passed == raw::NOT_CAPABLE, "sending it: {passed}");
        let copied = file.try_clone().err().and_then(|error| error.raw_os_error());
        ensure!(copied == Some(raw::NOT_CAPABLE), "copying it: {copied:?}");
        return Ok(());
    }
    let claim =
        here(inside, "report").grant("x", OwnedFd::from(file), Rights::READ | Rights::WRITE);
    match claim.spawn() {
        Err(Error::Start { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Sockets whose last close waits for a peer that does not read.
fn stalled(setting: Setting) -> Result<(), String> {
    let mut other = setting.builder("echo").spawn().map_err(text)?;
    let (mut worker, mut reader) = with_pipe(setting, |builder| builder)?;
    order(&mut worker, "stall")?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(text)?;
    let mut peers = Vec::new();
    for _ in 0..STALLS {
        let address = listener.local_addr().map_err(text)?;
        let stream = std::net::TcpStream::connect(address).map_err(text)?;
        peers.push(listener.accept().map_err(text)?);
        stream.set_nonblocking(true).map_err(text)?;
        while (&stream).write(&[0; 4096]).is_ok() {}
        stream.set_nonblocking(false).map_err(text)?;
        // On Linux the worker could not.
        ensure!(raw::linger(stream.as_raw_fd(), 60) == 0, "SO_LINGER");
        let handle = Handle::new(OwnedFd::from(stream));
        let frame = Frame::encode(1, 0, &handle, worker.frames().caps()).map_err(text)?;
        worker.frames().send(&frame, soon()).map_err(text)?;
        // It waits until it is not this process that closes it last.
        drop((frame, handle));
        order(&mut worker, "now")?;
    }
    // Its starter does not listen any more, or closes one of them.
    outcome(&mut worker)?;
    alive(&mut other)?;
    alive(&mut setting.builder("echo").spawn().map_err(text)?)?;
    worker.kill().map_err(text)?;
    let end = worker.wait_timeout(Duration::from_secs(20)).map_err(text)?;
    ensure!(end.is_some_and(|end| !end.success()), "{end:?}");
    reader.read_to_end(&mut Vec::new()).map_err(text)?;
    Ok(())
}

const STALLS: usize = 8;

pub(crate) fn stall(inside: &mut Inside) -> Result<(), String> {
    let child = holder(inside);
    // While it starts something, it does not take what comes, which is closed here meanwhile.
    let starting = std::thread::spawn(move || while child.spawn().is_ok() {});
    for _ in 0..STALLS {
        let frame = inside.frames().receive(None).map_err(text)?;
        let handle: Handle<OwnedFd> = frame.decode(inside.frames().caps()).map_err(text)?;
        let socket = handle.into_inner().map_err(|_| "the frame is gone")?;
        inside.frames().receive(None).map_err(text)?;
        // The first of them ends the listening.
        let _ = raw::send_descriptor(CONTROL, &header(0, 6, 1), socket.as_raw_fd());
        // Here too it may be the last.
        std::thread::spawn(move || drop(socket));
    }
    drop(starting);
    Ok(())
}

/// What has the pipe, and stays whatever it is told.
pub(crate) fn holder(inside: &Inside) -> Builder {
    here(inside, "spin").hand_on("pipe", "pipe", Rights::WRITE)
}

/// Has two children hold the pipe, and a third one that has one more do it.
pub(crate) fn hold(inside: &Inside) -> Result<(), String> {
    let mut third = here(inside, "holds")
        .hand_on("pipe", "pipe", Rights::WRITE)
        .ceiling(Frames::RIGHTS)
        .starts(&["spin"], 1)
        .spawn()
        .map_err(text)?;
    outcome(&mut third)?;
    for child in
        [holder(inside).spawn().map_err(text)?, holder(inside).spawn().map_err(text)?, third]
    {
        // Nobody has the leash any more, nor lets go of it.
        std::mem::forget(child);
    }
    Ok(())
}

pub(crate) fn holds(mut inside: Inside) -> u8 {
    let child = holder(&inside).spawn();
    let done = child.as_ref().map(drop).map_err(text);
    let frame = inside.frames().encode(1, 0, &done);
    if frame.and_then(|frame| inside.frames().send(&frame, None)).is_err() {
        return 1;
    }
    raw::ignore_everything();
    loop {
        std::thread::park();
    }
}

/// A worker that can hand a pipe on, and the other end.
fn with_pipe(
    setting: Setting,
    more: fn(Builder) -> Builder,
) -> Result<(Compartment, File), String> {
    let (reader, writer) = std::io::pipe().map_err(text)?;
    let writing = Rights::WRITE | CEILING;
    let builder = setting.builder("starts").ceiling(CEILING).grant("pipe", writer, writing);
    let worker = more(builder.starts(STARTS, MOST)).spawn().map_err(text)?;
    Ok((worker, File::from(OwnedFd::from(reader))))
}

fn looping(setting: Setting) -> Result<(Compartment, File), String> {
    let (mut worker, reader) = with_pipe(setting, |builder| builder)?;
    order(&mut worker, "loop")?;
    Ok((worker, reader))
}

fn holding(setting: Setting) -> Result<(Compartment, File), String> {
    let (mut worker, reader) = with_pipe(setting, |builder| builder)?;
    order(&mut worker, "hold")?;
    outcome(&mut worker)?;
    Ok((worker, reader))
}

fn dies(setting: Setting) -> Result<(), String> {
    // It returns, is killed, is dropped.
    for way in 0..3 {
        let (worker, mut reader) = holding(setting)?;
        let (frames, mut process) = worker.into_parts();
        match way {
            0 => {
                drop(frames);
                let end = process.wait().map_err(text)?;
                ensure!(end == End::Exited(0), "{end}");
            }
            1 => {
                process.kill().map_err(text)?;
                let end = process.wait().map_err(text)?;
                ensure!(matches!(end, End::Signalled { signal: libc::SIGKILL, .. }), "{end}");
            }
            _ => drop((frames, process)),
        }
        reader.read_to_end(&mut Vec::new()).map_err(text)?;
        raw::no_grandchildren()?;
    }
    // The same where it may start processes, so that its starter is the guard of those.
    let (mut worker, mut reader) = with_pipe(setting, Builder::processes)?;
    order(&mut worker, "hold")?;
    outcome(&mut worker)?;
    drop(worker);
    reader.read_to_end(&mut Vec::new()).map_err(text)?;
    raw::no_grandchildren()
}

fn killed_while_starting(setting: Setting) -> Result<(), String> {
    for round in 0..12_u64 {
        let (worker, mut reader) = looping(setting)?;
        // Wherever it is then.
        std::thread::sleep(Duration::from_micros(round * 700));
        drop(worker);
        reader.read_to_end(&mut Vec::new()).map_err(text)?;
    }
    raw::no_grandchildren()
}

fn starter_killed(setting: Setting) -> Result<(), String> {
    let mut other = setting.builder("echo").spawn().map_err(text)?;
    let (mut worker, mut reader) = holding(setting)?;
    // It has the worker, the two that hold the pipe, and the starter of the third one.
    let starter = raw::parents_of(4);
    ensure!(starter.len() == 1, "starters: {starter:?}");
    for pid in starter {
        raw::kill(pid, libc::SIGKILL);
        let end = worker.wait().map_err(text)?;
        ensure!(!end.success(), "{end}");
    }
    drop(worker);
    reader.read_to_end(&mut Vec::new()).map_err(text)?;
    alive(&mut other)?;
    drop(other);
    raw::no_grandchildren()
}

fn keeper_killed(setting: Setting) -> Result<(), String> {
    let (mut worker, mut reader) = holding(setting)?;
    raw::kill_keepers();
    let end = worker.wait().map_err(text)?;
    ensure!(end == End::Lost, "{end}");
    reader.read_to_end(&mut Vec::new()).map_err(text)?;
    Ok(())
}
