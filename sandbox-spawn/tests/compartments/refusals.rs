//! Workers that end at the first call that they are refused.

use std::{
    fs::File,
    io::{Read, Write},
    thread,
};

use capsicum_channel::{Caps, Frame};
use capsicum_rs::Rights;
use sandbox_spawn::{
    Builder, CallError, Compartment, End, Error, Inside, Refusal, Violation, call::Client,
};

use crate::{
    Case,
    cases::{a_file, case, ensure, soon, text},
    graphs::CEILING,
    raw,
    setting::Setting,
};

pub(crate) const CASES: &[Case] = &[
    case("a_refused_name_ends_a_worker_and_is_told", name, true),
    case("a_refused_right_ends_a_worker_and_is_told", right, true),
    case("a_refusal_is_told_where_a_guard_stands_between", guarded, true),
    case("who_does_what_it_may_ends_as_it_likes", allowed, true),
    case("a_refusal_is_an_error_unless_it_ends_the_worker", quiet, true),
    case("no_worker_goes_on_after_a_refusal_by_handling_its_signal", handles, true),
    case("what_a_worker_tells_that_it_was_not_refused_is_nothing", forges, false),
    case("who_calls_a_worker_is_told_what_it_was_refused", called, false),
    case("what_a_worker_starts_ends_at_a_refusal_too", nested, true),
];

/// What the worker is to do: the kind of the first frame, which of a call is the first of these.
const NAME: u16 = 1;
const RIGHT: u16 = 2;
const IN_A_THREAD: u16 = 3;
const IGNORES: u16 = 4;
const BLOCKS: u16 = 5;
const FORGES: u16 = 6;
const WORKS: u16 = 7;
const STARTS: u16 = 8;

const STATUS: u8 = 77;

pub(crate) fn refused(mut inside: Inside) -> u8 {
    let Ok(frame) = inside.frames().receive(None) else { return 1 };
    match frame.kind() {
        NAME => drop(File::open("/etc/hosts")),
        RIGHT => {
            let Ok(mut file) = inside.grant::<File>("file") else { return 2 };
            let _ = file.write(b"x");
        }
        IN_A_THREAD => drop(thread::spawn(|| File::open("/etc/hosts")).join()),
        IGNORES => {
            raw::ignore_everything();
            drop(File::open("/etc/hosts"));
        }
        BLOCKS => {
            raw::block_everything();
            drop(File::open("/etc/hosts"));
        }
        FORGES => {
            // It is next to the socket.
            let Ok(bytes) = frame.decode::<Vec<u8>>(Caps::default()) else { return 3 };
            raw::write_to(4, &bytes);
        }
        WORKS => {
            let Ok(mut file) = inside.grant::<File>("file") else { return 2 };
            let read = file.read(&mut [0; 4]);
            // On Linux that it is pinned is refused, and nothing to end for.
            drop((file, inside));
            return if read.is_ok() { STATUS } else { 4 };
        }
        STARTS => return starts(&mut inside),
        _ => return 5,
    }
    STATUS
}

fn starts(inside: &mut Inside) -> u8 {
    let level = inside.containment();
    let started = Compartment::builder("refused").ceiling(ceiling()).require(level).spawn();
    let told: Result<(), String> = started.map_err(text).and_then(|mut worker| {
        send(&mut worker, NAME, &())?;
        let end = worker.wait().map_err(text)?;
        ensure!(matches!(end, End::Signalled { signal: raw::REFUSAL, .. }), "{end}");
        Ok(())
    });
    let sent = inside.frames().encode(1, 0, &told);
    u8::from(sent.and_then(|frame| inside.frames().send(&frame, None)).is_err())
}

/// What a worker needs that starts others: it is asked of what it receives what that is.
fn ceiling() -> Rights {
    CEILING | Rights::GETSOCKOPT | Rights::FCNTL
}

fn builder(setting: Setting) -> Result<Builder, String> {
    let builder = setting.builder("refused").end_at_refusal();
    Ok(builder.grant("file", a_file("content")?, Rights::READ))
}

fn send(worker: &mut Compartment, kind: u16, what: &impl serde::Serialize) -> Result<(), String> {
    let frame = Frame::encode(kind, 0, what, Caps::default()).map_err(text)?;
    worker.frames().send(&frame, soon()).map_err(text)
}

/// How it ends that does this.
fn ends(builder: &Builder, kind: u16) -> Result<Error, String> {
    let mut worker = builder.spawn().map_err(text)?;
    send(&mut worker, kind, &())?;
    match worker.frames().receive(soon()) {
        Ok(frame) => Err(format!("it says {frame:?}")),
        Err(error) => Ok(worker.explain(error)),
    }
}

/// The refusal that it ended for.
fn told(builder: &Builder, kind: u16) -> Result<Refusal, String> {
    match ends(builder, kind)? {
        Error::Violation { name, what: Violation::Refused(refusal) } if name == "refused" => {
            Ok(refusal)
        }
        other => Err(format!("{other:?}")),
    }
}

/// What is known of a call besides its number.
fn known(refusal: Refusal, name: &str, descriptor: Option<i32>) -> Result<(), String> {
    let expected = if cfg!(target_os = "linux") { (Some(name), descriptor) } else { (None, None) };
    ensure!((refusal.name, refusal.descriptor) == expected, "{refusal:?}");
    Ok(())
}

fn name(setting: Setting) -> Result<(), String> {
    let builder = builder(setting)?;
    for kind in [NAME, IN_A_THREAD] {
        let refusal = told(&builder, kind)?;
        ensure!(i64::from(refusal.number) == raw::OPENAT, "{refusal:?}");
        known(refusal, "openat", None)?;
    }
    Ok(())
}

fn right(setting: Setting) -> Result<(), String> {
    let refusal = told(&builder(setting)?, RIGHT)?;
    ensure!(i64::from(refusal.number) == raw::WRITE, "{refusal:?}");
    known(refusal, "write", Some(4))
}

fn guarded(setting: Setting) -> Result<(), String> {
    let refusal = told(&builder(setting)?.processes(), NAME)?;
    ensure!(i64::from(refusal.number) == raw::OPENAT, "{refusal:?}");
    Ok(())
}

fn allowed(setting: Setting) -> Result<(), String> {
    let error = ends(&builder(setting)?, WORKS)?;
    let Error::Died { end: End::Exited(STATUS), .. } = error else {
        return Err(format!("{error:?}"));
    };
    Ok(())
}

fn quiet(setting: Setting) -> Result<(), String> {
    let builder = setting.builder("refused").grant("file", a_file("content")?, Rights::READ);
    for kind in [NAME, RIGHT, IN_A_THREAD, BLOCKS] {
        let error = ends(&builder, kind)?;
        let Error::Died { end: End::Exited(STATUS), .. } = error else {
            return Err(format!("{kind}: {error:?}"));
        };
    }
    Ok(())
}

fn handles(setting: Setting) -> Result<(), String> {
    let builder = builder(setting)?;
    for kind in [IGNORES, BLOCKS] {
        match ends(&builder, kind)? {
            Error::Violation { .. }
            | Error::Died { end: End::Signalled { signal: raw::REFUSAL, .. }, .. } => {}
            other => return Err(format!("{kind}: {other:?}")),
        }
    }
    Ok(())
}

fn forges(setting: Setting) -> Result<(), String> {
    let builder = setting.builder("refused").end_at_refusal();
    for length in [1, 63, 64, 65, 4096, 60_000] {
        let mut worker = builder.spawn().map_err(text)?;
        send(&mut worker, FORGES, &vec![1_u8; length])?;
        let end = worker.wait().map_err(text)?;
        ensure!(end == End::Exited(STATUS), "{length}: {end}");
    }
    Ok(())
}

fn called(setting: Setting) -> Result<(), String> {
    let client: Client = builder(setting)?.spawn().map_err(text)?.client();
    for _ in 0..2 {
        let answer: Result<(), CallError> =
            client.call(&(), |frame, caps| frame.decode(caps).map(Ok));
        match answer {
            Err(CallError::Violation { compartment, what: Violation::Refused(refusal) }) => {
                ensure!(&*compartment == "refused", "{compartment}");
                ensure!(i64::from(refusal.number) == raw::OPENAT, "{refusal:?}");
            }
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(())
}

fn nested(setting: Setting) -> Result<(), String> {
    let mut worker =
        builder(setting)?.ceiling(ceiling()).starts(&["refused"], 1).spawn().map_err(text)?;
    send(&mut worker, STARTS, &())?;
    let frame =
        worker.frames().receive(soon()).map_err(|error| worker.explain(error).to_string())?;
    frame.decode::<Result<(), String>>(worker.frames().caps()).map_err(text)?
}
