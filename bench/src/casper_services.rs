//! Casper services, beside the same call without one and the socket that they are asked on.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use casper::{
    Casper, Dns, FileArgs, Pwd, Syslog,
    dns::{Hints, Kind},
    fileargs::Files,
    syslog::{At, Connector, Severities, Severity},
};
use sandbox_spawn::Worker;
use tempfile::TempDir;

use crate::{
    channel::{Contender, Hangup, count, part, raw, take_turns},
    direct::Direct,
    sys,
    table::{Table, micros, ratio},
};

const WORKERS: &[Worker] = &[
    casper::worker::<Dns>(),
    casper::worker::<Pwd>(),
    casper::worker::<Syslog>(),
    casper::worker::<Connector>(),
    casper::worker::<FileArgs>(),
];

/// First thing in `main`.
pub(crate) fn init(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "casper") {
        // What services start from stays on the processor that this is on.
        sys::pin(0)?;
        sandbox_spawn::init(WORKERS)?;
    }
    Ok(())
}

/// Requests of a batch.
const REQUESTS: u32 = 200;
/// Lines that the log's socket holds before they are read: `net.unix.max_dgram_qlen` is 10.
const LINES: u32 = 8;
/// Files of the list: some times as many as come along with one.
const FILES: u32 = 320;
const USER: &str = "root";
const LINE: &str = "a line of some forty characters, as it is";

pub(crate) fn print(rounds: usize) -> Result<()> {
    let rounds = count(rounds);
    let name = hosts_name()?;
    println!("names    {name} of /etc/hosts, {USER} of /etc/passwd, a list of {FILES} files");
    let scene = Scene::new(name)?;
    for (title, there) in [
        ("requests, both ends on one processor, microseconds", 0),
        ("requests, each end on its own processor, microseconds", 1),
    ] {
        pin_below(there)?;
        let mut all = vec![raw(there)?, raw_with_descriptor(there)?];
        all.push(scene.nothing()?);
        all.extend(scene.contenders(there)?);
        take_turns(rounds, &mut all)?;
        println!("\n{title}, {rounds} rounds\n");
        show(&all);
        part(all)?;
    }
    Ok(())
}

/// The sockets alone, a request that does nothing, and then the direct call, the same at the other end where that is
/// measured, and the service.
fn show(all: &[Contender]) {
    let (round_trip, passing) = (all[0].result(), all[1].result());
    let mut table = Table::new(["", "median", "min"]);
    for contender in all {
        let (middle, best) = contender.result();
        table.row(vec![contender.name().to_owned(), micros(middle / 1e3), micros(best / 1e3)]);
    }
    table.print();
    let mut table =
        Table::new(["service ÷ …", "(direct + raw)", "by min", "raw with the call", "by min"]);
    let mut before: Vec<(f64, f64)> = Vec::new();
    for contender in &all[3..] {
        if !SERVICES.contains(&contender.name()) {
            before.push(contender.result());
            continue;
        }
        // With a descriptor where the answer brings one.
        let base = if contender.name() == UNCACHED { passing } else { round_trip };
        let (service, direct) = (contender.result(), before[0]);
        let mut row = vec![contender.name().to_owned()];
        row.push(ratio(service.0 / (direct.0 + base.0)));
        row.push(ratio(service.1 / (direct.1 + base.1)));
        if let Some(asked_for) = before.get(1) {
            row.push(ratio(service.0 / asked_for.0));
            row.push(ratio(service.1 / asked_for.1));
        }
        row.resize(5, String::new());
        table.row(row);
        before.clear();
    }
    table.print();
}

const UNCACHED: &str = "FileArgs, uncached";
const SERVICES: [&str; 5] = ["Dns", "Pwd", "Syslog", UNCACHED, "FileArgs, a list"];

/// What is asked for, and of whom.
struct Scene {
    name: String,
    directory: TempDir,
    log: UnixDatagram,
    files: Vec<PathBuf>,
    casper: Casper,
}

impl Scene {
    fn new(name: String) -> Result<Self> {
        let directory = TempDir::new()?;
        let socket = directory.path().join("log");
        let log = UnixDatagram::bind(&socket)?;
        let casper = Casper::start()?;
        let files: Vec<_> =
            (0..FILES).map(|number| directory.path().join(number.to_string())).collect();
        files.iter().try_for_each(|file| fs::write(file, "content"))?;
        Ok(Self { name, directory, log, files, casper })
    }

    /// A channel as programs have it: opened, and not cloned.
    fn syslog(&self) -> Result<Syslog> {
        let At(syslog) = self.casper.open_with(self.directory.path().join("log"))?;
        Ok(syslog)
    }

    /// Files as a program asks for its arguments. Services are opened where the zygote is now.
    fn file_args(&self) -> Result<FileArgs> {
        Ok(self.casper.open_with(Files::new(&self.files))?)
    }

    fn contenders(&self, there: usize) -> Result<Vec<Contender>> {
        let mut all = Vec::new();
        all.extend(self.resolving(there)?);
        all.extend(self.users(there)?);
        all.extend(self.lines()?);
        all.extend(self.one_file(there)?);
        all.extend(self.listed_files()?);
        Ok(all)
    }

    /// What every request takes, of a service in capability mode.
    fn nothing(&self) -> Result<Contender> {
        let syslog = self.syslog()?;
        Ok(Contender::new("nothing", None, move || {
            for _ in 0..REQUESTS {
                ensure!(syslog.setlogmask(Severities::empty())? == Severities::all());
            }
            Ok(REQUESTS)
        }))
    }

    fn resolving(&self, there: usize) -> Result<[Contender; 3]> {
        let (asked, dns): (_, Dns) = (self.name.clone(), self.casper.open()?);
        let direct = Direct::Resolve(self.name.clone());
        let [direct, asked_for] = directly(["getaddrinfo", "raw, getaddrinfo"], direct, there)?;
        let hints = Hints::default().kind(Kind::Stream);
        let service = Contender::new("Dns", None, move || {
            for _ in 0..REQUESTS {
                ensure!(!dns.getaddrinfo(Some(&asked), None, hints)?.addresses.is_empty());
            }
            Ok(REQUESTS)
        });
        Ok([direct, asked_for, service])
    }

    fn users(&self, there: usize) -> Result<[Contender; 3]> {
        let pwd: Pwd = self.casper.open()?;
        let direct = Direct::User(CString::new(USER)?);
        let [direct, asked_for] = directly(["getpwnam", "raw, getpwnam"], direct, there)?;
        let service = Contender::new("Pwd", None, move || {
            for _ in 0..REQUESTS {
                ensure!(pwd.by_name(USER)?.context(USER)?.uid == Some(0));
            }
            Ok(REQUESTS)
        });
        Ok([direct, asked_for, service])
    }

    fn lines(&self) -> Result<[Contender; 2]> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(self.directory.path().join("log"))?;
        let (read, read_too) = (self.log.try_clone()?, self.log.try_clone()?);
        let direct = Contender::timed("line and send", move || {
            logged(&read, || {
                let line = line().context("localtime")?;
                Ok(socket.send(line.as_bytes()).map(drop)?)
            })
        });
        let syslog = self.syslog()?;
        let service = Contender::timed("Syslog", move || {
            logged(&read_too, || Ok(syslog.syslog(Severity::Notice, LINE)?))
        });
        Ok([direct, service])
    }

    fn one_file(&self, there: usize) -> Result<[Contender; 3]> {
        let asked = "/etc/hosts";
        let files = self.casper.open_with::<FileArgs>(Files::new([asked]))?.uncached();
        let direct = Direct::Open(asked.to_owned());
        let [direct, asked_for] = directly(["open, one file", "raw, open"], direct, there)?;
        let service = Contender::new(UNCACHED, None, move || {
            for _ in 0..REQUESTS {
                drop(files.open(asked)?);
            }
            Ok(REQUESTS)
        });
        Ok([direct, asked_for, service])
    }

    fn listed_files(&self) -> Result<[Contender; 2]> {
        let (paths, files) = (self.files.clone(), self.file_args()?);
        let asked = paths.clone();
        let direct = Contender::new("open, a list", None, move || {
            for path in &paths {
                drop(File::open(path)?);
            }
            Ok(FILES)
        });
        let service = Contender::new("FileArgs, a list", None, move || {
            for path in &asked {
                drop(files.open(path)?);
            }
            Ok(FILES)
        });
        Ok([direct, service])
    }
}

/// The direct call; and the same at the other end of a raw round trip, by a process that is not confined: between two
/// switches of processes it takes longer.
fn directly(names: [&'static str; 2], direct: Direct, there: usize) -> Result<[Contender; 2]> {
    let asked = direct.clone();
    let direct = Contender::new(names[0], None, move || {
        direct.times(REQUESTS)?;
        Ok(REQUESTS)
    });
    let (one, other) = sys::pair()?;
    let passes = matches!(asked, Direct::Open(_));
    let file: OwnedFd = File::open("/dev/null")?.into();
    let child = sys::start(move || {
        let mut buffer = [0; 64];
        sys::pin(there).is_ok() && {
            while sys::read(other.as_raw_fd(), &mut buffer) == 64 && asked.times(1).is_ok() {
                if passes {
                    sys::send_with(&other, &buffer, &file);
                } else {
                    sys::write(other.as_raw_fd(), &buffer);
                }
            }
            true
        }
    })?;
    let hangup = Hangup::on(&one)?;
    let asked_for = Contender::new(names[1], Some(child), move || {
        let _ = &hangup;
        let mut buffer = [0x5a; 64];
        for _ in 0..REQUESTS {
            ensure!(sys::write(one.as_raw_fd(), &buffer) == 64);
            if passes {
                ensure!(sys::receive(&one, &mut buffer).is_some());
            } else {
                ensure!(sys::read(one.as_raw_fd(), &mut buffer) == 64);
            }
        }
        Ok(REQUESTS)
    });
    Ok([direct, asked_for])
}

/// How long a line takes until the log's socket has it. It is read beside the clock.
fn logged(log: &UnixDatagram, mut write: impl FnMut() -> Result<()>) -> Result<Duration> {
    let (mut spent, mut buffer) = (Duration::ZERO, [0; 256]);
    for _ in 0..REQUESTS / LINES {
        let started = Instant::now();
        for _ in 0..LINES {
            write()?;
        }
        spent += started.elapsed();
        for _ in 0..LINES {
            let length = log.recv(&mut buffer)?;
            ensure!(buffer[..length].ends_with(LINE.as_bytes()), "another line");
        }
    }
    Ok(spent / (REQUESTS / LINES * LINES))
}

/// A line, as syslog(3) makes it.
fn line() -> Option<String> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = sys::local_time()?;
    let month = MONTHS.get(usize::try_from(time.tm_mon).ok()?)?;
    let (day, hour, minute, second) = (time.tm_mday, time.tm_hour, time.tm_min, time.tm_sec);
    Some(format!("<13>{month} {day:2} {hour:02}:{minute:02}:{second:02} capsicum-bench: {LINE}"))
}

/// The first name of /etc/hosts.
fn hosts_name() -> Result<String> {
    let hosts = fs::read_to_string("/etc/hosts").context("/etc/hosts")?;
    let mut names = hosts.lines().filter(|line| !line.starts_with('#'));
    let name = names.find_map(|line| line.split_whitespace().nth(1));
    name.map(str::to_owned).context("no name in /etc/hosts")
}

/// A round trip whose answer brings a descriptor.
fn raw_with_descriptor(there: usize) -> Result<Contender> {
    let (one, other) = sys::pair()?;
    let passed: OwnedFd = File::open("/dev/null")?.into();
    let child = sys::start(move || {
        let mut buffer = [0; 64];
        sys::pin(there).is_ok() && {
            while sys::read(other.as_raw_fd(), &mut buffer) == 64 {
                sys::send_with(&other, &buffer, &passed);
            }
            true
        }
    })?;
    let hangup = Hangup::on(&one)?;
    Ok(Contender::new("raw, a descriptor", Some(child), move || {
        let _ = &hangup;
        let mut buffer = [0x5a; 64];
        for _ in 0..REQUESTS {
            ensure!(sys::write(one.as_raw_fd(), &buffer) == 64);
            ensure!(sys::receive(&one, &mut buffer).is_some());
        }
        Ok(REQUESTS)
    }))
}

/// Pins every thread of every process that this one has started, and those that they start.
fn pin_below(processor: usize) -> Result<()> {
    let mut below = vec![std::process::id()];
    let mut next = 0;
    while let Some(process) = below.get(next).copied() {
        match pin_threads(process, (next > 0).then_some(processor)) {
            Ok(children) => below.extend(children),
            // It has ended: services do, of channels that are gone.
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error.into()),
        }
        next += 1;
    }
    ensure!(below.len() > 1, "no zygote is below this process");
    Ok(())
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

/// Pins the threads of a process, if it is to: the processes that they have started.
fn pin_threads(process: u32, processor: Option<usize>) -> io::Result<Vec<u32>> {
    let mut started = Vec::new();
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?;
        let children = fs::read_to_string(task.path().join("children"))?;
        started.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
        let thread = task.file_name().to_str().and_then(|name| name.parse().ok());
        if let (Some(thread), Some(processor)) = (thread, processor) {
            sys::pin_process(thread, processor)?;
        }
    }
    Ok(started)
}
