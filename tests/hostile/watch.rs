//! Programs under a deadline, and what is left of them.

use std::{
    env,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use crate::{ROLE, raw};

/// How long anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Numbers that look random: xorshift64.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % bound
    }
}

/// A program of this suite.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn start(role: &str) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let mut command = Command::new(env::current_exe().map_err(text)?);
        command.env(ROLE, role).spawn().map_err(text).map(Self)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
    }

    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        self.0.try_wait().map_err(|error| error.to_string())
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.ended()? {
                Some(status) => return Ok(status),
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                None => {
                    self.kill();
                    let _ = self.0.wait();
                    return Err(format!("the program still ran after {DEADLINE:?}"));
                }
            }
        }
    }
}

/// Waits until this process, the reaper of all, has no child any more. What stays too long is killed,
/// so that the next case finds nothing of it.
pub(crate) fn nothing_left() -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while raw::reap() {
        if Instant::now() > deadline {
            let left = left();
            for _ in 0..100 {
                raw::children(std::process::id()).into_iter().for_each(raw::kill);
                raw::reap();
            }
            return Err(format!("processes are left: {left:?}"));
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// What is left.
pub(crate) fn left() -> Vec<String> {
    raw::children(std::process::id()).into_iter().map(raw::describe).collect()
}
