//! What may run in a compartment.

use crate::{Inside, Outside, Reach};

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
    run: Run,
}

/// How its function runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// In capability mode.
    Inside(fn(Inside) -> u8),
    /// Outside of it, with so much in reach.
    Outside(fn(Outside) -> u8, &'static Reach),
}

impl Worker {
    /// Names a function that runs in capability mode.
    #[must_use]
    pub const fn new(name: &'static str, run: fn(Inside) -> u8) -> Self {
        Self { name, run: Run::Inside(run) }
    }

    /// Names a function that runs *outside* capability mode, with this in reach and no more: for what
    /// needs names, such as the C library's lookups. [`Builder::spawn_outside`](crate::Builder::spawn_outside)
    /// starts it. See [`Reach`] for what holds it.
    #[must_use]
    pub const fn outside(
        name: &'static str,
        run: fn(Outside) -> u8,
        reach: &'static Reach,
    ) -> Self {
        Self { name, run: Run::Outside(run, reach) }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it can reach outside capability mode, where it runs there.
    #[must_use]
    pub const fn reach(&self) -> Option<&'static Reach> {
        match self.run {
            Run::Inside(_) => None,
            Run::Outside(_, reach) => Some(reach),
        }
    }

    pub(crate) fn run(&self) -> Run {
        self.run
    }
}

/// The worker of this name.
pub(crate) fn find(workers: &'static [Worker], name: &str) -> Option<&'static Worker> {
    workers.iter().find(|worker| worker.name == name)
}
