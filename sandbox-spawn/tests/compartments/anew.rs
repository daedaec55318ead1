//! What a program that is executed anew finds, and what becomes of one that cannot be.

use std::{
    env, fs,
    os::{fd::RawFd, unix::fs::PermissionsExt},
    process::Command,
    sync::OnceLock,
};

use sandbox_spawn::{Compartment, Error, Inside, Start};
use serde::{Deserialize, Serialize};

use crate::{
    Case,
    cases::{case, ensure, soon, text},
    raw,
    setting::Setting,
};

pub(crate) const CASES: &[Case] = &[
    case("a_program_that_is_executed_anew_finds_its_task_and_nothing_else", found, false),
    case("what_keeps_a_program_from_being_executed_is_said", not_executed, false),
];

/// What `main` finds before it calls `init`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    arguments: usize,
    variables: usize,
    descriptors: Vec<RawFd>,
    session: bool,
}

static FOUND: OnceLock<Found> = OnceLock::new();

/// First thing in `main`, where the program may have been executed for a worker.
pub(crate) fn look() {
    let _ = FOUND.set(Found {
        arguments: env::args_os().count(),
        variables: env::vars_os().count(),
        descriptors: raw::open_descriptors(),
        session: raw::leads_session(),
    });
}

/// Tells it.
pub(crate) fn tells(mut inside: Inside) -> u8 {
    let found = FOUND.get().cloned().unwrap_or_default();
    let frame = inside.frames().encode(0, 0, &found);
    frame.and_then(|frame| inside.frames().send(&frame, None)).map_or(3, |()| 0)
}

fn found(setting: Setting) -> Result<(), String> {
    if setting.start != Start::Exec {
        return Ok(());
    }
    // What else its keeper has: workers, and what was open in the program.
    let others: Vec<_> =
        (0..3).map(|_| setting.builder("sleep").spawn().map_err(text)).collect::<Result<_, _>>()?;
    for stderr in [sandbox_spawn::Stderr::Null, sandbox_spawn::Stderr::Inherit] {
        let given = fs::File::open("/dev/null").map_err(text)?;
        let builder = setting.builder("tells").stderr(stderr).env("SOME", "value");
        let mut worker =
            builder.grant("given", given, capsicum_rs::Rights::READ).spawn().map_err(text)?;
        let found: Found = told(&mut worker)?;
        ensure!(found.arguments == 1, "it has {} arguments", found.arguments);
        ensure!(found.variables == 0, "it has {} variables", found.variables);
        ensure!(found.descriptors == [0, 1, 2, 3], "it has open {:?}", found.descriptors);
        ensure!(found.session, "it leads no session");
    }
    drop(others);
    Ok(())
}

fn told(worker: &mut Compartment) -> Result<Found, String> {
    let frame = worker.frames().receive(soon()).map_err(text)?;
    frame.decode(worker.frames().caps()).map_err(text)
}

/// Set in a copy of the program, which may be made unfit to be executed.
const COPY: &str = "COMPARTMENTS_COPY";

fn not_executed(setting: Setting) -> Result<(), String> {
    if setting.start != Start::Exec {
        return Ok(());
    }
    let own = env::current_exe().map_err(text)?;
    if env::var_os(COPY).is_none() {
        let directory = tempfile::tempdir().map_err(text)?;
        let copy = directory.path().join("compartments");
        fs::copy(own, &copy).map_err(text)?;
        let status = Command::new(copy).env(COPY, "1").status().map_err(text)?;
        ensure!(status.success(), "the copy: {status}");
        return Ok(());
    }
    drop(setting.builder("echo").spawn().map_err(text)?);
    fs::set_permissions(own, fs::Permissions::from_mode(0o600)).map_err(text)?;
    // More often than the keeper has room for what it would have left behind.
    for _ in 0..200 {
        match setting.builder("echo").spawn() {
            Err(Error::Start { reason, .. }) if reason.starts_with("execve: ") => {}
            other => return Err(format!("{other:?}")),
        }
        match setting.builder("echo").processes().spawn() {
            Err(Error::Start { reason, .. }) if reason.starts_with("execve: ") => {}
            other => return Err(format!("its guard: {other:?}")),
        }
    }
    raw::no_grandchildren()?;
    // The keeper goes on.
    drop(setting.builder("echo").start(Start::Zygote).spawn().map_err(text)?);
    Ok(())
}
