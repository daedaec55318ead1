//! One attempt: the attack in a process of its own, under a deadline, and what became of it.

use std::{
    fmt, io,
    os::fd::{AsRawFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Duration,
};

use crate::{
    attempt::{Attack, Attempt, Got, Stop},
    raw::{self, Page, address_mut, call, number},
    stage::{Mode, Objects, SECRET, Scene, Stage},
};

const DEADLINE: Duration = Duration::from_secs(10);

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It got what it was not granted: this.
    Through(String),
    /// A call was refused.
    Refused { call: String, error: String },
    /// No call was refused, and nothing came of it.
    Nothing(String),
    /// A signal ended it.
    Ended(i32),
    /// With these grants capability mode is not entered.
    NotEntered(String),
    /// This host cannot make it.
    Unable(String),
    /// The suite is at fault.
    Fault(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Through(what) => write!(f, "through: {what}"),
            Self::Refused { call, error } => write!(f, "{call}: {error}"),
            Self::Nothing(what) => write!(f, "nothing came of it: {what}"),
            Self::Ended(signal) => write!(f, "ended by signal {signal}"),
            Self::NotEntered(reason) => write!(f, "not entered: {reason}"),
            Self::Unable(reason) => write!(f, "not to be had here: {reason}"),
            Self::Fault(what) => write!(f, "the suite failed: {what}"),
        }
    }
}

/// What the attack's process says.
pub(crate) struct Report(u8, String);

const TAGS: &[u8] = b"rdDsnNuf";

impl Report {
    pub(crate) fn of(attempt: Attempt) -> Self {
        match attempt {
            Ok(Got::Read(bytes)) => Self(b'r', String::from_utf8_lossy(&bytes).into_owned()),
            Ok(Got::Did(what)) => Self(b'd', what.to_owned()),
            Ok(Got::Done) => Self(b'D', String::new()),
            Err(Stop::At(name, error)) => {
                Self(b's', format!("{} {}", name.trim_start_matches("SYS_"), error_name(&error)))
            }
            Err(Stop::Nothing(what)) => Self(b'n', what.to_owned()),
            Err(Stop::NotEntered(reason)) => Self(b'N', reason),
            Err(Stop::Unable(reason)) => Self(b'u', reason),
            Err(Stop::Fault(what)) => Self(b'f', what),
        }
    }

    /// As a line, by which a program tells it.
    pub(crate) fn to_line(&self) -> String {
        format!("escape:{}:{}", char::from(self.0), self.1.replace(['\n', '\0'], " "))
    }

    /// Among what a program has printed.
    pub(crate) fn from_output(text: &str) -> Option<Self> {
        let line = text.lines().rev().find_map(|line| line.strip_prefix("escape:"))?;
        let (tag, text) = line.split_once(':')?;
        let tag = *tag.as_bytes().first()?;
        TAGS.contains(&tag).then(|| Self(tag, text.to_owned()))
    }

    /// With what is seen from outside.
    pub(crate) fn judge(self, effects: &[String]) -> Verdict {
        let secret = String::from_utf8_lossy(SECRET);
        let Self(tag, text) = self;
        match tag {
            b'f' => Verdict::Fault(text),
            b'r' if text.contains(&*secret) => Verdict::Through("it read the secret".to_owned()),
            b'd' => Verdict::Through(text),
            _ if !effects.is_empty() => Verdict::Through(effects.join("; ")),
            b'r' => Verdict::Nothing("what it read is not the secret".to_owned()),
            b'D' => Verdict::Nothing("nothing has changed".to_owned()),
            b's' => {
                let (call, error) = text.split_once(' ').unwrap_or((&text, ""));
                Verdict::Refused { call: call.to_owned(), error: error.to_owned() }
            }
            b'n' => Verdict::Nothing(text),
            b'N' => Verdict::NotEntered(text),
            _ => Verdict::Unable(text),
        }
    }
}

/// The attack itself, in its process.
pub(crate) fn make(attack: &Attack, scene: &mut Scene) -> Report {
    if let Err(error) = scene.open() {
        return Report::of(Err(Stop::Fault(format!("opening what is granted: {error}"))));
    }
    if let Mode::Level(level) = scene.mode
        && let Err(error) = Scene::descend(level)
    {
        return Report::of(Err(Stop::Fault(format!("descending to {level}: {error}"))));
    }
    std::panic::set_hook(Box::new(|_| ()));
    let attempt = catch_unwind(AssertUnwindSafe(|| (attack.body)(scene)))
        .unwrap_or_else(|_| Err(Stop::Fault("it panicked".to_owned())));
    match attempt {
        Ok(_) if !scene.has_entered() => {
            Report::of(Err(Stop::Fault("it never entered".to_owned())))
        }
        attempt => Report::of(attempt),
    }
}

/// Makes an attack here, in a child.
pub(crate) fn attempt(attack: &Attack, mode: Mode, base: &Path, objects: &Objects) -> Verdict {
    let failed = |error: io::Error| Verdict::Fault(error.to_string());
    let mut stage = match Stage::set(base, objects) {
        Ok(stage) => stage,
        Err(error) => return failed(error),
    };
    let mut run = || -> io::Result<(i32, Page, OwnedFd)> {
        let page = Page::new()?;
        let pid = raw::fork()?;
        if pid == 0 {
            let _ = raw::call(libc::SYS_setpgid, &[0, 0]);
            stage.scene.mode = mode;
            let Report(tag, text) = make(attack, &mut stage.scene);
            page.write(tag, &text);
            raw::exit(0);
        }
        let fd = raw::opened(libc::SYS_pidfd_open, &[number(pid), 0])?;
        Ok((pid, page, fd))
    };
    let verdict = match run() {
        Err(error) => failed(error),
        Ok((pid, page, fd)) => {
            let ended = ended(&fd, DEADLINE);
            raw::kill(pid, libc::SIGKILL);
            let status = raw::wait(pid);
            raw::end_group(pid);
            let (tag, text) = page.read();
            page.unmap();
            let mut effects = stage.effects();
            effects.extend(stage.strange_children());
            judge(ended, status, (tag != 0).then_some(Report(tag, text)), &effects)
        }
    };
    stage.strike();
    verdict
}

/// From how its process ended, what it said, and what is seen.
pub(crate) fn judge(
    ended: bool,
    status: i32,
    report: Option<Report>,
    effects: &[String],
) -> Verdict {
    if let Some(report) = report {
        return report.judge(effects);
    }
    if !effects.is_empty() {
        return Verdict::Through(effects.join("; "));
    }
    if !ended {
        return Verdict::Fault(format!("it still ran after {} s", DEADLINE.as_secs()));
    }
    if libc::WIFSIGNALED(status) {
        return Verdict::Ended(libc::WTERMSIG(status));
    }
    Verdict::Fault(format!("it ended with the wait status {status:#x} and said nothing"))
}

/// Whether a process ends before the deadline.
pub(crate) fn ended(process: &OwnedFd, deadline: Duration) -> bool {
    let mut poll = libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let milliseconds = usize::try_from(deadline.as_millis()).unwrap_or(usize::MAX);
    let mut time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    let polled = call(libc::SYS_ppoll, &[address_mut(&mut poll), 1, address_mut(&mut time), 0, 8]);
    polled.is_ok_and(|ready| ready > 0)
}

/// The name of an error, which does not depend on the C library's language.
fn error_name(error: &io::Error) -> String {
    let number = error.raw_os_error().unwrap_or(0);
    let name = match number {
        134 => "ECAPMODE",
        135 => "ENOTCAPABLE",
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EBADF => "EBADF",
        libc::EACCES => "EACCES",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EXDEV => "EXDEV",
        libc::ENOTDIR => "ENOTDIR",
        libc::EINVAL => "EINVAL",
        libc::EROFS => "EROFS",
        libc::ENOTTY => "ENOTTY",
        libc::ENXIO => "ENXIO",
        libc::EIO => "EIO",
        libc::ELOOP => "ELOOP",
        libc::ENOSYS => "ENOSYS",
        libc::ENODEV => "ENODEV",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::EPROTONOSUPPORT => "EPROTONOSUPPORT",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::ENOKEY => "ENOKEY",
        libc::EAGAIN => "EAGAIN",
        libc::EMFILE => "EMFILE",
        libc::ENOMEM => "ENOMEM",
        libc::EFAULT => "EFAULT",
        libc::ENOTSOCK => "ENOTSOCK",
        libc::ENODATA => "ENODATA",
        libc::ENOTCONN => "ENOTCONN",
        libc::EISCONN => "EISCONN",
        libc::EDESTADDRREQ => "EDESTADDRREQ",
        libc::EPIPE => "EPIPE",
        libc::EIDRM => "EIDRM",
        libc::ESTALE => "ESTALE",
        libc::ETXTBSY => "ETXTBSY",
        libc::ENOEXEC => "ENOEXEC",
        libc::ENOSPC => "ENOSPC",
        libc::EUSERS => "EUSERS",
        _ => return format!("error {number}"),
    };
    name.to_owned()
}
