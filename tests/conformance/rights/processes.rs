//! Rights to processes, and to execute.

use std::{io, os::fd::AsRawFd};

use capsicum_rs::Rights;

use super::{Row, Subject};
use crate::{exec, raw, scene::Scene};

/// A process that lives until it is killed. The other descriptor ends when it does.
fn victim(_: &Scene) -> io::Result<Subject> {
    let (reader, writer) = raw::pipe()?;
    raw::fcntl(&reader, libc::F_SETFL, libc::O_NONBLOCK)?;
    let end = reader.as_raw_fd();
    let child = raw::spawn(move || {
        let _ = raw::close(end);
        loop {
            std::thread::park();
        }
    })?;
    drop(writer);
    let mut subject = Subject::new(child.descriptor).with(reader, Rights::READ);
    subject.number = child.pid.into();
    Ok(subject)
}

/// Whether the process has ended, by the pipe that only it could write to.
fn dead(s: &Subject) -> bool {
    matches!(raw::read(s.other(), &mut [0]), Ok(0))
}

pub(super) fn rows() -> Vec<Row> {
    let killing = Row::new("killing by descriptor", Rights::PDKILL, victim, |s| {
        raw::kill_descriptor(&s.fd, libc::SIGKILL)?;
        while !dead(s) {
            std::thread::yield_now();
        }
        Ok(())
    })
    .seen(dead);
    vec![
        killing,
        #[cfg(target_os = "linux")]
        Row::new(
            "waiting by descriptor",
            Rights::PDWAIT,
            |_| Ok(Subject::new(raw::spawn(|| 0)?.descriptor)),
            |s| raw::wait_descriptor(&s.fd),
        ),
        #[cfg(target_os = "freebsd")]
        Row::new("pdgetpid", Rights::PDGETPID, victim, |s| {
            if i64::from(raw::pdgetpid(&s.fd)?) == s.number {
                return Ok(());
            }
            Err(io::Error::other("another process"))
        }),
        fexecve(),
    ]
}

/// A static program, which exits with a status of its own.
fn fexecve() -> Row {
    let mut row = Row::new(
        "fexecve",
        Rights::FEXECVE,
        |scene| {
            exec::program(&scene.dir.join("program"), &exec::exits(42))?;
            let file = scene.open("program", libc::O_RDONLY)?;
            // Where execution is granted, a pinned descriptor must stay open over it.
            raw::fcntl(&file, libc::F_SETFD, 0)?;
            Ok(Subject::new(file))
        },
        |s| Err(raw::fexecve(&s.fd, c"program")),
    )
    .and(if cfg!(target_os = "freebsd") { Rights::READ } else { Rights::NONE });
    row.replaced = Some(42);
    row
}
