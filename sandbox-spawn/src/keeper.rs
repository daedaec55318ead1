//! The keeper of workers: their parent, which ends them and tells how they ended.
//!
//! Each worker hangs on a *leash*, a socket whose other end is with whoever started it. A message
//! on it, or its end, kills the worker. The kernel closes leashes, so that no worker outlives the
//! program, whatever ended that. The zygote is the keeper of many workers; where the program is
//! forked itself, there is a keeper for each.

use std::{
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::ExitStatus,
};

use capsicum_channel::{Error, Frame, Frames};
use capsicum_rs::ProcessDescriptor;

use crate::{
    Worker,
    graph::{self, Asked, Requests},
    guard, start, sys,
    task::{self, Task},
};

/// What a keeper has.
pub(crate) struct Keeper {
    /// From where tasks come. A keeper without ends with its workers.
    pub(crate) control: Option<Control>,
    /// Readable once the program has ended, also where a fork of it holds the other ends.
    pub(crate) end: OwnedFd,
    /// Readable once any child has ended, where the system can tell.
    pub(crate) children: Option<OwnedFd>,
    /// The program's own file, to execute it anew.
    pub(crate) file: Option<OwnedFd>,
    pub(crate) workers: &'static [Worker],
    pub(crate) kept: Vec<Kept>,
    /// The worker with which the keeper ends, and all others.
    pub(crate) chief: Option<u32>,
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

/// The whole life of the keeper of one worker, which is forked from the program as it is now.
pub(crate) fn alone(task: Task, leash: OwnedFd, program: u32, workers: &'static [Worker]) -> u8 {
    let Task { settings, mut descriptors } = task;
    descriptors.insert(0, leash);
    let Ok((mut descriptors, end)) = sys::become_keeper(descriptors, program) else { return 1 };
    let Ok(leash) = Frames::from_socket(descriptors.remove(0)) else { return 1 };
    let children = sys::watch_children().ok().flatten();
    // Those that the worker starts may be executed anew.
    let file = settings.starts.as_ref().and_then(|_| sys::own_program().ok());
    let kept = Vec::new();
    let mut keeper = Keeper { control: None, end, children, file, workers, kept, chief: None };
    keeper.start(Task { settings, descriptors }, Some(leash));
    keeper.run();
    0
}

/// A worker.
pub(crate) struct Kept {
    /// Without one it is the keeper's own chief.
    leash: Option<Frames>,
    process: ProcessDescriptor,
    pid: u32,
    /// Killed already: the end is not long in coming.
    killed: bool,
    /// What it takes of the number that a worker may have started.
    weight: u64,
}

impl Keeper {
    /// Keeps workers until there is nothing more to keep, or until the chief has ended: how.
    pub(crate) fn run(&mut self) -> Option<ExitStatus> {
        let (mut status, mut chief_ended) = (None, false);
        while self.control.is_some() || !self.kept.is_empty() {
            let ready = self.wait();
            let mut ready = ready.into_iter();
            let mut next = || ready.next().unwrap_or(false);
            let (program_ended, asked, _) = (next(), next(), next());
            let ready: Vec<(bool, bool)> = self.kept.iter().map(|_| (next(), next())).collect();
            if program_ended {
                break;
            }
            // From behind, so that those that are looked at keep their places.
            for (place, (leash, process)) in ready.into_iter().enumerate().rev() {
                if process {
                    let kept = self.kept.swap_remove(place);
                    let chief = self.chief == Some(kept.pid);
                    let ended = kept.ended();
                    if chief {
                        (status, chief_ended) = (ended, true);
                    }
                } else if leash {
                    self.kept[place].heed();
                }
            }
            if chief_ended || (asked && !self.asked()) {
                break;
            }
            let kept = &self.kept;
            let is_kept = |pid| kept.iter().any(|kept| kept.pid == pid);
            sys::reap_strangers(self.children.as_ref(), is_kept);
        }
        self.kept.iter().for_each(Kept::kill);
        for kept in self.kept.drain(..) {
            kept.ended();
        }
        status
    }

    /// Waits for anything to happen. What has happened: to the program, on the control socket, to any
    /// child, and on the leash and to the process of each worker.
    fn wait(&self) -> Vec<bool> {
        let none = -1;
        let control = self.control.as_ref().map(|control| control.socket().as_fd().as_raw_fd());
        let children = self.children.as_ref().map(AsRawFd::as_raw_fd);
        let mut watched =
            vec![self.end.as_raw_fd(), control.unwrap_or(none), children.unwrap_or(none)];
        for kept in &self.kept {
            // A leash that has ended stays readable.
            let leash = kept.leash.as_ref().filter(|_| !kept.killed);
            watched.push(leash.map_or(none, |leash| leash.as_fd().as_raw_fd()));
            watched.push(kept.process.as_fd().as_raw_fd());
        }
        sys::wait_for(&watched)
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
        let Ok((mut before, task)) = Task::read(frame, 1, control) else { return true };
        // Without its leash a worker could not be ended; who has the other end finds it closed.
        let leash = before.pop().map(Frames::from_socket);
        if let Some(Ok(leash)) = leash {
            self.start(task, Some(leash));
        }
        true
    }

    /// Takes the request of a worker. What is none ends the listening, and nothing else.
    fn requested(&mut self) {
        let others = self.kept.iter().filter(|kept| Some(kept.pid) != self.chief);
        let alive = others.map(|kept| kept.weight).sum();
        let Some(Control::Worker(requests)) = &mut self.control else { return };
        match requests.next(alive) {
            Ok(None) => {}
            Ok(Some(Asked { task, leash, answer, sequence })) => {
                self.start(task, Some(leash));
                if let Some(Control::Worker(requests)) = &mut self.control {
                    requests.answer(sequence, &answer);
                }
            }
            Err(()) => self.control = None,
        }
    }

    /// Starts a worker: its id, or that of the process that stands between.
    pub(crate) fn start(&mut self, task: Task, mut leash: Option<Frames>) -> Option<u32> {
        let weight = task.weight();
        let workers = self.workers;
        let file = self.file.as_ref();
        let keeper = std::process::id();
        let has_starter = task.settings.has_control;
        let forked = if task.settings.starts.is_some() && !has_starter {
            ProcessDescriptor::fork(move || graph::run(task, file, keeper, workers))
        } else if task.settings.processes && !has_starter {
            ProcessDescriptor::fork(move || guard::run(task, file, keeper, workers))
        } else if task.settings.execute {
            ProcessDescriptor::fork(move || start::execute(task, file, keeper))
        } else {
            ProcessDescriptor::fork(move || start::run(task, keeper, workers))
        };
        let kept = forked.and_then(|process| Ok((process.pid()?, process)));
        match kept {
            Ok((pid, process)) => {
                self.kept.push(Kept { leash, process, pid, killed: false, weight });
                Some(pid)
            }
            Err(error) => {
                if let Some(leash) = &mut leash {
                    let reason = error.to_string();
                    let frame = Frame::encode(task::FAILED, 0, &reason, leash.caps());
                    let _ = frame.and_then(|frame| leash.try_send(&frame));
                }
                None
            }
        }
    }
}

impl Kept {
    /// Does what the other end of the leash says; that it is gone says enough.
    fn heed(&mut self) {
        let Some(leash) = &mut self.leash else { return };
        if !matches!(leash.try_receive(), Ok(None)) {
            self.kill();
            self.killed = true;
        }
    }

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
