//! How workers end.

use std::{
    io::{BufRead, BufReader, Read},
    time::{Duration, Instant},
};

use capsicum_channel::Frame;
use capsicum_rs::Rights;
use sandbox_spawn::{End, Error, Resource, Start};

use crate::{
    Case,
    cases::{case, ensure, soon, text},
    raw,
    setting::Setting,
};

pub(crate) const CASES: &[Case] = &[
    case("how_a_worker_ended_is_told", ends, true),
    case("a_worker_that_is_killed_has_died_by_the_signal", killed, true),
    case("a_worker_that_is_killed_too_late_has_ended_as_it_did", late, false),
    case("a_worker_that_is_dropped_is_gone", dropped, true),
    case("a_forbidden_call_is_a_violation", violation, false),
    case("what_a_worker_has_started_ends_with_it", descendants, true),
    case("what_a_worker_has_started_ends_with_the_keeper", descendants_of_none, true),
    case("a_worker_that_eats_memory_meets_its_limit", memory, false),
    case("without_its_keeper_a_worker_ends_and_starting_says_so", keeper, true),
    case("a_start_that_takes_too_long_is_given_up", deadline, false),
];

fn ends(setting: Setting) -> Result<(), String> {
    for code in [0, 1, 42, 255] {
        let mut worker = setting.builder("exit").spawn().map_err(text)?;
        ensure!(worker.wait_timeout(Duration::ZERO).map_err(text)?.is_none(), "it ended before");
        let frame = Frame::new(code.into(), 0, b"", Vec::new()).map_err(text)?;
        worker.frames().send(&frame, soon()).map_err(text)?;
        for _ in 0..2 {
            let end = worker.wait().map_err(text)?;
            ensure!(end == End::Exited(code), "{code}: {end}");
        }
    }
    let end = setting.builder("panic").spawn().map_err(text)?.wait().map_err(text)?;
    ensure!(end == End::Exited(101), "a panic: {end}");
    let mut worker = setting.builder("crash").spawn().map_err(text)?;
    let Err(error) = worker.frames().receive(soon()) else {
        return Err("it answered".to_owned());
    };
    match worker.explain(error) {
        Error::Died { name, end: End::Signalled { signal: libc::SIGSEGV, core: false } }
            if name == "crash" =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}

fn killed(setting: Setting) -> Result<(), String> {
    for worker in ["sleep", "spin"] {
        let mut worker = setting.builder(worker).spawn().map_err(text)?;
        raw::workers_have_no_capabilities()?;
        worker.kill().map_err(text)?;
        worker.kill().map_err(text)?;
        match worker.frames().receive(soon()).map_err(|error| worker.explain(error)) {
            Err(Error::Died { end: End::Signalled { signal: libc::SIGKILL, .. }, .. }) => {}
            other => return Err(format!("{other:?}")),
        }
        worker.kill().map_err(text)?;
    }
    Ok(())
}

/// Its keeper has told how it ended, and closed the leash.
fn late(setting: Setting) -> Result<(), String> {
    let mut worker = setting.builder("exit").spawn().map_err(text)?;
    let frame = Frame::new(42, 0, b"", Vec::new()).map_err(text)?;
    worker.frames().send(&frame, soon()).map_err(text)?;
    ensure!(raw::hangs_up(worker.process()), "the leash stays open");
    worker.kill().map_err(text)?;
    let end = worker.wait().map_err(text)?;
    ensure!(end == End::Exited(42), "{end}");
    Ok(())
}

fn dropped(setting: Setting) -> Result<(), String> {
    let (mut reader, writer) = std::io::pipe().map_err(text)?;
    let builder = setting.builder("spin").grant("pipe", writer, Rights::WRITE);
    for _ in 0..3 {
        drop(builder.spawn().map_err(text)?);
    }
    drop(builder);
    reader.read_to_end(&mut Vec::new()).map_err(text)?;
    raw::no_grandchildren()
}

fn violation(setting: Setting) -> Result<(), String> {
    if cfg!(target_arch = "aarch64") {
        // It has one table of system calls.
        return Ok(());
    }
    let mut worker = setting.builder("forbidden").spawn().map_err(text)?;
    match worker.frames().receive(soon()).map_err(|error| worker.explain(error)) {
        Err(Error::Violation { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn descendants(setting: Setting) -> Result<(), String> {
    for kill in [false, true] {
        let (reader, writer) = std::io::pipe().map_err(text)?;
        let builder = setting.builder("descend").processes();
        let mut worker = builder.grant("pipe", writer, Rights::WRITE).spawn().map_err(text)?;
        let frame = worker.frames().receive(soon()).map_err(text)?;
        let forked: i32 = frame.decode(worker.frames().caps()).map_err(text)?;
        ensure!(forked == 0, "it may start processes, and fork: {forked}");
        let mut reader = BufReader::new(reader);
        let mut lines = [String::new(), String::new()];
        for line in &mut lines {
            reader.read_line(line).map_err(text)?;
        }
        lines.sort();
        let grandchild = if cfg!(target_os = "linux") { "kept\n" } else { "left\n" };
        ensure!(lines == ["child\n", grandchild], "{lines:?}");
        if kill {
            worker.kill().map_err(text)?;
        } else {
            let frame = Frame::new(0, 0, b"", Vec::new()).map_err(text)?;
            worker.frames().send(&frame, soon()).map_err(text)?;
        }
        let end = worker.wait().map_err(text)?;
        ensure!(end.success() != kill, "{end}");
        // Nobody has the pipe any more.
        reader.read_to_end(&mut Vec::new()).map_err(text)?;
        raw::no_grandchildren()?;
    }
    Ok(())
}

fn descendants_of_none(setting: Setting) -> Result<(), String> {
    let (mut reader, writer) = std::io::pipe().map_err(text)?;
    let builder = setting.builder("descend").processes().grant("pipe", writer, Rights::WRITE);
    let mut worker = builder.spawn().map_err(text)?;
    drop(builder);
    worker.frames().receive(soon()).map_err(text)?;
    raw::kill_keepers();
    let end = worker.wait().map_err(text)?;
    ensure!(end == End::Lost, "{end}");
    reader.read_to_end(&mut Vec::new()).map_err(text)?;
    Ok(())
}

fn memory(setting: Setting) -> Result<(), String> {
    let builder = setting.builder("hoard").rlimit(Resource::AddressSpace, 256 << 20);
    let mut worker = builder.spawn().map_err(text)?;
    match worker.frames().receive(soon()).map_err(|error| worker.explain(error)) {
        Err(Error::Died { end: End::Signalled { .. }, .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn keeper(setting: Setting) -> Result<(), String> {
    let (mut reader, writer) = std::io::pipe().map_err(text)?;
    let builder = setting.builder("spin").grant("pipe", writer, Rights::WRITE);
    let mut worker = builder.spawn().map_err(text)?;
    raw::kill_keepers();
    match worker.frames().receive(soon()).map_err(|error| worker.explain(error)) {
        Err(Error::Died { end: End::Lost, .. }) => {}
        other => return Err(format!("{other:?}")),
    }
    drop(worker);
    let again = builder.spawn();
    match (setting.start, again) {
        (Start::Fork, Ok(_)) => {}
        (Start::Zygote | Start::Exec, Err(Error::Start { reason, .. }))
            if reason == "the zygote has ended: signal 9 ended it" => {}
        (_, other) => return Err(format!("{other:?}")),
    }
    drop(builder);
    reader.read_to_end(&mut Vec::new()).map_err(text)?;
    Ok(())
}

fn deadline(setting: Setting) -> Result<(), String> {
    let begun = Instant::now();
    match setting.builder("echo").deadline(Duration::ZERO).spawn() {
        Err(Error::Deadline { name }) if name == "echo" => {}
        other => return Err(format!("{other:?}")),
    }
    ensure!(begun.elapsed() < Duration::from_secs(3), "it took {:?}", begun.elapsed());
    raw::no_grandchildren()
}
