//! Channels in capability mode, with the rights that they say they need and no others.
//!
//! It is a program of its own. The worker is this program again, started with its end of a channel
//! as standard input, and with one thread, so that every level can be had. What it finds goes back
//! over the channel. The last line is `N passed, N failed, N skipped`.

mod support;

use std::{
    env,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{FileExt, MetadataExt},
    },
    process::{Child, Command, ExitCode},
    time::{Duration, Instant},
};

use capsicum_channel::{Channel, Error, Handle, SharedBytes, SharedMem};
use capsicum_rs::{
    CapabilityError, Containment, Limits, Rights, Sandbox, Support, is_capability_error,
};
use serde::{Deserialize, Serialize};

const SCENARIO: &str = "CHANNEL_SCENARIO";
const LEVEL: &str = "CHANNEL_LEVEL";
const DEADLINE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(30);
/// What a worker that is given files and memory may do with them.
const CEILING: Rights = Rights::READ
    .union(Rights::WRITE)
    .union(Rights::SEEK)
    .union(Rights::FSTAT)
    .union(Rights::MMAP_RW);

#[derive(Debug, Serialize, Deserialize)]
enum Question {
    Anything(Handle<OwnedFd>),
    Contents { file: Handle<File>, bytes: SharedBytes, memory: SharedMem },
    Checked(Handle<File>),
    Channel(Handle<Channel<u8, u8>>),
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Ready { sandboxed: bool, ended_by_deadline: bool },
    Back { descriptor: Handle<OwnedFd>, read_is_refused: bool },
    Sum { file: String, wrote: bool, bytes: u64, memory: u8, more: SharedBytes },
    Filler(Vec<u8>),
    Filled(u32),
}

type Scenario = fn(&mut Channel<Question, Answer>) -> Result<(), String>;

/// What the parent does, and the ceiling of the worker.
const SCENARIOS: [(&str, Scenario, Rights); 4] = [
    (
        "a_round_trip_with_descriptors_and_deadlines_needs_the_rights_alone",
        round_trip,
        Rights::NONE,
    ),
    ("files_and_memory_are_checked_and_read_with_the_ceiling_for_it", contents, CEILING),
    ("a_descriptor_that_cannot_be_checked_is_not_accepted", unchecked, Rights::NONE),
    (
        "a_channel_is_delegated_to_a_worker",
        delegated,
        CEILING.union(Rights::GETSOCKOPT).union(Rights::GETPEERNAME),
    ),
];

fn main() -> ExitCode {
    if let (Ok(scenario), Ok(level)) = (env::var(SCENARIO), env::var(LEVEL)) {
        return worker(&scenario, &level);
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for level in Support::probe().levels {
        for (name, scenario, ceiling) in SCENARIOS {
            let name = format!("{name}, at the level {}", level.containment);
            if let Some(why) = &level.lacks {
                println!("SKIPPED: {name}: {why}");
                skipped += 1;
                continue;
            }
            match with_worker(
                name.split(',').next().unwrap_or(""),
                level.containment,
                scenario,
                ceiling,
            ) {
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
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A worker that is ended with the scenario, however that ends.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_worker(
    name: &str,
    level: Containment,
    scenario: Scenario,
    ceiling: Rights,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (here, there) = Channel::<Question, Answer>::pair().map_err(|error| text(&error))?;
    let mut here = here.with_deadline(DEADLINE);
    here.peer_ceiling(ceiling);
    let program = env::current_exe().map_err(|error| text(&error))?;
    let child = Command::new(program)
        .env(SCENARIO, name)
        .env(LEVEL, level.to_string())
        .stdin(OwnedFd::from(there))
        .spawn();
    let mut worker = Worker(child.map_err(|error| text(&error))?);
    let ready = here.recv();
    match ready {
        Ok(Answer::Ready { sandboxed: true, ended_by_deadline: true }) => {}
        other => return Err(format!("not ready: {other:?}, {:?}", worker.0.try_wait())),
    }
    scenario(&mut here)?;
    drop(here);
    // It ends by itself when its channel does.
    let deadline = Instant::now() + DEADLINE;
    loop {
        match worker.0.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            other => return Err(format!("the worker ended with {other:?}")),
        }
    }
}

fn wrong(what: &str) -> impl Fn(Error) -> String + '_ {
    move |error| format!("{what}: {error:?}")
}

fn round_trip(here: &mut Channel<Question, Answer>) -> Result<(), String> {
    let file = support::file(b"secret");
    let same = file.metadata().map_err(|error| error.to_string())?.ino();
    here.send(&Question::Anything(Handle::<OwnedFd>::new(file.into()))).map_err(wrong("send"))?;
    let Answer::Back { descriptor, read_is_refused } = here.recv().map_err(wrong("receive"))?
    else {
        return Err("another answer".to_owned());
    };
    if !read_is_refused {
        return Err("the worker read what it received".to_owned());
    }
    // On FreeBSD it comes back with the limits that it has got.
    if cfg!(target_os = "linux") {
        let descriptor = descriptor.into_inner().map_err(|_| "shared")?;
        let back = File::from(descriptor).metadata().map_err(|error| error.to_string())?;
        if back.ino() != same {
            return Err("another file came back".to_owned());
        }
    }
    // Now the worker sends until nothing fits, and its deadline passes.
    std::thread::sleep(SHORT * 3);
    let mut received = 0;
    loop {
        match here.recv().map_err(wrong("receive"))? {
            Answer::Filler(bytes) if bytes.len() == 32 << 10 => received += 1,
            Answer::Filled(sent) if sent == received && sent > 0 => return Ok(()),
            other => return Err(format!("{other:?} after {received}")),
        }
    }
}

fn contents(here: &mut Channel<Question, Answer>) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut scratch = tempfile::NamedTempFile::new().map_err(text)?;
    scratch.write_all(b"content").map_err(text)?;
    let file = File::options().read(true).write(true).open(scratch.path()).map_err(text)?;
    let file = Handle::limited(file, CEILING.difference(Rights::WRITE));
    let bytes = SharedBytes::new(&[2; 10_000]).map_err(wrong("memory"))?;
    let memory = SharedMem::new(100).map_err(wrong("memory"))?;
    memory.write_at(50, &[9]).map_err(text)?;
    here.send(&Question::Contents { file, bytes, memory }).map_err(wrong("send"))?;
    match here.recv().map_err(wrong("receive"))? {
        Answer::Sum { file, wrote: false, bytes: 20_000, memory: 9, more }
            if file == "content" && *more == [4; 5000] =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

/// The worker lacks the right that the check takes: it must give up, not go on without.
fn unchecked(here: &mut Channel<Question, Answer>) -> Result<(), String> {
    here.send(&Question::Checked(Handle::new(support::file(b"")))).map_err(wrong("send"))?;
    match here.recv() {
        Err(Error::Closed) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn delegated(here: &mut Channel<Question, Answer>) -> Result<(), String> {
    let (mine, theirs) = Channel::<u8, u8>::pair().map_err(wrong("pair"))?;
    let mut mine = mine.with_deadline(DEADLINE);
    here.send(&Question::Channel(Handle::new(theirs))).map_err(wrong("send"))?;
    mine.send(&20).map_err(wrong("send"))?;
    match mine.recv().map_err(wrong("receive"))? {
        21 => Ok(()),
        other => Err(format!("{other}")),
    }
}

fn worker(scenario: &str, level: &str) -> ExitCode {
    let Some((_, _, ceiling)) = SCENARIOS.iter().find(|(name, ..)| *name == scenario) else {
        return ExitCode::from(3);
    };
    // Another thread, and Landlock cannot hold them all: the level below is what is left.
    if level == Containment::Descriptors.to_string() {
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
    }
    match work(*ceiling, level) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the worker: {error}");
            ExitCode::from(4)
        }
    }
}

fn work(ceiling: Rights, level: &str) -> Result<(), Box<dyn std::error::Error>> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut channel = Channel::<Answer, Question>::from_socket(socket)?;
    let errors = io::stderr();
    let errors_limits = ceiling | Rights::WRITE;
    let sandbox = if level == Containment::Directories.to_string() {
        // Entered only where it is asked for.
        Sandbox::new().require(Containment::Directories)
    } else {
        Sandbox::new()
    };
    let entered = sandbox
        .grant(&channel, Limits::from(Channel::<Answer, Question>::RIGHTS | ceiling))
        .grant(&errors, errors_limits)
        .ceiling(ceiling)
        .enter()?;
    if entered.containment.to_string() != level {
        return Err(format!("entered at {}", entered.containment).into());
    }
    let started = Instant::now();
    let nothing = channel.recv_by(started + SHORT);
    let ended_by_deadline = matches!(nothing, Err(Error::Deadline)) && started.elapsed() >= SHORT;
    let sandboxed = capsicum_rs::sandboxed();
    channel.send(&Answer::Ready { sandboxed, ended_by_deadline })?;
    loop {
        let question = match channel.recv() {
            Ok(question) => question,
            Err(Error::Closed) => return Ok(()),
            // The one scenario that expects it; its parent finds the channel closed.
            Err(Error::System { operation: "fstat", source })
                if is_capability_error(&source) == Some(CapabilityError::NotCapable) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        answer(&mut channel, question)?;
    }
}

fn answer(
    channel: &mut Channel<Answer, Question>,
    question: Question,
) -> Result<(), Box<dyn std::error::Error>> {
    let soon = || Instant::now() + SHORT;
    match question {
        Question::Anything(descriptor) => {
            let file = File::from(descriptor.as_fd().try_clone_to_owned()?);
            let read = (&file).read(&mut [0]);
            let read_is_refused = read.is_err_and(|error| is_capability_error(&error).is_some());
            channel.send_by(&Answer::Back { descriptor, read_is_refused }, soon())?;
            let mut sent = 0;
            while channel.send_by(&Answer::Filler(vec![1; 32 << 10]), soon()).is_ok() {
                sent += 1;
            }
            channel.send(&Answer::Filled(sent))?;
        }
        Question::Contents { file, bytes, memory } => {
            let wrote = file.write_at(b"x", 0).is_ok();
            let mut text = String::new();
            (&*file).read_to_string(&mut text)?;
            let mut byte = [0];
            memory.read_at(50, &mut byte)?;
            let sum = bytes.iter().map(|byte| u64::from(*byte)).sum();
            let more = SharedBytes::new(&[4; 5000])?;
            let [memory] = byte;
            channel
                .send_by(&Answer::Sum { file: text, wrote, bytes: sum, memory, more }, soon())?;
        }
        Question::Channel(other) => {
            let mut other = other.into_inner().map_err(|_| "shared")?;
            let number = other.recv()?;
            other.send(&(number + 1))?;
        }
        // It was to be refused while it was received.
        Question::Checked(_) => return Err("a file was accepted unchecked".into()),
    }
    Ok(())
}
