//! Workers that are granted channels to each other.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
};

use capsicum_channel::{Channel, Error as ChannelError, Frames, Handle};
use capsicum_rs::Rights;
use sandbox_spawn::{CallError, Compartment, End, Error, Inside, service};

use crate::{
    Case,
    cases::{case, ensure, soon, text},
    setting::Setting,
};

pub(crate) const CASES: &[Case] = &[
    case("a_worker_calls_another_one_over_a_channel_that_both_were_granted", calls, true),
    case("a_worker_delegates_a_capability_and_no_more_than_that", delegates, true),
    case("what_is_granted_as_a_channel_and_is_none_is_an_error", no_channel, false),
    case("a_worker_finds_a_channel_closed_when_the_other_one_has_died", closed, true),
];

#[service]
pub(crate) trait Counter {
    /// The sum of all calls.
    fn add(&mut self, number: u64) -> u64;
}

#[derive(Default)]
struct Sum(u64);

impl Counter for Sum {
    fn add(&mut self, number: u64) -> u64 {
        self.0 += number;
        self.0
    }
}

/// Serves who has the other end of its channel.
pub(crate) fn serves(mut inside: Inside) -> u8 {
    let Ok(calls) = inside.channel("calls") else { return 9 };
    u8::from(CounterServer::serve(calls, Sum::default()).is_err())
}

/// Calls it, until it does not answer.
pub(crate) fn calls_another(mut inside: Inside) -> u8 {
    let Ok(calls) = inside.channel::<Frames>("counter") else { return 9 };
    let counter = CounterClient::named(calls, "serves");
    if !matches!((counter.add(1), counter.add(41)), (Ok(1), Ok(42))) {
        return 2;
    }
    // The program ends the other one in between.
    if inside
        .frames()
        .encode(1, 0, &())
        .and_then(|frame| inside.frames().send(&frame, None))
        .is_err()
    {
        return 3;
    }
    if inside.frames().receive(None).is_err() {
        return 4;
    }
    if matches!(counter.add(1), Err(CallError::Closed { .. })) { 0 } else { 5 }
}

fn pair(setting: Setting) -> Result<(Compartment, Compartment), String> {
    let (one, other) = Frames::pair().map_err(text)?;
    let served = setting.builder("serves").channel("calls", one).spawn().map_err(text)?;
    let caller = setting.builder("calls").channel("counter", other).spawn().map_err(text)?;
    Ok((served, caller))
}

fn calls(setting: Setting) -> Result<(), String> {
    let (mut served, mut caller) = pair(setting)?;
    caller.frames().receive(soon()).map_err(text)?;
    drop(caller);
    // Its only caller is gone.
    let end = served.wait().map_err(text)?;
    ensure!(end.success(), "the one that serves: {end}");
    Ok(())
}

fn closed(setting: Setting) -> Result<(), String> {
    let (served, mut caller) = pair(setting)?;
    let frame = caller.frames().receive(soon()).map_err(text)?;
    drop(served);
    caller.frames().send(&frame, soon()).map_err(text)?;
    let end = caller.wait().map_err(text)?;
    ensure!(end.success(), "the one that calls: {end}");
    Ok(())
}

/// What becomes of a file, and its content.
type Passing = Channel<Handle<File>, (String, bool)>;

/// Reads the file that it is sent, and tries to write to it.
pub(crate) fn receives(mut inside: Inside) -> u8 {
    let Ok(mut channel) = inside.channel::<Channel<(String, bool), Handle<File>>>("from") else {
        return 9;
    };
    while let Ok(file) = channel.recv() {
        let mut file: &File = &file;
        let mut content = String::new();
        let _ = file.read_to_string(&mut content);
        let written = file.write_all(b"overwritten").is_ok();
        if channel.send(&(content, written)).is_err() {
            return 1;
        }
    }
    0
}

/// Passes a file on that it may write to, for reading.
pub(crate) fn delegates_on(mut inside: Inside) -> u8 {
    let (Ok(mut channel), Ok(file)) =
        (inside.channel::<Passing>("to"), inside.grant::<File>("file"))
    else {
        return 9;
    };
    let Ok(()) = (&file).write_all(b"content") else { return 8 };
    if (&file).seek(SeekFrom::Start(0)).is_err() {
        return 7;
    }
    let reading = Rights::READ | Rights::FSTAT;
    channel.peer_ceiling(reading);
    let handle = Handle::limited(file, reading);
    if channel.send(&handle).is_err() {
        return 6;
    }
    let Ok((content, written)) = channel.recv() else { return 5 };
    if content != "content" || written {
        return 4;
    }
    // Less than the other one's ceiling is not to be had by number; FreeBSD holds it.
    let Ok(file) = handle.into_inner() else { return 3 };
    match channel.send(&Handle::limited(file, Rights::FSTAT)) {
        // Opening it again for less takes rights that this worker has not.
        Err(ChannelError::Unsupported(_) | ChannelError::System { .. })
            if cfg!(target_os = "linux") =>
        {
            0
        }
        Ok(()) if cfg!(target_os = "freebsd") => match channel.recv() {
            Ok((content, false)) if content.is_empty() => 0,
            _ => 2,
        },
        _ => 1,
    }
}

fn delegates(setting: Setting) -> Result<(), String> {
    let (one, other) = Frames::pair().map_err(text)?;
    let reading = Rights::READ | Rights::FSTAT;
    let receiver = setting.builder("receives").channel("from", one).ceiling(reading);
    let _receiver = receiver.spawn().map_err(text)?;
    let file = tempfile::tempfile().map_err(text)?;
    let all = Rights::READ | Rights::WRITE | Rights::SEEK | Rights::FSTAT;
    let sender = setting.builder("delegates").channel("to", other).grant("file", file, all);
    let end = sender.spawn().map_err(text)?.wait().map_err(text)?;
    ensure!(end == End::Exited(0), "the one that delegates: {end}");
    Ok(())
}

fn no_channel(setting: Setting) -> Result<(), String> {
    let (stream, _other) = std::os::unix::net::UnixStream::pair().map_err(text)?;
    let file = File::open("/dev/null").map_err(text)?;
    for end in [stream.into(), file.into()] {
        let end: std::os::fd::OwnedFd = end;
        match setting.builder("serves").channel("calls", end).spawn() {
            Err(Error::Start { reason, .. }) if reason.contains("the channel `calls`") => {}
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(())
}
