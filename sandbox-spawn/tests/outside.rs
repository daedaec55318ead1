//! Workers outside capability mode: what they can reach, and what attacks on that come to.
//!
//! Each attack is tried in this program first, where it must get through, and in the worker then. A
//! program of its own, since the zygote is forked first thing in it. The last line is `N passed, N
//! failed, N skipped`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::AsRawFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::{Path as FilePath, PathBuf},
    process::ExitCode,
    sync::OnceLock,
};

use capsicum_channel::Frames;
use capsicum_rs::{Containment, Limits, Rights};
use sandbox_spawn::{
    Compartment, Error, Inside, Outside, Path, Process, Reach, Resource, Worker, service,
};

/// What is there to be attacked. Workers have it too, as forks of the program.
#[derive(Debug)]
struct Scene {
    directory: tempfile::TempDir,
    program: u32,
    _listeners: (TcpListener, UdpSocket, UnixListener, UnixDatagram),
}

static SCENE: OnceLock<Scene> = OnceLock::new();

/// For as long as the program runs, as a reach is.
fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A path of the scene's, as a reach has it.
fn path(name: &str) -> &'static str {
    forever(scene(name).to_string_lossy().into_owned())
}

fn workers() -> &'static [Worker] {
    let paths = forever([
        Path::new(path("shown"), Rights::READ),
        Path::new(path("given"), Rights::READ | Rights::WRITE),
        Path::if_there(path("absent"), Rights::READ),
    ]);
    let files = Reach::NOTHING.paths(paths);
    let absent = forever([Path::new(path("absent"), Rights::READ)]);
    forever([
        Worker::outside("files", attempts, forever(files)),
        Worker::outside("sockets", attempts, forever(files.sockets().metadata())),
        Worker::outside("nothing", attempts, &Reach::NOTHING),
        Worker::outside("missing", attempts, forever(Reach::NOTHING.paths(absent))),
        Worker::new("inside", inside),
    ])
}

fn inside(_: Inside) -> u8 {
    0
}

fn attempts(outside: Outside) -> u8 {
    u8::from(AttemptsServer::serve(outside.into_frames(), Here).is_err())
}

/// What a worker tries, by name: the errno of what failed.
#[service]
trait Attempts {
    fn attempt(&mut self, name: String) -> Result<(), i32>;
}

struct Here;

impl Attempts for Here {
    fn attempt(&mut self, name: String) -> Result<(), i32> {
        let attack = ATTACKS.iter().find(|attack| attack.name == name).ok_or(-1)?;
        (attack.attempt)().map_err(|error| error.raw_os_error().unwrap_or(0))
    }
}

struct Attack {
    name: &'static str,
    attempt: fn() -> io::Result<()>,
    /// Which workers may do it.
    allowed: &'static [&'static str],
}

const fn attack(
    name: &'static str,
    attempt: fn() -> io::Result<()>,
    allowed: &'static [&'static str],
) -> Attack {
    Attack { name, attempt, allowed }
}

const WITH_FILES: &[&str] = &["files", "sockets"];
const WITH_SOCKETS: &[&str] = &["sockets"];
const EVERYBODY: &[&str] = &["files", "sockets", "nothing"];

const ATTACKS: &[Attack] = &[
    attack("read what is given", || read(scene("given")), WITH_FILES),
    attack("write what is given", || write(scene("given")), WITH_FILES),
    attack("read beneath what is shown", || read(beneath("file")), WITH_FILES),
    attack("read what was replaced beneath what is shown", || read(beneath("renewed")), WITH_FILES),
    attack("start a thread", thread, EVERYBODY),
    attack("write what is shown", || write(beneath("file")), &[]),
    attack("read another file", || read(scene("secret")), &[]),
    attack("read /etc/passwd", || read("/etc/passwd"), &[]),
    attack("read beside what is shown", || read(beneath("../secret")), &[]),
    attack("read through a link out of what is shown", || read(beneath("link")), &[]),
    attack("read through /proc/self/root", || read("/proc/self/root/etc/passwd"), &[]),
    attack("list a directory", || fs::read_dir(scene("")).map(drop), &[]),
    attack("create a file", || File::create(beneath("new")).map(drop), &[]),
    attack("create a file elsewhere", || File::create(scene("new")).map(drop), &[]),
    attack("remove a file", || fs::remove_file(beneath("victim")), &[]),
    attack("ask about another file", || fs::metadata(scene("secret")).map(drop), WITH_SOCKETS),
    attack("change another file's mode", chmod, &[]),
    attack("connect by TCP", tcp, WITH_SOCKETS),
    attack("send a datagram by UDP", udp, WITH_SOCKETS),
    attack(
        "connect to a Unix socket",
        || UnixStream::connect(scene("unix")).map(drop),
        WITH_SOCKETS,
    ),
    attack("send to a Unix socket", unix_datagram, WITH_SOCKETS),
    attack("start a process", fork, &[]),
    attack("execute a program", execute, &[]),
    attack("signal the program", signal, &[]),
];

fn scene(name: &str) -> PathBuf {
    SCENE.get().map_or_else(PathBuf::new, |scene| scene.directory.path().join(name))
}

fn beneath(name: &str) -> PathBuf {
    scene("shown").join(name)
}

fn read(path: impl AsRef<FilePath>) -> io::Result<()> {
    let mut content = Vec::new();
    File::open(path)?.take(1).read_to_end(&mut content).map(drop)
}

fn write(path: impl AsRef<FilePath>) -> io::Result<()> {
    OpenOptions::new().append(true).open(path)?.write_all(b"x")
}

fn thread() -> io::Result<()> {
    std::thread::Builder::new().spawn(|| ())?.join().map_err(|_| io::ErrorKind::Other.into())
}

/// The addresses are asked of the kernel in the program, before there are workers.
static ADDRESSES: OnceLock<(SocketAddr, SocketAddr)> = OnceLock::new();

fn addresses() -> io::Result<&'static (SocketAddr, SocketAddr)> {
    ADDRESSES.get().ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn tcp() -> io::Result<()> {
    TcpStream::connect(addresses()?.0).map(drop)
}

fn udp() -> io::Result<()> {
    UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", addresses()?.1).map(drop)
}

fn unix_datagram() -> io::Result<()> {
    UnixDatagram::unbound()?.send_to(b"x", scene("datagrams")).map(drop)
}

fn chmod() -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(scene("secret"), fs::Permissions::from_mode(0o600))
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn fork() -> io::Result<()> {
    // SAFETY: the child does nothing but end.
    let child = check(unsafe { libc::fork() })?;
    if child == 0 {
        // SAFETY: it returns to nothing.
        unsafe { libc::_exit(0) }
    }
    // SAFETY: no status is asked for.
    check(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }).map(drop)
}

/// In a process of its own where there can be one, since it would be this one's end.
fn execute() -> io::Result<()> {
    let (mut reader, writer) = io::pipe()?;
    let (program, number) = (c"/bin/echo", writer.as_raw_fd());
    let arguments = [program.as_ptr(), std::ptr::null()];
    // SAFETY: a forked child makes system calls only, with lists that end in a null.
    let child = match unsafe { libc::fork() } {
        -1 => {
            // Without another process: what it would be refused with.
            // SAFETY: as above; where this succeeds the test fails, since the worker is gone.
            unsafe { libc::execv(program.as_ptr(), arguments.as_ptr()) };
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        0 => unsafe {
            libc::dup2(number, 1);
            libc::execv(program.as_ptr(), arguments.as_ptr());
            libc::_exit(1)
        },
        child => child,
    };
    drop(writer);
    let mut told = String::new();
    reader.read_to_string(&mut told)?;
    // SAFETY: no status is asked for.
    check(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) })?;
    if told.is_empty() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
}

/// Without a signal: whether it might be sent.
fn signal() -> io::Result<()> {
    let program = SCENE.get().ok_or(io::ErrorKind::NotFound)?.program;
    let process = program.cast_signed();
    // SAFETY: takes no pointers.
    check(unsafe { libc::kill(process, 0) }).map(drop)
}

type Outcome = Result<(), String>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn lay_out() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let scene = directory.path();
    let shown = scene.join("shown");
    fs::create_dir(&shown)?;
    let files = [
        scene.join("given"),
        scene.join("secret"),
        shown.join("file"),
        shown.join("victim"),
        shown.join("renewed"),
        scene.join("new file"),
    ];
    for file in files {
        fs::write(file, "content")?;
    }
    std::os::unix::fs::symlink(scene.join("secret"), shown.join("link"))?;
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let _ = ADDRESSES.set((tcp.local_addr()?, udp.local_addr()?));
    let listeners = (
        tcp,
        udp,
        UnixListener::bind(scene.join("unix"))?,
        UnixDatagram::bind(scene.join("datagrams"))?,
    );
    let _ = SCENE.set(Scene { directory, program: std::process::id(), _listeners: listeners });
    Ok(())
}

fn spawn(name: &str) -> Result<(AttemptsClient, Process), Error> {
    let (frames, process): (Frames, Process) =
        Compartment::builder(name).rlimit(Resource::Descriptors, 64).spawn_outside()?;
    Ok((AttemptsClient::named(frames, name), process))
}

/// One attack on each worker.
fn attacked(attack: &Attack, workers: &[(&str, AttemptsClient)]) -> Outcome {
    for (name, worker) in workers {
        let allowed = attack.allowed.contains(name);
        match worker.attempt(attack.name.to_owned()) {
            Ok(()) if allowed => {}
            Err(sandbox_spawn::CallError::Remote { error, .. }) if !allowed && error >= 0 => {}
            other => {
                return Err(format!(
                    "`{name}`, which may{}: {other:?}",
                    if allowed { "" } else { " not" }
                ));
            }
        }
    }
    Ok(())
}

fn refused<T: std::fmt::Debug>(spawned: Result<T, Error>, reason: &str) -> Outcome {
    match spawned {
        Err(Error::Start { reason: told, .. }) if told.contains(reason) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// What cannot be held of such a worker is an error.
fn mistakes() -> Outcome {
    refused(Compartment::builder("files").spawn(), "spawn_outside")?;
    refused(Compartment::builder("inside").spawn_outside(), "`spawn`")?;
    refused(spawn("missing").map(|_| ()), path("absent"))?;
    let leveled = Compartment::builder("nothing").require(Containment::Descriptors);
    refused(leveled.spawn_outside(), "no level")?;
    let null = || File::open("/dev/null").map_err(text);
    let limited = Compartment::builder("nothing").grant("null", null()?, Rights::READ);
    refused(limited.spawn_outside(), "limits of a grant")?;
    let starting = Compartment::builder("nothing").ceiling(Frames::RIGHTS).starts(&["inside"], 1);
    refused(starting.spawn_outside(), "starts no others")?;
    let widening = Compartment::builder("inside").ceiling(Frames::RIGHTS).starts(&["files"], 1);
    refused(widening.spawn(), "no worker starts it")?;
    let given = Compartment::builder("nothing").grant("null", null()?, Limits::ALL);
    given.spawn_outside().map(drop).map_err(text)
}

fn main() -> ExitCode {
    if let Err(error) = lay_out() {
        eprintln!("outside: the scene: {error}");
        return ExitCode::FAILURE;
    }
    let status = run();
    // A static is never dropped.
    let _ = fs::remove_dir_all(scene(""));
    status
}

fn run() -> ExitCode {
    if let Err(error) = sandbox_spawn::init(workers()) {
        eprintln!("outside: {error}");
        return ExitCode::FAILURE;
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut report = |name: &str, outcome: Outcome| match outcome {
        Ok(()) => {
            println!("test {name} ... ok");
            passed += 1;
        }
        Err(error) => {
            println!("test {name} ... FAILED\n    {error}");
            failed += 1;
        }
    };
    report("what_cannot_be_held_outside_is_an_error", mistakes());
    if cfg!(target_os = "freebsd") {
        println!("SKIPPED: attacks on a reach: FreeBSD has nothing to hold one with");
        skipped += ATTACKS.len();
    } else {
        let workers: Result<Vec<_>, Error> = EVERYBODY
            .iter()
            .map(|name| spawn(name).map(|(client, process)| ((*name, client), process)))
            .collect();
        match workers {
            Ok(workers) => {
                let (workers, _processes): (Vec<_>, Vec<_>) = workers.into_iter().unzip();
                // As databases are: by new files in their places.
                let renewed = fs::rename(scene("new file"), beneath("renewed"));
                report("a file is replaced", renewed.map_err(text));
                for attack in ATTACKS {
                    // What the worker comes first for: removing the victim is done once only.
                    let outcome = attacked(attack, &workers).and_then(|()| {
                        (attack.attempt)().map_err(|error| format!("without a sandbox: {error}"))
                    });
                    report(attack.name, outcome);
                }
            }
            Err(error) => report("workers outside capability mode start", Err(text(error))),
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed != 0))
}
