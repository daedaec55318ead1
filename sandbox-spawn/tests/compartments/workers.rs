//! The workers of this suite.

use std::{
    env,
    fs::File,
    io::{Read, Write},
    os::{fd::AsRawFd, unix::fs::FileExt},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use capsicum_channel::Frame;
use sandbox_spawn::{Inside, Worker};
use serde::{Deserialize, Serialize};

use crate::{anew, channels, graph_ends, graphs, raw, refusals, setting::SECRET};

pub(crate) const WORKERS: &[Worker] = &[
    Worker::new("report", report),
    Worker::new("echo", echo),
    Worker::new("exit", |mut inside| {
        let code = inside.frames().receive(None).map(|frame| frame.kind());
        u8::try_from(code.unwrap_or(255)).unwrap_or(255)
    }),
    Worker::new("panic", |_| panic!("as it was asked to")),
    Worker::new("complain", |_| {
        println!("a line for nobody");
        eprintln!("a line of the worker");
        0
    }),
    Worker::new("spin", |_| {
        raw::ignore_everything();
        loop {
            std::hint::spin_loop();
        }
    }),
    Worker::new("sleep", |_| {
        loop {
            std::thread::park();
        }
    }),
    Worker::new("crash", |_| {
        raw::crash();
        1
    }),
    Worker::new("forbidden", |_| {
        raw::forbidden_call();
        1
    }),
    Worker::new("refused", refusals::refused),
    Worker::new("hoard", |_| {
        // More than any limit that the suite sets.
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for _ in 0..4096 {
            kept.push(vec![1; 1 << 20]);
        }
        u8::try_from(kept.len() % 2).unwrap_or(0)
    }),
    Worker::new("descend", descend),
    Worker::new("serves", channels::serves),
    Worker::new("calls", channels::calls_another),
    Worker::new("receives", channels::receives),
    Worker::new("delegates", channels::delegates_on),
    Worker::new("starts", graphs::starts),
    Worker::new("deeper", graphs::deeper),
    Worker::new("holds", graph_ends::holds),
    Worker::new("search", search),
    Worker::new("execute", execute),
    Worker::new("linger", linger),
    Worker::new("hang_up", |inside| {
        drop(inside);
        loop {
            std::thread::park();
        }
    }),
    Worker::new("clog", clog),
    Worker::new("orphans", orphans),
    Worker::new("tells", anew::tells),
];

/// What a worker finds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) sandboxed: bool,
    pub(crate) level: String,
    pub(crate) descriptors: Vec<i32>,
    pub(crate) grants: Vec<(String, i32)>,
    pub(crate) environment: Vec<(String, String)>,
    /// What is where the secret was when the zygote was forked.
    pub(crate) secret: Vec<u8>,
    pub(crate) stdin_bytes: Option<usize>,
    pub(crate) grant_read: String,
    pub(crate) grant_written: bool,
    pub(crate) path_opened: bool,
    pub(crate) facts: raw::Facts,
}

/// Where the secret is, or 0.
static PLACE: AtomicUsize = AtomicUsize::new(0);
static LENGTH: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn remember_secret() {
    let (place, length) = raw::place_of_variable(SECRET);
    PLACE.store(place, Relaxed);
    LENGTH.store(length, Relaxed);
}

fn report(mut inside: Inside) -> u8 {
    let level = inside.containment().to_string();
    let names: Vec<String> = inside.grants().map(str::to_owned).collect();
    let mut grants = Vec::new();
    let (mut grant_read, mut grant_written) = (String::new(), false);
    for name in names {
        let Ok(mut file) = inside.grant::<File>(&name) else { return 9 };
        grants.push((name, file.as_raw_fd()));
        let _ = file.read_to_string(&mut grant_read);
        grant_written |= file.write_at(b"x", 0).is_ok();
    }
    let report = Report {
        sandboxed: capsicum_rs::sandboxed(),
        level,
        descriptors: raw::open_descriptors(),
        grants,
        environment: env::vars().collect(),
        secret: raw::bytes_at(PLACE.load(Relaxed), LENGTH.load(Relaxed)),
        stdin_bytes: std::io::stdin().read(&mut [0; 8]).ok(),
        grant_read,
        grant_written,
        path_opened: File::open("/etc/passwd").is_ok() || File::open("/").is_ok(),
        facts: raw::facts(),
    };
    let frame = inside.frames().encode(1, 0, &report);
    frame.and_then(|frame| inside.frames().send(&frame, None)).map_or(1, |()| 0)
}

/// Sends everything back, until there is nothing more.
fn echo(inside: Inside) -> u8 {
    let mut frames = inside.into_frames();
    while let Ok(frame) = frames.receive(None) {
        if frames.send(&frame, None).is_err() {
            return 1;
        }
    }
    0
}

/// Starts processes that try to stay, and writes to the grant from the last of them.
fn descend(mut inside: Inside) -> u8 {
    let Ok(mut pipe) = inside.grant::<File>("pipe") else { return 9 };
    let answer = raw::descendants(&mut |which| {
        raw::ignore_everything();
        let _ = pipe.write_all(format!("{which}\n").as_bytes());
        loop {
            std::thread::park();
        }
    });
    let frame = inside.frames().encode(1, 0, &answer);
    if frame.and_then(|frame| inside.frames().send(&frame, None)).is_err() {
        return 8;
    }
    let _ = inside.frames().receive(None);
    0
}

/// Looks for the bytes that it is sent in everything that it was started with.
fn search(mut inside: Inside) -> u8 {
    let Ok(needle) = inside.frames().receive(None) else { return 1 };
    let found = raw::search(needle.payload());
    let frame = inside.frames().encode(1, 0, &found);
    frame.and_then(|frame| inside.frames().send(&frame, None)).map_or(1, |()| 0)
}

/// Executes its grant, with arguments that are none: what the kernel makes of that.
fn execute(mut inside: Inside) -> u8 {
    let Ok(program) = inside.grant::<File>("program") else { return 9 };
    let frame = inside.frames().encode(1, 0, &raw::execute(program.as_raw_fd()));
    frame.and_then(|frame| inside.frames().send(&frame, None)).map_or(1, |()| 0)
}

/// What comes of an option that the right allows, and of the one that has a socket linger.
fn linger(mut inside: Inside) -> u8 {
    let Ok(socket) = inside.grant::<std::net::TcpStream>("socket") else { return 9 };
    let alive = raw::keep_alive(socket.as_raw_fd());
    let lingers = raw::linger(socket.as_raw_fd(), 60);
    let frame = inside.frames().encode(1, 0, &[alive, lingers]);
    frame.and_then(|frame| inside.frames().send(&frame, None)).map_or(1, |()| 0)
}

/// Sends descriptors that nobody receives, as many as go at once; says so by closing its grant.
fn clog(mut inside: Inside) -> u8 {
    let Ok(done) = inside.grant::<File>("done") else { return 9 };
    let mut frames = inside.into_frames();
    loop {
        let descriptors: Option<Vec<_>> = (0..60).map(|_| raw::copy_of_input()).collect();
        let Some(descriptors) = descriptors else { return 2 };
        let frame = Frame::new(0, 0, b"", descriptors);
        if !matches!(frame.and_then(|frame| frames.try_send(&frame)), Ok(true)) {
            break;
        }
    }
    let _ = (&done).write_all(b".");
    loop {
        std::thread::park();
    }
}

/// Leaves many processes behind, all of which end, and stays.
fn orphans(mut inside: Inside) -> u8 {
    let Ok(pipe) = inside.grant::<File>("pipe") else { return 9 };
    for _ in 0..50 {
        if raw::orphan() != 0 {
            return 8;
        }
    }
    // The last of them has closed its copy when the worker has.
    drop(pipe);
    let frame = inside.frames().encode(1, 0, &());
    if frame.and_then(|frame| inside.frames().send(&frame, None)).is_err() {
        return 7;
    }
    let _ = inside.frames().receive(None);
    0
}
