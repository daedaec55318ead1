//! Workers that mean harm.

use std::{io::Write, os::fd::AsFd};

use capsicum_channel::{Frame, Frames};
use sandbox_spawn::{Builder, Compartment, Inside, Worker};

use crate::raw;

pub(crate) const WORKERS: &[Worker] = &[
    Worker::new("echo", echo),
    Worker::new("silent", |_| {
        loop {
            std::thread::park();
        }
    }),
    Worker::new("spin", |_| {
        raw::ignore_everything();
        loop {
            std::hint::spin_loop();
        }
    }),
    Worker::new("flood", flood),
    Worker::new("garbage", garbage),
    Worker::new("early", |inside| {
        let mut frames = inside.into_frames();
        let _ = frames.receive(None);
        0
    }),
    Worker::new("descriptors", descriptors),
    Worker::new("breed", breed),
    Worker::new("leave", leave),
    Worker::new("nest", nest),
    Worker::new("hoard", |_| {
        let mut kept = Vec::new();
        while kept.len() < 1 << 12 {
            kept.push(vec![1_u8; 1 << 20]);
        }
        u8::try_from(kept.len() & 1).unwrap_or(0)
    }),
    Worker::new("shout", |_| {
        let line = vec![b'!'; 1 << 16];
        for _ in 0..1 << 12 {
            let _ = std::io::stderr().write_all(&line);
        }
        0
    }),
];

/// Lets a worker start so many others.
pub(crate) fn nesting(builder: Builder, most: u32) -> Builder {
    let builder = builder.ceiling(Frames::RIGHTS).env("MOST", most.to_string());
    builder.starts(&["nest", "spin"], most)
}

/// Starts one that does the same, and others again and again.
fn nest(inside: Inside) -> u8 {
    let most = std::env::var("MOST").ok().and_then(|most| most.parse::<u32>().ok()).unwrap_or(0);
    let child = most
        .checked_sub(2)
        .filter(|left| *left > 0)
        .and_then(|left| nesting(Compartment::builder("nest"), left).spawn().ok());
    let mut frames = inside.into_frames();
    if !send(&mut frames, Frame::new(1, 0, b"nested", Vec::new())) {
        return 1;
    }
    let spin = Compartment::builder("spin");
    loop {
        // Who keeps them may be gone at any time.
        let _ = spin.spawn();
        let _ = &child;
    }
}

fn echo(inside: Inside) -> u8 {
    let mut frames = inside.into_frames();
    while let Ok(frame) = frames.receive(None) {
        if frames.send(&frame, None).is_err() {
            return 1;
        }
    }
    0
}

fn send(frames: &mut Frames, frame: Result<Frame, capsicum_channel::Error>) -> bool {
    frame.and_then(|frame| frames.send(&frame, None)).is_ok()
}

/// Never reads, and sends for as long as anyone takes it.
fn flood(inside: Inside) -> u8 {
    let mut frames = inside.into_frames();
    let payload = vec![7; 32 << 10];
    while send(&mut frames, Frame::new(1, 0, &payload, Vec::new())) {}
    0
}

/// Sends what is no frame.
fn garbage(inside: Inside) -> u8 {
    let mut frames = inside.into_frames();
    raw::send_bytes(frames.as_fd(), &[0xff; 40]);
    let _ = frames.receive(None);
    0
}

/// Sends descriptors until nobody takes them.
fn descriptors(inside: Inside) -> u8 {
    let mut frames = inside.into_frames();
    loop {
        let copies: Result<Vec<_>, _> =
            (0..32).map(|_| std::io::stdout().as_fd().try_clone_to_owned()).collect();
        let Ok(copies) = copies else { return 1 };
        if !send(&mut frames, Frame::new(1, 0, b"", copies)) {
            return 0;
        }
    }
}

/// Becomes many processes, all of which stay.
fn breed(inside: Inside) -> u8 {
    raw::ignore_everything();
    let mut frames = inside.into_frames();
    let first = std::process::id();
    for _ in 0..5 {
        raw::fork();
    }
    if std::process::id() == first {
        send(&mut frames, Frame::new(1, 0, b"", Vec::new()));
    }
    // `thread::sleep` is clock_nanosleep(2), which FreeBSD's capability mode does not have.
    loop {
        std::thread::park();
    }
}

/// Ends, and leaves a child with its socket.
fn leave(inside: Inside) -> u8 {
    let frames = inside.into_frames();
    if raw::fork() == 0 {
        loop {
            std::thread::park();
        }
    }
    drop(frames);
    7
}
