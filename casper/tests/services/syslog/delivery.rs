//! A syslogd that is gone, full, new or another.

use std::{
    fs,
    io::Read,
    os::unix::net::{UnixListener, UnixStream},
    time::{Duration, Instant},
};

use casper::{
    Casper, Error,
    syslog::{At, Facility, Options, Severities, Severity},
};
use tempfile::TempDir;

use super::daemon::{Daemon, timeless};
use crate::harness::{LONG, Outcome, ensure, text};

fn errno(result: Result<(), Error>, expected: &[i32]) -> Outcome {
    match result {
        Err(error @ Error::System { .. })
            if error.raw_os_error().is_some_and(|errno| expected.contains(&errno)) =>
        {
            Ok(())
        }
        other => Err(format!("not one of the errnos {expected:?}: {other:?}")),
    }
}

pub(super) fn restart(casper: &Casper) -> Outcome {
    let mut daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    let clone = syslog.try_clone().map_err(text)?;
    for _ in 0..3 {
        syslog.syslog(Severity::Notice, "a").map_err(text)?;
        ensure!(daemon.line()?.ends_with(": a"), "another line");
        daemon.stop()?;
        errno(syslog.syslog(Severity::Notice, "lost"), &[libc::ENOENT])?;
        errno(clone.syslog(Severity::Notice, "lost"), &[libc::ENOENT])?;
        daemon.start()?;
        clone.syslog(Severity::Notice, "b").map_err(text)?;
        ensure!(daemon.line()?.ends_with(": b"), "another line");
        daemon.nothing()?;
        // One that has died leaves its socket where it was.
        daemon.socket = None;
        errno(syslog.syslog(Severity::Notice, "lost"), &[libc::ECONNREFUSED])?;
        fs::remove_file(daemon.path()).map_err(text)?;
        daemon.start()?;
    }
    Ok(())
}

pub(super) fn missing(casper: &Casper) -> Outcome {
    let mut daemon = Daemon::new()?;
    let syslog = daemon.open(casper)?;
    errno(syslog.syslog(Severity::Notice, "lost"), &[libc::ENOENT])?;
    daemon.start()?;
    syslog.syslog(Severity::Notice, "a").map_err(text)?;
    ensure!(daemon.line()?.ends_with(": a"), "another line");
    Ok(())
}

pub(super) fn full(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?.within(LONG);
    let clone = syslog.try_clone().map_err(text)?;
    let mut taken = 0;
    let refused = loop {
        match syslog.syslog(Severity::Notice, &"x".repeat(4000)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        ensure!(taken < 100_000, "it takes everything");
    };
    errno(Err(refused), &[libc::EAGAIN, libc::ENOBUFS])?;
    if cfg!(target_os = "linux") {
        match syslog.within(Duration::from_millis(20)).syslog(Severity::Notice, "x") {
            Err(Error::Deadline { .. }) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    clone.setlogmask(Severities::empty()).map_err(text)?;
    for _ in 0..taken {
        daemon.line()?;
    }
    clone.syslog(Severity::Notice, "there is room").map_err(text)?;
    // What was given up may have come before.
    let deadline = Instant::now() + LONG;
    while !daemon.line()?.ends_with(": there is room") {
        ensure!(Instant::now() < deadline, "the line has not come");
    }
    Ok(())
}

fn record(stream: &mut UnixStream) -> Result<String, String> {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).map_err(text)?;
        if byte == [0] {
            return timeless(&String::from_utf8(line).map_err(text)?);
        }
        line.push(byte[0]);
    }
}

pub(super) fn streams(casper: &Casper) -> Outcome {
    let directory = TempDir::new().map_err(text)?;
    let path = directory.path().join("log");
    let listener = UnixListener::bind(&path).map_err(text)?;
    let At(syslog) = casper.open_with(path.clone()).map_err(text)?;
    syslog.openlog("name", Options::empty(), Facility::User).map_err(text)?;
    let (mut stream, _) = listener.accept().map_err(text)?;
    stream.set_read_timeout(Some(LONG)).map_err(text)?;
    for message in ["a", "b\0c"] {
        syslog.syslog(Severity::Notice, message).map_err(text)?;
        let line = record(&mut stream)?;
        let expected = message.replace('\0', "\\u{0}");
        ensure!(line == format!("<13>name: {expected}"), "{line:?}");
    }
    drop((stream, listener));
    fs::remove_file(&path).map_err(text)?;
    errno(syslog.syslog(Severity::Notice, "lost"), &[libc::ENOENT])?;
    let listener = UnixListener::bind(&path).map_err(text)?;
    syslog.syslog(Severity::Notice, "again").map_err(text)?;
    let (mut stream, _) = listener.accept().map_err(text)?;
    stream.set_read_timeout(Some(LONG)).map_err(text)?;
    let line = record(&mut stream)?;
    ensure!(line == "<13>name: again", "{line:?}");
    Ok(())
}
