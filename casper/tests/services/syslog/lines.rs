//! What is written.

use casper::{
    Casper, Error,
    syslog::{Facility, Options, Severities, Severity},
};

use super::daemon::Daemon;
use crate::harness::{Outcome, ensure, native, text};

/// The number between brackets.
fn id(line: &str) -> Option<u32> {
    line.split_once('[')?.1.split_once(']')?.0.parse().ok()
}

pub(super) fn lines(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    syslog.openlog("exampled", Options::PID, Facility::Daemon).map_err(text)?;
    syslog.syslog(Severity::Info, "ready").map_err(text)?;
    let line = daemon.timeless()?;
    // libcasper's is the id of its own process.
    let own = std::process::id();
    let pid = if native() { id(&line).ok_or(line.clone())? } else { own };
    ensure!(line == format!("<30>exampled[{pid}]: ready"), "{line:?}");
    ensure!(native() == (pid != own), "another process's id: {line:?}");
    syslog.syslog((Facility::Local7, Severity::Emergency), "").map_err(text)?;
    let line = daemon.timeless()?;
    ensure!(line == format!("<184>exampled[{pid}]: "), "{line:?}");
    // Each channel has a name of its own, which its clones start with.
    let clone = syslog.try_clone().map_err(text)?;
    clone.openlog("other", Options::empty(), Facility::Mail).map_err(text)?;
    clone.syslog(Severity::Debug, "%s%n").map_err(text)?;
    let line = daemon.timeless()?;
    ensure!(line == "<23>other: %s%n", "{line:?}");
    syslog.syslog(Severity::Info, "still").map_err(text)?;
    let line = daemon.timeless()?;
    ensure!(line == format!("<30>exampled[{pid}]: still"), "{line:?}");
    syslog.try_clone().map_err(text)?.syslog(Severity::Info, "a clone").map_err(text)?;
    let line = daemon.timeless()?;
    ensure!(line == format!("<30>exampled[{pid}]: a clone"), "{line:?}");
    daemon.nothing()
}

pub(super) fn defaults(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    syslog.syslog(Severity::Notice, "a").map_err(text)?;
    let program = std::env::current_exe().map_err(text)?;
    let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let line = daemon.timeless()?;
    ensure!(line == format!("<13>{program}: a"), "{line:?}");
    syslog.openlog("x", Options::PID, Facility::Cron).map_err(text)?;
    syslog.closelog().map_err(text)?;
    syslog.syslog(Severity::Notice, "a").map_err(text)?;
    ensure!(daemon.timeless()? == line, "closelog has not closed");
    syslog.openlog("", Options::empty(), Facility::Cron).map_err(text)?;
    syslog.syslog(Severity::Notice, "a").map_err(text)?;
    let line = daemon.timeless()?;
    ensure!(line == format!("<77>{program}: a"), "{line:?}");
    Ok(())
}

pub(super) fn injection(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    for ident in ["a\nb", "a: b", "a[1]", "<0>a", "a b", "a\0", "\u{e9}", &"a".repeat(65)] {
        match syslog.openlog(ident, Options::empty(), Facility::User) {
            Err(Error::Invalid { .. }) => {}
            other => return Err(format!("{ident:?}: {other:?}")),
        }
    }
    syslog.openlog("name", Options::empty(), Facility::User).map_err(text)?;
    let message = "a\n<0>Nov  7 04:05:06 kernel: b\r\0c\x1b]0;d\x07\u{9b}\u{202e}\u{2028}\n";
    syslog.syslog(Severity::Notice, message).map_err(text)?;
    let line = daemon.timeless()?;
    let expected = "<13>name: a\\n<0>Nov  7 04:05:06 kernel: b\\r\\u{0}c\\u{1b}]0;d\\u{7}\
                    \\u{9b}\\u{202e}\\u{2028}";
    ensure!(line == expected, "{line:?}");
    for long in ["x".repeat(200_000), "x\n".repeat(35_000), "\u{1f600}".repeat(20_000)] {
        syslog.syslog(Severity::Notice, &long).map_err(text)?;
        let line = daemon.line()?;
        let most = if native() { 2048 } else { 8192 };
        ensure!(line.len() <= most && line.len() > most / 2, "a line of {} bytes", line.len());
        ensure!(!line.contains(char::is_control), "control characters");
    }
    daemon.nothing()
}

pub(super) fn masks(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    let warnings = Severities::up_to(Severity::Warning);
    ensure!(syslog.setlogmask(warnings).map_err(text)? == Severities::all(), "another mask");
    ensure!(syslog.setlogmask(Severities::empty()).map_err(text)? == warnings, "it was not set");
    syslog.syslog(Severity::Notice, "left out").map_err(text)?;
    syslog.syslog(Severity::Warning, "written").map_err(text)?;
    ensure!(daemon.line()?.ends_with(": written"), "another line");
    syslog.try_clone().map_err(text)?.syslog(Severity::Info, "left out").map_err(text)?;
    daemon.nothing()
}

/// Clones in threads, which all write at once, each in its own name and for its own facility.
pub(super) fn clones(casper: &Casper) -> Outcome {
    const EACH: usize = 50;
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    let writers = [("a", Facility::User), ("b", Facility::Mail), ("c", Facility::Daemon)];
    let clones = writers.map(|writer| (writer, syslog.try_clone()));
    std::thread::scope(|scope| {
        let threads = clones.map(|((name, facility), clone)| {
            scope.spawn(move || -> Outcome {
                let clone = clone.map_err(text)?;
                clone.openlog(name, Options::empty(), facility).map_err(text)?;
                for _ in 0..EACH {
                    clone.syslog(Severity::Info, name).map_err(text)?;
                }
                Ok(())
            })
        });
        let mut left = writers.map(|(name, facility)| {
            (format!("<{}>{name}: {name}", (facility as u8) << 3 | Severity::Info as u8), EACH)
        });
        for _ in 0..EACH * writers.len() {
            let line = daemon.timeless()?;
            let writer = left.iter_mut().find(|(of, count)| *of == line && *count > 0);
            writer.ok_or_else(|| format!("nobody's line: {line:?}"))?.1 -= 1;
        }
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "it panicked")?)
    })?;
    daemon.nothing()
}
