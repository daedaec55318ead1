//! Threads and tasks that wait.

use std::thread::Thread;

/// Who waits for something, and is told when it has come.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A thread, which is parked.
    Thread(Thread),
    /// A task, which is polled again.
    #[cfg(feature = "tokio")]
    Task(std::task::Waker),
}

impl Waiter {
    pub(crate) fn this_thread() -> Self {
        Self::Thread(std::thread::current())
    }

    pub(crate) fn is_this_thread(&self) -> bool {
        match self {
            Self::Thread(thread) => thread.id() == std::thread::current().id(),
            #[cfg(feature = "tokio")]
            Self::Task(_) => false,
        }
    }

    /// Wakes it: whether that is all there is to do, since it takes what it is woken for. A task may
    /// have been dropped.
    pub(crate) fn wake_for_good(self) -> bool {
        let thread = matches!(self, Self::Thread(_));
        self.wake();
        thread
    }

    pub(crate) fn wake(self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            #[cfg(feature = "tokio")]
            Self::Task(waker) => waker.wake(),
        }
    }
}
