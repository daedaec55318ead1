//! The guard of a worker that may start processes.
//!
//! It stands between the keeper and the worker, and leads the session and the group that all of them
//! stay in. Killing the keeper kills a worker, but not what that has started: this the guard does.
//! Where the guard is killed, the keeper does it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use capsicum_rs::ProcessDescriptor;

use crate::{Worker, start, sys, task, task::Task};

/// The whole life of a guard, in a fork of the keeper: it ends as its worker does.
pub(crate) fn run(
    task: Task,
    file: Option<&OwnedFd>,
    keeper: u32,
    workers: &'static [Worker],
) -> u8 {
    guard(task, file, keeper, workers).unwrap_or(start::NOT_RUN)
}

fn guard(
    task: Task,
    file: Option<&OwnedFd>,
    keeper: u32,
    workers: &'static [Worker],
) -> Option<u8> {
    let (settings, mut descriptors, variables) = task.apart();
    // Copies of the keeper's sockets would hide its end from the program.
    if let Some(file) = file {
        descriptors.push(file.try_clone().ok()?);
    }
    let mut descriptors = sys::arrange(descriptors, 3, None).ok()?;
    let file = if file.is_some() { descriptors.pop() } else { None };
    let keeper_end = sys::become_guard(keeper).ok()?;
    let children = sys::watch_children().ok()?;
    let own = std::process::id();
    let environment = task::environment(&variables).ok()?;
    let task = Task { settings, descriptors, environment };
    let mut worker = if task.settings.execute {
        start::execute(task, file.as_ref(), own, 0).ok()?
    } else {
        ProcessDescriptor::fork(move || start::run(task, own, workers)).ok()?
    };
    drop(file);
    let number = worker.pid().ok()?;
    let watched = [keeper_end.as_raw_fd(), worker.as_fd().as_raw_fd(), children.as_raw_fd()];
    loop {
        match sys::wait_for(&watched)[..] {
            [true, ..] => sys::kill_all(),
            [_, true, _] => break,
            // What the worker has started and left behind comes here, and would stay a zombie.
            _ => sys::reap_strangers(&children, |pid| pid == number),
        }
    }
    sys::end_like(worker.wait().ok()?)
}
