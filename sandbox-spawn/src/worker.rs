//! What may run in a compartment.

use crate::Inside;

/// A function that runs in a process of its own, and the name by which it is started.
///
/// The function's result is the exit status of the process, 0 for success. A panic is 101.
///
/// ```
/// use sandbox_spawn::{Inside, Worker};
///
/// fn nothing(_inside: Inside) -> u8 {
///     0
/// }
///
/// const WORKERS: &[Worker] = &[Worker::new("nothing", nothing)];
/// assert_eq!(WORKERS[0].name(), "nothing");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Worker {
    name: &'static str,
    run: fn(Inside) -> u8,
}

impl Worker {
    /// Names a function.
    #[must_use]
    pub const fn new(name: &'static str, run: fn(Inside) -> u8) -> Self {
        Self { name, run }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn run(&self, inside: Inside) -> u8 {
        (self.run)(inside)
    }
}

/// The worker of this name.
pub(crate) fn find(workers: &'static [Worker], name: &str) -> Option<&'static Worker> {
    workers.iter().find(|worker| worker.name == name)
}
