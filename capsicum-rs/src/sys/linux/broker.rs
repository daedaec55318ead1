//! The broker: a process outside of the sandbox that opens what lies beneath directories that arrive
//! later.
//!
//! Landlock has rules for the directories that are open when it is set, and a private root holds
//! copies of them. A directory that comes over a socket afterwards has neither. With a broker
//! openat(2) on it is left to a process that is not restricted: it takes the path once, looks it up
//! beneath that directory and nowhere else, and hands out what it has opened. The rights were asked
//! for before, by the filter, from the number and the flags, which cannot change any more. Nothing
//! of the fast path comes here: what was granted is opened without the broker.

mod answer;

use std::{
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use self::answer::Answers;
use super::call::{
    self,
    notify::{self, Page},
};
use crate::Error;

/// What the broker is told in the first word of the page: nothing yet, to end, or else the number
/// of the listener and two more.
const NOT_YET: u32 = 0;
const END: u32 = 1;
/// What it says in the second.
const TAKEN: u32 = 1;

/// A broker that waits for its listener. Dropping it ends it.
pub(super) struct Broker {
    page: Page,
    pid: libc::pid_t,
}

impl Broker {
    /// Forks the broker; the caller has one thread.
    pub(super) fn start() -> Result<Self, Error> {
        let failed = |what: &str, error| Error::system(format!("the broker: {what}"), error);
        let page = Page::new().map_err(|error| failed("mmap", error))?;
        let parent = std::process::id().cast_signed();
        let pid = notify::fork_with_these_descriptors().map_err(|error| failed("clone", error))?;
        if pid == 0 {
            notify::stand_alone(c"capsicum-broker");
            serve(&page, parent);
            call::exit(0);
        }
        notify::may_be_looked_at_by(pid);
        Ok(Self { page, pid })
    }

    /// Gives it the listener, and waits until it has it. The caller is in capability mode.
    ///
    /// # Errors
    ///
    /// The reason, in words: the broker is no more, and nobody would answer.
    pub(super) fn take(self, listener: &OwnedFd) -> Result<(), String> {
        let [told, said] = self.page.words();
        let number = u32::try_from(listener.as_raw_fd()).unwrap_or(0);
        told.store(number + 2, SeqCst);
        notify::wake(told);
        while said.load(SeqCst) != TAKEN {
            if notify::has_ended(self.pid) {
                return Err("its process has ended".to_owned());
            }
            notify::wait_while(said, 0, Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let [told, _] = self.page.words();
        if told.compare_exchange(NOT_YET, END, SeqCst, SeqCst).is_ok() {
            notify::wake(told);
            let deadline = Instant::now() + Duration::from_secs(5);
            while !notify::has_ended(self.pid) && Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
    }
}

/// The broker's life. The parent may have ended before it begins.
fn serve(page: &Page, parent: libc::pid_t) {
    let [told, said] = page.words();
    let number = loop {
        match told.load(SeqCst) {
            NOT_YET if call::parent() != parent => return,
            NOT_YET => notify::wait_while(told, NOT_YET, Duration::from_secs(1)),
            END => return,
            number => break number - 2,
        }
    };
    let Ok(number) = RawFd::try_from(number) else { return };
    if notify::keep_only(number).is_err() {
        return;
    }
    // Before it is said to be taken: what cannot be set up is no broker.
    let Some(mut answers) = Answers::new(call::adopt(number)) else { return };
    said.store(TAKEN, SeqCst);
    notify::wake(said);
    answers.give();
}
