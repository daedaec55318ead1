//! A server that means harm. Whatever it sends, its caller has an error in time, nothing is kept open,
//! and memory is bounded.

mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::Frames;
use sandbox_spawn::{
    CallError,
    call::{DESCRIPTORS, IN_FLIGHT, WINDOW},
};
use support::{Chance, WorkClient, against, call, free_numbers, kind, throw};

// The tests count descriptors, and so run one after another.
#[test]
fn a_hostile_server() {
    let started = Instant::now();
    let before = free_numbers();
    for attack in [
        answers_out_of_turn,
        answers_that_are_none,
        garbage,
        endless_streams,
        a_stream_that_goes_on_after_its_end,
        no_answers,
        an_end_in_the_middle,
        descriptors_in_answers,
        descriptors_that_nobody_takes,
        one_bad_answer_ends_all_waiting,
        text_for_a_terminal,
        chance_as_a_server,
    ] {
        attack();
        assert_eq!(free_numbers(), before, "something was left open");
    }
    // None of them is a matter of minutes.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// Why the client gave up, and that it stays so.
fn broken(client: &WorkClient, error: CallError) -> String {
    let CallError::Protocol { compartment, reason } = error else { panic!("{error:?}") };
    assert_eq!(&*compartment, "hostile");
    let again = client.add(1).expect_err("it goes on");
    assert!(matches!(again, CallError::Protocol { .. }), "{again:?}");
    reason
}

/// A call of a server that answers it in its own way.
fn breaks(answer: impl FnOnce(&mut Frames, u64) + Send + 'static) -> String {
    let (client, server) = against(move |frames| {
        let id = call(frames).expect("a call");
        answer(frames, id);
        // It stays, so that it is not the end that is found.
        let _ = frames.receive(None);
    });
    let reason = broken(&client, client.add(1).expect_err("hostile"));
    drop(client);
    server.join().expect("no panic");
    reason
}

fn answers_out_of_turn() {
    for wrong in [1, 2, u64::MAX] {
        let reason = breaks(move |frames, id| {
            throw(frames, kind::REPLY, id.wrapping_add(wrong), &[0, 1], 0);
        });
        assert!(reason.contains("turn"), "{reason}");
    }
    // Twice, and what was never asked: found by whoever calls next.
    for second in [0, 1] {
        let (client, server) = against(move |frames| {
            let id = call(frames).expect("a call");
            throw(frames, kind::REPLY, id, &[0, 1], 0);
            throw(frames, kind::REPLY, id + second, &[0, 1], 0);
            let _ = call(frames);
        });
        assert_eq!(client.add(1).expect("the first is right"), 1);
        // By luck the second is an answer to the second call, which it came before: of a server that
        // may answer what it likes anyway.
        if let Err(error) = client.add(1) {
            broken(&client, error);
        } else {
            assert_eq!(second, 1);
        }
        drop(client);
        server.join().expect("no panic");
    }
}

fn answers_that_are_none() {
    for wrong in [
        0,
        kind::CALL,
        kind::CANCEL,
        kind::CREDIT,
        kind::STARTED,
        kind::ITEM,
        kind::END,
        kind::CANCELLED,
        23,
        u16::MAX,
    ] {
        breaks(move |frames, id| {
            throw(frames, wrong, id, &[], 0);
        });
    }
    // The answer to another method, and a stream's answer that is no stream.
    let reason = breaks(|frames, id| {
        throw(frames, kind::REPLY, id, &[5], 0);
    });
    assert!(reason.contains("another method"), "{reason}");
    let (client, server) = against(|frames| {
        let id = call(frames).expect("a call");
        throw(frames, kind::REPLY, id, &[3], 0);
        let _ = frames.receive(None);
    });
    let error = client.numbers(0, 1).expect_err("hostile");
    assert!(matches!(error, CallError::Protocol { .. }), "{error:?}");
    drop(client);
    server.join().expect("no panic");
}

fn garbage() {
    for payload in [&[][..], &[0], &[0, 0x80], &[0, 1, 1], &[99, 1], &vec![0xff; 60_000]] {
        let payload = payload.to_vec();
        breaks(move |frames, id| {
            throw(frames, kind::REPLY, id, &payload, 0);
        });
    }
    // Messages that are no text, or lie about their length.
    for payload in [&[2, 0xc3, 0x28][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[]] {
        for kind in [kind::PANICKED, kind::UNSENDABLE] {
            let payload = payload.to_vec();
            breaks(move |frames, id| {
                throw(frames, kind, id, &payload, 0);
            });
        }
    }
}

/// A server that streams, whatever it was asked, without waiting for credit.
fn endless_streams() {
    let flood = |frames: &mut Frames| {
        let id = call(frames).expect("a call");
        throw(frames, kind::STARTED, id, &[3], 0);
        let mut sent = 0_u64;
        while sent < 100_000 && throw(frames, kind::ITEM, id, &[1], 0) {
            sent += 1;
        }
        sent
    };
    // One that is read.
    let (client, server) = against(flood);
    let items = client.numbers(0, 1).expect("a stream");
    let (mut count, mut end) = (0, None);
    for item in items {
        match item {
            Ok(_) => count += 1,
            Err(error) => end = Some(error),
        }
    }
    // Where the reader keeps up it looks honest, and must end with the server's patience.
    assert!(count > 0 && end.is_some_and(|error| error.is_fatal()), "{count}");
    drop(client);
    server.join().expect("no panic");
    // One that is not read, while another call waits behind it.
    let (client, server) = against(flood);
    let items = client.numbers(0, 1).expect("a stream");
    let error = client.add(1).expect_err("hostile");
    assert!(broken(&client, error).contains("more items"));
    assert!(items.count() <= WINDOW as usize + 1);
    drop(client);
    assert!(server.join().expect("no panic") < 100_000);
    // One that was given up.
    let (client, server) = against(flood);
    drop(client.numbers(0, 1).expect("a stream"));
    broken(&client, client.add(1).expect_err("hostile"));
    drop(client);
    assert!(server.join().expect("no panic") < 100_000);
}

fn a_stream_that_goes_on_after_its_end() {
    for again in [kind::ITEM, kind::END, kind::STARTED] {
        let (client, server) = against(move |frames| {
            let id = call(frames).expect("a call");
            for kind in [kind::STARTED, kind::END, again] {
                throw(frames, kind, id, if kind == kind::STARTED { &[3] } else { &[] }, 0);
            }
            let _ = call(frames);
            let _ = frames.receive(None);
        });
        assert_eq!(client.numbers(0, 1).expect("a stream").count(), 0);
        broken(&client, client.add(1).expect_err("hostile"));
        drop(client);
        server.join().expect("no panic");
    }
}

/// Calls that are given up are bounded too: there comes a point where no more are sent.
fn no_answers() {
    let (client, server) = against(|frames| {
        let mut calls = 0;
        while call(frames).is_some() {
            calls += 1;
        }
        calls
    });
    let brief = client.within(Duration::from_millis(1));
    for _ in 0..IN_FLIGHT + 20 {
        let error = brief.add(1).expect_err("no answer");
        assert!(matches!(error, CallError::Deadline { .. }), "{error:?}");
    }
    drop((client, brief));
    assert!(server.join().expect("no panic") <= IN_FLIGHT);
}

fn an_end_in_the_middle() {
    // Before an answer, within a stream, and without a word.
    let (client, server) = against(|frames| {
        let _ = call(frames);
    });
    assert!(matches!(client.add(1), Err(CallError::Closed { .. })));
    assert!(matches!(client.add(1), Err(CallError::Closed { .. })));
    drop(client);
    server.join().expect("no panic");
    let (client, server) = against(|frames| {
        let id = call(frames).expect("a call");
        throw(frames, kind::STARTED, id, &[3], 0);
        throw(frames, kind::ITEM, id, &[9], 0);
    });
    let items: Vec<_> = client.numbers(0, 5).expect("a stream").collect();
    assert!(
        matches!(&items[..], [Ok(9), Err(CallError::Closed { .. })]),
        "what came is there, and then the end: {items:?}"
    );
    drop(client);
    server.join().expect("no panic");
    let (client, server) = against(|_| ());
    server.join().expect("no panic");
    assert!(matches!(client.add(1), Err(CallError::Closed { .. })));
}

fn descriptors_in_answers() {
    for count in [1, 64] {
        breaks(move |frames, id| {
            throw(frames, kind::REPLY, id, &[0, 1], count);
        });
    }
    breaks(|frames, id| {
        throw(frames, kind::PANICKED, id, &[1, b'x'], 3);
    });
    // More than a frame may have.
    breaks(|frames, id| {
        frames.set_caps(frames.caps().descriptors(200)).expect("caps");
        throw(frames, kind::REPLY, id, &[0, 1], 200);
    });
}

fn descriptors_that_nobody_takes() {
    let (client, server) = against(|frames| {
        for id in 0..IN_FLIGHT as u64 {
            let Some(_) = call(frames) else { return };
            if !throw(frames, kind::REPLY, id, &[0, 1], 64) {
                return;
            }
        }
        let _ = frames.receive(None);
    });
    let replies: Vec<_> = (0..IN_FLIGHT).map_while(|_| client.begin_add(1).ok()).collect();
    let before = free_numbers().into_iter().min();
    // The last one is waited for, so that all before it are received.
    let mut replies = replies;
    let last = replies.pop().expect("sent");
    let error = last.wait().expect_err("hostile");
    let CallError::Protocol { reason, .. } = &error else { panic!("{error:?}") };
    assert!(reason.contains("descriptors"), "{reason}");
    let most = before.zip(free_numbers().into_iter().max()).map(|(low, high)| high - low);
    let allowed = i32::try_from(DESCRIPTORS + 64 + 64 + 64).expect("few");
    assert!(most.is_some_and(|most| most <= allowed), "{most:?}");
    drop((replies, client));
    server.join().expect("no panic");
}

fn one_bad_answer_ends_all_waiting() {
    let (client, server) = against(|frames| {
        for _ in 0..6 {
            call(frames).expect("a call");
        }
        throw(frames, kind::REPLY, 0, &[77], 0);
        let _ = frames.receive(None);
    });
    thread::scope(|scope| {
        for _ in 0..6 {
            let client = client.clone();
            scope.spawn(move || {
                let error = client.add(1).expect_err("hostile");
                assert!(matches!(error, CallError::Protocol { .. }), "{error:?}");
            });
        }
    });
    drop(client);
    server.join().expect("no panic");
}

/// Frames that are nearly right, in any order.
fn chance_as_a_server() {
    for seed in 1..=300 {
        let (client, server) = against(move |frames| {
            let mut chance = Chance(seed);
            let id = call(frames).expect("a call");
            for _ in 0..chance.below(40) {
                let kind = u16::try_from(chance.below(8)).expect("few") + 16;
                let id = if chance.below(8) == 0 { chance.below(3) } else { id };
                let payload: Vec<u8> = (0..chance.below(4))
                    .map(|_| u8::try_from(chance.below(10)).expect("few"))
                    .collect();
                let descriptors = if chance.below(5) == 0 {
                    usize::try_from(chance.below(5)).expect("few")
                } else {
                    0
                };
                if !throw(frames, kind, id, &payload, descriptors) {
                    return;
                }
            }
        });
        let (one, two) = (client.begin_numbers(0, 1), client.begin_add(1));
        if let Ok(one) = one {
            assert!(one.take(100).count() < 100);
        }
        if let Ok(two) = two {
            let _ = two.wait();
        }
        let _ = client.files(1, false).map(Iterator::count);
        drop(client);
        server.join().expect("no panic");
    }
}

/// What a server says is shown to people, and written to logs.
fn text_for_a_terminal() {
    for what in [kind::PANICKED, kind::UNSENDABLE] {
        let (client, server) = against(move |frames| {
            let id = call(frames).expect("a call");
            let text = b"\x1b]0;owned\x07\n2026-01-01 all is well\xe2\x80\xae";
            let length = u8::try_from(text.len()).expect("short");
            throw(frames, what, id, &[&[length][..], text].concat(), 0);
            let _ = frames.receive(None);
        });
        let shown = client.add(1).expect_err("hostile").to_string();
        assert!(shown.contains("all is well"), "{shown:?}");
        let printable = |c: char| !c.is_control() && c != '\u{202e}';
        assert!(shown.chars().all(printable), "{shown:?}");
        drop(client);
        server.join().expect("no panic");
    }
}
