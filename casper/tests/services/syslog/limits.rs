//! Who may write what.

use std::{fs, os::unix::net::UnixDatagram};

use capsicum_rs::Rights;
use casper::{
    Casper, Error,
    syslog::{At, Facility, Options, Severities, Severity, SyslogLimits},
};
use sandbox_spawn::{Compartment, End};

use super::{NAME, daemon::Daemon};
use crate::harness::{LONG, Outcome, ensure, native, not_capable, text};

pub(super) fn limits(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    let clone = syslog.try_clone().map_err(text)?;
    let limits = SyslogLimits::all()
        .idents(["exampled"])
        .facilities([Facility::Daemon, Facility::Local0])
        .severities(Severities::from(Severity::Error));
    syslog.limit(limits.clone()).map_err(text)?;
    ensure!(syslog.limits().map_err(text)? == limits, "other limits");
    // The program's name is none of them.
    not_capable(syslog.syslog((Facility::Daemon, Severity::Error), "a"), NAME)?;
    not_capable(syslog.openlog("sshd", Options::empty(), Facility::Daemon), NAME)?;
    not_capable(syslog.openlog("exampled", Options::empty(), Facility::Auth), NAME)?;
    not_capable(syslog.openlog("", Options::empty(), Facility::Daemon), NAME)?;
    syslog.openlog("exampled", Options::empty(), Facility::Daemon).map_err(text)?;
    not_capable(syslog.syslog(Severity::Critical, "a"), NAME)?;
    not_capable(syslog.syslog((Facility::User, Severity::Error), "a"), NAME)?;
    daemon.nothing()?;
    syslog.syslog((Facility::Local0, Severity::Error), "a").map_err(text)?;
    ensure!(daemon.timeless()? == "<131>exampled: a", "another line");
    // Limits hold for what openlog has said before.
    clone.openlog("sshd", Options::empty(), Facility::Auth).map_err(text)?;
    clone.limit(SyslogLimits::all().idents(["exampled"])).map_err(text)?;
    not_capable(clone.syslog(Severity::Info, "a"), NAME)?;
    clone.limit(SyslogLimits::nothing()).map_err(text)?;
    clone.closelog().map_err(text)?;
    not_capable(clone.syslog(Severity::Info, "a"), NAME)?;
    // What nobody writes does not tell what may be written.
    clone.setlogmask(Severities::EMERGENCY).map_err(text)?;
    not_capable(clone.syslog(Severity::Info, "a"), NAME)?;
    daemon.nothing()
}

pub(super) fn confined(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    if native() {
        // Nothing of the kind is there, in the mode or before it.
        match syslog.limit(SyslogLimits::all().facilities([Facility::User])) {
            Err(Error::Unsupported { .. }) => syslog.limit(SyslogLimits::all()).map_err(text)?,
            other => return Err(format!("{other:?}")),
        }
    } else {
        syslog.limit(SyslogLimits::all().facilities([Facility::User])).map_err(text)?;
    }
    capsicum_rs::Sandbox::new()
        .grant(&syslog, casper::RIGHTS)
        .grant(daemon.socket()?, Rights::READ)
        .enter()
        .map_err(text)?;
    ensure!(UnixDatagram::unbound().is_err(), "it is not confined");
    syslog.openlog("name", Options::empty(), Facility::User).map_err(text)?;
    syslog.syslog(Severity::Notice, "from within").map_err(text)?;
    let line = daemon.timeless()?;
    ensure!(line == "<13>name: from within", "{line:?}");
    if native() {
        return Ok(());
    }
    not_capable(syslog.syslog((Facility::Auth, Severity::Notice), "a"), NAME)?;
    not_capable(syslog.limit(SyslogLimits::all()), NAME)
}

/// Who has entered has a socket to the zygote, and must not get connections by it.
pub(super) fn not_from_capability_mode(casper: &Casper) -> Outcome {
    let mut daemon = Daemon::running()?;
    let path = daemon.path();
    let start = |root: Option<fs::File>| -> Result<End, String> {
        let mut builder = Compartment::builder("system.syslog.connector").env("SOCKET", &path);
        if let Some(root) = root {
            builder = builder.grant("root", root, capsicum_rs::Limits::ALL);
        }
        let (frames, mut process) = builder.spawn_outside().map_err(text)?;
        drop(frames);
        process.wait_timeout(LONG).map_err(text)?.ok_or_else(|| "it has not ended".to_owned())
    };
    let served = |end: &End| matches!(end, End::Exited(0));
    let root = fs::File::open("/").map_err(text)?;
    let end = start(Some(root))?;
    ensure!(served(&end), "with the root directory: {end}");
    let directory = fs::File::open(daemon.path().parent().ok_or("no directory")?).map_err(text)?;
    // A socket that takes addresses would keep the program from asking the zygote.
    daemon.socket = None;
    capsicum_rs::enter().map_err(text)?;
    match casper.open_with::<At>(path.clone()) {
        Err(Error::Start { .. }) => {}
        other => return Err(format!("{other:?}")),
    }
    for root in [None, Some(directory)] {
        let end = start(root)?;
        ensure!(!served(&end), "without the root directory: {end}");
    }
    Ok(())
}
