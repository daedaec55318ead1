//! What programs still do in capability mode.

use std::{
    collections::HashMap,
    hint::black_box,
    thread,
    time::{Duration, Instant, SystemTime},
};

use capsicum_rs::{Containment, Limits, ProcessDescriptor, Rights};

use crate::{
    harness::{Case, Done, End, Outcome, ensure, in_fork, refused, works},
    level,
    level::FREEBSD,
    matrix::Place,
    raw::{self, ECAPMODE, SharedPage},
    scene::Scene,
};

/// How abort(3) ends a process: where signals are refused even to itself, by an instruction.
const ABORTS: &[i32] = &[libc::SIGABRT, libc::SIGSEGV, libc::SIGILL, libc::SIGTRAP];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (ceiling, title) in [(Limits::NONE, "nothing"), (Limits::ALL, "everything")] {
        let mut add = |what: &str, body: fn(&Scene) -> Outcome| {
            let ceiling = ceiling.clone();
            let name = format!("{what} in capability mode under a ceiling of {title}");
            let case = Case::new(name, move |scene| {
                works("enter", level::sandbox().ceiling(ceiling.clone()).enter())?;
                body(scene)
            });
            cases.push(case.at(Place::rule(what, &format!("ceiling of {title}"))));
        };
        add("memory can be had, grown and given back", |_| memory());
        add("the stack grows", |_| {
            ensure(deeper(2000) == 2000, "the wrong depth").map(|()| Done::Held)
        });
        add("time goes on", |_| time());
        add("a process knows itself", |_| {
            ensure(std::process::id() > 0, "no process id")?;
            works("getrandom", raw::getrandom()).map(|_| Done::Held)
        });
        add("threads start and end", |_| threads());
        add("a map of the standard library gets its keys", |_| {
            let map: HashMap<u32, u32> = (0..9).map(|n| (n, n)).collect();
            ensure(map.len() == 9, "the wrong size").map(|()| Done::Held)
        });
        add("a process forks and waits", |_| forks());
    }
    cases.extend(endings());
    cases.extend([
        Case::new("a signal to itself arrives", raises),
        Case::new("new pipes and socket pairs have the ceiling", |_| objects()),
        Case::new("a process descriptor is made, killed and waited for", |_| descriptors()),
        Case::new("a grant is read and written", |scene| {
            let file = works("file", scene.file("file"))?;
            let sandbox = level::sandbox().grant(&file, Rights::READ | Rights::WRITE);
            works("enter", sandbox.enter())?;
            works("read", raw::read(&file, &mut [0; 4]))?;
            works("write", raw::write(&file, b"W")).map(|_| Done::Held)
        }),
    ]);
    cases
}

fn memory() -> Outcome {
    works("64 MiB", raw::use_memory(64 << 20))?;
    let mut bytes = vec![1u8; 1 << 20];
    while bytes.len() < 64 << 20 {
        bytes.extend_from_within(..);
    }
    ensure(black_box(&bytes).iter().all(|byte| *byte == 1), "memory lost its content")?;
    Ok(Done::Held)
}

/// Uses about 2 KiB of stack for each call.
fn deeper(left: usize) -> usize {
    let mut frame = [0u8; 2048];
    black_box(&mut frame);
    if left == 0 { 0 } else { 1 + deeper(left - 1) }
}

fn time() -> Outcome {
    let start = Instant::now();
    let step = Duration::from_millis(2);
    // What is measured: that sleeping takes its time.
    works("nanosleep", raw::nanosleep(step))?;
    ensure(start.elapsed() >= step, "sleeping took no time")?;
    let epoch = works("the clock", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH))?;
    ensure(epoch.as_secs() > 1_000_000_000, "the clock stands still")?;
    Ok(Done::Held)
}

fn threads() -> Outcome {
    let threads: Vec<_> = (0..4).map(|n| thread::Builder::new().spawn(move || n * 2)).collect();
    let mut sum = 0;
    for thread in threads {
        sum += works("a thread", thread)?.join().map_err(|_| "a thread panicked".to_owned())?;
    }
    ensure(sum == 12, format!("the threads gave {sum}"))?;
    Ok(Done::Held)
}

fn forks() -> Outcome {
    in_fork(|| in_fork(|| Ok(Done::Held)))?;
    let Some(pid) = works("fork", raw::fork())? else { raw::exit(7) };
    if FREEBSD {
        // Process ids are global names to wait4(2) there.
        refused("waitpid", raw::wait(pid), &[ECAPMODE])?;
        return Ok(Done::Otherwise("wait4(2) takes a process id".to_owned()));
    }
    let status = works("waitpid", raw::wait(pid))?;
    ensure(libc::WEXITSTATUS(status) == 7, format!("the status was {status:#x}"))?;
    Ok(Done::Held)
}

fn endings() -> Vec<Case> {
    vec![
        Case::new("abort ends a process in capability mode", |_| {
            works("enter", level::sandbox().enter())?;
            raw::abort()
        })
        .ends(End::Signal(ABORTS)),
        Case::new("exit ends a process in capability mode with its status", |_| {
            works("enter", level::sandbox().enter())?;
            std::process::exit(7)
        })
        .ends(End::Status(7)),
        Case::new("an invalid access is a signal in capability mode", |_| {
            works("enter", level::sandbox().enter())?;
            raw::fault();
            Err("it went on".to_owned())
        })
        .ends(End::Signal(&[libc::SIGSEGV])),
    ]
}

fn raises(scene: &Scene) -> Outcome {
    let page: &'static SharedPage = Box::leak(Box::new(works("page", SharedPage::new())?));
    works("sigaction", raw::count_signals(page, libc::SIGUSR1))?;
    works("enter", level::sandbox().enter())?;
    let raised = raw::raise(libc::SIGUSR1);
    if scene.level == Containment::Descriptors {
        refused("raise", raised, &[ECAPMODE])?;
        return Ok(Done::Otherwise("without Landlock no signal can be held to itself".to_owned()));
    }
    works("raise", raised)?;
    let arrived = page.counter().load(std::sync::atomic::Ordering::SeqCst);
    ensure(arrived == 1, format!("{arrived} signals arrived"))?;
    Ok(Done::Held)
}

fn objects() -> Outcome {
    let rights = Rights::READ | Rights::WRITE;
    works("enter", level::sandbox().ceiling(rights).enter())?;
    let (reader, writer) = works("pipe", raw::pipe())?;
    let (one, other) = works("socketpair", raw::socketpair(libc::SOCK_STREAM))?;
    for (from, to) in [(&writer, &reader), (&one, &other)] {
        works("write", raw::write(from, b"x"))?;
        works("read", raw::read(to, &mut [0]))?;
    }
    let asked = raw::fstat(&reader);
    if FREEBSD {
        works("fstat", asked)?;
        return Ok(Done::Otherwise("new objects have no limits on FreeBSD".to_owned()));
    }
    refused("fstat", asked, &[raw::ENOTCAPABLE])?;
    Ok(Done::Held)
}

fn descriptors() -> Outcome {
    works("enter", capsicum_rs::enter())?;
    let mut child = works("fork", ProcessDescriptor::fork(|| 7))?;
    let status = works("wait", child.wait())?;
    ensure(status.code() == Some(7), format!("{status:?}"))?;
    let mut child = works(
        "fork",
        ProcessDescriptor::fork(|| {
            loop {
                thread::park();
            }
        }),
    )?;
    works("kill", child.kill(libc::SIGKILL))?;
    let status = works("wait", child.wait())?;
    ensure(status.code().is_none(), format!("{status:?}"))?;
    Ok(Done::Held)
}
