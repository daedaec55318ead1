//! Programs that survive their workers, and keep nothing of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::Frame;
use sandbox_spawn::{Builder, Compartment, End, Error, Resource, Stderr};

use crate::{
    raw,
    watch::{Program, nothing_left},
};

type Case = (&'static str, fn() -> Result<(), String>);

const CASES: &[Case] = &[
    ("a_worker_that_stops_reading_does_not_hold_its_caller", stops_reading),
    ("a_worker_that_floods_is_read_at_the_callers_pace", floods),
    ("a_worker_that_sends_no_frames_breaks_the_protocol", garbage),
    ("a_worker_that_ends_early_has_died", early),
    ("a_worker_that_fills_the_table_of_descriptors_breaks_the_protocol", descriptors),
    ("a_worker_that_forks_and_exits_leaves_nothing", leaves),
    ("a_worker_that_breeds_is_ended_with_all_of_them", breeds),
    ("a_worker_that_may_not_start_processes_starts_none", barren),
    ("a_worker_that_eats_memory_meets_its_limit", hoards),
    ("a_worker_that_spins_and_ignores_signals_is_killed", spins),
    ("what_a_worker_shouts_is_not_kept", shouts),
];

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

/// Runs a case in a program of its own.
pub(crate) fn run(name: &str) -> Result<(), String> {
    let status = Program::start(name)?.wait()?;
    nothing_left()?;
    if status.success() { Ok(()) } else { Err(format!("the program ended with {status}")) }
}

/// The case itself, twice: what the second time takes must be given back.
pub(crate) fn program(name: &str) -> Result<(), String> {
    let (_, case) = CASES.iter().find(|(known, _)| *known == name).ok_or("no such case")?;
    case()?;
    let before = (settled()?, raw::memory());
    case()?;
    let after = (settled()?, raw::memory());
    if before.0 != after.0 {
        return Err(format!("descriptors before {:?} and after {:?}", before.0, after.0));
    }
    // A page here and there is the allocator's.
    if after.1 > before.1 + (4 << 20) {
        return Err(format!("{} bytes before and {} after", before.1, after.1));
    }
    raw::no_zombies()
}

/// What is open, once it has stayed the same for a moment: a thread may be about to end.
fn settled() -> Result<Vec<i32>, String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let (mut open, mut since) = (raw::open_descriptors(), Instant::now());
    while since.elapsed() < Duration::from_millis(50) {
        thread::sleep(Duration::from_millis(5));
        let now = raw::open_descriptors();
        if now != open {
            (open, since) = (now, Instant::now());
        }
        if Instant::now() > deadline {
            return Err("the open descriptors change all the time".to_owned());
        }
    }
    Ok(open)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn within(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

fn spawn(builder: &Builder) -> Result<Compartment, String> {
    builder.spawn().map_err(text)
}

/// What becomes of waiting for the worker.
fn told(worker: &mut Compartment) -> Result<Frame<'static>, Error> {
    let received = worker.frames().receive(within(Duration::from_secs(20)));
    received.map_err(|error| worker.explain(error))
}

fn stops_reading() -> Result<(), String> {
    let mut worker = spawn(&Compartment::builder("silent"))?;
    let frame = Frame::new(1, 0, &vec![1; 60_000], Vec::new()).map_err(text)?;
    let begun = Instant::now();
    loop {
        match worker.frames().send(&frame, within(Duration::from_millis(100))) {
            Ok(()) if begun.elapsed() < Duration::from_secs(20) => {}
            Err(capsicum_channel::Error::Deadline) => break,
            other => return Err(format!("{other:?}")),
        }
    }
    match told_soon(&mut worker) {
        Err(Error::Deadline { name }) if name == "silent" => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn told_soon(worker: &mut Compartment) -> Result<Frame<'static>, Error> {
    let received = worker.frames().receive(within(Duration::from_millis(50)));
    received.map_err(|error| worker.explain(error))
}

fn floods() -> Result<(), String> {
    let mut worker = spawn(&Compartment::builder("flood"))?;
    for _ in 0..5000 {
        told(&mut worker).map_err(text)?;
    }
    Ok(())
}

fn garbage() -> Result<(), String> {
    let mut worker = spawn(&Compartment::builder("garbage"))?;
    match told(&mut worker) {
        Err(Error::Protocol { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn early() -> Result<(), String> {
    let mut worker = spawn(&Compartment::builder("early"))?;
    let frame = Frame::new(1, 0, b"", Vec::new()).map_err(text)?;
    worker.frames().send(&frame, None).map_err(text)?;
    match told(&mut worker) {
        Err(Error::Died { end: End::Exited(0), .. }) => {}
        other => return Err(format!("{other:?}")),
    }
    // And sending to it is an error, not a signal.
    match worker.frames().send(&frame, None) {
        Err(capsicum_channel::Error::Closed) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn descriptors() -> Result<(), String> {
    raw::limit_descriptors(256);
    let mut worker = spawn(&Compartment::builder("descriptors"))?;
    let mut kept = Vec::new();
    loop {
        match told(&mut worker) {
            Ok(frame) if kept.len() < 1000 => kept.push(frame),
            // More than this process has room for.
            Err(Error::Protocol { .. }) if !kept.is_empty() => return Ok(()),
            other => return Err(format!("{other:?} after {}", kept.len())),
        }
    }
}

fn leaves() -> Result<(), String> {
    let mut worker = spawn(&Compartment::builder("leave").processes())?;
    match told(&mut worker) {
        Err(Error::Died { end: End::Exited(7), .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn breeds() -> Result<(), String> {
    let mut worker = spawn(&Compartment::builder("breed").processes())?;
    told(&mut worker).map_err(text)?;
    worker.kill().map_err(text)?;
    match worker.wait().map_err(text)? {
        End::Signalled { signal: libc::SIGKILL, .. } => Ok(()),
        other => Err(format!("{other}")),
    }
}

fn barren() -> Result<(), String> {
    // Of `leave` the child would run on; here there is none, and its parent ends.
    let mut worker = spawn(&Compartment::builder("leave"))?;
    match told(&mut worker) {
        Err(Error::Died { end: End::Exited(7), .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn hoards() -> Result<(), String> {
    let builder = Compartment::builder("hoard").rlimit(Resource::AddressSpace, 256 << 20);
    match told(&mut spawn(&builder)?) {
        Err(Error::Died { end: End::Signalled { .. }, .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn spins() -> Result<(), String> {
    let mut worker = spawn(&Compartment::builder("spin"))?;
    let end = worker.wait_timeout(Duration::from_millis(20)).map_err(text)?;
    if end.is_some() {
        return Err(format!("{end:?}"));
    }
    worker.kill().map_err(text)?;
    match worker.wait().map_err(text)? {
        End::Signalled { signal: libc::SIGKILL, .. } => Ok(()),
        other => Err(format!("{other}")),
    }
}

fn shouts() -> Result<(), String> {
    let mut worker = spawn(&Compartment::builder("shout").stderr(Stderr::Capture))?;
    let end = worker.wait_timeout(Duration::from_secs(20)).map_err(text)?;
    if end == Some(End::Exited(0)) { Ok(()) } else { Err(format!("{end:?}")) }
}
