//! The keeper of workers: their parent, which ends them and tells how they ended.
//!
//! Each worker hangs on a *leash*, a socket whose other end is with whoever started it. A message
//! on it, or its end, kills the worker. The kernel closes leashes, so that no worker outlives the
//! program, whatever ended that. The zygote is the keeper of many workers; where the program is
//! forked itself, there is a keeper for each.

use std::{
    collections::BTreeMap,
    fmt::Display,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
};

use capsicum_channel::{Caps, Error, Frame, Frames};
use capsicum_rs::ProcessDescriptor;

use crate::{
    Worker,
    graph::{self, Asked, Requests},
    guard, start, sys,
    task::{self, Task},
};

/// From this number on are the descriptors of workers that are there already, of which no new worker
/// gets a copy: a start takes as long with a thousand of them as with none. What a keeper has besides,
/// and what comes with a task, fits below.
const OTHERS: RawFd = 128;

/// What a keeper has.
pub(crate) struct Keeper {
    /// From where tasks come. A keeper without ends with its workers.
    control: Option<Control>,
    /// Whether tasks are taken now.
    listening: bool,
    /// Readable once the program has ended, also where a fork of it holds the other ends.
    _end: OwnedFd,
    /// Readable once any child has ended.
    children: OwnedFd,
    /// The program's own file, to execute it anew.
    file: Option<OwnedFd>,
    workers: &'static [Worker],
    /// By a number that no other worker of this keeper gets.
    kept: BTreeMap<usize, Kept>,
    next: usize,
    /// The worker with which the keeper ends, and all others.
    chief: Option<usize>,
    /// The names of those that it still starts, if not all.
    only: Option<Vec<String>>,
    /// All of the above that something can happen to.
    events: sys::Events,
}

/// Who has workers started.
pub(crate) enum Control {
    /// The program, with which this ends. It is believed.
    Program(Box<Frames>),
    /// A worker, which is not.
    Worker(Box<Requests>),
}

impl Control {
    fn socket(&self) -> &Frames {
        match self {
            Self::Program(socket) => socket,
            Self::Worker(requests) => requests.socket(),
        }
    }
}

/// What something has happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The program has ended.
    End,
    /// A task has come.
    Control,
    /// Some child has ended, which need not be a worker.
    Children,
    /// A message on a worker's leash, or the end of that.
    Leash(usize),
    /// A worker's process has ended.
    Process(usize),
}

/// The number of the first worker.
const FIRST: usize = 2;

impl Source {
    /// As a number: two for each worker, from [`FIRST`] on.
    fn number(self) -> usize {
        match self {
            Self::End => 0,
            Self::Control => 1,
            Self::Children => 2,
            Self::Leash(worker) => 2 * worker,
            Self::Process(worker) => 2 * worker + 1,
        }
    }

    fn of(number: usize) -> Self {
        match (number / 2, number % 2) {
            (0, 0) => Self::End,
            (0, _) => Self::Control,
            (1, _) => Self::Children,
            (worker, 0) => Self::Leash(worker),
            (worker, _) => Self::Process(worker),
        }
    }
}

/// The whole life of the keeper of one worker, which is forked from the program as it is now.
pub(crate) fn alone(task: Task, leash: OwnedFd, program: u32, workers: &'static [Worker]) -> u8 {
    let (settings, mut descriptors, variables) = task.apart();
    descriptors.insert(0, leash);
    let Ok((mut descriptors, end)) = sys::become_keeper(descriptors, program) else { return 1 };
    let Ok(leash) = Frames::from_socket(descriptors.remove(0)) else { return 1 };
    // Those that the worker starts may be executed anew.
    let file = settings.starts.as_ref().and_then(|_| sys::own_program().ok());
    let Ok(mut keeper) = Keeper::new(None, end, file, workers) else { return 1 };
    let Ok(environment) = task::environment(&variables) else { return 1 };
    drop(variables);
    keeper.start(Task { settings, descriptors, environment }, Some(leash));
    keeper.run();
    0
}

/// A worker.
struct Kept {
    /// Without one it is the keeper's own chief.
    leash: Option<Frames>,
    process: ProcessDescriptor,
    pid: u32,
    /// What it takes of the number that a worker may have started.
    weight: u64,
}

impl Keeper {
    pub(crate) fn new(
        control: Option<Control>,
        end: OwnedFd,
        file: Option<OwnedFd>,
        workers: &'static [Worker],
    ) -> std::io::Result<Self> {
        let events = sys::Events::new()?;
        let children = sys::watch_children()?;
        events.watch(end.as_fd(), Source::End.number())?;
        events.watch(children.as_fd(), Source::Children.number())?;
        Ok(Self {
            control,
            listening: false,
            _end: end,
            children,
            file,
            workers,
            kept: BTreeMap::new(),
            next: FIRST,
            chief: None,
            only: None,
            events,
        })
    }

    /// Keeps workers until there is nothing more to keep, or until the chief has ended: how.
    pub(crate) fn run(&mut self) -> Option<ExitStatus> {
        let mut status = None;
        while self.control.is_some() || !self.kept.is_empty() {
            self.listen();
            if !self.turn(&mut status) {
                break;
            }
        }
        self.kept.values().for_each(Kept::kill);
        for kept in std::mem::take(&mut self.kept).into_values() {
            kept.ended();
        }
        status
    }

    /// Waits for anything to happen, and does what follows; whether the keeper goes on.
    fn turn(&mut self, status: &mut Option<ExitStatus>) -> bool {
        let mut goes_on = true;
        for number in self.events.wait() {
            match Source::of(number) {
                Source::End => return false,
                Source::Control => goes_on &= self.asked(),
                // All of them are looked for below.
                Source::Children => {}
                Source::Leash(worker) => self.heed(worker),
                Source::Process(worker) => {
                    let Some(kept) = self.kept.remove(&worker) else { continue };
                    self.forget(&kept);
                    let ended = kept.ended();
                    if self.chief == Some(worker) {
                        *status = ended;
                        goes_on = false;
                    }
                }
            }
        }
        let kept = &self.kept;
        let is_kept = |pid| kept.values().any(|kept| kept.pid == pid);
        sys::reap_strangers(&self.children, is_kept);
        goes_on
    }

    fn watch(&self, worker: usize, kept: &Kept) -> std::io::Result<()> {
        if let Some(leash) = &kept.leash {
            self.events.watch(leash.as_fd(), Source::Leash(worker).number())?;
        }
        self.events.watch_process(kept.process.as_fd(), Source::Process(worker).number())
    }

    fn forget(&self, kept: &Kept) {
        if let Some(leash) = &kept.leash {
            self.events.forget(leash.as_fd());
        }
        self.events.forget_process(kept.process.as_fd());
    }

    /// Does what the other end of a leash says; that it is gone says enough.
    fn heed(&mut self, worker: usize) {
        let Some(kept) = self.kept.get_mut(&worker) else { return };
        let Some(leash) = &mut kept.leash else { return };
        if !matches!(leash.try_receive(), Ok(None)) {
            // A leash that has ended stays readable. The end of the worker is not long in coming.
            self.events.forget(leash.as_fd());
            kept.kill();
        }
    }

    /// Takes tasks or does not, as there is room.
    fn listen(&mut self) {
        let room = self.has_room();
        let Some(control) = self.control.as_ref().filter(|_| room != self.listening) else {
            return;
        };
        let control = control.socket().as_fd();
        if room {
            // What fails is tried again when something else has happened.
            self.listening = self.events.watch(control, Source::Control.number()).is_ok();
        } else {
            self.events.forget(control);
            self.listening = false;
        }
    }

    /// Whether another task may be taken. One whose descriptors do not fit into the table would be lost,
    /// and the control socket with it; so it waits until a worker has ended.
    fn has_room(&self) -> bool {
        // The standard streams, what this has, and what a start takes in passing.
        let open = 12 + 2 * self.kept.len();
        open + Caps::default().descriptors < sys::most_descriptors()
    }

    /// Takes a task; whether there may be more.
    fn asked(&mut self) -> bool {
        let control = match &mut self.control {
            None => return true,
            Some(Control::Program(control)) => control,
            Some(Control::Worker(_)) => {
                self.requested();
                return true;
            }
        };
        let frame = match control.try_receive() {
            Ok(Some(frame)) => frame,
            Ok(None) => return true,
            // Also where the program has sent what it never sends: it cannot be trusted to end them.
            Err(_) => return false,
        };
        if frame.kind() == task::ONLY {
            let Ok(mut names) = frame.decode::<Vec<String>>(control.caps()) else { return false };
            names.retain(|name| self.only.as_ref().is_none_or(|only| only.contains(name)));
            self.only = Some(names);
            return true;
        }
        let Ok((mut before, task)) = Task::read(frame, 1, control) else { return true };
        // Without its leash a worker could not be ended; who has the other end finds it closed.
        let leash = before.pop().map(|leash| Frames::from_socket(sys::above(leash, OTHERS)));
        if let Some(Ok(leash)) = leash {
            self.start(task, Some(leash));
        }
        true
    }

    /// Takes the request of a worker. What is none ends the listening, and nothing else.
    fn requested(&mut self) {
        let others = self.kept.iter().filter(|(worker, _)| Some(**worker) != self.chief);
        let alive = others.map(|(_, kept)| kept.weight).sum();
        let Some(Control::Worker(requests)) = &mut self.control else { return };
        match requests.next(alive) {
            Ok(None) => {}
            Ok(Some(Asked { task, leash, answer, sequence })) => {
                self.start(task, Some(leash));
                if let Some(Control::Worker(requests)) = &mut self.control {
                    requests.answer(sequence, &answer);
                }
            }
            Err(()) => {
                self.events.forget(requests.socket().as_fd());
                self.control = None;
            }
        }
    }

    /// Starts the worker with which the keeper ends; whether there is one.
    pub(crate) fn start_chief(&mut self, task: Task) -> bool {
        self.chief = self.start(task, None);
        self.chief.is_some()
    }

    /// Starts a worker: its number.
    fn start(&mut self, task: Task, mut leash: Option<Frames>) -> Option<usize> {
        if self.only.as_ref().is_some_and(|only| !only.contains(&task.settings.worker)) {
            let reason = "the program has given up starting it (`sandbox_spawn::start_only`)";
            failed(leash.as_mut(), &reason);
            return None;
        }
        let weight = task.weight();
        let has_starter = task.settings.has_control;
        let (workers, keeper) = (self.workers, std::process::id());
        let file = self.file.as_ref();
        let watched = task.settings.starts.is_some() || task.settings.processes;
        // A guard, and a starter whose worker may start processes, end what those have left behind when this
        // process is killed: the kernel must not end them with it. It ends every other child.
        let lasts = task.settings.processes && !has_starter;
        let started = if task.settings.execute && (!watched || has_starter) {
            start::execute(task, file, keeper, OTHERS)
        } else {
            let below = |fd: &OwnedFd| fd.as_raw_fd() < OTHERS;
            // Where the keeper is a fork of the program as it is, that may rely on all that fork(2) does.
            let apart = self.control.is_some() && task.descriptors.iter().chain(file).all(below);
            let child: Box<dyn FnOnce() -> u8 + '_> = if has_starter || !watched {
                Box::new(move || start::run(task, keeper, workers))
            } else if task.settings.starts.is_some() {
                Box::new(move || graph::run(task, file, keeper, workers))
            } else {
                Box::new(move || guard::run(task, file, keeper, workers))
            };
            let forked = match (apart, lasts) {
                (_, true) => ProcessDescriptor::fork_lasting(apart.then_some(OTHERS), child),
                (true, false) => ProcessDescriptor::fork_below(OTHERS, child),
                (false, false) => ProcessDescriptor::fork(child),
            };
            forked.map_err(|error| error.to_string())
        };
        let numbered = started.and_then(|process| {
            let pid = process.pid().map_err(|error| error.to_string())?;
            Ok((pid, process))
        });
        match numbered {
            Ok((pid, process)) => self.keep(Kept { leash, process, pid, weight }),
            Err(reason) => {
                failed(leash.as_mut(), &reason);
                None
            }
        }
    }

    /// Keeps a worker that was started.
    fn keep(&mut self, mut kept: Kept) -> Option<usize> {
        let worker = self.next;
        self.next += 1;
        if let Err(error) = self.watch(worker, &kept) {
            // Unwatched it could outlive who started it.
            kept.kill();
            self.forget(&kept);
            failed(kept.leash.as_mut(), &error);
            kept.ended();
            return None;
        }
        self.kept.insert(worker, kept);
        Some(worker)
    }
}

/// Says that there is no process for a worker.
fn failed(leash: Option<&mut Frames>, error: &dyn Display) {
    let Some(leash) = leash else { return };
    let frame = Frame::encode(task::FAILED, 0, &error.to_string(), leash.caps());
    let _ = frame.and_then(|frame| leash.try_send(&frame));
}

impl Kept {
    /// All of it at once: were the keeper killed between two steps, nobody would do the second.
    fn kill(&self) {
        sys::kill_descendants(self.pid);
        // It may not lead its group yet.
        let _ = self.process.kill(libc::SIGKILL);
    }

    /// Ends what the worker has left behind, and tells how it ended.
    fn ended(mut self) -> Option<ExitStatus> {
        // First: until it is waited for, its number is nobody else's.
        sys::kill_descendants(self.pid);
        let status = self.process.wait();
        sys::reap_descendants(self.pid);
        // Of one that cannot be waited for nothing is known: its leash just ends.
        let status = status.ok()?;
        if let Some(leash) = &mut self.leash
            && let Ok(frame) = Frame::encode(task::ENDED, 0, &status.into_raw(), leash.caps())
        {
            // There is room: nothing else was sent. Nobody may be listening.
            let _: Result<bool, Error> = leash.try_send(&frame);
        }
        Some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST, Source};

    #[test]
    fn what_has_happened_is_told_by_its_number() {
        let (leash, process) = (Source::Leash(FIRST), Source::Process(FIRST));
        let others = [Source::End, Source::Control, Source::Children];
        let sources = others.into_iter().chain([leash, process, Source::Leash(7)]);
        let sources: Vec<_> = sources.collect();
        for (place, source) in sources.iter().copied().enumerate() {
            assert_eq!(Source::of(source.number()), source);
            assert!(sources[..place].iter().all(|other| other.number() != source.number()));
        }
    }
}
