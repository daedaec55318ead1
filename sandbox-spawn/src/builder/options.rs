//! What a builder is told in one word.

use serde::{Deserialize, Serialize};

/// From what a worker is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Start {
    /// Forked from the zygote: cheap, and from any program. All workers have the same layout of
    /// memory, that of the program.
    #[default]
    Zygote,
    /// By executing the program's own file anew, through the zygote: with a layout of memory of its
    /// own. `main` runs until [`init`](crate::init()).
    Exec,
    /// Forked from the program as it is now, which must have one thread and not be in capability
    /// mode. The worker has a copy of all of its memory.
    Fork,
}

/// Where a worker's standard error goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stderr {
    /// To /dev/null.
    #[default]
    Null,
    /// To that of the program, as it is. A worker that means harm can write anything there. On
    /// Linux, with a ceiling that has more than `WRITE`, the worker sends no descriptors.
    Inherit,
    /// To [`tracing`], line by line, at the level `INFO` and with the target
    /// `sandbox_spawn::stderr`: escaped, in lines of at most 4 KiB, and no more than 1 MiB of them.
    /// A thread reads it.
    Capture,
}

/// What setrlimit(2) limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Resource {
    /// Bytes of address space: `RLIMIT_AS`.
    AddressSpace,
    /// Seconds of processor time: `RLIMIT_CPU`.
    Cpu,
    /// Bytes of data: `RLIMIT_DATA`.
    Data,
    /// The highest number of a descriptor, and one more: `RLIMIT_NOFILE`. Unless stated it is that of
    /// the program less 512, or the half of it: on Linux all processes of a user share a count of
    /// descriptors in flight, of which something must be left for the program.
    Descriptors,
    /// Bytes of a file that is written: `RLIMIT_FSIZE`.
    FileSize,
    /// How many processes, on Linux threads too, the worker's user may have, all programs together,
    /// for the worker to start another one: `RLIMIT_NPROC`. Root is not held.
    Processes,
    /// Bytes of the first thread's stack: `RLIMIT_STACK`.
    Stack,
}
