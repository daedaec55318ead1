//! Taking more than a share: what all processes of a user have in common, and the machine's time.

use super::tools::did;
use crate::{
    attempt::{Attempt, Family, Got, Known, Stop, at, at_mut, call, open, program},
    raw,
    stage::Scene,
};

/// Where the documentation of `Sandbox` says so.
const KNOWN: &[Known] = &[
    Known {
        place: "",
        sentence: "Capability mode limits what is reached, not how much of it is used.",
    },
    Known { place: "sandbox-spawn", sentence: "How much is used is not limited." },
];

pub(crate) const FAMILY: Family = Family {
    name: "more than a share",
    attacks: &[
        program("all inotify instances of the user", |s| {
            s.enter()?;
            exhausted(|| open!(SYS_inotify_init1, 0).map(drop))
        })
        .known(KNOWN),
        program("the memory for pipes of the user", pipes).known(KNOWN),
        program("all signals that may be pending for the user", |s| {
            s.enter()?;
            let mut timer = 0_i32;
            exhausted(|| call!(SYS_timer_create, 1, 0, at_mut(&mut timer)).map(drop))
        })
        .known(KNOWN),
        program("a child that outlives it", outliving).known(KNOWN),
        program("a processor of its own (SCHED_FIFO)", |s| {
            s.enter()?;
            did("nobody else runs", call!(SYS_sched_setscheduler, 0, 1, at(&1_i32)))
        }),
        program("a processor of its own, by sched_setattr", |s| {
            s.enter()?;
            // struct sched_attr: SCHED_FIFO, priority 1
            let attributes = [48_u32, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            did("nobody else runs", call!(SYS_sched_setattr, 0, at(&attributes), 0))
        }),
        program("a better priority", |s| {
            s.enter()?;
            did("it has one", call!(SYS_setpriority, 0, 0, -20))
        }),
        program("all of a disk (ioprio_set)", |s| {
            s.enter()?;
            // IOPRIO_CLASS_RT
            did("nobody else reads", call!(SYS_ioprio_set, 1, 0, 1 << 13))
        }),
    ],
};

/// Whether a limit is met that is not this process's own.
fn exhausted(mut once: impl FnMut() -> Result<(), Stop>) -> Attempt {
    for round in 0..100_000_u32 {
        match once() {
            Ok(()) => {}
            Err(stop) if round == 0 => return Err(stop),
            Err(Stop::At(_, error))
                if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::EAGAIN)) =>
            {
                // A descriptor more is to be had: the limit is the user's.
                call!(SYS_epoll_create1, 0)?;
                return Ok(Got::Did("no process of the user's gets another one"));
            }
            Err(stop) => return Err(stop),
        }
    }
    Err(Stop::Nothing("there is always one more"))
}

/// Beyond what a user may have, a new pipe has one page or two.
fn pipes(s: &Scene) -> Attempt {
    s.enter()?;
    for _ in 0..200 {
        let mut ends = [0_i32; 2];
        call!(SYS_pipe2, at_mut(&mut ends), 0)?;
        let size = call!(SYS_fcntl, ends[0], libc::F_GETPIPE_SZ)?;
        if size < 16384 {
            return Ok(Got::Did("the pipes of all others are small"));
        }
        call!(SYS_fcntl, ends[0], libc::F_SETPIPE_SZ, 1 << 20)?;
    }
    Err(Stop::Nothing("there is always one more"))
}

/// In a session of its own, so that no group takes it along.
fn outliving(s: &Scene) -> Attempt {
    s.enter()?;
    let mut ends = [0_i32; 2];
    call!(SYS_pipe2, at_mut(&mut ends), 0)?;
    let pid = raw::fork().map_err(|error| Stop::At("fork", error))?;
    if pid == 0 {
        let _ = call!(SYS_setsid);
        let _ = call!(SYS_write, ends[1], b"x", 1);
        let long = [30_u64, 0];
        let _ = call!(SYS_nanosleep, at(&long), 0);
        raw::exit(0);
    }
    call!(SYS_read, ends[0], at_mut(&mut [0_u8; 1]), 1)?;
    Ok(Got::Done)
}
