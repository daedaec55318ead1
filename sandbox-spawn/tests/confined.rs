//! A server in capability mode, with the rights that a channel says it needs and no others, at each
//! level that the host has.
//!
//! It is a program of its own. The worker is this program again, with one end of the connection as
//! its standard input, and one thread. The last line is `N passed, N failed, N skipped`.

mod support;

use std::{
    env,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use capsicum_channel::{Frames, Handle};
use capsicum_rs::{Containment, Limits, Rights, Sandbox, Support};
use sandbox_spawn::{CallError, call::Client};
use support::{Honest, LONG, WorkClient, WorkServer};

const LEVEL: &str = "CALLS_LEVEL";
/// What files may be used for that are arguments, and what checks them.
const CEILING: Rights = Rights::READ.union(Rights::FSTAT);

fn main() -> ExitCode {
    if let Ok(level) = env::var(LEVEL) {
        return match work(&level) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the worker: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for level in Support::probe().levels {
        let name = format!("a_confined_worker_answers_calls, at the level {}", level.containment);
        if let Some(why) = &level.lacks {
            println!("SKIPPED: {name}: {why}");
            skipped += 1;
            continue;
        }
        match calls(&level.containment.to_string()) {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(why) => {
                println!("test {name} ... FAILED\n    {why}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ended with the test, however that ends.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn check(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn calls(level: &str) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (here, there) = Frames::pair().map_err(|error| text(&error))?;
    let program = env::current_exe().map_err(|error| text(&error))?;
    let child = Command::new(program)
        .env(LEVEL, level)
        .stdin(OwnedFd::from(there))
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| text(&error))?;
    let mut worker = Worker(child);
    let client = WorkClient::from(Client::named(here, "confined")).within(LONG);

    let sum = client.add(2).map_err(|error| text(&error))?;
    check(sum == 2, "a sum")?;
    let mut file = tempfile::tempfile().map_err(|error| text(&error))?;
    file.write_all(b"some bytes").map_err(|error| text(&error))?;
    // fstat(2) by glibc is newfstatat(2) in some versions, whose path is in memory: refused.
    let length = client.length(Handle::new(file));
    let refused = matches!(&length, Err(CallError::Remote { .. }));
    check(refused || length.is_ok_and(|length| length > 0), "a file as an argument")?;
    let numbers: Result<Vec<u64>, _> =
        client.numbers(0, 100).map_err(|error| text(&error))?.collect();
    check(numbers.is_ok_and(|numbers| numbers.len() == 100), "a stream")?;
    drop(client.numbers(0, u64::MAX).map_err(|error| text(&error))?);
    let brief = client.within(Duration::from_millis(20));
    check(
        matches!(brief.wait_until_cancelled(), Err(CallError::Deadline { .. })),
        "a call that is given up",
    )?;
    check(matches!(client.panic("no".to_owned()), Err(CallError::Panicked { .. })), "a panic")?;
    let replies: Result<Vec<_>, _> = (0..100).map(|_| client.begin_bytes(5_000)).collect();
    for reply in replies.map_err(|error| text(&error))? {
        let bytes = reply.wait().map_err(|error| text(&error))?;
        check(bytes.len() == 5_000, "many calls at once")?;
    }
    // It ends by itself when its client does.
    drop((client, brief));
    let status = worker.0.wait().map_err(|error| text(&error))?;
    check(status.success(), &format!("the worker ended with {status}"))
}

fn work(level: &str) -> Result<(), Box<dyn std::error::Error>> {
    let frames = Frames::from_socket(io::stdin().as_fd().try_clone_to_owned()?)?;
    if level == Containment::Descriptors.to_string() {
        // Another thread, and Landlock cannot hold them all: the level below is what is left.
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
    }
    let sandbox = if level == Containment::Directories.to_string() {
        Sandbox::new().require(Containment::Directories)
    } else {
        Sandbox::new()
    };
    let entered = sandbox
        .grant(&frames, Limits::from(Frames::RIGHTS | CEILING))
        .grant(&io::stderr(), CEILING | Rights::WRITE)
        .ceiling(CEILING)
        .enter()?;
    if entered.containment.to_string() != level {
        return Err(format!("entered at {}", entered.containment).into());
    }
    WorkServer::serve(frames, Honest::default())?;
    Ok(())
}
