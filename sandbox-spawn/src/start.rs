//! What happens in a worker's process before its function runs.

use std::{
    collections::BTreeMap,
    ffi::CString,
    fmt::Display,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use capsicum_channel::{Caps, Error, Frame, Frames};
use capsicum_rs::{Containment, Limits, ProcessDescriptor, Rights, Sandbox};

use crate::{
    Inside, Outside, Resource, Worker, graph, sys,
    task::{self, CHANNEL, Grant, Level, Settings, Task},
    worker::{self, Run},
};

/// The exit status of a worker whose function was not run.
pub(crate) const NOT_RUN: u8 = 126;

/// The first number after the standard streams: the worker's socket.
const FIRST: RawFd = 3;

/// How a program that is executed anew knows that it is a worker: the first argument begins so, and ends
/// with how long its task is. Memory that is touched for the first time costs more than most of what is
/// done with it, and a task is much shorter than what a frame may hold. There is no other argument, in
/// which programs may look for something before they call `init`.
const ARGUMENT: &str = "sandbox-spawn: a worker ";

/// Becomes the worker of a task, in a fork of its keeper, and runs it.
pub(crate) fn run(task: Task, keeper: u32, workers: &'static [Worker]) -> u8 {
    let (settings, descriptors, variables) = task.apart();
    let Ok(mut descriptors) = arrange(&settings, descriptors, keeper) else { return NOT_RUN };
    let report = if settings.has_report { descriptors.pop() } else { None };
    // Before the descriptors are limited: that it is a socket could not be asked afterwards.
    let socket = descriptors.remove(0);
    let Ok(mut frames) = Frames::from_socket(socket) else { return NOT_RUN };
    let control = settings.has_control.then(|| descriptors.remove(0));
    let Ok(control) = control.map(Frames::from_socket).transpose() else { return NOT_RUN };
    let entered = frames.set_caps(settings.caps()).map_err(text).and_then(|()| {
        sys::set_environment(&variables);
        prepare(&settings, descriptors, (&frames, control.as_ref()), report, keeper, workers)
    });
    graph::enter(control);
    let (answer, ready) = match entered {
        Ok(ready) => (ready.held.level(), Some(ready)),
        Err(reason) => (Err(reason), None),
    };
    if tell(&mut frames, &answer).is_err() {
        return NOT_RUN;
    }
    let Some(Ready { name, held, grants, channels }) = ready else { return NOT_RUN };
    match held {
        Held::Inside(run, containment) => {
            run(Inside { name, frames, grants, channels, containment })
        }
        Held::Outside(run) => run(Outside { name, frames, grants }),
    }
}

/// The first frame that a worker sends.
fn tell(frames: &mut Frames, answer: &Result<Level, String>) -> Result<(), Error> {
    let frame = Frame::encode(task::READY, 0, answer, frames.caps())?;
    frames.send(&frame, None)
}

/// Reads it: the level, unless the worker is outside.
pub(crate) fn told(frame: Frame, frames: &Frames) -> Result<Option<Containment>, String> {
    if frame.kind() != task::READY {
        return Err("it began with something else than being ready".to_owned());
    }
    let level = frame.decode::<Result<Level, String>>(frames.caps()).map_err(text)??;
    if level == task::OUTSIDE {
        return Ok(None);
    }
    task::containment(level).map(Some).ok_or_else(|| "it is at no level".to_owned())
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Leaves the keeper behind: its session, its death included, its signals and its descriptors.
fn arrange(
    settings: &Settings,
    descriptors: Vec<OwnedFd>,
    keeper: u32,
) -> std::io::Result<Vec<OwnedFd>> {
    sys::leave_keeper(keeper, settings.guarded())?;
    let mut descriptors = descriptors;
    let stderr = if settings.has_stderr { descriptors.pop() } else { None };
    sys::arrange(descriptors, FIRST, stderr)
}

/// A worker that is confined.
struct Ready {
    name: &'static str,
    held: Held,
    grants: BTreeMap<String, OwnedFd>,
    channels: BTreeMap<String, Frames>,
}

/// How, and what it runs.
enum Held {
    Inside(fn(Inside) -> u8, Containment),
    Outside(fn(Outside) -> u8),
}

impl Held {
    fn level(&self) -> Result<Level, String> {
        match self {
            Self::Inside(_, containment) => task::level(*containment).ok_or_else(String::new),
            Self::Outside(_) => Ok(task::OUTSIDE),
        }
    }
}

/// Enters capability mode, or what holds a worker outside; what fails is said in the words of what
/// refused it.
fn prepare(
    settings: &Settings,
    mut descriptors: Vec<OwnedFd>,
    sockets: (&Frames, Option<&Frames>),
    report: Option<OwnedFd>,
    keeper: u32,
    workers: &'static [Worker],
) -> Result<Ready, String> {
    let at = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let worker = worker::find(workers, &settings.worker).ok_or("no worker has this name")?;
    let directory = if settings.has_directory { descriptors.pop() } else { None };
    sys::change_directory(directory.as_ref()).map_err(at("the working directory"))?;
    drop(directory);
    if let Some((user, group)) = settings.user {
        sys::become_user(user, group).map_err(at("the user and the group"))?;
    }
    sys::before_entering(settings.cores).map_err(at("cores and privileges"))?;

    let (mut grants, mut channels) = (BTreeMap::new(), BTreeMap::new());
    for (grant, descriptor) in settings.grants.iter().zip(descriptors) {
        let name = grant.name.clone();
        if grant.channel {
            let failed = |error| format!("the channel `{name}`: {error}");
            let channel = Frames::from_socket(descriptor).map_err(failed)?;
            channels.insert(name, channel);
        } else {
            grants.insert(name, descriptor);
        }
    }
    let held = match worker.run() {
        Run::Inside(run) => {
            let entered = enter(settings, sockets, report.as_ref(), &grants, &channels)?;
            if !capsicum_rs::sandboxed() {
                return Err("the kernel says that the process is not in capability mode".to_owned());
            }
            Held::Inside(run, entered)
        }
        Run::Outside(run, reach) => {
            sys::confine(reach)?;
            Held::Outside(run)
        }
    };
    if let Some(report) = report {
        sys::refusals::tell(report).map_err(at("telling refusals"))?;
    }
    // Not before: entering takes memory, descriptors and processes too.
    for (resource, limit) in &settings.resources {
        let failed = |error| format!("the limit of {resource:?}: {error}");
        sys::limit_resource(*resource, *limit).map_err(failed)?;
    }
    if !settings.resources.iter().any(|(resource, _)| *resource == Resource::Descriptors) {
        sys::leave_descriptors().map_err(at("the limit of descriptors"))?;
    }
    // What changes credentials has made the kernel forget it.
    sys::die_with(keeper).map_err(at("ending with the keeper"))?;
    sys::harden(settings.processes, settings.cores, settings.ends_at_refusal)?;
    Ok(Ready { name: worker.name(), held, grants, channels })
}

fn enter(
    settings: &Settings,
    (frames, control): (&Frames, Option<&Frames>),
    report: Option<&OwnedFd>,
    grants: &BTreeMap<String, OwnedFd>,
    channels: &BTreeMap<String, Frames>,
) -> Result<Containment, String> {
    let ceiling = Limits::from(&settings.ceiling);
    // A grant with less than the ceiling would keep descriptors from being sent, on Linux.
    let own = |rights: Rights| Limits { rights: ceiling.rights | rights, ..ceiling.clone() };
    // Code that prints, or looks for input, is not to fail there: it is /dev/null. What may be the
    // terminal is written to and no more.
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let writes = if settings.inherits_stderr { Rights::WRITE.into() } else { own(Rights::WRITE) };
    let mut sandbox = Sandbox::new()
        .ceiling(ceiling.clone())
        .grant(frames, own(Frames::RIGHTS))
        .grant(&stdin, own(Rights::READ))
        .grant(&stdout, own(Rights::WRITE))
        .grant(&stderr, writes);
    if let Some(control) = control {
        sandbox = sandbox.grant(control, own(CHANNEL));
    }
    if let Some(report) = report {
        sandbox = sandbox.grant(report, own(Rights::WRITE));
    }
    if settings.ends_at_refusal {
        sandbox = sandbox.trap_refusals();
    }
    for Grant { name, limits, .. } in &settings.grants {
        sandbox = match (grants.get(name), channels.get(name)) {
            (Some(descriptor), _) => sandbox.grant(descriptor, limits),
            (_, Some(channel)) => sandbox.grant(channel, limits),
            _ => return Err("a grant is missing".to_owned()),
        };
    }
    if let Some(level) = settings.require {
        sandbox = sandbox.require(task::containment(level).ok_or("it is no level")?);
    }
    Ok(sandbox.enter().map_err(|error| words(&error))?.containment)
}

/// An error, and what it comes from.
pub(crate) fn words(error: &capsicum_rs::Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(next) = source {
        let next_words = next.to_string();
        if !words.contains(&next_words) {
            words = format!("{words}: {next_words}");
        }
        source = next.source();
    }
    words
}

/// Executes the program anew, in a child of this process, its keeper or guard. Its task waits for it in
/// a socket. What fails is said on the worker's socket, and comes back. The child's descriptor is at
/// `least` or above, where there is room.
pub(crate) fn execute(
    mut task: Task,
    program: Option<&OwnedFd>,
    parent: u32,
    least: RawFd,
) -> Result<ProcessDescriptor, String> {
    let report = task.descriptors.first().map(OwnedFd::try_clone);
    let report = report.ok_or("a task without a socket")?.map_err(text)?;
    let number = report.as_raw_fd();
    task.settings.execute = false;
    let guarded = task.settings.guarded();
    let stderr = task.descriptors.last().filter(|_| task.settings.has_stderr);
    let stderr = stderr.and_then(|stderr| stderr.try_clone().ok());
    let tell = |reason: &str| {
        // There is room: it is the first frame. Nobody may be listening.
        let frame = Frame::encode(task::READY, 0, &Err::<Level, _>(reason), Caps::default());
        let mut frames = Frames::from_known_socket(report);
        let _ = frame.and_then(|frame| frames.try_send(&frame));
    };
    let prepared = program
        .ok_or_else(|| "the program's own file could not be opened".to_owned())
        .and_then(|program| Ok((program, waiting(task)?)));
    let (program, (waiting, argument)) = match prepared {
        Ok(prepared) => prepared,
        Err(reason) => {
            tell(&reason);
            return Err(reason);
        }
    };
    let execution = sys::Execution {
        program: program.as_fd(),
        argument: &argument,
        kept: waiting.as_fd(),
        stderr: stderr.as_ref().map(AsFd::as_fd),
        parent,
        guarded,
    };
    sys::start_execution(&execution, least, number, tell)
}

/// A socket in which the task waits for whoever gets it, and the argument that goes with it.
fn waiting(task: Task) -> Result<(OwnedFd, CString), String> {
    let (mut here, there) = Frames::pair().map_err(text)?;
    let frame = task.frame(Vec::new(), &here).map_err(text)?;
    let argument = format!("{ARGUMENT}{}", frame.payload().len());
    let argument = CString::new(argument).map_err(text)?;
    // A frame that has come to this process has room there.
    match here.try_send(&frame) {
        Ok(true) if here.is_flushed() => Ok((there.into(), argument)),
        Ok(_) => Err("there is no room for its task".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether this program was executed by [`execute`]: what a frame with its task may hold.
pub(crate) fn executed() -> Option<Caps> {
    let first = std::env::args_os().next()?;
    let length = first.to_str()?.strip_prefix(ARGUMENT)?;
    let caps = Caps::default();
    Some(caps.inline(length.parse().unwrap_or(caps.inline).min(caps.inline)))
}

/// Goes on where [`execute`] has ended.
pub(crate) fn resume(caps: Caps, workers: &'static [Worker]) -> ! {
    // A set-id program would do as a worker what its user asks it to.
    if sys::privileged_execution() {
        eprintln!("sandbox-spawn: a set-id program cannot be executed anew for a worker");
        sys::exit(NOT_RUN);
    }
    let task = sys::inherited(sys::KEPT)
        .map_err(text)
        .and_then(|socket| Frames::from_socket(socket).map_err(text))
        .and_then(|mut frames| {
            frames.set_caps(caps).map_err(text)?;
            let frame = frames.try_receive().map_err(text)?.ok_or("nothing was sent")?;
            Task::read(frame, 0, &frames).map_err(text)
        });
    let status = match task {
        Ok((_, task)) => run(task, sys::parent(), workers),
        Err(reason) => {
            eprintln!("sandbox-spawn: a worker without a task: {reason}");
            NOT_RUN
        }
    };
    sys::exit(status)
}
