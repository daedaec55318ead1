//! `Syslog`, with a syslogd of the tests' own.

use std::{
    fs,
    io::Read,
    os::{
        fd::AsFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::Frames;
use capsicum_rs::Rights;
use casper::{
    Casper, Error, Open, Opener, Syslog,
    syslog::{At, Facility, Options, Priority, Severities, Severity, SyslogLimits},
};
use proptest::{prelude::*, test_runner::TestRunner};
use sandbox_spawn::{Compartment, End, Worker};
use tempfile::TempDir;

use crate::{
    harness::{Case, LONG, Outcome, Tested, case, ensure, not_capable, text},
    hostile, worker,
};

pub(crate) const CASES: &[Case] = &[
    case("syslog_writes_lines_in_the_name_of_openlog", lines),
    case("syslog_has_a_name_without_openlog", defaults),
    case("syslog_writes_no_other_lines_than_its_own", injection),
    case("syslog_leaves_out_what_is_masked", masks),
    case("syslog_is_held_to_limits", limits),
    case("syslog_connects_again", restart),
    case("syslog_waits_for_no_syslogd", missing),
    case("syslog_is_not_stopped_by_a_syslogd_that_does_not_read", full),
    case("syslog_writes_to_streams", streams),
    case("syslog_works_in_capability_mode", confined),
    case("syslog_connects_to_nothing_for_capability_mode", not_from_capability_mode),
    case("syslog_works_in_a_worker_that_was_granted_it", |casper| {
        worker::granted::<Log>(casper, "syslog")
    }),
    case("syslog_obeys_the_model_of_its_limits", model),
    case("syslog_does_not_widen", hostile::widening::<Log>),
    case("syslog_survives_mutated_frames", hostile::mutated_frames::<Log>),
    case("syslog_has_room_for_so_many_connections", hostile::many_connections::<Log>),
    case("syslog_is_not_stopped_by_who_does_not_read", hostile::a_client_that_does_not_read::<Log>),
    case("syslog_dies_with_its_name", hostile::death::<Log>),
    case("syslog_ends_with_its_last_connection", hostile::end::<Log>),
];

const NAME: &str = "system.syslog";

/// A syslogd.
struct Daemon {
    directory: TempDir,
    socket: Option<UnixDatagram>,
}

impl Daemon {
    /// One that does not run yet.
    fn new() -> Result<Self, String> {
        Ok(Self { directory: TempDir::new().map_err(text)?, socket: None })
    }

    fn running() -> Result<Self, String> {
        let mut daemon = Self::new()?;
        daemon.start()?;
        Ok(daemon)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn start(&mut self) -> Outcome {
        let socket = UnixDatagram::bind(self.path()).map_err(text)?;
        socket.set_read_timeout(Some(LONG)).map_err(text)?;
        self.socket = Some(socket);
        Ok(())
    }

    fn stop(&mut self) -> Outcome {
        self.socket = None;
        fs::remove_file(self.path()).map_err(text)
    }

    fn open(&self, casper: &Casper) -> Result<Syslog, String> {
        casper.open_with::<At>(self.path()).map(|At(syslog)| syslog).map_err(text)
    }

    fn socket(&self) -> Result<&UnixDatagram, String> {
        self.socket.as_ref().ok_or_else(|| "it does not run".to_owned())
    }

    /// The next line, as it came.
    fn line(&self) -> Result<String, String> {
        let mut line = vec![0; 1 << 16];
        let length = self.socket()?.recv(&mut line).map_err(text)?;
        line.truncate(length);
        String::from_utf8(line).map_err(text)
    }

    /// The next line, without its time.
    fn timeless(&self) -> Result<String, String> {
        timeless(&self.line()?)
    }

    fn nothing(&self) -> Outcome {
        let socket = self.socket()?;
        socket.set_nonblocking(true).map_err(text)?;
        let got = socket.recv(&mut [0; 100]);
        socket.set_nonblocking(false).map_err(text)?;
        ensure!(got.is_err(), "there is another line");
        Ok(())
    }
}

/// `<13>Nov  7 04:05:06 name: message` without the time, which must be one.
fn timeless(line: &str) -> Result<String, String> {
    let (priority, rest) = line.split_once('>').ok_or("no priority")?;
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
        let Daemon { directory, socket } = Daemon::running().map_err(failed)?;
        if let Some(socket) = socket {
            thread::spawn(move || while socket.recv(&mut [0; 8192]).is_ok() {});
        }
        let At(syslog) = At::open(opener, directory.path().join("log"))?;
        Ok(Self { syslog, _directory: Some(directory) })
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

fn lines(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    syslog.openlog("exampled", Options::PID, Facility::Daemon).map_err(text)?;
    syslog.syslog(Severity::Info, "ready").map_err(text)?;
    let pid = std::process::id();
    let line = daemon.timeless()?;
    ensure!(line == format!("<30>exampled[{pid}]: ready"), "{line:?}");
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

fn defaults(casper: &Casper) -> Outcome {
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

fn injection(casper: &Casper) -> Outcome {
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
        ensure!(line.len() <= 8192 && line.len() > 8000, "a line of {} bytes", line.len());
        ensure!(!line.contains(char::is_control), "control characters");
    }
    daemon.nothing()
}

fn masks(casper: &Casper) -> Outcome {
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

fn limits(casper: &Casper) -> Outcome {
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

fn restart(casper: &Casper) -> Outcome {
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

fn missing(casper: &Casper) -> Outcome {
    let mut daemon = Daemon::new()?;
    let syslog = daemon.open(casper)?;
    errno(syslog.syslog(Severity::Notice, "lost"), &[libc::ENOENT])?;
    daemon.start()?;
    syslog.syslog(Severity::Notice, "a").map_err(text)?;
    ensure!(daemon.line()?.ends_with(": a"), "another line");
    Ok(())
}

fn full(casper: &Casper) -> Outcome {
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

fn streams(casper: &Casper) -> Outcome {
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

fn confined(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let syslog = daemon.open(casper)?;
    syslog.limit(SyslogLimits::all().facilities([Facility::User])).map_err(text)?;
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
    not_capable(syslog.syslog((Facility::Auth, Severity::Notice), "a"), NAME)?;
    not_capable(syslog.limit(SyslogLimits::all()), NAME)
}

/// Who has entered has a socket to the zygote, and must not get connections by it.
fn not_from_capability_mode(casper: &Casper) -> Outcome {
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
    let directory = fs::File::open(daemon.directory.path()).map_err(text)?;
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

/// What a client does next.
#[derive(Clone, Debug)]
enum Step {
    Limit(Option<Vec<usize>>, Option<Vec<usize>>, u8),
    Open(usize, usize),
    Write(Option<usize>, usize),
    Mask(u8),
    Close,
    /// Go on with a clone.
    Clone,
}

const IDENTS: [&str; 3] = ["a", "b", "c"];
const FACILITIES: [Facility; 3] = [Facility::User, Facility::Daemon, Facility::Auth];
const SEVERITIES: [Severity; 3] = [Severity::Emergency, Severity::Error, Severity::Debug];

fn step() -> impl Strategy<Value = Step> {
    let some = || prop::option::weighted(0.7, prop::collection::vec(0_usize..3, 0..4));
    prop_oneof![
        2 => (some(), some(), prop_oneof![Just(0xff), any::<u8>()])
            .prop_map(|(idents, facilities, mask)| Step::Limit(idents, facilities, mask)),
        3 => (0_usize..3, 0_usize..3).prop_map(|(ident, facility)| Step::Open(ident, facility)),
        6 => (prop::option::of(0_usize..3), 0_usize..3)
            .prop_map(|(facility, severity)| Step::Write(facility, severity)),
        1 => any::<u8>().prop_map(Step::Mask),
        1 => Just(Step::Close),
        1 => Just(Step::Clone),
    ]
}

/// What it may do, without any code of the crate's.
#[derive(Clone)]
struct Model {
    idents: Option<Vec<usize>>,
    facilities: Option<Vec<usize>>,
    severities: u8,
    /// `None`: the program's, which no limits name.
    ident: Option<usize>,
    facility: usize,
    mask: u8,
}

fn within(all: Option<&[usize]>, one: usize) -> bool {
    all.is_none_or(|all| all.contains(&one))
}

fn narrows(old: Option<&[usize]>, new: Option<&[usize]>) -> bool {
    match (old, new) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(old), Some(new)) => new.iter().all(|one| old.contains(one)),
    }
}

impl Model {
    fn limit(&mut self, idents: Option<&[usize]>, facilities: Option<&[usize]>, mask: u8) -> bool {
        let narrower = narrows(self.idents.as_deref(), idents)
            && narrows(self.facilities.as_deref(), facilities)
            && mask & !self.severities == 0;
        if narrower {
            self.idents = idents.map(<[usize]>::to_vec);
            self.facilities = facilities.map(<[usize]>::to_vec);
            self.severities = mask;
        }
        narrower
    }

    fn open(&mut self, ident: usize, facility: usize) -> bool {
        let may =
            within(self.idents.as_deref(), ident) && within(self.facilities.as_deref(), facility);
        if may {
            (self.ident, self.facility) = (Some(ident), facility);
        }
        may
    }

    /// Whether it may, and whether a line comes of it.
    fn write(&self, facility: Option<usize>, severity: usize) -> (bool, bool) {
        let facility = facility.unwrap_or(self.facility);
        let ident =
            self.ident.map_or(self.idents.is_none(), |ident| within(self.idents.as_deref(), ident));
        let bit = 1_u8 << (SEVERITIES[severity] as u8);
        let may =
            ident && within(self.facilities.as_deref(), facility) && self.severities & bit != 0;
        (may, may && self.mask & bit != 0)
    }
}

fn model(casper: &Casper) -> Outcome {
    let daemon = Daemon::running()?;
    let service = daemon.open(casper)?.within(LONG);
    let fail = |error: String| TestCaseError::fail(error);
    let mut runner = TestRunner::deterministic();
    runner
        .run(&prop::collection::vec(step(), 1..24), |steps| {
            let mut client = clone(&service)?;
            let mut model = Model {
                idents: None,
                facilities: None,
                severities: 0xff,
                ident: None,
                facility: 0,
                mask: 0xff,
            };
            for step in steps {
                let (expected, got) = match &step {
                    Step::Limit(idents, facilities, mask) => {
                        let mut limits =
                            SyslogLimits::all().severities(Severities::from_bits_retain(*mask));
                        if let Some(idents) = idents {
                            limits = limits.idents(idents.iter().map(|ident| IDENTS[*ident]));
                        }
                        if let Some(some) = facilities {
                            limits = limits.facilities(some.iter().map(|one| FACILITIES[*one]));
                        }
                        let narrows = model.limit(idents.as_deref(), facilities.as_deref(), *mask);
                        (narrows, client.limit(limits))
                    }
                    Step::Open(ident, facility) => (
                        model.open(*ident, *facility),
                        client.openlog(IDENTS[*ident], Options::empty(), FACILITIES[*facility]),
                    ),
                    Step::Write(facility, severity) => {
                        let (may, comes) = model.write(*facility, *severity);
                        let severity = SEVERITIES[*severity];
                        let priority = match facility {
                            Some(facility) => Priority::from((FACILITIES[*facility], severity)),
                            None => severity.into(),
                        };
                        let got = client.syslog(priority, "message");
                        if comes {
                            let facility = FACILITIES[facility.unwrap_or(model.facility)];
                            let number = (facility as u8) << 3 | severity as u8;
                            let line = daemon.timeless().map_err(fail)?;
                            prop_assert!(line.starts_with(&format!("<{number}>")), "{}", line);
                            if let Some(ident) = model.ident {
                                let ends = format!(">{}: message", IDENTS[ident]);
                                prop_assert!(line.ends_with(&ends), "{}", line);
                            }
                        }
                        daemon.nothing().map_err(fail)?;
                        (may, got)
                    }
                    Step::Mask(mask) => {
                        let got = client.setlogmask(Severities::from_bits_retain(*mask));
                        if *mask != 0 {
                            model.mask = *mask;
                        }
                        (true, got.map(drop))
                    }
                    Step::Close => {
                        (model.ident, model.facility) = (None, 0);
                        (true, client.closelog())
                    }
                    Step::Clone => {
                        client = clone(&client)?;
                        (true, Ok(()))
                    }
                };
                let refused = matches!(got, Err(Error::NotCapable { .. }));
                prop_assert!(refused != expected, "{:?}: {:?}", step, got);
                prop_assert!(refused || got.is_ok(), "{:?}: {:?}", step, got);
            }
            Ok(())
        })
        .map_err(text)
}

fn clone(syslog: &Syslog) -> Result<Syslog, TestCaseError> {
    let deadline = Instant::now() + LONG;
    loop {
        match syslog.try_clone() {
            // Those of cases before are not gone yet.
            Err(Error::Busy { .. }) if Instant::now() < deadline => thread::yield_now(),
            other => return other.map_err(|error| TestCaseError::fail(error.to_string())),
        }
    }
}
