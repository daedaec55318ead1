//! `Syslog`, with a syslogd of the tests' own.

mod daemon;
mod delivery;
mod limits;
mod lines;
mod model;

use std::{os::fd::AsFd, thread, time::Duration};

use capsicum_channel::Frames;
use casper::{
    Error, Open, Opener, Syslog,
    syslog::{At, Facility, Options, Severities, Severity, SyslogLimits},
};
use sandbox_spawn::Worker;
use tempfile::TempDir;

use crate::{
    harness::{Case, LONG, NOT_SENT, Tested, case, common, only_portable},
    hostile, worker,
};
use daemon::Daemon;
pub(crate) use daemon::scene;

const NO_LIMITS: &str = "libcap_syslog holds no limits";
const UNTOLD: &str = "nobody says what has become of a line";

pub(crate) const CASES: &[Case] = &[
    common("syslog_writes_lines_in_the_name_of_openlog", lines::lines),
    common("syslog_has_a_name_without_openlog", lines::defaults),
    common("syslog_writes_no_other_lines_than_its_own", lines::injection),
    common("syslog_leaves_out_what_is_masked", lines::masks),
    common("syslog_keeps_the_names_of_clones_apart", lines::clones),
    only_portable("syslog_is_held_to_limits", NO_LIMITS, limits::limits),
    only_portable("syslog_connects_again", UNTOLD, delivery::restart),
    only_portable("syslog_waits_for_no_syslogd", UNTOLD, delivery::missing),
    only_portable(
        "syslog_is_not_stopped_by_a_syslogd_that_does_not_read",
        "syslog(3) tries until there is room, and a call has no deadline",
        delivery::full,
    ),
    only_portable(
        "syslog_writes_to_streams",
        "the socket is the system's, which is one of datagrams",
        delivery::streams,
    ),
    common("syslog_works_in_capability_mode", limits::confined),
    case("syslog_connects_to_nothing_for_capability_mode", limits::not_from_capability_mode),
    only_portable("syslog_works_in_a_worker_that_was_granted_it", NOT_SENT, |casper| {
        worker::granted::<Log>(casper, "syslog")
    }),
    only_portable("syslog_obeys_the_model_of_its_limits", NO_LIMITS, model::obeys),
    only_portable("syslog_does_not_widen", NO_LIMITS, hostile::widening::<Log>),
    case("syslog_survives_mutated_frames", hostile::mutated_frames::<Log>),
    case("syslog_has_room_for_so_many_connections", hostile::many_connections::<Log>),
    case("syslog_is_not_stopped_by_who_does_not_read", hostile::a_client_that_does_not_read::<Log>),
    case("syslog_dies_with_its_name", hostile::death::<Log>),
    case("syslog_ends_with_its_last_connection", hostile::end::<Log>),
];

const NAME: &str = "system.syslog";

/// With a syslogd that reads everything.
pub(crate) struct Log {
    syslog: Syslog,
    _directory: Option<TempDir>,
}

impl Log {
    fn of(syslog: Syslog) -> Self {
        Self { syslog, _directory: None }
    }
}

impl Open for Log {
    type Setup = ();
    const WORKER: Worker = Syslog::WORKER;

    fn open(opener: Opener<'_>, (): ()) -> Result<Self, Error> {
        let failed = |reason| Error::Start { service: NAME.to_owned(), reason };
        let daemon = Daemon::running().map_err(failed)?;
        let path = daemon.path();
        let Daemon { directory, socket } = daemon;
        if let Some(socket) = socket {
            thread::spawn(move || while socket.recv(&mut [0; 8192]).is_ok() {});
        }
        let At(syslog) = At::open(opener, path)?;
        Ok(Self { syslog, _directory: directory })
    }
}

impl From<Frames> for Log {
    fn from(frames: Frames) -> Self {
        Self::of(frames.into())
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.syslog.as_fd()
    }
}

impl Tested for Log {
    const NAME: &'static str = NAME;
    /// It, and what connects for it.
    const PROCESSES: usize = 2;

    fn socket(&self) -> Result<Frames, Error> {
        self.syslog.to_frames()
    }

    fn another(&self) -> Result<Self, Error> {
        self.syslog.try_clone().map(Self::of)
    }

    fn hurried(&self) -> Self {
        Self::of(self.syslog.within(Duration::from_millis(50)))
    }

    fn ask(&self) -> Result<(), Error> {
        self.syslog.within(LONG).syslog(Severity::Notice, "is it there?")
    }

    fn ask_everything(&self) {
        let _ = self.syslog.syslog((Facility::Daemon, Severity::Error), "a message\nof two lines");
        let _ = self.syslog.openlog("name", Options::PID, Facility::Local3);
        let _ = self.syslog.setlogmask(Severities::up_to(Severity::Warning));
        let _ = self.syslog.closelog();
        let limits = SyslogLimits::all().idents(["name"]).facilities([Facility::User]);
        let _ = self.syslog.limit(limits);
        let _ = self.syslog.limits();
        let _ = self.syslog.to_frames();
    }

    fn limit_to_nothing(&self) -> Result<(), Error> {
        self.syslog.limit(SyslogLimits::nothing())
    }

    fn widen(&self) -> Result<(), Error> {
        self.syslog.limit(SyslogLimits::all())
    }
}
