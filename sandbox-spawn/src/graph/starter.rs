//! The starter: the keeper of a worker that may start others, and of those.
//!
//! It is a process of its own for each such worker, so that what a hostile one sends can hold up or
//! bring down nothing but what hangs on it. Whoever has the worker's leash can have the starter
//! killed, whatever that does at the time: the kernel kills its children with it.

use std::os::fd::OwnedFd;

use capsicum_channel::{Frame, Frames, Handle};

use super::{
    Starts,
    authority::{Authority, Judged},
    request::{ANSWER, ASK, Answer, Request},
};
use crate::{
    Worker,
    keeper::{Control, Keeper},
    start, sys,
    task::{self, Task},
};

/// Where the requests of a worker come from, and what they are held against.
pub(crate) struct Requests {
    socket: Frames,
    authority: Authority,
}

/// The whole life of a starter, in a fork of the keeper: it ends as its worker does.
pub(crate) fn run(
    task: Task,
    file: Option<&OwnedFd>,
    keeper: u32,
    workers: &'static [Worker],
) -> u8 {
    let processes = task.settings.processes;
    let Some(mut starter) = prepare(task, file, keeper, workers) else { return start::NOT_RUN };
    let Some(status) = starter.run() else {
        // The keeper has ended, and what was kept with it.
        if processes {
            sys::kill_all();
        }
        sys::exit(start::NOT_RUN)
    };
    // Without closing what the worker had it keep, which may take long.
    sys::exit(sys::end_like(status).unwrap_or(start::NOT_RUN))
}

fn prepare(
    task: Task,
    file: Option<&OwnedFd>,
    keeper: u32,
    workers: &'static [Worker],
) -> Option<Keeper> {
    let (mut settings, mut descriptors, variables) = task.apart();
    if let Some(file) = file {
        descriptors.push(file.try_clone().ok()?);
    }
    let mut descriptors = sys::arrange(descriptors, 3, None).ok()?;
    let file = if file.is_some() { descriptors.pop() } else { None };
    let end = sys::become_guard(keeper).ok()?;
    // What a worker may start on its own the kernel does not end; this process does.
    if !settings.processes {
        sys::die_with(keeper).ok()?;
    }
    let starts = settings.starts.clone()?;
    if starts.outside(workers).is_some() {
        return None;
    }
    let authority = Authority::new(settings.clone(), starts, descriptors.get(1..)?).ok()?;
    let (socket, there) = Frames::pair().ok()?;
    settings.has_control = true;
    descriptors.insert(1, there.into());
    let control = Some(Control::Worker(Box::new(Requests { socket, authority })));
    let mut starter = Keeper::new(control, end, file, workers).ok()?;
    let environment = task::environment(&variables).ok()?;
    drop(variables);
    starter.start_chief(Task { settings, descriptors, environment }).then_some(starter)
}

impl Requests {
    pub(crate) fn socket(&self) -> &Frames {
        &self.socket
    }

    /// Takes a request, if one is there. `Err` where the worker has sent what is none: it is not
    /// listened to any more.
    pub(crate) fn next(&mut self, alive: u64) -> Result<Option<Asked>, ()> {
        let Some(frame) = self.socket.try_receive().map_err(drop)? else { return Ok(None) };
        let sequence = frame.sequence();
        if frame.kind() != ASK {
            return Err(());
        }
        let request: Request = frame.decode(self.socket.caps()).map_err(drop)?;
        let left = self.authority.most().saturating_sub(alive);
        let prepared = self.authority.judge(request, left).and_then(connected);
        Ok(match prepared {
            Ok((task, leash, answer)) => Some(Asked { task, leash, answer, sequence }),
            Err(reason) => {
                self.answer(sequence, &Err(reason));
                None
            }
        })
    }

    /// Where it cannot be sent, since the worker reads nothing, the ends in it are closed, and what
    /// was started ends with its leash.
    pub(crate) fn answer(&mut self, sequence: u64, answer: &Answer) {
        if let Ok(frame) = Frame::encode(ANSWER, sequence, answer, self.socket.caps()) {
            let _ = self.socket.try_send(&frame);
        }
    }
}

/// A request that has been found to be within what the worker has.
pub(crate) struct Asked {
    pub(crate) task: Task,
    pub(crate) leash: Frames,
    pub(crate) answer: Answer,
    pub(crate) sequence: u64,
}

/// The worker's ends, and the other ones.
fn connected(judged: Judged) -> Result<(Task, Frames, Answer), String> {
    let Judged { settings, descriptors, environment } = judged;
    let text = |error: capsicum_channel::Error| error.to_string();
    let (mut frames, there) = Frames::pair().map_err(text)?;
    frames.set_caps(settings.caps()).map_err(text)?;
    let (leash, other) = Frames::pair().map_err(text)?;
    let descriptors = [there.into()].into_iter().chain(descriptors).collect();
    let answer = Ok((Handle::new(frames.into()), Handle::new(other.into())));
    let environment = task::environment(&environment).map_err(text)?;
    Ok((Task { settings, descriptors, environment }, leash, answer))
}

impl Task {
    /// What it takes of the number that a worker may have started.
    pub(crate) fn weight(&self) -> u64 {
        Starts::weight(self.settings.starts.as_ref())
    }
}
