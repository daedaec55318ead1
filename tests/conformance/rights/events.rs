//! Rights to be watched and to watch.

use std::io;

use capsicum_rs::{Rights, limit};

use super::{Row, Subject};
use crate::{
    harness::{Case, Done, ensure, refused, works},
    level,
    level::FREEBSD,
    raw::{self, ENOTCAPABLE},
    scene::Scene,
};

/// A pipe that can be read from, to be watched by a queue.
fn watched(_: &Scene) -> io::Result<Subject> {
    let (reader, writer) = raw::pipe()?;
    raw::write(&writer, b"x")?;
    Ok(Subject::new(reader).with(raw::queue()?, Rights::KQUEUE_CHANGE).with(writer, Rights::NONE))
}

/// A queue that is to watch a pipe.
fn queue(_: &Scene) -> io::Result<Subject> {
    let (reader, writer) = raw::pipe()?;
    raw::write(&writer, b"x")?;
    Ok(Subject::new(raw::queue()?).with(reader, Rights::EVENT).with(writer, Rights::NONE))
}

/// A queue that watches a pipe with something in it.
fn watching(scene: &Scene) -> io::Result<Subject> {
    let subject = queue(scene)?;
    raw::watch(&subject.fd, subject.other())?;
    Ok(subject)
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("being watched", Rights::EVENT, watched, |s| raw::watch(s.other(), &s.fd)),
        Row::new("watching", Rights::KQUEUE_CHANGE, queue, |s| raw::watch(&s.fd, s.other())),
        Row::new("taking events", Rights::KQUEUE_EVENT, watching, |s| {
            match raw::take_events(&s.fd)? {
                1 => Ok(()),
                _ => Err(io::Error::other("no event was there")),
            }
        }),
        #[cfg(target_os = "linux")]
        Row::new(
            "inotify_rm_watch",
            Rights::INOTIFY_RM,
            |scene| {
                let mut subject = Subject::new(raw::inotify()?);
                subject.number = raw::inotify_add(&subject.fd, &crate::scene::c_path(&scene.dir))?;
                Ok(subject)
            },
            |s| raw::inotify_rm(&s.fd, s.number).map(drop),
        ),
    ]
}

/// poll(2) and select(2), which name their descriptors in memory.
pub(super) fn poll_cases() -> Vec<Case> {
    vec![
        Case::new("poll and select work where every descriptor has EVENT", |_| {
            let (reader, writer) = works("pipe", raw::pipe())?;
            works("write", raw::write(&writer, b"x"))?;
            works("enter", level::sandbox().ceiling(Rights::EVENT).enter())?;
            let events = works("poll", raw::poll(&reader, libc::POLLIN, 0))?;
            ensure(events == libc::POLLIN, format!("poll gave {events:#x}"))?;
            ensure(works("select", raw::select(&reader))? == 1, "select saw nothing")?;
            Ok(Done::Held)
        }),
        Case::new(
            "poll and select see nothing of a descriptor that lacks EVENT after limit",
            |_| {
                let (reader, writer) = works("pipe", raw::pipe())?;
                works("write", raw::write(&writer, b"x"))?;
                works("limit", limit(&reader, Rights::READ))?;
                blind(&reader)
            },
        ),
        Case::new("poll and select see nothing of a grant that lacks EVENT", |_| {
            let (reader, writer) = works("pipe", raw::pipe())?;
            works("write", raw::write(&writer, b"x"))?;
            let sandbox = level::sandbox().ceiling(Rights::EVENT).grant(&reader, Rights::READ);
            works("enter", sandbox.enter())?;
            blind(&reader)
        }),
    ]
}

/// FreeBSD's poll answers `POLLNVAL` for the one descriptor; Linux refuses the call.
fn blind(fd: &std::os::fd::OwnedFd) -> crate::harness::Outcome {
    if FREEBSD {
        let events = works("poll", raw::poll(fd, libc::POLLIN, 0))?;
        ensure(events == libc::POLLNVAL, format!("poll gave {events:#x}"))?;
    } else {
        refused("poll", raw::poll(fd, libc::POLLIN, 0), &[ENOTCAPABLE])?;
    }
    refused("select", raw::select(fd), &[ENOTCAPABLE])?;
    Ok(Done::Held)
}
