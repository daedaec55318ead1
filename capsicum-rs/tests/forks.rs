//! Copies of a process that have a part of its descriptors.
//!
//! A main function of its own: only a process with one thread can be forked. The last line is
//! `N passed, N failed, N skipped`.

use std::{
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use capsicum_rs::ProcessDescriptor;

const FIRST: RawFd = 40;
const DEADLINE: Duration = Duration::from_secs(20);

type Outcome = Result<(), String>;
type Test = (&'static str, fn() -> Outcome);

/// The argument with which this program waits for the end of its input.
const WAITS: &str = "waits";

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| first == WAITS) {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        return ExitCode::SUCCESS;
    }
    let tests: [Test; 9] = [
        ("a_copy_has_the_descriptors_below_and_no_others", others_are_left_out),
        ("what_the_caller_closes_next_the_copy_has", the_copy_is_apart),
        ("what_the_copy_closes_the_caller_has", the_caller_is_apart),
        ("a_copy_can_start_threads_and_processes", the_copy_is_a_process),
        ("a_copy_that_is_killed_is_seen_to_have_ended", the_copy_ends),
        ("copies_leave_no_descriptors_behind", nothing_is_left),
        ("a_lasting_copy_goes_on_when_its_parent_has_ended", it_lasts),
        ("a_lasting_copy_ends_with_its_owner_and_has_the_descriptors_below", it_is_ended),
        ("a_child_that_was_started_otherwise_gets_a_descriptor", a_child_is_taken_over),
    ];
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests {
        match test() {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(why) => {
                println!("test {name} ... FAILED\n    {why}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn ensure(what: bool, otherwise: impl Into<String>) -> Outcome {
    if what { Ok(()) } else { Err(otherwise.into()) }
}

fn is_open(number: RawFd) -> bool {
    // SAFETY: the command takes no argument.
    unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
}

fn open_numbers() -> Vec<RawFd> {
    (0..1024).filter(|number| is_open(*number)).collect()
}

/// /dev/null at this number or above.
fn null_above(least: RawFd) -> Result<OwnedFd, String> {
    let null = File::open("/dev/null").map_err(text)?;
    // SAFETY: the command takes an integer, and what it makes is nobody else's.
    unsafe {
        let copy = libc::fcntl(null.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least);
        ensure(copy >= least, "no copy of /dev/null")?;
        Ok(std::os::fd::FromRawFd::from_raw_fd(copy))
    }
}

/// The status of a copy that does this.
fn status_of(child: impl FnOnce() -> u8) -> Result<Option<i32>, String> {
    let mut child = ProcessDescriptor::fork_below(FIRST, child).map_err(text)?;
    let status = child.wait_timeout(DEADLINE).map_err(text)?;
    Ok(status.ok_or("it still runs")?.code())
}

fn others_are_left_out() -> Outcome {
    let low = File::open("/dev/null").map_err(text)?;
    let high: Vec<OwnedFd> = (0..200).map(|_| null_above(FIRST)).collect::<Result<_, _>>()?;
    let before = open_numbers();
    let wanted: Vec<RawFd> = before.iter().copied().filter(|number| *number < FIRST).collect();
    ensure(wanted.contains(&low.as_raw_fd()) && before.len() >= wanted.len() + 200, "the setting")?;
    let status = status_of(|| u8::from(open_numbers() != wanted))?;
    ensure(status == Some(0), format!("it has others: {status:?}"))?;
    ensure(open_numbers() == before, "the caller has others than before")?;
    drop(high);
    Ok(())
}

fn the_copy_is_apart() -> Outcome {
    for _ in 0..200 {
        let file = File::open("/dev/zero").map_err(text)?;
        let mut child = ProcessDescriptor::fork_below(FIRST, move || {
            let mut byte = [1];
            u8::from(std::io::Read::read_exact(&mut &file, &mut byte).is_err() || byte != [0])
        })
        .map_err(text)?;
        // The caller's copy went with the closure; its number is used again at once.
        let _other = File::open("/dev/null").map_err(text)?;
        let status = child.wait_timeout(DEADLINE).map_err(text)?.ok_or("it still runs")?;
        ensure(status.code() == Some(0), format!("the file was not there: {status}"))?;
    }
    Ok(())
}

fn the_caller_is_apart() -> Outcome {
    let before = open_numbers();
    let status = status_of(|| {
        for number in 0..FIRST {
            // SAFETY: the copy uses none of them any more.
            unsafe { libc::close(number) };
        }
        0
    })?;
    ensure(status == Some(0), format!("it failed: {status:?}"))?;
    ensure(open_numbers() == before, "the caller's were closed")
}

fn the_copy_is_a_process() -> Outcome {
    let status = status_of(|| {
        let thread = thread::spawn(|| 3_u8);
        let Ok(three) = thread.join() else { return 1 };
        // SAFETY: takes no pointers; the copy of the copy ends at once.
        let grandchild = unsafe { libc::fork() };
        if grandchild == 0 {
            // SAFETY: it returns to nobody.
            unsafe { libc::_exit(4) };
        }
        let mut status = 0;
        // SAFETY: `status` is what waitpid writes.
        let waited = unsafe { libc::waitpid(grandchild, &raw mut status, 0) };
        if waited != grandchild || libc::WEXITSTATUS(status) != 4 {
            return 2;
        }
        // The C library goes by its own idea of the thread's id here.
        // SAFETY: takes no pointers.
        if unsafe { libc::pthread_kill(libc::pthread_self(), 0) } != 0 {
            return 5;
        }
        three
    })?;
    ensure(status == Some(3), format!("{status:?}"))?;
    let mut child = ProcessDescriptor::fork_below(FIRST, || std::process::abort()).map_err(text)?;
    let status = child.wait_timeout(DEADLINE).map_err(text)?.ok_or("it still runs")?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    ensure(signal == Some(libc::SIGABRT), format!("abort(3) came to {status}"))
}

fn the_copy_ends() -> Outcome {
    let started = Instant::now();
    let mut child = ProcessDescriptor::fork_below(FIRST, || {
        loop {
            thread::park();
        }
    })
    .map_err(text)?;
    child.kill(libc::SIGKILL).map_err(text)?;
    let status = child.wait_timeout(DEADLINE).map_err(text)?.ok_or("it still runs")?;
    ensure(status.code().is_none() && started.elapsed() < DEADLINE, format!("{status}"))
}

/// On FreeBSD the kernel closes the descriptor with the parent, which kills any other child.
fn it_lasts() -> Outcome {
    let (mut here, there) = UnixStream::pair().map_err(text)?;
    here.set_read_timeout(Some(DEADLINE)).map_err(text)?;
    let parent = ProcessDescriptor::fork(|| {
        let child = ProcessDescriptor::fork_lasting(None, || {
            let mut byte = [0];
            let mut there = &there;
            let done = there.read_exact(&mut byte).and_then(|()| there.write_all(&byte));
            u8::from(done.is_err())
        });
        // Not dropped: that would kill it.
        child.map(std::mem::forget).map_or(1, |()| 0)
    });
    let status = parent.map_err(text)?.wait_timeout(DEADLINE).map_err(text)?;
    ensure(status.is_some_and(|status| status.success()), format!("the parent: {status:?}"))?;
    drop(there);
    here.write_all(b"?").map_err(text)?;
    let mut byte = [0];
    here.read_exact(&mut byte).map_err(|error| format!("it ended with its parent: {error}"))?;
    ensure(byte == *b"?", "it answers something else")
}

fn it_is_ended() -> Outcome {
    let high = null_above(FIRST)?;
    let (mut here, there) = UnixStream::pair().map_err(text)?;
    here.set_read_timeout(Some(DEADLINE)).map_err(text)?;
    let child = ProcessDescriptor::fork_lasting(Some(FIRST), || {
        let mut there = &there;
        if there.write_all(&[u8::from(is_open(high.as_raw_fd()))]).is_err() {
            return 1;
        }
        loop {
            thread::park();
        }
    });
    let child = child.map_err(text)?;
    drop(there);
    let mut byte = [2];
    here.read_exact(&mut byte).map_err(text)?;
    ensure(byte == [0], "it has a descriptor above")?;
    drop(child);
    let left = here.read(&mut byte).map_err(|error| format!("it goes on: {error}"))?;
    ensure(left == 0, "it says more")
}

fn nothing_is_left() -> Outcome {
    let before = open_numbers();
    for _ in 0..100 {
        status_of(|| 0)?;
    }
    ensure(open_numbers() == before, format!("{:?}, before {before:?}", open_numbers()))
}

fn a_child_is_taken_over() -> Outcome {
    let before = open_numbers();
    // Not every system has a program that waits.
    let program = std::env::current_exe().map_err(text)?;
    let mut child = std::process::Command::new(program)
        .arg(WAITS)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .map_err(text)?;
    match ProcessDescriptor::of_child(child.id(), FIRST) {
        Ok(process) => {
            ensure(process.as_raw_fd() >= FIRST, format!("it is at {}", process.as_raw_fd()))?;
            ensure(process.pid().is_ok_and(|pid| pid == child.id()), "it has another number")?;
            drop(process);
            // Dropping it has killed the child, and waited for it.
            ensure(child.try_wait().is_err(), "it is still there")?;
            let again = ProcessDescriptor::of_child(child.id(), FIRST);
            ensure(again.is_err(), "one that is gone has a descriptor")?;
        }
        // There only pdfork(2) makes descriptors of processes.
        Err(error) if cfg!(target_os = "freebsd") => {
            let unsupported = |error: &std::io::Error| error.raw_os_error() == Some(libc::ENOTSUP);
            let source = std::error::Error::source(&error).and_then(|it| it.downcast_ref());
            ensure(source.is_some_and(unsupported), text(&error))?;
            child.kill().and_then(|()| child.wait()).map_err(text)?;
        }
        Err(error) => return Err(text(error)),
    }
    // The parent, the process itself, and numbers that are none.
    for stranger in [std::os::unix::process::parent_id(), std::process::id(), 0, u32::MAX] {
        let process = ProcessDescriptor::of_child(stranger, FIRST);
        ensure(process.is_err(), format!("{stranger} is no child"))?;
    }
    // With the end of its input that is here.
    drop(child);
    ensure(open_numbers() == before, "descriptors were left behind")
}
