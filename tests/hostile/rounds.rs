//! Killing at random points.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    Options, raw,
    watch::{DEADLINE, Program, Random, left, nothing_left},
};

pub(crate) const NAMES: &[&str] = &[
    "a_program_that_is_killed_leaves_nothing",
    "when_the_zygote_is_killed_callers_hear_of_it_and_nothing_is_left",
    "when_a_worker_is_killed_callers_hear_of_it_and_nothing_is_left",
    "whatever_is_killed_together_nothing_is_left",
];

/// Whom a round kills: by how far it is from the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Program,
    Keeper,
    Worker,
    All,
}

pub(crate) fn run(name: &str, options: Options) -> Option<Result<(), String>> {
    let victim = match NAMES.iter().position(|known| *known == name)? {
        0 => Victim::Program,
        1 => Victim::Keeper,
        2 => Victim::Worker,
        _ => Victim::All,
    };
    let mut random = Random(options.seed);
    let mounts = raw::mounts();
    let done = (0..options.rounds).try_for_each(|number| {
        let seed = random.next() | 1;
        round(seed, victim).map_err(|why| format!("round {number}, {victim:?}, seed {seed}: {why}"))
    });
    Some(done.and_then(|()| {
        if mounts == raw::mounts() { Ok(()) } else { Err("mounts are left".to_owned()) }
    }))
}

fn round(seed: u64, victim: Victim) -> Result<(), String> {
    let mut random = Random(seed);
    let mut program = Program::start(&format!("rounds {seed}"))?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        // Within the first of them is init(), and the first start.
        thread::sleep(Duration::from_micros(random.next() % 12_000));
        match victim {
            Victim::Program => {
                program.kill();
                break;
            }
            // The program and its keepers at once, or as near to it as two calls are.
            Victim::All => {
                let keepers = raw::children(program.pid());
                let program_first = random.below(2) == 0;
                if program_first {
                    program.kill();
                }
                keepers.into_iter().for_each(raw::kill);
                program.kill();
                break;
            }
            Victim::Keeper => raw::children(program.pid()).into_iter().for_each(raw::kill),
            Victim::Worker => {
                let keepers = raw::children(program.pid());
                let mut below: Vec<u32> = keepers.into_iter().flat_map(raw::children).collect();
                // Behind a guard.
                below.extend(below.clone().into_iter().flat_map(raw::children));
                if !below.is_empty() {
                    raw::kill(below[random.below(below.len())]);
                }
            }
        }
        if program.ended()?.is_some() {
            break;
        }
        if Instant::now() > deadline {
            return Err(format!("the program did not hear of it in {DEADLINE:?}"));
        }
    }
    let status = program.wait()?;
    let killed = matches!(victim, Victim::Program | Victim::All);
    if !killed && !status.success() {
        return Err(format!("the program ended with {status}"));
    }
    nothing_left().map_err(|why| format!("{why}: {:?}", left()))
}
