//! The supervisor's answers: calls that Landlock does not see, at the level where there is no
//! private root. The filter sends them here by user notification; here a path is read once from the
//! caller's memory, looked up beneath what is granted, and the call is made on what was found.
//!
//! The words: a *caller* is the thread that waits; a *tree* is a granted directory or file; a
//! *walk* is a lookup that stays within the trees.
//!
//! The caller is hostile. It changes its memory, its directory and its descriptors while it waits,
//! or is killed and its id passes on. So nothing of its own is looked at twice, no call goes on in
//! the kernel (`SECCOMP_USER_NOTIF_FLAG_CONTINUE`), no number of its own sizes a buffer without a
//! cap, and nothing is opened but references (`O_PATH`), which wait for no fifo and no device.

mod alter;
mod ask;
mod caller;
pub(super) mod handover;
mod kernel;
mod listener;
mod request;
mod trees;
mod walk;

use std::{
    fs,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(super) use self::trees::Trees;
use self::{
    caller::Caller,
    listener::{Listener, Waiting},
    request::{Request, request},
};
use super::calls::{self, Errno};

/// How many threads answer at most. One does, as long as it gets on: to wake another for each call
/// costs more than the answer. Where one waits for a slow file system, another takes over.
const MOST_THREADS: usize = 8;

/// How long a call may take before another thread is started, in milliseconds.
pub(super) const PATIENCE: i32 = 100;

/// What a call comes to.
enum Answer {
    Value(i64),
    Descriptor { file: OwnedFd, close_on_exec: bool },
}

/// Whoever answers.
#[derive(Debug)]
struct Supervisor {
    trees: Trees,
    /// The directory of proc(5).
    processes: OwnedFd,
    listener: Listener,
    /// How many calls arrived, and how many of them were answered.
    arrived: AtomicU64,
    answered: AtomicU64,
}

/// All that answering needs, before there is a listener.
#[derive(Debug)]
pub(super) struct Ready {
    trees: Trees,
    processes: OwnedFd,
}

impl Ready {
    /// The directory of proc(5) must be there, as a thread's memory is reached through it.
    pub(super) fn new(trees: Trees) -> Result<Self, Errno> {
        Ok(Self { trees, processes: calls::refer(c"/proc")? })
    }

    /// The descriptors that answering needs.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        self.trees.descriptors().chain([self.processes.as_raw_fd()])
    }

    /// Starts to answer, in threads that end with the process; and with them, it.
    pub(super) fn start(self, listener: OwnedFd) -> Result<Answering, Errno> {
        let supervisor = Arc::new(Supervisor {
            trees: self.trees,
            processes: self.processes,
            listener: Listener::new(listener)?,
            arrived: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        });
        let mut answering = Answering { supervisor, threads: 0, arrived: 0 };
        answering.add_thread()?;
        Ok(answering)
    }
}

/// The threads that answer.
#[derive(Debug)]
pub(super) struct Answering {
    supervisor: Arc<Supervisor>,
    threads: usize,
    /// How many calls had arrived when it was looked last.
    arrived: u64,
}

impl Answering {
    fn add_thread(&mut self) -> Result<(), Errno> {
        let supervisor = Arc::clone(&self.supervisor);
        let answer = move || {
            // Without an answer a caller waits for good: then everything is to end.
            let guard = EndOfAll;
            supervisor.answer_all();
            std::mem::forget(guard);
        };
        std::thread::Builder::new()
            .spawn(answer)
            .map_err(|error| error.raw_os_error().unwrap_or(libc::EAGAIN))?;
        self.threads += 1;
        Ok(())
    }

    /// To be called every [`PATIENCE`]: starts another thread where all are held up.
    pub(super) fn look(&mut self) {
        let answered = self.supervisor.answered.load(Ordering::Relaxed);
        let arrived = self.supervisor.arrived.load(Ordering::Relaxed);
        let held_up = arrived == self.arrived
            && arrived.saturating_sub(answered) >= self.threads as u64
            && self.threads < MOST_THREADS;
        self.arrived = arrived;
        if held_up {
            // Where there can be no more threads, those that are there must do.
            let _ = self.add_thread();
        }
    }
}

/// Ends the process when it is dropped: a thread that panicked answers no more.
struct EndOfAll;

impl Drop for EndOfAll {
    fn drop(&mut self) {
        calls::exit(super::supervisor::CUT_OFF.into());
    }
}

impl Supervisor {
    fn answer_all(&self) {
        while let Some(waiting) = self.listener.receive() {
            self.arrived.fetch_add(1, Ordering::Relaxed);
            match self.answer(waiting) {
                Ok(Answer::Value(value)) => self.listener.answer(waiting.id, Ok(value)),
                Ok(Answer::Descriptor { file, close_on_exec }) => {
                    self.listener.answer_with(waiting.id, &file, close_on_exec);
                }
                Err(errno) => self.listener.answer(waiting.id, Err(errno)),
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answer(&self, waiting: Waiting) -> Result<Answer, Errno> {
        let caller = Caller::new(waiting, &self.listener, &self.processes)?;
        match request(&caller)? {
            Request::Ask(subject, question) => self.ask(&caller, subject, question),
            Request::Alter(subject, change) => self.alter(&caller, subject, change),
            Request::Open { from, path, how, size } => self.open(&caller, from, path, (how, size)),
            Request::WorkingDirectory { to, size } => self.working_directory(&caller, to, size),
        }
    }
}

/// Why a supervisor could not read what a program has in its memory; what the filter needs is found
/// when it is installed.
pub(super) fn unavailable() -> Option<String> {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if matches!(scope.trim(), "2" | "3") {
        return Some(format!(
            "the supervisor may not read the program's memory: `sysctl kernel.yama.ptrace_scope` is {}, \
             and 1 would let it",
            scope.trim()
        ));
    }
    let own = fs::symlink_metadata("/proc/self/mem");
    own.err().map(|error| format!("the supervisor needs proc(5): /proc/self/mem: {error}"))
}
