//! Starting workers, beside what else starts processes, and many workers that wait.

use std::{
    ffi::{CStr, CString},
    os::unix::ffi::OsStringExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use sandbox_spawn::{Compartment, Inside, Start, Worker, service};

use crate::{
    channel::{Contender, TRIPS, compare, count, raw, small},
    idle, sys,
};

/// The argument with which this program does nothing.
pub(crate) const NOTHING: &CStr = c"nothing";

/// That with which it enters capability mode, with no descriptor but the standard streams, and ends.
pub(crate) const ENTER: &CStr = c"enter";

/// How much memory the program has touched when it starts processes.
const RESIDENT: usize = 1 << 30;

#[service]
pub(crate) trait Echo {
    fn echo(&mut self, text: String) -> String;
    fn id(&mut self) -> u32;
}

struct Plain;

impl Echo for Plain {
    fn echo(&mut self, text: String) -> String {
        text
    }

    fn id(&mut self) -> u32 {
        std::process::id()
    }
}

fn echo(inside: Inside) -> u8 {
    u8::from(EchoServer::serve(inside.into_frames(), Plain).is_err())
}

/// First thing in `main`: a process that was started by what is measured here does not come back.
pub(crate) fn init(arguments: &[String]) -> Result<()> {
    procspawn::init();
    if arguments.is_empty() || arguments.iter().any(|argument| argument == "starts") {
        const WORKERS: &[Worker] = &[Worker::new("echo", echo)];
        sandbox_spawn::init(WORKERS)?;
    }
    Ok(())
}

/// A worker in capability mode, whose service has answered, and its process id.
pub(crate) fn ready(start: Start) -> Result<(EchoClient, u32)> {
    let worker: EchoClient = Compartment::builder("echo").start(start).spawn()?.client();
    let id = worker.id()?;
    Ok((worker, id))
}

/// A worker's start until its first answer. Its end is not a part of that.
fn worker(start: Start) -> Result<Duration> {
    let started = Instant::now();
    let worker = ready(start)?;
    let time = started.elapsed();
    drop(worker);
    Ok(time)
}

fn program(name: &'static str, path: CString, argument: Option<&'static CStr>) -> Contender {
    Contender::new(name, None, move || {
        ensure!(sys::spawn_and_wait(&path, argument)?, "it failed");
        Ok(1)
    })
}

/// bubblewrap with a private root and namespaces of its own, and `true` in it.
fn bubblewrap() -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--", "/bin/true"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn contenders() -> Result<Vec<Contender>> {
    let itself = CString::new(std::env::current_exe()?.into_os_string().into_vec())?;
    let mut all = vec![
        Contender::new("fork + waitpid", None, || {
            ensure!(sys::fork_and_wait()?);
            Ok(1)
        }),
        program("posix_spawn + waitpid of true", c"/bin/true".to_owned(), None),
        program("posix_spawn + waitpid of itself", itself.clone(), Some(NOTHING)),
        program("the same, entering", itself, Some(ENTER)),
        Contender::timed("worker from the zygote", || worker(Start::Zygote)),
        Contender::timed("worker, executed anew", || worker(Start::Exec)),
        Contender::timed("procspawn", || {
            let started = Instant::now();
            let id = procspawn::spawn((), |()| std::process::id())
                .join()
                .map_err(|error| unwind(&error))?;
            ensure!(id != std::process::id());
            Ok(started.elapsed())
        }),
    ];
    match bubblewrap().stderr(Stdio::piped()).output() {
        Ok(output) if output.status.success() => all.push(Contender::new("bwrap", None, || {
            ensure!(bubblewrap().status()?.success(), "it failed");
            Ok(1)
        })),
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr);
            println!("bwrap is left out: {}", reason.trim());
        }
        Err(error) => println!("bwrap is left out: {error}; Debian's package is bubblewrap"),
    }
    Ok(all)
}

fn unwind(error: &procspawn::SpawnError) -> anyhow::Error {
    anyhow::anyhow!("procspawn: {error}")
}

/// What a call takes of a worker in capability mode, and of what stands beside it.
fn calls() -> Result<Vec<Contender>> {
    let (worker, id) = ready(Start::Zygote)?;
    sys::pin_process(id, 0)?;
    let confined = Contender::new("call of a worker", None, move || {
        for _ in 0..TRIPS {
            ensure!(worker.echo(small())?.len() == 63);
        }
        Ok(TRIPS)
    });
    // Its process is started by this one, and stays where this one is.
    let pool = procspawn::Pool::new(1).map_err(|error| unwind(&error))?;
    let theirs = Contender::new("call of a procspawn pool", None, move || {
        for _ in 0..TRIPS {
            let text = pool.spawn(small(), |text| text).join().map_err(|error| unwind(&error))?;
            ensure!(text.len() == 63);
        }
        Ok(TRIPS)
    });
    Ok(vec![raw(0)?, confined, theirs])
}

pub(crate) fn print(rounds: usize) -> Result<()> {
    // The threads of procspawn's pools come last: with them this process could not fork.
    let resident = std::hint::black_box(vec![1_u8; RESIDENT]);
    let title = "a start, this program having 1 GiB resident, milliseconds";
    compare(title, count(rounds), 1e6, contenders()?, 3)?;
    drop(resident);
    println!(
        "A worker is timed until the first answer of its service, in capability mode; procspawn's\n\
         process until its result; the others until they have ended."
    );
    idle::print().context("idle workers")?;
    sys::pin(0)?;
    let title = "64-byte call, both ends on one processor, microseconds";
    compare(title, count(rounds), 1e3, calls()?, 1)
}
