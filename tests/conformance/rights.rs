//! Every right: an operation that needs it works with it, and fails with `ENOTCAPABLE` without it
//! and has no effect.
//!
//! A [`Row`] is an operation with the rights it needs, one of which is under test. It is tried at
//! three *points*: after `limit` alone, with the descriptor granted to a `Sandbox`, and under a
//! ceiling; each with the right and without.

mod commands;
mod directories;
mod events;
mod files;
mod lookups;
mod processes;
mod sockets;

use std::{fmt, io, os::fd::OwnedFd, path::Path, sync::Arc};

use capsicum_rs::{
    CapabilityError, Containment, Error, Limits, Rights, is_capability_error, limit,
};

use crate::{
    exec,
    harness::{Case, Done, End, Outcome, ensure, in_fork, refused, works},
    level,
    level::FREEBSD,
    matrix::Place,
    raw::{ECAPMODE, ENOTCAPABLE},
    scene::Scene,
};

/// The descriptors of an operation.
pub(crate) struct Subject {
    /// The one whose right is under test.
    pub(crate) fd: OwnedFd,
    /// The others that the operation names, with the rights it needs on them.
    pub(crate) others: Vec<(OwnedFd, Rights)>,
    /// A descriptor or number that the operation needs besides, such as a process id.
    pub(crate) number: i64,
}

impl Subject {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd, others: Vec::new(), number: 0 }
    }

    pub(crate) fn with(mut self, fd: OwnedFd, rights: Rights) -> Self {
        self.others.push((fd, rights));
        self
    }

    /// The first of the others.
    pub(crate) fn other(&self) -> &OwnedFd {
        &self.others[0].0
    }
}

/// When a right counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Before and in capability mode.
    Always,
    /// Before capability mode only, which refuses the operation whatever the rights.
    Ambient,
    /// As `Always`, but Linux refuses the pair of directories unless both have the same rights:
    /// Landlock would let a path lead from the one to the other.
    Across,
    /// On Linux only where the descriptor is granted, so that it is known to take no address.
    Message,
    /// In capability mode only on Linux: a limited descriptor would give one without limits.
    Opens,
    /// In capability mode on Linux only with a private root: Landlock does not see it.
    Beneath,
    /// Both of these.
    #[cfg_attr(target_os = "freebsd", expect(dead_code, reason = "it has no such operation"))]
    Refers,
}

/// An operation and the rights that it needs.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) operation: &'static str,
    /// The right under test.
    pub(crate) right: Rights,
    /// All that the operation needs on the descriptor.
    pub(crate) needs: Rights,
    pub(crate) mode: Mode,
    pub(crate) open: fn(&Scene) -> io::Result<Subject>,
    pub(crate) act: fn(&Subject) -> io::Result<()>,
    /// Whether the effect can be seen in the directory of the scene.
    pub(crate) trace: Option<fn(&Path) -> bool>,
    /// Whether the effect can be seen by the process itself.
    pub(crate) seen: Option<fn(&Subject) -> bool>,
    /// The status of the program that takes the place of the process.
    pub(crate) replaced: Option<i32>,
}

impl Row {
    pub(crate) fn new(
        operation: &'static str,
        right: Rights,
        open: fn(&Scene) -> io::Result<Subject>,
        act: fn(&Subject) -> io::Result<()>,
    ) -> Self {
        Self {
            operation,
            right,
            needs: right,
            mode: Mode::Always,
            open,
            act,
            trace: None,
            seen: None,
            replaced: None,
        }
    }

    /// The operation needs these too.
    pub(crate) fn and(mut self, rights: Rights) -> Self {
        self.needs |= rights;
        self
    }

    pub(crate) fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The operation leaves this behind.
    pub(crate) fn traced(mut self, trace: fn(&Path) -> bool) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The operation has this effect.
    pub(crate) fn seen(mut self, seen: fn(&Subject) -> bool) -> Self {
        self.seen = Some(seen);
        self
    }

    /// What is left of the needs without the right: others that it implies stay.
    fn without(&self) -> Rights {
        let implied = Rights::each()
            .map(|(_, right)| right)
            .filter(|right| *right != self.right && self.right.contains(*right))
            .fold(Rights::NONE, |all, right| all | right);
        self.needs.difference(self.right.difference(implied))
    }
}

/// Where limits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Limit,
    Grant,
    Ceiling,
}

impl Point {
    /// Its name in the support matrix.
    fn word(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Grant => "grant",
            Self::Ceiling => "ceiling",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limit => "after limit",
            Self::Grant => "of a grant",
            Self::Ceiling => "under a ceiling",
        })
    }
}

/// Every row.
pub(crate) fn rows() -> Vec<Row> {
    [
        files::rows(),
        directories::rows(),
        lookups::rows(),
        sockets::rows(),
        events::rows(),
        processes::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The cases of every row, and those of fcntl and ioctl.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in rows() {
        let row = Arc::new(row);
        for point in [Point::Limit, Point::Grant, Point::Ceiling] {
            cases.push(case(&row, point, true));
            cases.push(case(&row, point, false));
        }
    }
    cases.extend(commands::cases());
    cases.extend(events::poll_cases());
    cases
}

fn case(row: &Arc<Row>, point: Point, with: bool) -> Case {
    let Row { operation, right, .. } = **row;
    let name = if with {
        format!("{operation} works with {right} {point}")
    } else {
        format!("{operation} fails without {right} {point}")
    };
    let body = Arc::clone(row);
    let mut case = Case::new(name, move |scene| attempt(&body, point, with, scene))
        .at(Place::operation(operation, point.word(), with));
    // What does not work at this point leaves nothing even with the right.
    let effect = with && !hindered(row, point);
    if let Some(trace) = row.trace {
        case = case.leaves(move |dir| {
            let there = trace(&dir.join("scene"));
            match (effect, there) {
                (true, false) => Err("it said that it worked and had no effect".to_owned()),
                (false, true) => Err("it was refused and had its effect all the same".to_owned()),
                _ => Ok(()),
            }
        });
    }
    if let Some(status) = row.replaced.filter(|_| effect) {
        case = case.ends(End::Status(status));
    }
    case.right = Some(right);
    case.works = effect;
    case
}

/// Whether the operation is refused at this point whatever the rights.
fn hindered(row: &Row, point: Point) -> bool {
    match row.mode {
        Mode::Always | Mode::Across | Mode::Beneath => false,
        Mode::Ambient => point != Point::Limit,
        Mode::Message => point != Point::Grant && !FREEBSD,
        Mode::Opens | Mode::Refers => point == Point::Limit && !FREEBSD,
    }
}

/// The same, at levels without a private root.
fn unseen(row: &Row, point: Point, level: Containment) -> bool {
    matches!(row.mode, Mode::Beneath | Mode::Refers)
        && point != Point::Limit
        && level < Containment::Directories
}

fn attempt(row: &Row, point: Point, with: bool, scene: &Scene) -> Outcome {
    if let Err(reason) = unlimited(row, scene) {
        return Ok(Done::Skipped(reason));
    }
    let scene = works("the directory of the scene", scene.within("scene"))?;
    let subject = works("opening", (row.open)(&scene))?;
    let rights = if with { row.needs } else { row.without() };
    match confine(row, point, rights, &subject) {
        Ok(()) => {}
        Err(error) => return unconfined(row, &error, point, rights, scene.level),
    }
    let result = (row.act)(&subject);
    let without_root = unseen(row, point, scene.level);
    let unseen = row.seen.is_some_and(|seen| !seen(&subject));
    if with && row.replaced.is_some() && scene.level == Containment::Descriptors {
        // A ceiling promises nothing of what is beneath it; a grant does.
        refused(row.operation, result, &[ECAPMODE])?;
        return Ok(Done::Otherwise("without Landlock nothing can be executed".to_owned()));
    }
    if with && row.mode == Mode::Across && scene.level == Containment::Directories {
        if point == Point::Limit {
            works(row.operation, result)?;
            return Ok(Done::Held);
        }
        // Each directory is a mount of its own.
        refused(row.operation, result, &[libc::EXDEV])?;
        return Ok(Done::Otherwise("each directory is a mount of its own: EXDEV".to_owned()));
    }
    if with && !hindered(row, point) && !without_root {
        works(row.operation, result)?;
        ensure(!unseen, "it said that it worked and had no effect")?;
        return Ok(Done::Held);
    }
    ensure(row.seen.is_none() || unseen, "it had its effect")?;
    let Err(error) = result else { return Err("it was not refused".to_owned()) };
    let global = row.mode == Mode::Ambient && point != Point::Limit || without_root && with;
    let (errno, kind) = if global {
        (ECAPMODE, CapabilityError::CapabilityMode)
    } else {
        (ENOTCAPABLE, CapabilityError::NotCapable)
    };
    // On FreeBSD capability mode and rights may be asked for in either order.
    let either = row.mode == Mode::Ambient
        && error.raw_os_error() == Some(ENOTCAPABLE)
        && point != Point::Limit
        && !with;
    ensure(
        either || error.raw_os_error() == Some(errno),
        format!("expected the error {errno}, got {error}"),
    )?;
    ensure(
        either || is_capability_error(&error) == Some(kind),
        format!("is_capability_error says {:?}", is_capability_error(&error)),
    )?;
    if with {
        return Ok(Done::Otherwise(match row.mode {
            Mode::Ambient => "capability mode refuses it whatever the rights".to_owned(),
            _ if without_root => "Landlock does not see it".to_owned(),
            Mode::Message => {
                "the address of a message is in memory: grant the socket, or CONNECT".to_owned()
            }
            _ => "what a limited descriptor opens would have no limits".to_owned(),
        }));
    }
    Ok(Done::Held)
}

/// Tries the operation without any limit: what fails then is not for this host.
fn unlimited(row: &Row, scene: &Scene) -> Result<(), String> {
    let scene = scene.within("unlimited").map_err(|error| error.to_string())?;
    if row.replaced.is_some() {
        return exec::runs_in(&scene.dir);
    }
    let tried = in_fork(|| {
        let subject = (row.open)(&scene).map_err(|error| format!("cannot set it up: {error}"))?;
        (row.act)(&subject).map_err(|error| format!("fails without any limit: {error}"))?;
        Ok(Done::Held)
    });
    tried?;
    match row.trace {
        Some(trace) if !trace(&scene.dir) => Err("has no effect without any limit".to_owned()),
        _ => Ok(()),
    }
}

fn confine(row: &Row, point: Point, rights: Rights, subject: &Subject) -> Result<(), Error> {
    let own = row.needs.difference(row.without());
    match point {
        Point::Limit => limit(&subject.fd, rights),
        Point::Grant => {
            let sandbox = level::sandbox().grant(&subject.fd, rights);
            subject
                .others
                .iter()
                .fold(sandbox, |sandbox, (fd, rights)| sandbox.grant(fd, *rights))
                .enter()
                .map(drop)
        }
        Point::Ceiling => {
            let others = subject.others.iter().fold(Rights::NONE, |all, (_, more)| all | *more);
            let others = if rights.contains(row.needs) { others } else { others.difference(own) };
            level::sandbox().ceiling(Limits::from(rights | others)).enter().map(drop)
        }
    }
}

/// Entering failed: right if a right that is granted needs a better level, and the error says so.
fn unconfined(
    row: &Row,
    error: &Error,
    point: Point,
    rights: Rights,
    level: Containment,
) -> Outcome {
    let needs_landlock = rights.intersects(Rights::LOOKUP | Rights::FEXECVE);
    match error {
        Error::Containment { required: Containment::Landlock, offered, .. }
            if level == Containment::Descriptors && needs_landlock && point != Point::Limit =>
        {
            ensure(*offered == level, format!("the error says that {offered} is offered"))?;
            Ok(Done::Otherwise(format!("entering says: {error}")))
        }
        Error::Unenforceable { reason, .. }
            if row.mode == Mode::Across && point == Point::Grant && !FREEBSD =>
        {
            ensure(reason.contains("grant it to both or to neither"), reason)?;
            Ok(Done::Otherwise(format!("entering says: {error}")))
        }
        other => Err(format!("confining should work: {other}")),
    }
}
