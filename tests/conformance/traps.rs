//! Refusals that raise a signal: procctl(2) `PROC_TRAPCAP_CTL`, `SECCOMP_RET_TRAP`.

use std::{os::unix::process::ExitStatusExt, sync::atomic::Ordering::SeqCst, thread};

use capsicum_rs::{Limits, ProcessDescriptor, Rights, is_capability_error, limit};

use crate::{
    harness::{Case, Done, End, Outcome, ensure, refusal, works},
    level::{self, FREEBSD},
    raw::{self, ECAPMODE, SharedPage},
    scene::Scene,
};

/// What a refusal raises.
const SIGNAL: i32 = if FREEBSD { libc::SIGTRAP } else { libc::SIGSYS };

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut ends = |name: &str, body: fn(&Scene) -> Outcome| {
        cases.push(Case::new(name, body).ends(End::Signal(&[SIGNAL])));
    };
    ends("a name that is refused ends a process whose refusals are trapped", |scene| {
        works("enter", level::sandbox().trap_refusals().enter())?;
        went_on(raw::openat(libc::AT_FDCWD, &scene.path("file"), libc::O_RDONLY))
    });
    ends("a right that is refused ends a process whose refusals are trapped", |scene| {
        let file = works("file", scene.file("file"))?;
        let sandbox = level::sandbox().grant(&file, Rights::READ).trap_refusals();
        works("enter", sandbox.enter())?;
        works("read", raw::read(&file, &mut [0; 4]))?;
        went_on(raw::write(&file, b"x"))
    });
    ends("a right that was given up later ends a process whose refusals are trapped", |scene| {
        let file = works("file", scene.file("file"))?;
        let sandbox = level::sandbox().grant(&file, Rights::READ | Rights::WRITE).trap_refusals();
        works("enter", sandbox.enter())?;
        works("write", raw::write(&file, b"x"))?;
        works("limit", limit(&file, Rights::READ))?;
        went_on(raw::write(&file, b"x"))
    });
    ends("who enters again does not take trapping back", |scene| {
        works("enter", level::sandbox().trap_refusals().enter())?;
        works("enter again", level::sandbox().enter())?;
        went_on(raw::openat(libc::AT_FDCWD, &scene.path("file"), libc::O_RDONLY))
    });
    cases.extend([
        Case::new("a handler is told of each refusal, and nothing is done", handled),
        Case::new("what is no refusal goes on where refusals are trapped", goes_on),
        Case::new("children have their refusals trapped as well", |scene| {
            // The descriptor of a process is one like any other.
            let sandbox = level::sandbox().ceiling(Limits::ALL).trap_refusals();
            works("enter", sandbox.enter())?;
            let path = scene.path("file");
            let opens = move || {
                let _ = raw::openat(libc::AT_FDCWD, &path, libc::O_RDONLY);
                0
            };
            let mut child = works("fork", ProcessDescriptor::fork(opens))?;
            let status = works("wait", child.wait())?;
            ensure(status.signal() == Some(SIGNAL), format!("{status:?}"))?;
            Ok(Done::Held)
        }),
        Case::new("refusals are errors alone unless they are trapped", |scene| {
            works("enter", level::sandbox().enter())?;
            let opened = raw::openat(libc::AT_FDCWD, &scene.path("file"), libc::O_RDONLY);
            refusal("open", opened, &[ECAPMODE]).map(Done::Refused)
        }),
    ]);
    cases
}

fn went_on<T>(result: std::io::Result<T>) -> Outcome {
    Err(match result {
        Ok(_) => "it was done".to_owned(),
        Err(error) => format!("it went on, with {error}"),
    })
}

fn handled(scene: &Scene) -> Outcome {
    let page: &'static SharedPage = Box::leak(Box::new(works("page", SharedPage::new())?));
    works("sigaction", raw::count_signals(page, SIGNAL))?;
    let path = scene.path("new");
    works("enter", level::sandbox().trap_refusals().enter())?;
    for count in 1..=3 {
        let made = raw::openat(libc::AT_FDCWD, &path, libc::O_RDWR | libc::O_CREAT);
        // On Linux the result means nothing.
        let failed = made.as_ref().is_err_and(|error| is_capability_error(error).is_some());
        ensure(!FREEBSD || failed, "it is no error")?;
        std::mem::forget(made);
        let arrived = page.counter().load(SeqCst);
        ensure(arrived == count, format!("{arrived} signals for {count} refusals"))?;
    }
    Ok(Done::Held)
}

fn goes_on(scene: &Scene) -> Outcome {
    let file = works("file", scene.file("file"))?;
    let sandbox = level::sandbox().grant(&file, Rights::READ | Rights::SEEK).trap_refusals();
    works("enter", sandbox.enter())?;
    ensure(capsicum_rs::sandboxed(), "it is not in capability mode")?;
    works("read", raw::read(&file, &mut [0; 4]))?;
    let before = raw::pread(&file, &mut [0], -1).err().and_then(|error| error.raw_os_error());
    ensure(before == Some(libc::EINVAL), format!("read before the beginning: {before:?}"))?;
    let thread = works("a thread", thread::Builder::new().spawn(|| 7))?;
    ensure(thread.join().is_ok_and(|seven| seven == 7), "the thread did not end well")?;
    Ok(Done::Held)
}
