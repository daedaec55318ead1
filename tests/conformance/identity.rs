//! A descriptor keeps its limits whatever number it goes by.
//!
//! On FreeBSD limits travel with the descriptor. A filter on Linux sees numbers only, so that each
//! way to another number is closed where it would change the limits. Each case is an attempt to get
//! a right that was not given.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use capsicum_rs::{Containment, Error, Rights, limit};
#[cfg(target_os = "linux")]
use capsicum_rs::{Ioctls, Limits};

use crate::{
    harness::{Case, Done, Outcome, ensure, refused, works},
    level,
    level::FREEBSD,
    raw::{self, ENOTCAPABLE, Number as Fd},
    scene::Scene,
};

const BOTH: Rights = Rights::READ.union(Rights::WRITE);

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = copies();
    cases.extend(pinned());
    cases.extend([
        Case::new("a descriptor passed to itself has no more than it had", passed),
        Case::new("a directory opens nothing with more than it has", directory),
        Case::new("a best effort reports the directory that opens nothing", best_effort),
        Case::new("a listening socket accepts nothing with more than it has", listener),
        Case::new("what a directory opens has the ceiling", opened),
        Case::new("a file that may only be mapped for reading is not written to", mapped),
        Case::new("what may not be mapped for execution does not become executable", executable),
        Case::new("a pinned descriptor that execution would close is an error", close_on_exec),
    ]);
    #[cfg(target_os = "linux")]
    cases.extend(requests());
    cases
}

type Copy = (&'static str, fn(RawFd) -> std::io::Result<i64>);

const COPIES: &[Copy] = &[
    ("dup", raw::dup),
    ("dup2", |fd| raw::dup2(fd, 700)),
    ("F_DUPFD", |fd| raw::fcntl(&Fd(fd), libc::F_DUPFD, 0)),
    ("F_DUPFD_CLOEXEC", |fd| raw::fcntl(&Fd(fd), libc::F_DUPFD_CLOEXEC, 0)),
    #[cfg(target_os = "linux")]
    ("dup3", |fd| raw::dup3(fd, 700)),
];

fn copies() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, copy) in COPIES {
        cases.push(Case::new(format!("{name} of a narrow grant gives no more"), |scene| {
            let file = works("file", scene.file("file"))?;
            let sandbox = level::sandbox().ceiling(BOTH).grant(&file, Rights::READ);
            works("enter", sandbox.enter())?;
            no_more(&file, *copy)
        }));
        cases.push(Case::new(format!("{name} of a limited descriptor gives no more"), |scene| {
            let file = works("file", scene.file("file"))?;
            works("limit", limit(&file, Rights::READ))?;
            no_more(&file, *copy)
        }));
        cases.push(Case::new(format!("{name} works of what has the ceiling"), |scene| {
            let file = works("file", scene.file("file"))?;
            works("enter", level::sandbox().ceiling(BOTH).enter())?;
            let number = works(name, copy(file.as_raw_fd()))?;
            works("write", raw::write(&Fd(number as RawFd), b"W"))?;
            refused("fstat", raw::fstat(&Fd(number as RawFd)), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }));
        // A copy of it would be less; that is no harm, and Linux allows it.
        cases.push(Case::new(format!("{name} of a wide grant has the ceiling"), |scene| {
            let file = works("file", scene.file("file"))?;
            let sandbox = level::sandbox().ceiling(Rights::READ).grant(&file, BOTH);
            works("enter", sandbox.enter())?;
            let number = works(name, copy(file.as_raw_fd()))?;
            let written = raw::write(&Fd(number as RawFd), b"W");
            if FREEBSD {
                works("write", written)?;
                return Ok(Done::Otherwise("a copy has the limits of the grant".to_owned()));
            }
            refused("write", written, &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }));
    }
    cases
}

/// FreeBSD: the copy has the same limits. Linux: there is none.
fn no_more(file: &OwnedFd, copy: fn(RawFd) -> std::io::Result<i64>) -> Outcome {
    let result = copy(file.as_raw_fd());
    if FREEBSD {
        let number = works("the copy", result)? as RawFd;
        works("read", raw::read(&Fd(number), &mut [0]))?;
        refused("write", raw::write(&Fd(number), b"W"), &[ENOTCAPABLE])?;
    } else {
        refused("the copy", result, &[ENOTCAPABLE])?;
        works("read", raw::read(file, &mut [0]))?;
    }
    Ok(Done::Held)
}

const REPLACEMENTS: &[Copy] = &[
    ("close", raw::close),
    ("dup2 onto it", |fd| raw::dup2(0, fd)),
    #[cfg(target_os = "linux")]
    ("dup3 onto it", |fd| raw::dup3(0, fd)),
    #[cfg(target_os = "linux")]
    ("close_range of it", |fd| close_range(fd, fd)),
    #[cfg(target_os = "linux")]
    ("close_range of everything", |_| close_range(0, -1)),
    #[cfg(target_os = "linux")]
    ("close_range up to it", |fd| close_range(1, fd)),
    #[cfg(target_os = "linux")]
    ("close_range from it", |fd| close_range(fd, fd + 5)),
];

#[cfg(target_os = "linux")]
fn close_range(first: RawFd, last: RawFd) -> std::io::Result<i64> {
    use raw::Arg;
    // The arguments are 32 bits wide and without sign.
    let call = [
        Arg::Int(first.cast_unsigned().into()),
        Arg::Int(last.cast_unsigned().into()),
        Arg::Int(0),
    ];
    raw::syscall(libc::SYS_close_range, &call)
}

/// A grant with more than the ceiling stays on its number.
fn pinned() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, replace) in REPLACEMENTS {
        cases.push(Case::new(
            format!("{name}: no other object gets the rights of a grant"),
            |scene| {
                let secret = works("another file", scene.file("secret"))?;
                let file = works("file", scene.file("file"))?;
                // The harness's descriptors may have any number: 0 is the other object here.
                works("dup2", raw::dup2(secret.as_raw_fd(), 0))?;
                let number = file.as_raw_fd();
                works("enter", level::sandbox().grant(&file, Rights::READ).enter())?;
                if FREEBSD {
                    works(name, replace(number))?;
                    let read = raw::read(&Fd(number), &mut [0]);
                    refused("read", read, &[ENOTCAPABLE, libc::EBADF])?;
                    std::mem::forget(file);
                    return Ok(Done::Held);
                }
                refused(name, replace(number), &[ENOTCAPABLE])?;
                works("read", raw::read(&file, &mut [0]))?;
                std::mem::forget(file);
                Ok(Done::Held)
            },
        ));
    }
    cases.push(Case::new("a descriptor that is not pinned can be closed", |scene| {
        let file = works("file", scene.file("file"))?;
        let other = works("another file", scene.file("other"))?;
        works("enter", level::sandbox().grant(&file, Rights::READ).enter())?;
        let number = other.as_raw_fd();
        std::mem::forget(other);
        works("close", raw::close(number))?;
        refused("close", raw::close(number), &[libc::EBADF])?;
        std::mem::forget(file);
        Ok(Done::Held)
    }));
    cases
}

fn passed(scene: &Scene) -> Outcome {
    let file = works("file", scene.file("file"))?;
    let (one, other) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
    let sandbox = level::sandbox()
        .ceiling(BOTH)
        .grant(&file, Rights::READ)
        .grant(&one, BOTH | Rights::GETSOCKOPT)
        .grant(&other, BOTH | Rights::GETSOCKOPT);
    works("enter", sandbox.enter())?;
    let sent = raw::sendmsg(&one, Some(file.as_raw_fd()));
    if !FREEBSD {
        refused("sendmsg", sent, &[ENOTCAPABLE])?;
        return Ok(Done::Held);
    }
    works("sendmsg", sent)?;
    let Some(copy) = works("recvmsg", raw::recvmsg(&other))? else {
        return Err("no descriptor arrived".to_owned());
    };
    works("read", raw::read(&copy, &mut [0]))?;
    refused("write", raw::write(&copy, b"W"), &[ENOTCAPABLE])?;
    Ok(Done::Held)
}

const LOOK: Rights = Rights::LOOKUP.union(Rights::READ);

fn open(dir: &OwnedFd) -> std::io::Result<OwnedFd> {
    raw::openat(dir.as_raw_fd(), c"file", libc::O_RDONLY)
}

fn no_lookups(scene: &Scene, error: &Error) -> Outcome {
    match error {
        Error::Containment { required: Containment::Landlock, .. }
            if scene.level == Containment::Descriptors =>
        {
            Ok(Done::Otherwise(format!("entering says: {error}")))
        }
        other => Err(format!("enter: {other:?}")),
    }
}

fn directory(scene: &Scene) -> Outcome {
    let dir = works("directory", scene.directory("dir"))?;
    let sandbox = level::sandbox().ceiling(BOTH).grant(&dir, LOOK);
    match sandbox.enter() {
        Ok(_) if FREEBSD => {
            let file = works("openat", open(&dir))?;
            works("read", raw::read(&file, &mut [0]))?;
            refused("fstat", raw::fstat(&file), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }
        Err(Error::Unenforceable { what, reason }) => {
            let names = format!("descriptor {}", dir.as_raw_fd());
            ensure(what.contains(&names), format!("it does not name {names}: {what}"))?;
            ensure(what.contains("LOOKUP"), format!("it does not name the right: {what}"))?;
            ensure(reason.contains("WRITE"), format!("it does not say what is beyond: {reason}"))?;
            ensure(!capsicum_rs::sandboxed(), "in capability mode after an error")?;
            Ok(Done::Held)
        }
        Err(error) => no_lookups(scene, &error),
        Ok(entered) => Err(format!("{entered:?}")),
    }
}

fn best_effort(scene: &Scene) -> Outcome {
    let dir = works("directory", scene.directory("dir"))?;
    let sandbox = level::sandbox().ceiling(BOTH).grant(&dir, LOOK).best_effort();
    let entered = works("enter", sandbox.enter())?;
    if FREEBSD {
        ensure(entered.missing.is_empty(), format!("{entered:?}"))?;
        return works("openat", open(&dir)).map(|_| Done::Held);
    }
    let names = format!("descriptor {}", dir.as_raw_fd());
    ensure(
        entered.missing.iter().any(|missing| missing.what.contains(&names)),
        format!("it does not name {names}: {entered:?}"),
    )?;
    refused("openat", open(&dir), &[ENOTCAPABLE])?;
    Ok(Done::Held)
}

fn listener(_: &Scene) -> Outcome {
    let listener = works("socket", raw::socket(libc::AF_INET, libc::SOCK_STREAM))?;
    works("bind", raw::bind(&listener, &raw::loopback(0)))?;
    works("listen", raw::listen(listener.as_raw_fd(), 1))?;
    let client = works("socket", raw::socket(libc::AF_INET, libc::SOCK_STREAM))?;
    let address = works("getsockname", raw::getsockname(&listener))?;
    works("connect", raw::connect(&client, &address))?;
    let sandbox = level::sandbox().ceiling(BOTH).grant(&listener, Rights::ACCEPT | Rights::READ);
    match sandbox.enter() {
        Ok(_) if FREEBSD => {
            let accepted = works("accept", raw::accept(&listener))?;
            refused("write", raw::write(&accepted, b"W"), &[ENOTCAPABLE])?;
            Ok(Done::Held)
        }
        Err(Error::Unenforceable { what, .. }) => {
            let names = format!("descriptor {}", listener.as_raw_fd());
            ensure(what.contains(&names), format!("it does not name {names}: {what}"))?;
            ensure(what.contains("ACCEPT"), format!("it does not name the right: {what}"))?;
            Ok(Done::Held)
        }
        other => Err(format!("{other:?}")),
    }
}

fn opened(scene: &Scene) -> Outcome {
    let dir = works("directory", scene.directory("dir"))?;
    let sandbox = level::sandbox().ceiling(Rights::READ).grant(&dir, LOOK | Rights::FSTAT);
    if let Err(error) = sandbox.enter() {
        return no_lookups(scene, &error);
    }
    let file = works("openat", open(&dir))?;
    works("read", raw::read(&file, &mut [0]))?;
    let asked = raw::fstat(&file);
    if FREEBSD {
        works("fstat", asked)?;
        return Ok(Done::Otherwise("it has the limits of the directory".to_owned()));
    }
    refused("fstat", asked, &[ENOTCAPABLE])?;
    Ok(Done::Held)
}

fn mapped(scene: &Scene) -> Outcome {
    let file = works("file", scene.file("file"))?;
    works("enter", level::sandbox().grant(&file, Rights::MMAP_R).enter())?;
    let read_write = libc::PROT_READ | libc::PROT_WRITE;
    refused("shared for writing", raw::map(&file, read_write, libc::MAP_SHARED), &[ENOTCAPABLE])?;
    let changed = raw::map_and_change(&file, libc::MAP_SHARED, libc::PROT_READ, read_write);
    refused("shared, writable later", changed, &[ENOTCAPABLE, libc::EACCES])?;
    works("private", raw::map(&file, libc::PROT_READ, libc::MAP_PRIVATE))?;
    Ok(Done::Held)
}

fn executable(scene: &Scene) -> Outcome {
    let file = works("file", scene.file("file"))?;
    works("enter", level::sandbox().grant(&file, Rights::MMAP_R).enter())?;
    let read_exec = libc::PROT_READ | libc::PROT_EXEC;
    refused("at once", raw::map(&file, read_exec, libc::MAP_PRIVATE), &[ENOTCAPABLE])?;
    let changed = raw::map_and_change(&file, libc::MAP_PRIVATE, libc::PROT_READ, read_exec);
    refused("later", changed, &[ENOTCAPABLE, libc::EACCES])?;
    Ok(Done::Held)
}

fn close_on_exec(scene: &Scene) -> Outcome {
    let file = works("file", scene.file("file"))?;
    let program = works("program", scene.file("program"))?;
    works("staying open", raw::fcntl(&program, libc::F_SETFD, 0))?;
    let sandbox = level::sandbox().grant(&program, Rights::FEXECVE).grant(&file, Rights::READ);
    match sandbox.enter() {
        Ok(_) if FREEBSD => Ok(Done::Held),
        Err(Error::Unenforceable { what, reason }) => {
            let names = format!("descriptor {}", file.as_raw_fd());
            ensure(what.contains(&names), format!("it does not name {names}: {what}"))?;
            ensure(reason.contains("FD_CLOEXEC"), format!("no advice: {reason}"))?;
            Ok(Done::Held)
        }
        Err(error) => no_lookups(scene, &error),
        other => Err(format!("{other:?}")),
    }
}

/// Requests by which a descriptor reaches beyond itself, whatever is granted.
#[cfg(target_os = "linux")]
fn requests() -> Vec<Case> {
    let harmful: [(&str, u64); 6] = [
        ("TIOCSTI", libc::TIOCSTI as u64),
        ("TIOCSETD", 0x5423),
        ("TIOCLINUX", 0x541c),
        ("FIOASYNC", 0x5452),
        ("FIOSETOWN", 0x8901),
        ("FICLONE", 0x4004_9409),
    ];
    let mut cases = Vec::new();
    for (name, request) in harmful {
        for named in [false, true] {
            let how = if named { "by its number" } else { "with all others" };
            cases.push(Case::new(
                format!("{name} is refused where it is granted {how}"),
                move |_| {
                    let (fd, _other) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
                    let limits = Limits::from(Rights::IOCTL);
                    let limits =
                        if named { limits.ioctls(Ioctls::only([request as u32])) } else { limits };
                    works("enter", level::sandbox().grant(&fd, limits).enter())?;
                    refused(name, raw::ioctl_int(&fd, request, &mut 0), &[ENOTCAPABLE])?;
                    Ok(Done::Held)
                },
            ));
        }
    }
    cases
}
