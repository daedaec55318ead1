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
    Worker, guard, start, sys,
    task::{self, Task},
};

/// What a keeper has.
pub(crate) struct Keeper {
    /// From where tasks come; it ends with the program. A keeper without ends with its workers.
    pub(crate) control: Option<Frames>,
    /// Readable once the program has ended, also where a fork of it holds the other ends.
    pub(crate) end: OwnedFd,
    /// The program's own file, to execute it anew.
    pub(crate) file: Option<OwnedFd>,
    pub(crate) workers: &'static [Worker],
    pub(crate) kept: Vec<Kept>,
    /// The names of those that it still starts, if not all.
    pub(crate) only: Option<Vec<String>>,
}

/// The whole life of the keeper of one worker, which is forked from the program as it is now.
pub(crate) fn alone(task: Task, leash: OwnedFd, program: u32, workers: &'static [Worker]) -> u8 {
    let Task { settings, mut descriptors } = task;
    descriptors.insert(0, leash);
    let Ok((mut descriptors, end)) = sys::become_keeper(descriptors, program) else { return 1 };
    let Ok(leash) = Frames::from_socket(descriptors.remove(0)) else { return 1 };
    let mut keeper =
        Keeper { control: None, end, file: None, workers, kept: Vec::new(), only: None };
    keeper.start(Task { settings, descriptors }, leash);
    keeper.run();
    0
}

/// A worker.
pub(crate) struct Kept {
    leash: Frames,
    process: ProcessDescriptor,
    pid: u32,
    /// Killed already: the end is not long in coming.
    killed: bool,
}

impl Keeper {
    /// Keeps workers until there is nothing more to keep.
    pub(crate) fn run(&mut self) {
        while self.control.is_some() || !self.kept.is_empty() {
            let ready = self.wait();
            let mut ready = ready.into_iter();
            let mut next = || ready.next().unwrap_or(false);
            let (program_ended, asked) = (next(), next());
            let ready: Vec<(bool, bool)> = self.kept.iter().map(|_| (next(), next())).collect();
            if program_ended {
                break;
            }
            // From behind, so that those that are looked at keep their places.
            for (place, (leash, process)) in ready.into_iter().enumerate().rev() {
                if process {
                    self.kept.swap_remove(place).ended();
                } else if leash {
                    self.kept[place].heed();
                }
            }
            if asked && !self.asked() {
                break;
            }
        }
        self.kept.iter().for_each(Kept::kill);
        self.kept.drain(..).for_each(Kept::ended);
    }

    /// Waits for anything to happen. What has happened: to the program, on the control socket, and
    /// on the leash and to the process of each worker.
    fn wait(&self) -> Vec<bool> {
        let none = -1;
        let control = self.control.as_ref().map_or(none, |control| control.as_fd().as_raw_fd());
        let mut watched = vec![self.end.as_raw_fd(), control];
        for kept in &self.kept {
            // A leash that has ended stays readable.
            watched.push(if kept.killed { none } else { kept.leash.as_fd().as_raw_fd() });
            watched.push(kept.process.as_fd().as_raw_fd());
        }
        sys::wait_for(&watched)
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
        if frame.kind() == task::ONLY {
            let Ok(mut names) = frame.decode::<Vec<String>>(control.caps()) else { return false };
            names.retain(|name| self.only.as_ref().is_none_or(|only| only.contains(name)));
            self.only = Some(names);
            return true;
        }
        let Ok((mut before, task)) = Task::read(frame, 1, control) else { return true };
        // Without its leash a worker could not be ended; who has the other end finds it closed.
        let leash = before.pop().map(Frames::from_socket);
        if let Some(Ok(leash)) = leash {
            self.start(task, leash);
        }
        true
    }

    /// Starts a worker.
    pub(crate) fn start(&mut self, task: Task, mut leash: Frames) {
        let name = &task.settings.worker;
        if self.only.as_ref().is_some_and(|only| !only.contains(name)) {
            let reason = "the program has given up starting it (`sandbox_spawn::start_only`)";
            let frame = Frame::encode(task::FAILED, 0, reason, leash.caps());
            let _ = frame.and_then(|frame| leash.try_send(&frame));
            return;
        }
        let workers = self.workers;
        let file = self.file.as_ref();
        let keeper = std::process::id();
        let forked = if task.settings.processes {
            ProcessDescriptor::fork(move || guard::run(task, file, keeper, workers))
        } else if task.settings.execute {
            ProcessDescriptor::fork(move || start::execute(task, file, keeper))
        } else {
            ProcessDescriptor::fork(move || start::run(task, keeper, workers))
        };
        let kept = forked.and_then(|process| Ok((process.pid()?, process)));
        match kept {
            Ok((pid, process)) => self.kept.push(Kept { leash, process, pid, killed: false }),
            Err(error) => {
                let reason = error.to_string();
                let frame = Frame::encode(task::FAILED, 0, &reason, leash.caps());
                let _ = frame.and_then(|frame| leash.try_send(&frame));
            }
        }
    }
}

impl Kept {
    /// Does what the other end of the leash says; that it is gone says enough.
    fn heed(&mut self) {
        if !matches!(self.leash.try_receive(), Ok(None)) {
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
