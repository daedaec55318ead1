//! A client that means harm. Whatever it sends, the server ends with an error, or goes on unharmed; it
//! keeps nothing open, and memory is bounded.

mod support;

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Error, Frames};
use sandbox_spawn::call::{IN_FLIGHT, WINDOW};
use support::{Chance, Honest, LONG, WorkServer, free_numbers, kind, throw};

// The tests count descriptors, and so run one after another.
#[test]
fn a_hostile_client() {
    let started = Instant::now();
    let before = free_numbers();
    for attack in [
        calls_out_of_turn,
        garbage_calls,
        more_credit,
        more_calls_than_may_wait,
        descriptors_in_calls,
        a_client_that_does_not_read,
        chance_as_a_client,
    ] {
        attack();
        assert_eq!(free_numbers(), before, "something was left open");
    }
    // None of them is a matter of minutes.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// What a server makes of a client that does as it likes; it must have ended.
fn served(client: impl FnOnce(&mut Frames)) -> Result<(), Error> {
    let (mut here, there) = Frames::pair().expect("a pair");
    let (done, ended) = mpsc::channel();
    let server = thread::spawn(move || {
        let _ = done.send(WorkServer::serve(there, Honest::default()));
    });
    client(&mut here);
    let outcome = ended.recv_timeout(LONG).expect("an end");
    server.join().expect("no panic");
    outcome
}

/// It must have found a breach, and closed the connection.
fn refused(client: impl FnOnce(&mut Frames)) -> String {
    let outcome = served(|frames| {
        client(frames);
        let deadline = Instant::now() + LONG;
        while frames.receive(Some(deadline)).is_ok() {}
        assert!(Instant::now() < deadline, "it goes on");
    });
    match outcome {
        Err(Error::Protocol { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

/// The payload of `add(1)`, and of `numbers(0, …)`, which does not end.
const ADD: &[u8] = &[0, 1];
const NUMBERS: &[u8] = &[3, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];

fn calls_out_of_turn() {
    for first in [1, 2, u64::MAX] {
        refused(|frames| _ = throw(frames, kind::CALL, first, ADD, 0));
    }
    for second in [0, 2, u64::MAX] {
        refused(|frames| {
            throw(frames, kind::CALL, 0, ADD, 0);
            throw(frames, kind::CALL, second, ADD, 0);
        });
    }
    for kind in [kind::CANCEL, kind::CREDIT] {
        for id in [0, 1, u64::MAX] {
            refused(|frames| _ = throw(frames, kind, id, &[], 0));
        }
    }
}

fn garbage_calls() {
    for kind in [0, 4, kind::REPLY, kind::ITEM, u16::MAX] {
        refused(|frames| {
            throw(frames, kind::CALL, 0, ADD, 0);
            throw(frames, kind, 0, &[], 0);
        });
    }
    for payload in [&[][..], &[0], &[0, 1, 1], &[99], &[0, 0x80], &vec![0xff; 60_000]] {
        refused(|frames| _ = throw(frames, kind::CALL, 0, payload, 0));
    }
    // A file that is none, one too many, and one that is missing.
    refused(|frames| _ = throw(frames, kind::CALL, 0, &[2, 0], 1));
    refused(|frames| _ = throw(frames, kind::CALL, 0, &[2, 0], 0));
    refused(|frames| _ = throw(frames, kind::CALL, 0, ADD, 1));
    refused(|frames| {
        throw(frames, kind::CALL, 0, ADD, 0);
        throw(frames, kind::CANCEL, 0, &[1], 0);
    });
    refused(|frames| {
        throw(frames, kind::CALL, 0, ADD, 0);
        throw(frames, kind::CANCEL, 0, &[], 1);
    });
    refused(|frames| {
        throw(frames, kind::CALL, 0, ADD, 0);
        throw(frames, kind::CREDIT, 0, &[], 0);
    });
}

fn more_credit() {
    for credit in [&[17][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let reason = refused(|frames| {
            throw(frames, kind::CALL, 0, NUMBERS, 0);
            for _ in 0..=WINDOW {
                frames.receive(Some(Instant::now() + LONG)).expect("an item");
            }
            throw(frames, kind::CREDIT, 0, credit, 0);
        });
        assert!(reason.contains("credit"), "{reason}");
    }
    // Late credit is harmless, and so is a late end.
    let outcome = served(|frames| {
        throw(frames, kind::CALL, 0, ADD, 0);
        frames.receive(Some(Instant::now() + LONG)).expect("an answer");
        throw(frames, kind::CREDIT, 0, &[255, 1], 0);
        throw(frames, kind::CANCEL, 0, &[], 0);
        throw(frames, kind::CALL, 1, ADD, 0);
        let answer = frames.receive(Some(Instant::now() + LONG)).expect("an answer");
        assert_eq!((answer.kind(), answer.sequence()), (kind::REPLY, 1));
        frames.close();
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

/// While it streams, the server reads ahead.
fn more_calls_than_may_wait() {
    let reason = refused(|frames| {
        throw(frames, kind::CALL, 0, NUMBERS, 0);
        for id in 1..=IN_FLIGHT as u64 + 1 {
            throw(frames, kind::CALL, id, ADD, 0);
        }
    });
    assert!(reason.contains("more calls"), "{reason}");
    // As many as may be are answered in their turn.
    let outcome = served(|frames| {
        throw(frames, kind::CALL, 0, NUMBERS, 0);
        for id in 1..=IN_FLIGHT as u64 {
            throw(frames, kind::CALL, id, ADD, 0);
        }
        throw(frames, kind::CANCEL, 3, &[], 0);
        throw(frames, kind::CANCEL, 0, &[], 0);
        let mut answers = Vec::new();
        while answers.last() != Some(&(kind::REPLY, IN_FLIGHT as u64)) {
            let frame = frames.receive(Some(Instant::now() + LONG)).expect("an answer");
            answers.push((frame.kind(), frame.sequence()));
        }
        assert!(answers.contains(&(kind::CANCELLED, 0)));
        assert!(answers.contains(&(kind::CANCELLED, 3)));
        assert!(answers.contains(&(kind::REPLY, 4)));
        frames.close();
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

fn descriptors_in_calls() {
    let before = free_numbers();
    let reason = refused(|frames| {
        throw(frames, kind::CALL, 0, NUMBERS, 0);
        for id in 1..=5 {
            throw(frames, kind::CALL, id, ADD, 64);
        }
    });
    assert!(reason.contains("more calls"), "{reason}");
    assert_eq!(free_numbers(), before);
}

fn a_client_that_does_not_read() {
    let outcome = served(|frames| {
        // Answers of 60,000 bytes until no more fit. What is sent after that is taken, as far as calls may wait.
        let mut id = 0;
        let payload = &[6, 0xe0, 0xd4, 0x03];
        // Longer than the server waits before it looks at what has come.
        let quiet = || Some(Instant::now() + Duration::from_secs(3));
        loop {
            let frame =
                capsicum_channel::Frame::new(kind::CALL, id, payload, Vec::new()).expect("a frame");
            match frames.send(&frame, quiet()) {
                Ok(()) => id += 1,
                Err(Error::Deadline | Error::Closed) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(id > IN_FLIGHT as u64);
        frames.close();
    });
    assert!(matches!(outcome, Err(Error::Protocol { .. })), "{outcome:?}");
}

fn chance_as_a_client() {
    for seed in 1..=300 {
        let outcome = served(|frames| {
            let mut chance = Chance(seed);
            let mut next = 0;
            for _ in 0..chance.below(60) {
                let honest = chance.below(4) > 0;
                let kind = if honest { 1 } else { u16::try_from(chance.below(5)).expect("few") };
                let id = if kind == 1 && honest { next } else { chance.below(next + 2) };
                next += u64::from(kind == 1 && id == next);
                let payload: Vec<u8> = match chance.below(4) {
                    0 => NUMBERS.to_vec(),
                    1 => ADD.to_vec(),
                    2 => Vec::new(),
                    _ => (0..chance.below(6))
                        .map(|_| u8::try_from(chance.below(10)).expect("few"))
                        .collect(),
                };
                let descriptors = if chance.below(9) == 0 { 2 } else { 0 };
                if !throw(frames, kind, id, &payload, descriptors) {
                    break;
                }
            }
            frames.close();
        });
        assert!(matches!(outcome, Ok(()) | Err(Error::Protocol { .. })), "{outcome:?}");
    }
}
