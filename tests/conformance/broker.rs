//! Directories that arrive later, and the broker that opens what is beneath them.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::symlink,
    },
    path::Path,
    time::{Duration, Instant},
};

use capsicum_rs::{Containment, Error, Rights, Sandbox, sandboxed};

use crate::{
    harness::{Case, Done, Outcome, ensure, in_fork, refused, works},
    level, raw,
    raw::{ECAPMODE, ENOTCAPABLE},
    scene::{CONTENT, Scene},
};

const READING: Rights = Rights::LOOKUP.union(Rights::PREAD).union(Rights::FSTAT);
const WRITING: Rights = READING
    .union(Rights::PWRITE)
    .union(Rights::CREATE)
    .union(Rights::FTRUNCATE)
    .union(Rights::FCNTL);

pub(crate) fn cases() -> Vec<Case> {
    answers().into_iter().chain(lives()).collect()
}

/// When there is a broker.
fn lives() -> Vec<Case> {
    vec![
        Case::new("a broker ends with the last process of its sandbox", ends),
        Case::new("where another supervisor listens there is no broker", |scene| {
            let _listener = works("seccomp", raw::supervise())?;
            without_broker(scene, "supervisor of its own")
        }),
        Case::new("where procfs is another namespace's there is no broker", |scene| {
            // An ordinary user gets others in a user namespace alone.
            let namespaces = libc::CLONE_NEWPID | libc::CLONE_NEWUSER;
            let call = [raw::Arg::Int(namespaces.into())];
            if let Err(error) = raw::syscall(libc::SYS_unshare, &call) {
                return Ok(Done::Skipped(format!("no process namespace: {error}")));
            }
            refuses(scene, level::sandbox(), "process namespace")?;
            // The first process of the new one has another number in procfs.
            in_fork(|| without_broker(scene, "process namespace"))
        }),
    ]
}

/// What it answers.
fn answers() -> Vec<Case> {
    vec![
        case("a broker opens what is beneath a directory that arrives", READING, |world| {
            let file = works("openat", world.open(c"file", libc::O_RDONLY))?;
            reads(&file)?;
            let nested = works("openat", world.open(c"sub/../sub/deep", libc::O_RDONLY))?;
            reads(&nested)?;
            works("a link within", world.open(c"within", libc::O_RDONLY))?;
            let sub = works("a directory", world.open(c"sub", libc::O_RDONLY | libc::O_DIRECTORY))?;
            let deep = raw::openat(sub.as_raw_fd(), c"deep", libc::O_RDONLY);
            reads(&works("openat from there", deep)?)?;
            refused("nothing there", world.open(c"none", libc::O_RDONLY), &[libc::ENOENT])
        }),
        case("a broker opens nothing outside of the directory", READING, |world| {
            for path in [
                c"..",
                c"../granted/file",
                c"sub/../../granted/file",
                c"/etc/passwd",
                c"/",
                c"up",
                c"away",
                c"parent/granted/file",
                c"sub/higher",
            ] {
                let opened = world.open(path, libc::O_RDONLY);
                refused(&path.to_string_lossy(), opened, &[ENOTCAPABLE])?;
            }
            refused("an empty path", world.open(c"", libc::O_RDONLY), &[libc::ENOENT])
        }),
        case("a broker has no rights to lend", READING, |world| {
            for flags in [libc::O_WRONLY, libc::O_RDWR, libc::O_RDONLY | libc::O_CREAT] {
                refused("openat", world.open(c"file", flags), &[ENOTCAPABLE])?;
            }
            let truncating = libc::O_RDONLY | libc::O_TRUNC;
            refused("openat", world.open(c"file", truncating), &[ENOTCAPABLE])?;
            let referring = world.open(c"file", libc::O_PATH);
            refused("O_PATH", referring, &[ENOTCAPABLE, ECAPMODE])?;
            // From nowhere, and from what is no directory.
            let cwd = raw::openat(libc::AT_FDCWD, c"file", libc::O_RDONLY);
            refused("AT_FDCWD", cwd, &[ECAPMODE])?;
            let file = works("openat", world.open(c"file", libc::O_RDONLY))?;
            let at_file = raw::openat(file.as_raw_fd(), c"x", libc::O_RDONLY);
            refused("a file", at_file, &[libc::ENOTDIR])?;
            let closed = raw::openat(1000, c"file", libc::O_RDONLY);
            refused("a number that is closed", closed, &[libc::EBADF])
        }),
        case("a broker makes files as the caller would", WRITING, |world| {
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
            raw::set_umask(0o027);
            let new = works("openat", raw::openat_mode(world.late(), c"new", flags, 0o666))?;
            works("write", raw::write(&new, b"x"))?;
            let mode = works("fstat", raw::mode(&new))?;
            ensure(mode & 0o777 == 0o640, format!("its mode is {mode:o}"))?;
            let again = raw::openat_mode(world.late(), c"new", flags, 0o666);
            refused("openat again", again, &[libc::EEXIST])?;
            let status = works("fcntl", raw::fcntl(&new, libc::F_GETFL, 0))? as i32;
            ensure(status & libc::O_NONBLOCK == 0, "it does not wait")?;
            let flag = works("fcntl", raw::fcntl(&new, libc::F_GETFD, 0))?;
            ensure(flag == 0, "it is close-on-exec")?;
            let closing = works("openat", world.open(c"file", libc::O_RDONLY | libc::O_CLOEXEC))?;
            let flag = works("fcntl", raw::fcntl(&closing, libc::F_GETFD, 0))?;
            ensure(flag == 1, "it is not close-on-exec")
        }),
        case("what was granted is opened without the broker", READING, |world| {
            world.kill_broker()?;
            let granted = raw::openat(world.granted.as_raw_fd(), c"file", libc::O_RDONLY);
            reads(&works("openat", granted)?)?;
            refused("openat", world.open(c"file", libc::O_RDONLY), &[libc::ENOSYS])
        }),
        case("a path that cannot be read is an error", READING, |world| {
            let bad = raw::openat_at(world.late(), 8);
            refused("openat", bad, &[libc::EFAULT])?;
            let long = vec![b'a'; 5000];
            let long = works("path", std::ffi::CString::new(long))?;
            refused("openat", world.open(&long, libc::O_RDONLY), &[libc::ENAMETOOLONG])
        }),
        case("a broker opens nothing for other users or other capabilities", READING, others),
    ]
}

/// Entering with a broker is an error that gives the reason; with best effort it is said to be
/// missing.
fn without_broker(scene: &Scene, why: &str) -> Outcome {
    refuses(scene, level::sandbox(), why)?;
    if scene.level == Containment::Descriptors {
        return Ok(Done::Otherwise("a broker needs Landlock".to_owned()));
    }
    let entered = works("enter", Sandbox::new().broker().best_effort().enter())?;
    let of_broker = entered.missing.iter().find(|missing| missing.what == "a broker");
    ensure(of_broker.is_some_and(|missing| missing.reason.contains(why)), format!("{entered:?}"))
        .map(|()| Done::Held)
}

fn refuses(scene: &Scene, sandbox: Sandbox<'_>, why: &str) -> Result<(), String> {
    let why = if scene.level == Containment::Descriptors { "Landlock" } else { why };
    match sandbox.broker().enter() {
        Err(Error::Unenforceable { what, reason }) => {
            ensure(what == "a broker" && reason.contains(why), format!("{what}: {reason}"))?;
        }
        other => return Err(format!("{other:?}")),
    }
    ensure(!sandboxed(), "in capability mode after an error")
}

/// A process that has given something up gets nothing from the broker, which has not.
fn others(world: &World) -> Result<(), String> {
    if raw::ids().0 != 0 {
        return Ok(());
    }
    let changes: [fn() -> io::Result<i64>; 2] =
        [|| raw::set_capabilities(&[0; 6]), || raw::set_user(65534)];
    for change in changes {
        in_fork(|| {
            works("giving up", change())?;
            refused("openat", world.open(c"file", libc::O_RDONLY), &[libc::EPERM])
                .map(|()| Done::Held)
        })?;
    }
    works("openat", world.open(c"file", libc::O_RDONLY)).map(drop)
}

fn reads(file: &OwnedFd) -> Result<(), String> {
    let mut content = [0; 64];
    let length = works("read", raw::read(file, &mut content))?;
    ensure(content[..length] == *CONTENT, "it is another file")
}

/// In capability mode, with a directory that arrived.
struct World {
    late: OwnedFd,
    granted: OwnedFd,
    /// A process outside of the sandbox that kills the broker when it is told to.
    killer: OwnedFd,
}

impl World {
    fn late(&self) -> i32 {
        self.late.as_raw_fd()
    }

    fn open(&self, path: &std::ffi::CStr, flags: i32) -> io::Result<OwnedFd> {
        raw::openat(self.late(), path, flags)
    }

    fn kill_broker(&self) -> Result<(), String> {
        works("telling", raw::write(&self.killer, b"k"))?;
        let mut byte = [0];
        let read = works("waiting", raw::read(&self.killer, &mut byte))?;
        ensure(read == 1 && byte == *b"k", "no broker was found")
    }
}

fn case(
    name: &str,
    ceiling: Rights,
    body: impl Fn(&World) -> Result<(), String> + 'static,
) -> Case {
    Case::new(name, move |scene| {
        let late = works("directory", scene.directory("late"))?;
        let granted = works("directory", scene.directory("granted"))?;
        set_up(scene).map_err(|error| error.to_string())?;
        let (ours, theirs) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
        works("sendmsg", raw::sendmsg(&theirs, Some(late.as_raw_fd())))?;
        drop((late, theirs));
        let (killer, orders) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
        let number = killer.as_raw_fd();
        let parent = std::process::id();
        works("fork", raw::spawn(|| kill_on_order(number, &orders, parent)))?;
        drop(orders);
        let both = Rights::READ | Rights::WRITE;
        let sandbox = level::sandbox()
            .ceiling(ceiling)
            .grant(&granted, ceiling | Rights::FSYNC)
            .grant(&killer, both)
            .grant(&ours, Rights::READ)
            .best_effort()
            .broker();
        let entered = works("enter", sandbox.enter())?;
        if scene.level == Containment::Descriptors {
            let said = entered.missing.iter().any(|missing| missing.what == "a broker");
            ensure(said, format!("{entered:?}"))?;
            return Ok(Done::Otherwise("a broker needs Landlock".to_owned()));
        }
        // What is narrow is told, and is no part of this.
        let lacks = |what: &str| entered.missing.iter().any(|missing| missing.what == what);
        ensure(!lacks("a broker"), format!("{entered:?}"))?;
        let Some(late) = works("recvmsg", raw::recvmsg(&ours))? else {
            return Err("nothing arrived".to_owned());
        };
        body(&World { late, granted, killer }).map(|()| Done::Held)
    })
}

fn set_up(scene: &Scene) -> io::Result<()> {
    let late = scene.dir.join("late");
    fs::create_dir(late.join("sub"))?;
    fs::write(late.join("sub/deep"), CONTENT)?;
    symlink("file", late.join("within"))?;
    symlink("../granted/file", late.join("up"))?;
    symlink("/etc/passwd", late.join("away"))?;
    symlink("..", late.join("parent"))?;
    symlink("../../granted/file", late.join("sub/higher"))
}

/// The brokers among the children of a process.
fn brokers(of: u32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
    let named = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.starts_with("capsicum-broker"))
    };
    children.filter(named).collect()
}

fn kill_on_order(theirs: i32, orders: &OwnedFd, parent: u32) -> i32 {
    let _ = raw::close(theirs);
    let _ = raw::bind_to_parent();
    if !raw::read(orders, &mut [0]).is_ok_and(|read| read == 1) {
        return 0;
    }
    let found = brokers(parent);
    for pid in &found {
        let _ = raw::kill(*pid, libc::SIGKILL);
    }
    let gone = until(|| {
        found.iter().all(|pid| {
            let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z ")
        })
    });
    let answer = if gone && found.len() == 1 { b"k" } else { b"n" };
    i32::from(raw::write(orders, answer).is_err())
}

/// Whether something comes about within some seconds.
fn until(comes_about: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !comes_about() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

fn ends(scene: &Scene) -> Outcome {
    let dir = works("directory", scene.directory("dir"))?;
    let (ours, theirs) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
    let number = ours.as_raw_fd();
    let child = works(
        "fork",
        raw::spawn(|| {
            let _ = raw::close(number);
            let sandbox = level::sandbox().grant(&dir, READING).grant(&theirs, READING);
            let entered = sandbox.grant(&std::io::stdout(), Rights::WRITE).broker().enter();
            let _ = raw::write(&theirs, b"x");
            match entered {
                // Until the other end closes.
                Ok(_) => i32::from(raw::read(&theirs, &mut [0]).is_err()),
                Err(Error::Containment { .. }) if !sandboxed() => 2,
                Err(_) => 3,
            }
        }),
    )?;
    drop(theirs);
    // It cannot write to what it was not given the right to: its end is all that is heard.
    let found = until(|| !brokers(child.pid.cast_unsigned()).is_empty() || ended(child.pid));
    ensure(found, "it neither has a broker nor ended")?;
    let broker = brokers(child.pid.cast_unsigned());
    for broker in &broker {
        // It has a copy of all that the sandboxed process had in memory.
        if raw::ids().0 == 0 {
            let at = works("cwd", fs::read_link(format!("/proc/{broker}/cwd")))?;
            ensure(at == Path::new("/"), format!("it is in {}", at.display()))?;
        } else {
            let read = raw::read_memory_of(*broker, CONTENT.as_ptr());
            refused("reading its memory", read, &[libc::EPERM])?;
        }
    }
    drop(ours);
    let status = works("wait", raw::wait(child.pid))?;
    if scene.level == Containment::Descriptors {
        ensure(libc::WEXITSTATUS(status) == 2, format!("it ended with {status:#x}"))?;
        return Ok(Done::Otherwise("a broker needs Landlock".to_owned()));
    }
    ensure(status == 0, format!("it ended with {status:#x}"))?;
    let [broker] = broker[..] else { return Err("it had no broker".to_owned()) };
    let gone = until(|| {
        let name = fs::read_to_string(format!("/proc/{broker}/comm")).unwrap_or_default();
        let state = fs::read_to_string(format!("/proc/{broker}/stat")).unwrap_or_default();
        !name.starts_with("capsicum-broker") || state.contains(") Z ")
    });
    ensure(gone, "the broker is still there").map(|()| Done::Held)
}

fn ended(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|state| state.contains(") Z "))
}
