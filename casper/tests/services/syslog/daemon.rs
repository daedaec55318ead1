//! A syslogd of the tests' own.

use std::{fs, os::unix::net::UnixDatagram, path::PathBuf};

use casper::{Casper, Syslog, syslog::At};
use tempfile::TempDir;

use crate::harness::{LONG, Outcome, ensure, native, text};

/// A syslogd.
pub(super) struct Daemon {
    /// Of its own, unless the whole process has one.
    pub(super) directory: Option<TempDir>,
    pub(super) socket: Option<UnixDatagram>,
}

/// Where syslog(3) writes to on FreeBSD, where nobody listens at /var/run/logpriv.
const LOG: &str = "/var/run/log";

/// cap_syslog(3) writes to a fixed path. So libcasper is started beneath a directory of the case's own, in
/// which that path is the case's; it has been loaded before. Why that cannot be done here, if it cannot.
#[cfg(all(target_os = "freebsd", feature = "native"))]
pub(crate) fn scene(case: &str) -> Result<Option<String>, String> {
    use casper_sys::{Channel, Service};

    if !case.starts_with("native_syslog_") {
        return Ok(None);
    }
    if Service::ALL.into_iter().any(|service| Channel::prepare(service).is_err()) {
        // Starting it will say so.
        return Ok(None);
    }
    // SAFETY: it takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(Some(
            "its socket is the system's, which only root can put another for".to_owned(),
        ));
    }
    // Who started this process removes it.
    let root = TempDir::new().map_err(text)?.keep();
    for directory in ["dev", "var/run", "tmp"] {
        fs::create_dir_all(root.join(directory)).map_err(text)?;
    }
    // libcasper's processes want to read and write it, and no more.
    fs::write(root.join("dev/null"), "").map_err(text)?;
    std::os::unix::fs::chroot(&root).map_err(text)?;
    std::env::set_current_dir("/").map_err(text)?;
    Ok(None)
}

/// There is no libcasper to start.
#[cfg(not(all(target_os = "freebsd", feature = "native")))]
#[allow(clippy::unnecessary_wraps, reason = "FreeBSD's can fail")]
pub(crate) fn scene(_case: &str) -> Result<Option<String>, String> {
    Ok(None)
}

impl Daemon {
    /// One that does not run yet.
    pub(super) fn new() -> Result<Self, String> {
        let directory = if native() { None } else { Some(TempDir::new().map_err(text)?) };
        Ok(Self { directory, socket: None })
    }

    pub(super) fn running() -> Result<Self, String> {
        let mut daemon = Self::new()?;
        daemon.start()?;
        Ok(daemon)
    }

    pub(super) fn path(&self) -> PathBuf {
        let directory = self.directory.as_ref();
        directory.map_or_else(|| LOG.into(), |directory| directory.path().join("log"))
    }

    pub(super) fn start(&mut self) -> Outcome {
        let socket = UnixDatagram::bind(self.path()).map_err(text)?;
        socket.set_read_timeout(Some(LONG)).map_err(text)?;
        self.socket = Some(socket);
        Ok(())
    }

    pub(super) fn stop(&mut self) -> Outcome {
        self.socket = None;
        fs::remove_file(self.path()).map_err(text)
    }

    pub(super) fn open(&self, casper: &Casper) -> Result<Syslog, String> {
        if native() {
            return casper.open().map_err(text);
        }
        casper.open_with::<At>(self.path()).map(|At(syslog)| syslog).map_err(text)
    }

    pub(super) fn socket(&self) -> Result<&UnixDatagram, String> {
        self.socket.as_ref().ok_or_else(|| "it does not run".to_owned())
    }

    /// The next line, as it came.
    pub(super) fn line(&self) -> Result<String, String> {
        let mut line = vec![0; 1 << 16];
        let length = self.socket()?.recv(&mut line).map_err(text)?;
        line.truncate(length);
        String::from_utf8(line).map_err(text)
    }

    /// The next line, without its time.
    pub(super) fn timeless(&self) -> Result<String, String> {
        timeless(&self.line()?)
    }

    pub(super) fn nothing(&self) -> Outcome {
        let socket = self.socket()?;
        socket.set_nonblocking(true).map_err(text)?;
        let got = socket.recv(&mut [0; 100]);
        socket.set_nonblocking(false).map_err(text)?;
        ensure!(got.is_err(), "there is another line");
        Ok(())
    }
}

/// `<13>Nov  7 04:05:06 name: message` without the time, which must be one. syslog(3) of FreeBSD writes
/// the same with more before it.
pub(super) fn timeless(line: &str) -> Result<String, String> {
    let (priority, rest) = line.split_once('>').ok_or("no priority")?;
    if let Some(rest) = rest.strip_prefix("1 ") {
        return rfc5424(rest).map(|rest| format!("{priority}>{rest}"));
    }
    ensure!(rest.is_ascii() || rest.is_char_boundary(16), "{line:?} has no time");
    let (time, rest) = rest.split_at_checked(16).ok_or("too short")?;
    let form: String = time
        .chars()
        .map(|character| if character.is_ascii_digit() { '0' } else { character })
        .collect();
    let has = |form: &str, rest: &str| form.get(3..).is_some_and(|form| form == rest);
    ensure!(
        has(&form, " 00 00:00:00 ") || has(&form, "  0 00:00:00 "),
        "{time:?} is no time: {line:?}"
    );
    Ok(format!("{priority}>{rest}"))
}

/// RFC 5424 after its version, in the other form: time, host, name, process, kind, data, message.
fn rfc5424(line: &str) -> Result<String, String> {
    let words: Vec<&str> = line.splitn(7, ' ').collect();
    let &[time, _host, name, process, "-", "-", message] = words.as_slice() else {
        return Err(format!("{line:?} has another form"));
    };
    ensure!(time.contains('T') && time.contains(':'), "{time:?} is no time: {line:?}");
    let process = if process == "-" { String::new() } else { format!("[{process}]") };
    Ok(format!("{name}{process}: {message}"))
}
