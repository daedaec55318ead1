//! What a worker holds, and how it starts.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use capsicum_channel::Frame;
use capsicum_rs::{Containment, Rights};
use sandbox_spawn::{Builder, Compartment, End, Error, Resource, Start, Stderr};

use crate::{
    Case, raw,
    setting::{SECRET, SECRET_VALUE, Setting},
    workers::Report,
};

pub(crate) const CASES: &[Case] = &[
    case("a_worker_has_its_grants_and_nothing_else", grants, true),
    case("a_worker_has_what_it_was_given_besides", settings, true),
    case("root_gives_up_being_root_for_a_worker", user, true),
    case("a_program_with_threads_starts_workers", threads, true),
    case("a_level_that_is_not_to_be_had_is_an_error_and_nothing_runs", no_level, true),
    case("a_grant_that_cannot_be_held_is_an_error_and_nothing_runs", no_grant, true),
    case("what_cannot_be_described_is_an_error", mistakes, false),
    case("a_builder_starts_any_number_of_workers", many, false),
    case("a_worker_that_is_granted_a_directory_looks_things_up_beneath_it", directory, false),
    case("a_program_in_capability_mode_starts_workers", confined, true),
    case("standard_error_goes_where_it_was_sent", stderr, false),
];

pub(crate) const fn case(
    name: &'static str,
    body: fn(Setting) -> Result<(), String>,
    every_level: bool,
) -> Case {
    Case { name, body, every_level }
}

/// For `?` in cases.
pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(crate) fn soon() -> Option<Instant> {
    Instant::now().checked_add(Duration::from_secs(20))
}

/// Ends a case where something is not as it should be.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// What the error of a case begins with that this system has nothing for.
pub(crate) const SKIPPED: &str = "SKIPPED: ";

pub(crate) fn skipped(why: &str) -> Result<(), String> {
    Err([SKIPPED, why].concat())
}

pub(crate) fn report(worker: &mut Compartment) -> Result<Report, String> {
    let frame = match worker.frames().receive(soon()) {
        Ok(frame) => frame,
        Err(error) => return Err(text(worker.explain(error))),
    };
    let report = frame.decode(worker.frames().caps()).map_err(text)?;
    let end = worker.wait().map_err(text)?;
    ensure!(end.success(), "the worker ended so: {end}");
    Ok(report)
}

pub(crate) fn a_file(content: &str) -> Result<File, String> {
    let mut file = tempfile::tempfile().map_err(text)?;
    file.write_all(content.as_bytes()).map_err(text)?;
    std::io::Seek::rewind(&mut file).map_err(text)?;
    Ok(file)
}

fn grants(setting: Setting) -> Result<(), String> {
    // What a program has open, close-on-exec or not.
    let _open = (File::open("/etc/passwd").map_err(text)?, std::io::pipe().map_err(text)?);
    let file = a_file("content")?;
    let mut worker =
        setting.builder("report").grant("input", file, Rights::READ).spawn().map_err(text)?;
    ensure!(worker.containment() == setting.level, "entered at {}", worker.containment());
    let report = report(&mut worker)?;
    ensure!(report.sandboxed, "it is not in capability mode");
    ensure!(report.level == setting.level.to_string(), "it is at {}", report.level);
    ensure!(report.descriptors == [0, 1, 2, 3, 4], "it has open {:?}", report.descriptors);
    ensure!(report.grants == [("input".to_owned(), 4)], "its grants are {:?}", report.grants);
    ensure!(report.environment.is_empty(), "its environment is {:?}", report.environment);
    // Fresh memory has something else there, or nothing that may be read.
    let secret = String::from_utf8_lossy(&report.secret).into_owned();
    ensure!(secret != SECRET_VALUE, "the variable {SECRET} is in its memory");
    ensure!(setting.start != Start::Zygote || !report.secret.is_empty(), "it was not looked for");
    ensure!(report.stdin_bytes == Some(0), "it read of its input {:?}", report.stdin_bytes);
    ensure!(report.grant_read == "content", "it read {:?}", report.grant_read);
    ensure!(!report.grant_written, "it wrote to what it may read");
    ensure!(!report.path_opened, "it opened a path");
    let facts = report.facts;
    ensure!(facts.cores == (0, 0), "cores may have {:?}", facts.cores);
    ensure!(facts.session, "it leads no session");
    ensure!(facts.handled.is_empty(), "the signals {:?} are handled", facts.handled);
    ensure!(facts.blocked.is_empty(), "the signals {:?} are blocked", facts.blocked);
    ensure!(facts.thread, "it cannot start a thread");
    let root = facts.user == 0;
    if cfg!(target_os = "linux") || !root {
        ensure!(facts.fork == raw::LIMIT_OF_FORKS, "fork: {}", facts.fork);
    }
    let expected = raw::More::expected();
    ensure!(facts.more == expected, "{:?} and not {expected:?}", facts.more);
    Ok(())
}

fn settings(setting: Setting) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(text)?;
    let builder = setting
        .builder("report")
        .env("ONE", "1")
        .env("TWO", "two words")
        .rlimit(Resource::FileSize, 12_345)
        .working_directory(File::open(directory.path()).map_err(text)?)
        .processes()
        .cores();
    let report = report(&mut builder.spawn().map_err(text)?)?;
    let mut environment = report.environment;
    environment.sort();
    let expected = [("ONE", "1"), ("TWO", "two words")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    ensure!(environment == expected, "its environment is {environment:?}");
    ensure!(report.facts.file_size == 12_345, "files may have {}", report.facts.file_size);
    ensure!(report.facts.fork == 0, "it may start processes, and fork: {}", report.facts.fork);
    ensure!(report.descriptors == [0, 1, 2, 3], "it has open {:?}", report.descriptors);
    Ok(())
}

fn user(setting: Setting) -> Result<(), String> {
    let spawned = setting.builder("report").user(65_534, 65_533).spawn();
    // SAFETY: it always succeeds.
    if unsafe { libc::geteuid() } != 0 {
        return match spawned {
            Err(Error::Start { reason, .. }) if reason.contains("user") => Ok(()),
            other => Err(format!("an ordinary user became another one: {other:?}")),
        };
    }
    let report = report(&mut spawned.map_err(text)?)?;
    let facts = report.facts;
    ensure!((facts.user, facts.group) == (65_534, 65_533), "it is {facts:?}");
    let expected = raw::More::expected();
    ensure!(facts.more == expected, "{:?} and not {expected:?}", facts.more);
    Ok(())
}

fn threads(setting: Setting) -> Result<(), String> {
    let results: Vec<_> = std::thread::scope(|scope| {
        let one = || {
            let mut worker = setting.builder("echo").spawn()?;
            let sent = Frame::new(7, 8, b"nine", Vec::new());
            let echo = sent.and_then(|frame| {
                worker.frames().send(&frame, soon())?;
                worker.frames().receive(soon())
            });
            Ok(echo.map_err(|error| worker.explain(error))?.payload() == b"nine")
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(false))).collect()
    });
    for result in results {
        match (setting.start, result) {
            (Start::Zygote | Start::Exec, Ok(true)) => {}
            (Start::Fork, Err(Error::Start { reason, .. })) if reason.contains("threads") => {}
            (_, other) => return Err(format!("{other:?}")),
        }
    }
    Ok(())
}

/// A worker that cannot be started: the reason, and that nothing was written to its grant.
fn refused(builder: impl FnOnce(OwnedFd) -> Builder) -> Result<String, String> {
    let (mut reader, writer) = std::io::pipe().map_err(text)?;
    let spawned = builder(OwnedFd::from(writer)).spawn();
    let Err(Error::Start { name, reason }) = spawned else {
        return Err(format!("not refused: {spawned:?}"));
    };
    ensure!(name == "report", "the error names {name}");
    // The end: no process has the pipe any more.
    let mut written = Vec::new();
    reader.read_to_end(&mut written).map_err(text)?;
    ensure!(written.is_empty(), "the worker has run");
    Ok(reason)
}

fn no_level(setting: Setting) -> Result<(), String> {
    let better = match setting.level {
        Containment::Descriptors => Containment::Landlock,
        Containment::Landlock => Containment::Directories,
        Containment::Capsicum => Containment::Descriptors,
        _ => Containment::Capsicum,
    };
    if better == Containment::Descriptors {
        return skipped("every level of Linux is below the one of FreeBSD");
    }
    let reason = refused(|pipe| {
        setting.builder("report").require(better).grant("pipe", pipe, Rights::WRITE)
    })?;
    ensure!(reason.contains(&format!("containment `{better}` is not to be had")), "{reason}");
    Ok(())
}

fn no_grant(setting: Setting) -> Result<(), String> {
    if cfg!(target_os = "freebsd") {
        // Wider than the descriptor: the kernel knows.
        let file = File::open("/etc/passwd").map_err(text)?;
        capsicum_rs::limit(&file, Rights::READ).map_err(text)?;
        let reason = refused(|pipe| {
            setting.builder("report").grant("pipe", pipe, Rights::WRITE).grant(
                "file",
                file,
                Rights::WRITE,
            )
        })?;
        ensure!(reason.contains("limits only narrow"), "{reason}");
        return Ok(());
    }
    // Procfs leads to every descriptor; or no lookups at all.
    let procfs = File::open("/proc").map_err(text)?;
    let lookups = Rights::LOOKUP | Rights::READ;
    let reason = refused(|pipe| {
        setting.builder("report").grant("pipe", pipe, Rights::WRITE).grant("dir", procfs, lookups)
    })?;
    ensure!(reason.contains("LOOKUP") || reason.contains("procfs"), "{reason}");
    Ok(())
}

fn mistakes(setting: Setting) -> Result<(), String> {
    let file = || File::open("/dev/null").map_err(text);
    let many = (0..57).try_fold(setting.builder("report"), |builder, number| {
        Ok::<_, String>(builder.grant(&number.to_string(), file()?, Rights::READ))
    })?;
    for (builder, words) in [
        (setting.builder("report").env("A=B", "c"), "environment"),
        (setting.builder("report").env("A", "b\0c"), "environment"),
        (
            setting.builder("report").grant("twice", file()?, Rights::READ).grant(
                "twice",
                file()?,
                Rights::READ,
            ),
            "two grants",
        ),
        (setting.builder("nobody"), "no worker"),
        (many, "grants"),
    ] {
        match builder.spawn() {
            Err(Error::Start { reason, .. }) if reason.contains(words) => {}
            other => return Err(format!("{words}: {other:?}")),
        }
    }
    // In memory of its own there is room for what no frame would hold.
    setting.builder("echo").env("LONG", "x".repeat(100_000)).spawn().map_err(text)?;
    Ok(())
}

fn many(setting: Setting) -> Result<(), String> {
    let file = a_file("")?;
    let builder = setting.builder("echo").grant("file", file, Rights::READ);
    let mut workers = Vec::new();
    for _ in 0..50 {
        workers.push(builder.spawn().map_err(text)?);
    }
    for (number, worker) in workers.iter_mut().enumerate() {
        let sequence = u64::try_from(number).map_err(text)?;
        let frame = Frame::new(1, sequence, b"", Vec::new()).map_err(text)?;
        worker.frames().send(&frame, soon()).map_err(text)?;
        let echo = worker.frames().receive(soon()).map_err(text)?;
        ensure!(echo.sequence() == sequence, "another worker's answer");
    }
    // The half of them is dropped, of the other only the socket.
    for (number, worker) in workers.into_iter().enumerate() {
        if number % 2 == 0 {
            let (frames, mut process) = worker.into_parts();
            drop(frames);
            let end = process.wait().map_err(text)?;
            ensure!(end == End::Exited(0), "{end}");
        }
    }
    Ok(())
}

fn directory(setting: Setting) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(text)?;
    let opened = File::open(directory.path()).map_err(text)?;
    let worker = setting
        .builder("echo")
        .grant("directory", opened, Rights::LOOKUP | Rights::READ | Rights::FSTAT)
        .ceiling(Rights::READ | Rights::FSTAT)
        .spawn()
        .map_err(text)?;
    ensure!(worker.containment() == setting.level, "entered at {}", worker.containment());
    Ok(())
}

fn confined(setting: Setting) -> Result<(), String> {
    let builder = setting.builder("echo");
    capsicum_rs::enter().map_err(text)?;
    let mut worker = match (setting.start, builder.spawn()) {
        (Start::Fork, Err(Error::Start { reason, .. })) if reason.contains("zygote") => {
            return Ok(());
        }
        (Start::Zygote | Start::Exec, Ok(worker)) => worker,
        (_, other) => return Err(format!("{other:?}")),
    };
    let frame = Frame::new(7, 8, b"nine", Vec::new()).map_err(text)?;
    worker.frames().send(&frame, soon()).map_err(text)?;
    let echo = worker.frames().receive(soon()).map_err(text)?;
    ensure!(echo.payload() == b"nine", "another answer");
    worker.kill().map_err(text)?;
    let end = worker.wait().map_err(text)?;
    ensure!(matches!(end, End::Signalled { signal: libc::SIGKILL, .. }), "{end}");
    Ok(())
}

fn stderr(setting: Setting) -> Result<(), String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let collector = Collector(Arc::clone(&lines));
    tracing::subscriber::set_global_default(collector).map_err(text)?;
    for sink in [Stderr::Null, Stderr::Inherit, Stderr::Capture] {
        let mut worker = setting.builder("complain").stderr(sink).spawn().map_err(text)?;
        ensure!(worker.wait().map_err(text)?.success(), "it complained of complaining");
    }
    let deadline = soon();
    loop {
        let told = lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match told.as_slice() {
            [line] if line.contains("a line of the worker") => return Ok(()),
            [] if Some(Instant::now()) < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return Err(format!("{other:?} was captured")),
        }
    }
}

/// Collects what is told of standard error.
struct Collector(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Collector {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "sandbox_spawn::stderr"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line<'a>(&'a mut String);
        impl tracing::field::Visit for Line<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                let _ = std::fmt::Write::write_fmt(self.0, format_args!("{field}={value:?} "));
            }
        }
        let mut line = String::new();
        event.record(&mut Line(&mut line));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
