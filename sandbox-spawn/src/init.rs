//! The zygote, from the program's side.

use std::{
    os::fd::OwnedFd,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use capsicum_channel::Frames;
use capsicum_rs::ProcessDescriptor;

use crate::{
    Error, Worker,
    graph::{self, Place},
    keeper::{Control, Keeper},
    start, sys,
    task::{self, Task},
};

/// What the program keeps of it.
struct Zygote {
    control: Mutex<Frames>,
    process: Mutex<ProcessDescriptor>,
    workers: &'static [Worker],
}

static ZYGOTE: OnceLock<Zygote> = OnceLock::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks leaves a half of it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names the workers of this program and forks the zygote, from which they are started.
///
/// Call it first thing in `main`: before there are threads, descriptors and secrets, since the
/// zygote is a copy of the process as it is now. Its descriptors are closed and its environment is
/// wiped. It ends when this process does, so that a daemon calls this after becoming one.
///
/// A worker is a fork of the zygote in which handlers of pthread_atfork(3) are not run (FreeBSD: up to
/// 14): a generator of random numbers that was used before this call would go on in every worker alike.
///
/// In a process that was [executed anew](crate::Start::Exec) for a worker, this runs the worker and
/// does not return.
///
/// The zygote is not confined. It does no more than start the workers that are named here, with
/// descriptors that it is sent.
///
/// # Errors
///
/// [`Error::Init`]: there is more than one thread, it was called before, two workers have the same
/// name, or the kernel refused something. Nothing has been started then.
pub fn init(workers: &'static [Worker]) -> Result<(), Error> {
    if let Some(caps) = start::executed() {
        start::resume(caps, workers);
    }
    for (place, worker) in workers.iter().enumerate() {
        if workers[..place].iter().any(|other| other.name() == worker.name()) {
            return Err(Error::init(format!("two workers are named `{}`", worker.name())));
        }
    }
    if ZYGOTE.get().is_some() {
        return Err(Error::init("it was called before"));
    }
    let (control, there) = Frames::pair().map_err(Error::init)?;
    let there = OwnedFd::from(there);
    let file = sys::own_program().ok();
    let program = std::process::id();
    // It hears of the end of this process, and ends what the kernel leaves: a process that a worker started.
    let process =
        ProcessDescriptor::fork_lasting(None, move || zygote(there, file, program, workers));
    let process = Mutex::new(process.map_err(Error::init)?);
    let zygote = Zygote { control: Mutex::new(control), process, workers };
    ZYGOTE.set(zygote).map_err(|_| Error::init("it was called before"))
}

/// The zygote's whole life.
fn zygote(control: OwnedFd, file: Option<OwnedFd>, program: u32, workers: &'static [Worker]) -> u8 {
    let descriptors = [control].into_iter().chain(file).collect();
    let Ok((descriptors, end)) = sys::become_keeper(descriptors, program) else { return 1 };
    let mut descriptors = descriptors.into_iter();
    let Some(Ok(control)) = descriptors.next().map(Frames::from_socket) else { return 1 };
    let file = descriptors.next();
    let control = Some(Control::Program(Box::new(control)));
    let Ok(mut keeper) = Keeper::new(control, end, file, workers) else { return 1 };
    keeper.run();
    0
}

/// Hands a task to the zygote.
pub(crate) fn hand_over(
    task: Task,
    leash: OwnedFd,
    deadline: Option<Instant>,
) -> Result<(), Error> {
    let name = task.settings.worker.clone();
    let zygote = get(&name)?;
    let mut control = lock(&zygote.control);
    let frame = task.frame(vec![leash], &control).map_err(|error| Error::start(&name, &error))?;
    let sent = control.send(&frame, deadline);
    drop(control);
    sent.map_err(|error| match error {
        capsicum_channel::Error::Closed => {
            let status = reap_zygote(Duration::from_secs(1));
            let how = status.map_or_else(|| "it does not listen".to_owned(), |end| end.to_string());
            Error::start(&name, &format!("the zygote has ended: {how}"))
        }
        capsicum_channel::Error::Deadline => Error::Deadline { name: name.clone() },
        error => Error::start(&name, &error),
    })
}

/// Has the zygote start workers of these names only, from here on and for ever: those of a list that was
/// given before can only become fewer. With an empty list it starts none. Those that run go on.
///
/// It is for programs that are about to enter capability mode and leave the way to the zygote open
/// ([`capsicum_rs::enter`] does): whoever takes them over can ask the zygote for any worker, with any
/// grants that they have.
///
/// # Errors
///
/// [`Error::Init`]: `init` was not called, or the zygote has ended.
pub fn start_only(workers: &[&str]) -> Result<(), Error> {
    let zygote = ZYGOTE.get().ok_or_else(|| Error::init("it was not called"))?;
    let mut control = lock(&zygote.control);
    let frame = control.encode(task::ONLY, 0, workers).map_err(Error::init)?;
    control.send(&frame, None).map_err(Error::init)
}

/// Whether [`init`] has been called, so that there are workers to start.
#[must_use]
pub fn initialized() -> bool {
    ZYGOTE.get().is_some()
}

/// The workers of the program.
pub(crate) fn workers(name: &str) -> Result<&'static [Worker], Error> {
    get(name).map(|zygote| zygote.workers)
}

fn get(name: &str) -> Result<&'static Zygote, Error> {
    ZYGOTE.get().ok_or_else(|| Error::start(name, "sandbox_spawn::init was not called"))
}

/// Waits for a zygote that has ended, so that it is no zombie; or is about to, since its sockets are
/// closed a little before.
pub(crate) fn reap_zygote(time: Duration) -> Option<crate::End> {
    // In a worker, the program's zygote may be in its memory, but is not its own.
    let zygote = ZYGOTE.get().filter(|_| matches!(graph::place(), Place::Program))?;
    let waited = lock(&zygote.process).wait_timeout(time);
    waited.ok().flatten().map(crate::End::from)
}
