//! What children, threads and executed programs have of the mode and the limits.

use std::{
    os::fd::AsRawFd,
    process::ExitCode,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use capsicum_rs::{
    Containment, Error, Limits, Mode, Rights, Sandbox, limit, limits_of, mode, sandboxed,
};

use crate::{
    exec,
    harness::{Case, Done, End, Outcome, ensure, in_fork, refused, works},
    level,
    level::FREEBSD,
    raw::{self, ECAPMODE, ENOTCAPABLE},
    scene::{OUTSIDE, Scene},
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("a child and its child are in capability mode", |_| {
            works("enter", capsicum_rs::enter())?;
            in_fork(|| {
                confined()?;
                in_fork(confined)
            })
        }),
        Case::new("a child and its child keep the limits of descriptors", |scene| {
            let file = works("file", scene.file("file"))?;
            works("enter", level::sandbox().grant(&file, Rights::READ).enter())?;
            in_fork(|| in_fork(|| readable_only(&file)))
        }),
        Case::new("a child keeps the limits of descriptors without capability mode", |scene| {
            let file = works("file", scene.file("file"))?;
            works("limit", limit(&file, Rights::READ))?;
            in_fork(|| {
                ensure(works("mode", mode())? == Mode::Ambient, "it is in capability mode")?;
                readable_only(&file)
            })
        }),
        Case::new("a thread that starts later is in capability mode", |_| {
            works("enter", capsicum_rs::enter())?;
            works("a thread", thread::Builder::new().spawn(confined))?
                .join()
                .map_err(|_| "the thread panicked".to_owned())?
        }),
        Case::new("a thread that started before is in capability mode", |scene| {
            let all = restricts_threads();
            let (go, thread) = waiting_thread(confined);
            // FreeBSD has no ceiling for descriptors that another thread may be opening.
            let ceiling = if FREEBSD { Limits::ALL } else { Limits::NONE };
            let entered = works("enter", Sandbox::new().ceiling(ceiling).enter())?;
            // What Landlock cannot do for the other thread, it is not said to do.
            let level = match scene.level {
                level if FREEBSD || all => level,
                _ => Containment::Descriptors,
            };
            ensure(entered.containment == level, format!("{entered:?}"))?;
            confined()?;
            works("waking", go.send(()))?;
            thread.join().map_err(|_| "the thread panicked".to_owned())?
        }),
        Case::new("a thread that started before has the limits of descriptors", |scene| {
            let file = works("file", scene.file("file"))?;
            let copy = raw::Number::of(&file);
            let (go, thread) = waiting_thread(move || readable_only(&copy));
            works("limit", limit(&file, Rights::READ))?;
            works("waking", go.send(()))?;
            thread.join().map_err(|_| "the thread panicked".to_owned())?
        }),
        Case::new("lookups in a threaded process are held in all threads, or an error", threaded),
    ];
    if FREEBSD {
        cases.push(Case::new("a ceiling in a threaded process is an error", |_| {
            let (go, thread) = waiting_thread(|| Ok(Done::Held));
            match level::sandbox().enter() {
                Err(Error::Unenforceable { what, .. }) => {
                    ensure(what.contains("2 threads"), format!("it does not count: {what}"))?;
                }
                other => return Err(format!("{other:?}")),
            }
            ensure(!sandboxed(), "in capability mode after an error")?;
            works("waking", go.send(()))?;
            thread.join().map_err(|_| "the thread panicked".to_owned())?
        }));
    }
    cases.extend(executed());
    cases
}

/// A thread that does this once it is told to.
fn waiting_thread(
    body: impl FnOnce() -> Outcome + Send + 'static,
) -> (Sender<()>, thread::JoinHandle<Outcome>) {
    let (go, wait): (Sender<()>, Receiver<()>) = channel();
    let thread = thread::spawn(move || {
        works("being woken", wait.recv())?;
        body()
    });
    (go, thread)
}

/// The calling thread has no global names.
fn confined() -> Outcome {
    ensure(sandboxed(), "sandboxed() says no")?;
    ensure(works("mode", mode())? == Mode::Capability, "mode() says no")?;
    refused("open", raw::openat(libc::AT_FDCWD, OUTSIDE, libc::O_RDONLY), &[ECAPMODE])?;
    Ok(Done::Held)
}

fn readable_only(file: &impl std::os::fd::AsRawFd) -> Outcome {
    works("read", raw::read(file, &mut [0]))?;
    refused("write", raw::write(file, b"W"), &[ENOTCAPABLE])?;
    Ok(Done::Held)
}

/// Whether Landlock restricts all threads at once, from ABI 8 on.
fn restricts_threads() -> bool {
    let support = capsicum_rs::Support::probe();
    let landlock = support.mechanisms.iter().find(|found| found.name == "landlock(7)");
    let abi =
        landlock.and_then(|found| found.state.as_ref().ok()?.strip_prefix("ABI ")?.parse().ok());
    abi.is_some_and(|abi: u32| abi >= 8)
}

/// What was granted in one thread holds in another.
fn beneath(dir: &impl std::os::fd::AsRawFd) -> Outcome {
    confined()?;
    let outside = raw::openat(dir.as_raw_fd(), OUTSIDE, libc::O_RDONLY);
    refused("open outside", outside, &[libc::EACCES, ECAPMODE])?;
    Ok(Done::Held)
}

fn threaded(scene: &Scene) -> Outcome {
    let dir = works("directory", scene.directory("dir"))?;
    let copy = raw::Number::of(&dir);
    let all = restricts_threads();
    let other = move || if sandboxed() { beneath(&copy) } else { Ok(Done::Held) };
    let (go, thread) = waiting_thread(other);
    let ceiling = if FREEBSD { Limits::ALL } else { Limits::NONE };
    let grant = Rights::LOOKUP | Rights::READ;
    let result = level::sandbox().ceiling(ceiling).grant(&dir, grant).enter();
    let outcome = match (result, scene.level) {
        (Ok(_), Containment::Capsicum) => confined(),
        (Ok(_), Containment::Landlock) if all => beneath(&dir),
        (Err(Error::Threaded { threads, .. }), level)
            if level == Containment::Directories || level == Containment::Landlock && !all =>
        {
            ensure(threads == 2, format!("it counted {threads} threads"))?;
            ensure(!sandboxed(), "in capability mode after an error")?;
            Ok(Done::Held)
        }
        (Err(error @ Error::Containment { .. }), Containment::Descriptors) => {
            Ok(Done::Otherwise(format!("entering says: {error}")))
        }
        (result, _) => Err(format!("{result:?}")),
    };
    works("waking", go.send(()))?;
    thread.join().map_err(|_| "the thread panicked".to_owned())??;
    outcome
}

/// Entering at the level `Descriptors` says so where execution is granted.
fn enter_to_execute(scene: &Scene, sandbox: Sandbox<'_>) -> Result<Option<Done>, String> {
    match sandbox.enter() {
        Ok(_) => Ok(None),
        Err(error @ Error::Containment { required: Containment::Landlock, .. })
            if scene.level == Containment::Descriptors =>
        {
            Ok(Some(Done::Otherwise(format!("entering says: {error}"))))
        }
        Err(error) => Err(format!("enter: {error}")),
    }
}

const EXECUTE: Rights = if FREEBSD { Rights::FEXECVE.union(Rights::READ) } else { Rights::FEXECVE };

/// How this program tells itself that it was executed by a limited one, and of which number.
const AFTER_EXEC: &str = "--after-exec=";

/// The status by which it says that all is well.
const WELL: u8 = 23;

/// Without `EVENT`: the standard library polls at its start, and ends the program on most errors.
const LEFT: Rights = Rights::READ;

/// The number of the descriptor that was limited, from the first argument.
pub(crate) fn number_after_exec(argument: &str) -> Option<i32> {
    argument.strip_prefix(AFTER_EXEC)?.parse().ok()
}

/// What holds in a program that was executed with a descriptor that may only be read.
pub(crate) fn after_exec(number: i32) -> ExitCode {
    let pipe = raw::Number(number);
    let result = raw::borrowed(&pipe, |fd| match limits_of(&fd) {
        Ok(limits) if FREEBSD => ensure(limits == Limits::from(LEFT), format!("{limits}")),
        Err(Error::Unknown { descriptor }) if !FREEBSD => {
            ensure(descriptor == number, format!("it names descriptor {descriptor}"))
        }
        other => Err(format!("limits_of: {other:?}")),
    })
    .and_then(|()| ensure(works("mode", mode())? == Mode::Ambient, "in capability mode"))
    .and_then(|()| works("read", raw::read(&pipe, &mut [0])).map(drop))
    .and_then(|()| refused("fstat", raw::fstat(&pipe), &[ENOTCAPABLE]));
    match result {
        Ok(()) => ExitCode::from(WELL),
        Err(message) => {
            eprintln!("conformance: {message}");
            ExitCode::FAILURE
        }
    }
}

fn limits_after_exec(_: &Scene) -> Outcome {
    let own = works("its own path", std::env::current_exe())?;
    let (pipe, writer) = works("pipe", raw::pipe())?;
    works("write", raw::write(&writer, b"x"))?;
    works("staying open", raw::fcntl(&pipe, libc::F_SETFD, 0))?;
    let argument = crate::scene::c_path(format!("{AFTER_EXEC}{}", pipe.as_raw_fd()).as_ref());
    let path = crate::scene::c_path(&own);
    if raw::access(&path, libc::X_OK).is_err() {
        return Ok(Done::Skipped(format!("this user may not execute {}", own.display())));
    }
    works("limit", limit(&pipe, LEFT))?;
    Err(format!("execve: {}", raw::execve_with(&path, &argument)))
}

fn executed() -> Vec<Case> {
    let mut cases = vec![
        Case::new("limits hold in an executed program, which on Linux cannot know them", |scene| {
            limits_after_exec(scene)
        })
        .ends(End::Status(WELL.into())),
        Case::new("a program that is executed by descriptor is in capability mode", |scene| {
            if let Err(reason) = exec::runs_in(&scene.dir) {
                return Ok(Done::Skipped(reason));
            }
            let path = scene.dir.join("program");
            works("program", exec::program(&path, &exec::opens(OUTSIDE)))?;
            let file = works("open", scene.open("program", libc::O_RDONLY))?;
            works("staying open", raw::fcntl(&file, libc::F_SETFD, 0))?;
            if let Some(done) = enter_to_execute(scene, level::sandbox().grant(&file, EXECUTE))? {
                return Ok(done);
            }
            Err(format!("fexecve: {}", raw::fexecve(&file, c"program")))
        })
        .ends(End::Status(ECAPMODE)),
        Case::new("a program that is executed without capability mode is not in it", |scene| {
            if let Err(reason) = exec::runs_in(&scene.dir) {
                return Ok(Done::Skipped(reason));
            }
            let path = scene.dir.join("program");
            works("program", exec::program(&path, &exec::opens(c"/nowhere")))?;
            let file = works("open", scene.open("program", libc::O_RDONLY))?;
            let (pipe, _) = works("pipe", raw::pipe())?;
            works("limit", limit(&pipe, Limits::NONE))?;
            Err(format!("fexecve: {}", raw::fexecve(&file, c"program")))
        })
        .ends(End::Status(libc::ENOENT)),
        Case::new("a child knows the limits of the descriptors that it was given", |_| {
            let (pipe, _writer) = works("pipe", raw::pipe())?;
            works("limit", limit(&pipe, Rights::READ))?;
            in_fork(|| {
                let limits = works("limits_of", limits_of(&pipe))?;
                ensure(limits == Limits::from(Rights::READ), format!("{limits}"))?;
                Ok(Done::Held)
            })
        }),
    ];
    if !FREEBSD {
        cases.push(Case::new(
            "a dynamic program is not executed, whose loader is a path",
            |scene| {
                let own = works("its own path", std::env::current_exe())?;
                let path = crate::scene::c_path(&own);
                let Ok(file) = raw::openat(libc::AT_FDCWD, &path, libc::O_RDONLY) else {
                    return Ok(Done::Skipped(format!("this user may not read {}", own.display())));
                };
                works("staying open", raw::fcntl(&file, libc::F_SETFD, 0))?;
                if let Some(done) = enter_to_execute(scene, level::sandbox().grant(&file, EXECUTE))?
                {
                    return Ok(done);
                }
                let error = raw::fexecve(&file, c"conformance");
                let errno = match scene.level {
                    // The loader has no path at all.
                    Containment::Directories => libc::ENOENT,
                    _ => libc::EACCES,
                };
                refused("fexecve", Err::<(), _>(error), &[errno])?;
                Ok(Done::Held)
            },
        ));
    }
    cases
}
