//! Workers that start workers: what those have, and what a hostile one asks for.

use std::{fs::File, io::Write};

use capsicum_channel::{Caps, Frames};
use capsicum_rs::{Containment, Fcntls, Limits, Rights};
use sandbox_spawn::{Builder, Compartment, Error, Inside, Resource, Start, Stderr};

use crate::{
    Case,
    cases::{a_file, case, ensure, report, soon, text},
    graph_ends, raw,
    setting::Setting,
};

pub(crate) const CASES: &[Case] = &[
    case("a_worker_starts_one_that_has_less", |setting| within(setting, "narrower"), true),
    case(
        "what_is_wider_than_the_worker_that_asks_is_refused",
        |setting| within(setting, "wider"),
        true,
    ),
    case("what_is_not_said_of_a_worker_is_that_of_who_started_it", inherited, true),
    case("a_directory_is_handed_on_and_not_sent_along", hands_on_a_directory, true),
    case("a_descriptor_is_sent_along_with_what_all_have", sends, true),
    case("no_more_workers_live_than_were_allowed", |setting| within(setting, "number"), false),
    case(
        "workers_are_started_three_deep_and_narrower_each_time",
        |setting| within(setting, "deep"),
        true,
    ),
    case("a_worker_without_starts_starts_nothing", none, false),
    case("a_starter_takes_a_ceiling_for_its_sockets", ceiling, false),
];

/// What the worker is granted: a file for reading, and a pipe to write to.
const FILE: Rights = Rights::READ;
pub(crate) const CEILING: Rights = Frames::RIGHTS.union(Rights::FSTAT);
pub(crate) const STARTS: &[&str] =
    &["report", "echo", "sleep", "spin", "starts", "deeper", "holds"];
pub(crate) const MOST: u32 = 6;
const SIZE: u64 = 123_456;

pub(crate) fn builder(setting: Setting) -> Result<Builder, String> {
    let file = a_file("content")?;
    let mut builder = setting.builder("starts");
    if setting.start == Start::Exec {
        builder = builder.env("EXECUTED", "1");
    }
    Ok(builder
        .ceiling(CEILING)
        .grant("file", file, FILE)
        .rlimit(Resource::FileSize, SIZE)
        .starts(STARTS, MOST))
}

/// Has a worker do something of the table below, and say what came of it.
pub(crate) fn order(worker: &mut Compartment, what: &str) -> Result<(), String> {
    let frame = worker.frames().encode(1, 0, &what).map_err(text)?;
    worker.frames().send(&frame, soon()).map_err(text)
}

pub(crate) fn outcome(worker: &mut Compartment) -> Result<(), String> {
    let frame = match worker.frames().receive(soon()) {
        Ok(frame) => frame,
        Err(error) => return Err(text(worker.explain(error))),
    };
    frame.decode::<Result<(), String>>(worker.frames().caps()).map_err(text)?
}

pub(crate) fn within(setting: Setting, what: &str) -> Result<(), String> {
    let mut worker = builder(setting)?.spawn().map_err(text)?;
    order(&mut worker, what)?;
    outcome(&mut worker)
}

/// Does what it is told.
pub(crate) fn starts(mut inside: Inside) -> u8 {
    while let Ok(frame) = inside.frames().receive(None) {
        let Ok(what) = frame.decode::<String>(Caps::default()) else { return 9 };
        let done: Result<(), String> = match what.as_str() {
            "narrower" => narrower(&inside),
            "wider" => wider(&inside),
            "inherited" => as_it_is(&inside),
            "sent" => sent(&mut inside),
            "number" => number(&inside),
            "deep" => deep(&inside),
            "none" => refused(&here(&inside, "echo"), "may start no others"),
            "one" => here(&inside, "echo").spawn().map(drop).map_err(text),
            "narrow" => graph_ends::send_narrow(&mut inside),
            "directory" => directory(&inside),
            "stall" => graph_ends::stall(&mut inside),
            "hold" => graph_ends::hold(&inside),
            "loop" => loop {
                let _ = graph_ends::holder(&inside).spawn();
            },
            _ => graph_ends::hostile(&what),
        };
        let sent = inside.frames().encode(1, 0, &done);
        if sent.and_then(|frame| inside.frames().send(&frame, None)).is_err() {
            return 8;
        }
    }
    0
}

/// At the worker's own level.
pub(crate) fn here(inside: &Inside, worker: &str) -> Builder {
    Compartment::builder(worker).require(inside.containment())
}

fn refused(builder: &Builder, words: &str) -> Result<(), String> {
    match builder.spawn() {
        Err(Error::Start { reason, .. }) if reason.contains(words) => Ok(()),
        other => Err(format!("{words}: {other:?}")),
    }
}

fn narrower(inside: &Inside) -> Result<(), String> {
    let builder = here(inside, "report").hand_on("input", "file", FILE).env("ONE", "1");
    let mut child = builder.spawn().map_err(text)?;
    ensure!(child.containment() == inside.containment(), "it is at {}", child.containment());
    let report = report(&mut child)?;
    ensure!(report.sandboxed, "it is not in capability mode");
    ensure!(report.descriptors == [0, 1, 2, 3, 4], "it has open {:?}", report.descriptors);
    ensure!(report.grants == [("input".to_owned(), 4)], "its grants are {:?}", report.grants);
    ensure!(report.environment == [("ONE".to_owned(), "1".to_owned())], "{:?}", report.environment);
    ensure!(report.grant_read == "content", "it read {:?}", report.grant_read);
    ensure!(!report.grant_written && !report.path_opened, "it did what it may not");
    ensure!(report.facts.session, "it leads no session");
    let root = report.facts.user == 0 && cfg!(target_os = "freebsd");
    ensure!(root || report.facts.fork == raw::LIMIT_OF_FORKS, "fork: {}", report.facts.fork);
    let expected = raw::More::expected();
    ensure!(report.facts.more == expected, "{:?} and not {expected:?}", report.facts.more);
    Ok(())
}

fn wider(inside: &Inside) -> Result<(), String> {
    let echo = || here(inside, "echo");
    let caps = Caps::default();
    let lower = match inside.containment() {
        Containment::Landlock => Containment::Descriptors,
        Containment::Directories => Containment::Landlock,
        _ => inside.containment(),
    };
    let commands = Limits::from(FILE).fcntls(Fcntls::GETFL);
    let mut cases = vec![
        (Compartment::builder("hoard"), "may not start it"),
        (echo().ceiling(CEILING | Rights::FCHMOD), "`FCHMOD`"),
        (echo().ceiling(Limits::ALL), "its ceiling"),
        (echo().ceiling(Limits::from(CEILING).fcntls(Fcntls::GETFL)), "fcntl(2) commands"),
        (echo().hand_on("x", "file", Rights::READ | Rights::WRITE), "`WRITE`"),
        (echo().hand_on("x", "file", commands), "fcntl(2) commands"),
        (echo().hand_on("x", "nothing", Rights::NONE), "no grant `nothing`"),
        (echo().hand_on_channel("x", "file"), "its grant `x`"),
        (echo().rlimit(Resource::FileSize, SIZE + 1), "FileSize"),
        (echo().user(12_345, 12_345), "another user"),
        (echo().processes(), "starts processes"),
        (echo().cores(), "writes cores"),
        (echo().caps(caps.inline(caps.inline + 1)), "caps"),
        (echo().caps(caps.descriptors(caps.descriptors + 1)), "caps"),
        (echo().caps(caps.shared(caps.shared + 1)), "caps"),
        (echo().start(Start::Fork), "does not fork"),
        (echo().stderr(Stderr::Capture), "captured by the program"),
        (echo().ceiling(CEILING).starts(&["hoard"], 1), "`hoard`"),
        (echo().ceiling(CEILING).starts(&["echo"], MOST), "at a time"),
        (echo().ceiling(CEILING).starts(&["echo"], u32::MAX), "at a time"),
        (echo().starts(&["echo"], 1), "its ceiling lacks"),
    ];
    if std::env::var("EXECUTED").is_err() {
        cases.push((echo().start(Start::Exec), "executed anew"));
    }
    if lower != inside.containment() {
        cases.push((Compartment::builder("echo").require(lower), "lower level"));
    }
    for (builder, words) in cases {
        refused(&builder, words)?;
    }
    // And it goes on.
    narrower(inside)
}

fn inherited(setting: Setting) -> Result<(), String> {
    // SAFETY: it always succeeds.
    let root = unsafe { libc::geteuid() } == 0;
    let mut described = builder(setting)?.stderr(Stderr::Inherit);
    if root {
        described = described.user(65_534, 65_533);
    }
    let mut worker = described.spawn().map_err(text)?;
    order(&mut worker, "inherited")?;
    outcome(&mut worker)
}

fn as_it_is(inside: &Inside) -> Result<(), String> {
    let own = raw::facts();
    // No level is stated, so that it is the worker's.
    let mut child = Compartment::builder("report")
        .hand_on("input", "file", FILE)
        .stderr(Stderr::Inherit)
        .spawn()
        .map_err(text)?;
    ensure!(child.containment() == inside.containment(), "it is at {}", child.containment());
    let facts = report(&mut child)?.facts;
    ensure!((facts.user, facts.group) == (own.user, own.group), "it is {facts:?}");
    ensure!(facts.file_size == SIZE, "its files may have {}", facts.file_size);
    let smaller =
        here(inside, "report").rlimit(Resource::FileSize, SIZE - 1).user(own.user, own.group);
    if own.user == 65_534 && own.group == 65_533 {
        let facts = report(&mut smaller.spawn().map_err(text)?)?.facts;
        ensure!(facts.file_size == SIZE - 1, "its files may have {}", facts.file_size);
    }
    Ok(())
}

/// Where no grant lacks what the ceiling has, so that Linux lets descriptors be sent.
fn sends(setting: Setting) -> Result<(), String> {
    let file = a_file("content")?;
    let mut worker = setting
        .builder("starts")
        .ceiling(CEILING)
        .grant("file", file, CEILING | Rights::SEEK)
        .starts(STARTS, MOST)
        .spawn()
        .map_err(text)?;
    order(&mut worker, "sent")?;
    outcome(&mut worker)
}

fn sent(inside: &mut Inside) -> Result<(), String> {
    let file: File = inside.grant("file").map_err(text)?;
    // That the file may do it is not known of what is sent.
    let seeking = CEILING | Rights::SEEK;
    refused(&here(inside, "report").grant("x", file, seeking), "`SEEK`")?;
    let (reader, mut writer) = std::io::pipe().map_err(text)?;
    let builder = |rights| {
        let reader = reader.try_clone().map_err(text)?;
        Ok::<_, String>(here(inside, "report").grant("pipe", reader, rights))
    };
    refused(&builder(Rights::FCHMOD)?, "`FCHMOD`")?;
    refused(&builder(Rights::LOOKUP)?, "`LOOKUP`")?;
    refused(&builder(CEILING)?.hand_on("x", "file", Rights::FCHMOD), "`FCHMOD`")?;
    writer.write_all(b"piped").map_err(text)?;
    drop(writer);
    let report = report(&mut builder(Rights::READ)?.spawn().map_err(text)?)?;
    ensure!(report.grant_read == "piped", "it read {:?}", report.grant_read);
    ensure!(report.descriptors == [0, 1, 2, 3, 4], "it has open {:?}", report.descriptors);
    Ok(())
}

/// A directory is handed on by its name; one that is sent along leads nowhere.
fn hands_on_a_directory(setting: Setting) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(text)?;
    let opened = File::open(directory.path()).map_err(text)?;
    let lookups = Rights::LOOKUP | CEILING;
    let spawned = setting
        .builder("starts")
        .ceiling(lookups)
        .grant("directory", opened, lookups | Rights::SEEK)
        .starts(STARTS, MOST)
        .spawn();
    let mut worker = match spawned {
        // There are no lookups.
        Err(Error::Start { .. }) if setting.level == Containment::Descriptors => return Ok(()),
        other => other.map_err(text)?,
    };
    order(&mut worker, "directory")?;
    outcome(&mut worker)
}

fn directory(inside: &Inside) -> Result<(), String> {
    let lookups = Rights::LOOKUP | Rights::READ | Rights::FSTAT;
    let child = here(inside, "echo").hand_on("directory", "directory", lookups);
    drop(child.ceiling(Rights::READ | Rights::FSTAT).spawn().map_err(text)?);
    let wider = here(inside, "echo").hand_on("directory", "directory", lookups | Rights::CREATE);
    refused(&wider, "`CREATE`")?;
    let (reader, _writer) = std::io::pipe().map_err(text)?;
    refused(&here(inside, "echo").grant("x", reader, lookups), "`LOOKUP`")
}

fn number(inside: &Inside) -> Result<(), String> {
    let echo = here(inside, "echo");
    let mut children = Vec::new();
    for _ in 0..MOST {
        children.push(echo.spawn().map_err(text)?);
    }
    for _ in 0..3 {
        refused(&echo, "at a time")?;
    }
    children.truncate(2);
    // A worker takes with it all that it may start.
    let starter = here(inside, "starts").ceiling(CEILING);
    refused(&starter.clone().starts(&["echo"], MOST - 2), "at a time")?;
    let _starter = starter.starts(&["echo"], MOST - 3).spawn().map_err(text)?;
    refused(&echo, "at a time")
}

fn deep(inside: &Inside) -> Result<(), String> {
    let ceiling = Frames::RIGHTS;
    let mut child = here(inside, "deeper")
        .hand_on("less", "file", FILE)
        .ceiling(ceiling)
        .starts(&["report"], 1)
        .spawn()
        .map_err(text)?;
    outcome(&mut child)
}

/// In the middle of three.
pub(crate) fn deeper(mut inside: Inside) -> u8 {
    let done = deepest(&inside);
    let frame = inside.frames().encode(1, 0, &done);
    frame.and_then(|frame| inside.frames().send(&frame, None)).map_or(1, |()| 0)
}

fn deepest(inside: &Inside) -> Result<(), String> {
    // What the first one has, and this one has not.
    refused(&here(inside, "echo"), "may not start it")?;
    refused(&here(inside, "report").ceiling(CEILING), "`FSTAT`")?;
    refused(&here(inside, "report").hand_on("input", "file", FILE), "no grant `file`")?;
    refused(&here(inside, "report").ceiling(Frames::RIGHTS).starts(&["report"], 1), "at a time")?;
    let builder = here(inside, "report").hand_on("input", "less", FILE);
    let report = report(&mut builder.spawn().map_err(text)?)?;
    ensure!(report.grant_read == "content", "it read {:?}", report.grant_read);
    ensure!(report.descriptors == [0, 1, 2, 3, 4], "it has open {:?}", report.descriptors);
    ensure!(report.facts.file_size == SIZE, "its files may have {}", report.facts.file_size);
    Ok(())
}

fn none(setting: Setting) -> Result<(), String> {
    let mut worker = setting.builder("starts").ceiling(CEILING).spawn().map_err(text)?;
    order(&mut worker, "none")?;
    outcome(&mut worker)?;
    // In the program there is nothing to hand on.
    refused(&setting.builder("echo").hand_on("x", "y", FILE), "handed on by a worker")
}

fn ceiling(setting: Setting) -> Result<(), String> {
    refused(&setting.builder("starts").starts(&["echo"], 1), "its ceiling lacks")
}
