//! What a worker that means harm tries against its keeper, its program and other workers.

use std::{
    io::Read,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Frame, Frames};
use capsicum_rs::{Containment, Rights};
use sandbox_spawn::{Compartment, Error, Start, service};

use crate::{
    Case,
    cases::{case, ensure, skipped, soon, text},
    raw,
    setting::Setting,
};

pub(crate) const CASES: &[Case] = &[
    case("a_worker_does_not_find_what_another_one_was_given", leftovers, false),
    case("a_worker_executes_nothing_unless_it_may_start_processes", execution, true),
    case("a_worker_makes_no_socket_linger", lingering, true),
    case("callers_of_a_worker_that_only_hangs_up_have_their_deadlines", hanging_up, false),
    case("a_worker_too_many_costs_the_others_nothing", table, false),
    case("what_a_worker_has_left_behind_is_no_zombie_while_it_runs", zombies, false),
    case("descriptors_that_nobody_receives_keep_nobody_from_starting", in_flight, false),
];

/// The zygote is told what each worker's environment is, and the next worker is a copy of the zygote.
fn leftovers(setting: Setting) -> Result<(), String> {
    if setting.start == Start::Fork {
        // It has a copy of all of the program's memory, which is what it is for.
        return Ok(());
    }
    if cfg!(target_os = "freebsd") {
        return skipped("FreeBSD's allocator has no one place to look at");
    }
    // Never whole in the memory of this program before the zygote is forked, nor in the worker's file.
    let secret: String = ["another worker's ", "password: ", "hunter"].concat();
    for number in 0..3 {
        let value = format!("{secret}{number}");
        let worker = setting.builder("echo").env("PASSWORD", value).spawn().map_err(text)?;
        drop(worker);
    }
    let builder = setting.builder("search").ceiling(Rights::READ | Rights::WRITE);
    let mut worker = builder.spawn().map_err(text)?;
    let turned: Vec<u8> = secret.bytes().skip(10).map(|byte| !byte).collect();
    let needle = Frame::new(0, 0, &turned, Vec::new()).map_err(text)?;
    worker.frames().send(&needle, soon()).map_err(text)?;
    let answer = worker.frames().receive(soon()).map_err(|error| text(worker.explain(error)))?;
    let found: (usize, usize) = answer.decode(worker.frames().caps()).map_err(text)?;
    let (searched, places) = found;
    ensure!(searched > 0, "it has searched nothing");
    ensure!(places == 0, "it is {places} times in {searched} bytes of another worker's memory");
    Ok(())
}

/// A thread that executes something takes the place of the first one, for which the parent's death was
/// to be a signal.
fn execution(setting: Setting) -> Result<(), String> {
    if cfg!(target_os = "freebsd") {
        return skipped(
            "a worker of FreeBSD ends with its process descriptor, whatever it has executed",
        );
    }
    if setting.level == Containment::Descriptors {
        // Without Landlock nothing can be executed.
        return Ok(());
    }
    for processes in [false, true] {
        let program = std::fs::File::open("/bin/true").map_err(text)?;
        let rights = Rights::FEXECVE | Frames::RIGHTS;
        let builder = setting.builder("execute").grant("program", program, rights);
        let mut builder = builder.ceiling(rights);
        if processes {
            builder = builder.processes();
        }
        let mut worker = builder.spawn().map_err(text)?;
        let answer =
            worker.frames().receive(soon()).map_err(|error| text(worker.explain(error)))?;
        let errors: [i32; 2] = answer.decode(worker.frames().caps()).map_err(text)?;
        let refused = errors[1] == libc::EPERM;
        ensure!(refused != processes, "may start processes: {processes}, errors {errors:?}");
    }
    Ok(())
}

/// Whoever closes such a socket last waits for its peer, whatever its deadline.
fn lingering(setting: Setting) -> Result<(), String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let stream = std::net::TcpStream::connect(address).map_err(text)?;
    let rights = Rights::SETSOCKOPT | Frames::RIGHTS;
    for processes in [false, true] {
        let stream = stream.try_clone().map_err(text)?;
        let builder = setting.builder("linger").grant("socket", stream, rights).ceiling(rights);
        let builder = if processes { builder.processes() } else { builder };
        let mut worker = builder.spawn().map_err(text)?;
        let answer =
            worker.frames().receive(soon()).map_err(|error| text(worker.explain(error)))?;
        let answer: [i32; 2] = answer.decode(worker.frames().caps()).map_err(text)?;
        // FreeBSD has no rule about single options: there the receiver is told to look out.
        let linger = if cfg!(target_os = "linux") { libc::EPERM } else { 0 };
        ensure!(answer == [0, linger], "may start processes: {processes}, {answer:?}");
    }
    Ok(())
}

#[service]
trait Mute {
    fn nothing(&self);
}

/// Its socket is closed, and it goes on: nobody can tell how it ended.
fn hanging_up(setting: Setting) -> Result<(), String> {
    let all = Rights::READ | Rights::WRITE | Rights::SETSOCKOPT | Rights::EVENT;
    let worker = setting.builder("hang_up").ceiling(all).spawn().map_err(text)?;
    let client: MuteClient = worker.client();
    let client = client.within(Duration::from_millis(1500));
    let (done, ended) = mpsc::channel();
    for _ in 0..12 {
        let (client, done) = (client.clone(), done.clone());
        thread::spawn(move || {
            let begun = Instant::now();
            let result = client.nothing();
            done.send((begun.elapsed(), result.is_err()))
        });
    }
    drop(done);
    for (took, failed) in ended {
        ensure!(failed, "it answered");
        // One after the other they would have waited for a dozen seconds.
        ensure!(took < Duration::from_secs(6), "a call of 1.5 s took {took:?}");
    }
    Ok(())
}

/// The zygote has no room for the descriptors of another worker.
fn table(setting: Setting) -> Result<(), String> {
    if setting.start == Start::Fork {
        // A keeper has one worker.
        return Ok(());
    }
    if cfg!(target_os = "freebsd") {
        return skipped("nobody can make the table of another process small on FreeBSD");
    }
    raw::limit_descriptors_of_keepers(101)?;
    let builder = setting.builder("echo").deadline(Duration::from_secs(3));
    let mut workers: Vec<Compartment> = Vec::new();
    let error = loop {
        match builder.spawn() {
            Ok(worker) => workers.push(worker),
            // A host that is busy is not one that is full.
            Err(_) if workers.len() < 12 => {}
            Err(error) => break error,
        }
        ensure!(workers.len() < 100, "there is room for {}", workers.len());
    };
    ensure!(matches!(error, Error::Deadline { .. } | Error::Start { .. }), "{error}");
    let file = || std::fs::File::open("/dev/null").map_err(text);
    let large = (0..20).try_fold(builder.clone(), |builder, number| {
        Ok::<_, String>(builder.grant(&number.to_string(), file()?, Rights::READ))
    })?;
    ensure!(large.spawn().is_err(), "there is room for one with 20 grants");
    for worker in &mut workers {
        let frame = Frame::new(1, 2, b"", Vec::new()).map_err(text)?;
        worker.frames().send(&frame, soon()).map_err(text)?;
        worker.frames().receive(soon()).map_err(|why| text(worker.explain(why)))?;
    }
    // Where one has ended there is room again.
    drop(workers.pop());
    let again = setting.builder("echo").spawn();
    ensure!(again.is_ok(), "{again:?}");
    Ok(())
}

/// Processes that have ended and nobody waits for count as the user's, and the kernel has so many.
fn zombies(setting: Setting) -> Result<(), String> {
    let (mut reader, writer) = std::io::pipe().map_err(text)?;
    let builder = setting.builder("orphans").processes().grant("pipe", writer, Rights::WRITE);
    let mut worker = builder.spawn().map_err(text)?;
    drop(builder);
    worker.frames().receive(soon()).map_err(|error| text(worker.explain(error)))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        // The worker, and one that ended just when the guard looked.
        match raw::processes_of_guards() {
            1 | 2 => break,
            left if Instant::now() > deadline => return Err(format!("{left} processes are left")),
            _ => thread::sleep(Duration::from_millis(1)),
        }
    }
    drop(worker);
    reader.read_to_end(&mut Vec::new()).map_err(text)?;
    Ok(())
}

/// The kernel counts descriptors in flight for each user, whoever has sent them.
fn in_flight(setting: Setting) -> Result<(), String> {
    if cfg!(target_os = "freebsd") {
        return skipped("FreeBSD does not count what a user has in flight");
    }
    if raw::is_root() {
        return skipped("root may have any number in flight");
    }
    let (mut done, writer) = std::io::pipe().map_err(text)?;
    let worker = setting.builder("clog").grant("done", writer, Rights::WRITE).spawn();
    let _worker = worker.map_err(text)?;
    done.read_exact(&mut [0]).map_err(text)?;
    let file = std::fs::File::open("/dev/null").map_err(text)?;
    let other = setting.builder("echo").grant("file", file, Rights::READ).spawn();
    ensure!(other.is_ok(), "{other:?}");
    Ok(())
}
