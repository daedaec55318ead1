//! The programs that have workers.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use capsicum_channel::Frame;
use sandbox_spawn::{Compartment, Error, Start};

use crate::{
    raw, survives,
    watch::Random,
    workers::{self, WORKERS},
};

/// How long a call may take.
const CALL: Duration = Duration::from_secs(10);

pub(crate) fn main(role: &str) -> ExitCode {
    let done = sandbox_spawn::init(WORKERS).map_err(|error| error.to_string()).and_then(|()| {
        match role.strip_prefix("rounds ") {
            Some(seed) => rounds(seed.parse().unwrap_or(1)),
            None => survives::program(role),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("    {why}");
            ExitCode::FAILURE
        }
    }
}

/// Uses workers of all kinds until one of them is not there any more.
fn rounds(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    loop {
        let before = Instant::now();
        match one(&mut random) {
            Ok(()) => {}
            // What a caller may be told, and how soon.
            Err(error @ (Error::Start { .. } | Error::Died { .. })) => {
                if before.elapsed() > CALL + Duration::from_secs(5) {
                    return Err(format!("after {:?}: {error}", before.elapsed()));
                }
                // A zygote that nobody has asked for anything since it was killed is one.
                let _ = Compartment::builder("echo").spawn();
                return raw::no_zombies();
            }
            Err(error) => return Err(format!("{error:?}")),
        }
    }
}

fn one(random: &mut Random) -> Result<(), Error> {
    let starts = [Start::Zygote, Start::Zygote, Start::Exec, Start::Fork];
    let kinds = ["echo", "silent", "spin", "flood", "breed", "nest"];
    let kind = kinds[random.below(kinds.len())];
    let builder = Compartment::builder(kind).start(starts[random.below(starts.len())]);
    let builder =
        if kind == "breed" || random.below(4) == 0 { builder.processes() } else { builder };
    let builder = if kind == "nest" { workers::nesting(builder, 5) } else { builder };
    let mut worker = builder.spawn()?;
    let calls = if kind == "echo" { 1 + random.below(50) } else { 0 };
    for number in 0..calls {
        let sequence = u64::try_from(number).unwrap_or(0);
        let frame = Frame::new(1, sequence, b"a call", Vec::new());
        let deadline = Some(Instant::now() + CALL);
        let called = frame.and_then(|frame| {
            worker.frames().send(&frame, deadline)?;
            worker.frames().receive(deadline)
        });
        called.map_err(|error| worker.explain(error))?;
    }
    if kind == "flood" || kind == "breed" || kind == "nest" {
        let received = worker.frames().receive(Some(Instant::now() + CALL));
        received.map_err(|error| worker.explain(error))?;
    }
    Ok(())
}
