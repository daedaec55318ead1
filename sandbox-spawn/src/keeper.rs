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

use capsicum_channel::{Error, Frame, Frames};
use capsicum_rs::ProcessDescriptor;

use crate::{
    Worker, guard, start, sys,
    task::{self, Task},
};

/// From this number on are the descriptors of workers that are there already, of which no new worker
/// gets a copy: a start takes as long with a thousand of them as with none. What a keeper has besides,
/// and what comes with a task, fits below.
const OTHERS: RawFd = 128;

/// What a keeper has.
pub(crate) struct Keeper {
    /// From where tasks come; it ends with the program. A keeper without ends with its workers.
    control: Option<Frames>,
    /// Readable once the program has ended, also where a fork of it holds the other ends.
    _end: OwnedFd,
    /// The program's own file, to execute it anew.
    file: Option<OwnedFd>,
    workers: &'static [Worker],
    /// By a number that no other worker of this keeper gets.
    kept: BTreeMap<usize, Kept>,
    next: usize,
    /// All of the above that something can happen to.
    events: sys::Events,
}

/// What something has happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The program has ended.
    End,
    /// A task has come.
    Control,
    /// A message on a worker's leash, or the end of that.
    Leash(usize),
    /// A worker's process has ended.
    Process(usize),
}

impl Source {
    /// As a number: two for each worker, from 1 on.
    fn number(self) -> usize {
        match self {
            Self::End => 0,
            Self::Control => 1,
            Self::Leash(worker) => 2 * worker,
            Self::Process(worker) => 2 * worker + 1,
        }
    }

    fn of(number: usize) -> Self {
        match (number / 2, number % 2) {
            (0, 0) => Self::End,
            (0, _) => Self::Control,
            (worker, 0) => Self::Leash(worker),
            (worker, _) => Self::Process(worker),
        }
    }
}

/// The whole life of the keeper of one worker, which is forked from the program as it is now.
pub(crate) fn alone(task: Task, leash: OwnedFd, program: u32, workers: &'static [Worker]) -> u8 {
    let Task { settings, mut descriptors } = task;
    descriptors.insert(0, leash);
    let Ok((mut descriptors, end)) = sys::become_keeper(descriptors, program) else { return 1 };
    let Ok(leash) = Frames::from_socket(descriptors.remove(0)) else { return 1 };
    let Ok(mut keeper) = Keeper::new(None, end, None, workers) else { return 1 };
    keeper.start(Task { settings, descriptors }, leash);
    keeper.run();
    0
}

/// A worker.
struct Kept {
    leash: Frames,
    process: ProcessDescriptor,
    pid: u32,
}

impl Keeper {
    pub(crate) fn new(
        control: Option<Frames>,
        end: OwnedFd,
        file: Option<OwnedFd>,
        workers: &'static [Worker],
    ) -> std::io::Result<Self> {
        let events = sys::Events::new()?;
        events.watch(end.as_fd(), Source::End.number())?;
        if let Some(control) = &control {
            events.watch(control.as_fd(), Source::Control.number())?;
        }
        Ok(Self { control, _end: end, file, workers, kept: BTreeMap::new(), next: 1, events })
    }

    /// Keeps workers until there is nothing more to keep.
    pub(crate) fn run(&mut self) {
        while (self.control.is_some() || !self.kept.is_empty()) && self.turn() {}
        self.kept.values().for_each(Kept::kill);
        std::mem::take(&mut self.kept).into_values().for_each(Kept::ended);
    }

    /// Waits for anything to happen, and does what follows; whether the keeper goes on.
    fn turn(&mut self) -> bool {
        for number in self.events.wait() {
            match Source::of(number) {
                Source::End => return false,
                Source::Control => {
                    if !self.asked() {
                        return false;
                    }
                }
                Source::Leash(worker) => self.heed(worker),
                Source::Process(worker) => {
                    if let Some(kept) = self.kept.remove(&worker) {
                        self.forget(&kept);
                        kept.ended();
                    }
                }
            }
        }
        true
    }

    fn watch(&self, worker: usize, kept: &Kept) -> std::io::Result<()> {
        self.events.watch(kept.leash.as_fd(), Source::Leash(worker).number())?;
        self.events.watch_process(kept.process.as_fd(), Source::Process(worker).number())
    }

    fn forget(&self, kept: &Kept) {
        self.events.forget(kept.leash.as_fd());
        self.events.forget_process(kept.process.as_fd());
    }

    /// Does what the other end of a leash says; that it is gone says enough.
    fn heed(&mut self, worker: usize) {
        let Some(kept) = self.kept.get_mut(&worker) else { return };
        if !matches!(kept.leash.try_receive(), Ok(None)) {
            kept.kill();
            // A leash that has ended stays readable. The end of the worker is not long in coming.
            self.events.forget(kept.leash.as_fd());
        }
    }

    /// Takes a task; whether there may be more.
    fn asked(&mut self) -> bool {
        let Some(control) = &mut self.control else { return true };
        let frame = match control.try_receive() {
            Ok(Some(frame)) => frame,
            Ok(None) => return true,
            // Also where the program has sent what it never sends: it cannot be trusted to end them.
            Err(_) => return false,
        };
        let Ok((mut before, task)) = Task::read(frame, 1, control) else { return true };
        // Without its leash a worker could not be ended; who has the other end finds it closed.
        let leash = before.pop().map(|leash| Frames::from_socket(sys::above(leash, OTHERS)));
        if let Some(Ok(leash)) = leash {
            self.start(task, leash);
        }
        true
    }

    /// Starts a worker.
    pub(crate) fn start(&mut self, task: Task, mut leash: Frames) {
        let (workers, keeper) = (self.workers, std::process::id());
        let file = self.file.as_ref();
        let below = |fd: &OwnedFd| fd.as_raw_fd() < OTHERS;
        // Where the keeper is a fork of the program as it is, that may rely on all that fork(2) does.
        let apart = self.control.is_some() && task.descriptors.iter().chain(file).all(below);
        let child: Box<dyn FnOnce() -> u8 + '_> = if task.settings.processes {
            Box::new(move || guard::run(task, file, keeper, workers))
        } else if task.settings.execute {
            Box::new(move || start::execute(task, file, keeper))
        } else {
            Box::new(move || start::run(task, keeper, workers))
        };
        let forked = if apart {
            ProcessDescriptor::fork_below(OTHERS, child)
        } else {
            ProcessDescriptor::fork(child)
        };
        match forked.and_then(|process| Ok((process.pid()?, process))) {
            Ok((pid, process)) => self.keep(Kept { leash, process, pid }),
            Err(error) => failed(&mut leash, &error),
        }
    }

    /// Keeps a worker that was started.
    fn keep(&mut self, mut kept: Kept) {
        let worker = self.next;
        self.next += 1;
        if let Err(error) = self.watch(worker, &kept) {
            // Unwatched it could outlive who started it.
            kept.kill();
            self.forget(&kept);
            failed(&mut kept.leash, &error);
            kept.ended();
        } else {
            self.kept.insert(worker, kept);
        }
    }
}

/// Says that there is no process for a worker.
fn failed(leash: &mut Frames, error: &dyn Display) {
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
    fn ended(mut self) {
        // First: until it is waited for, its number is nobody else's.
        sys::kill_descendants(self.pid);
        let status = self.process.wait().map(ExitStatus::into_raw);
        sys::reap_descendants(self.pid);
        // Of one that cannot be waited for nothing is known: its leash just ends.
        let Ok(status) = status else { return };
        if let Ok(frame) = Frame::encode(task::ENDED, 0, &status, self.leash.caps()) {
            // There is room: nothing else was sent. Nobody may be listening.
            let _: Result<bool, Error> = self.leash.try_send(&frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn what_has_happened_is_told_by_its_number() {
        let sources =
            [Source::End, Source::Control, Source::Leash(1), Source::Process(1), Source::Leash(7)];
        for (place, source) in sources.into_iter().enumerate() {
            assert_eq!(Source::of(source.number()), source);
            assert!(sources[..place].iter().all(|other| other.number() != source.number()));
        }
    }
}
