//! Global names, each of which capability mode refuses, and without effect.

mod beneath;
mod common;
#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "freebsd")]
use freebsd as system;
#[cfg(target_os = "linux")]
use linux as system;

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
    sync::atomic::Ordering::SeqCst,
};

use capsicum_rs::Limits;

use crate::{
    harness::{Case, Done, Outcome, ensure, refusal, works},
    level,
    level::FREEBSD,
    matrix::Place,
    raw::{self, ECAPMODE, SharedPage},
    scene::{CONTENT, Scene},
};

/// What a name could name, set up before capability mode is entered.
pub(crate) struct World {
    /// The path of a file that exists, of a directory that does, and of nothing.
    pub(crate) file: CString,
    pub(crate) directory: CString,
    pub(crate) new: CString,
    /// A process outside of the sandbox, in a group of its own, which counts `SIGUSR1`.
    pub(crate) victim: libc::pid_t,
    /// A byte of the victim's memory.
    #[cfg(target_os = "linux")]
    pub(crate) byte: &'static u8,
    /// Sockets without an address, and the address of one that listens.
    pub(crate) stream: OwnedFd,
    pub(crate) datagram: OwnedFd,
    pub(crate) address: libc::sockaddr_in,
    #[cfg(target_os = "freebsd")]
    pub(crate) handle: io::Result<raw::Handle>,
    signals: &'static SharedPage,
    _listener: OwnedFd,
    _alive: OwnedFd,
}

#[cfg(target_os = "linux")]
static BYTE: u8 = 7;

impl World {
    fn new(scene: &Scene) -> io::Result<Self> {
        drop(scene.file("file")?);
        fs::set_permissions(scene.dir.join("file"), fs::Permissions::from_mode(0o640))?;
        fs::create_dir(scene.dir.join("directory"))?;
        // For the whole life of the process, as the handler needs it.
        let signals: &'static SharedPage = Box::leak(Box::new(SharedPage::new()?));
        let listener = raw::socket(libc::AF_INET, libc::SOCK_STREAM)?;
        raw::bind(&listener, &raw::loopback(0))?;
        let address = raw::getsockname(&listener)?;
        let (ready, is_ready) = raw::pipe()?;
        let (ended, alive) = raw::pipe()?;
        let number = alive.as_raw_fd();
        let victim = raw::spawn(|| {
            let prepared = raw::close(number)
                .and_then(|_| raw::setpgid(0, 0))
                .and_then(|_| raw::count_signals(signals, libc::SIGUSR1))
                .and_then(|()| raw::write(&is_ready, b"r"));
            if prepared.is_err() {
                return 1;
            }
            // Until the process of the case has ended. A signal at its death would not come:
            // Landlock keeps signals within the sandbox, that one too.
            while raw::read(&ended, &mut [0]).is_err_and(|e| e.kind() == io::ErrorKind::Interrupted)
            {
            }
            0
        })?;
        drop((ended, is_ready));
        raw::read(&ready, &mut [0])?;
        // Its descriptor would be one by which it may be signalled.
        let pid = victim.pid;
        keep_alive(victim);
        let file = scene.path("file");
        Ok(Self {
            #[cfg(target_os = "freebsd")]
            handle: raw::handle_of(&file),
            file,
            directory: scene.path("directory"),
            new: scene.path("new"),
            victim: pid,
            #[cfg(target_os = "linux")]
            byte: &BYTE,
            stream: raw::socket(libc::AF_INET, libc::SOCK_STREAM)?,
            datagram: raw::socket(libc::AF_INET, libc::SOCK_DGRAM)?,
            address,
            signals,
            _listener: listener,
            _alive: alive,
        })
    }

    fn signalled(&self) -> bool {
        self.signals.counter().load(SeqCst) != 0
    }
}

/// Closing the descriptor of a process kills it on FreeBSD, and is of no matter on Linux.
fn keep_alive(child: raw::Child) {
    if FREEBSD {
        std::mem::forget(child);
    }
}

/// Looks whether an attempt changed something.
fn unchanged(dir: &Path) -> Result<(), String> {
    let file = fs::metadata(dir.join("file")).map_err(|error| format!("the file: {error}"))?;
    ensure(file.permissions().mode() & 0o777 == 0o640, "the file's mode was changed")?;
    ensure(file.mtime() != 1000, "the file's times were changed")?;
    let content = fs::read(dir.join("file")).map_err(|error| format!("the file: {error}"))?;
    ensure(content == CONTENT, "the file's content was changed")?;
    let mut names: Vec<_> = fs::read_dir(dir)
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    ensure(names == ["directory", "file"], format!("names were changed: {names:?}"))
}

type Act = Box<dyn Fn(&World) -> io::Result<()>>;

/// A way to use a global name.
pub(crate) struct Attempt {
    pub(crate) name: &'static str,
    act: Act,
    pub(crate) errno: Vec<i32>,
}

impl Attempt {
    /// Refused with `ECAPMODE`.
    pub(crate) fn new<T>(
        name: &'static str,
        act: impl Fn(&World) -> io::Result<T> + 'static,
    ) -> Self {
        Self { name, act: Box::new(move |world| act(world).map(drop)), errno: vec![ECAPMODE] }
    }

    /// Refused with one of these.
    pub(crate) fn refused_with(mut self, errno: &[i32]) -> Self {
        self.errno = errno.to_vec();
        self
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for attempts in [common::attempts, system::attempts] {
        for (ceiling, title) in [(Limits::NONE, "nothing"), (Limits::ALL, "everything")] {
            for (index, attempt) in attempts().into_iter().enumerate() {
                let name = format!(
                    "{} is refused in capability mode under a ceiling of {title}",
                    attempt.name
                );
                let place = Place::name(attempt.name, title);
                let ceiling = ceiling.clone();
                let case = Case::new(name, move |scene| {
                    try_one(&attempts()[index], ceiling.clone(), scene)
                });
                cases.push(case.leaves(unchanged).at(place));
            }
        }
    }
    cases.extend(beneath::cases());
    cases
}

fn try_one(attempt: &Attempt, ceiling: Limits, scene: &Scene) -> Outcome {
    let world = works("setting it up", World::new(scene))?;
    works("enter", level::sandbox().ceiling(ceiling).enter())?;
    let number = refusal(attempt.name, (attempt.act)(&world), &attempt.errno)?;
    ensure(!world.signalled(), "the signal arrived")?;
    Ok(Done::Refused(number))
}
