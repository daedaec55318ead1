//! Calls between honest ends.

mod support;

use std::{
    convert::Infallible,
    fs::File,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Frames, Handle};
use sandbox_spawn::{
    CallError, End, Violation,
    call::{Client, Fate, IN_FLIGHT, Peer, Reply, WINDOW},
};
use support::{
    Chance, Honest, LONG, Work, WorkClient, WorkServer, against, call, honest, kind, serving, throw,
};

#[test]
fn methods_have_results_errors_and_state() {
    let (client, server) = honest();
    assert_eq!(client.add(40).expect("a sum"), 40);
    assert_eq!(client.add(2).expect("a sum"), 42);
    assert_eq!(client.divide(7, 2).expect("a quotient"), 3);
    match client.divide(7, 0) {
        Err(CallError::Remote { compartment, error }) => {
            assert_eq!((&*compartment, error.as_str()), ("worker", "by zero"));
        }
        other => panic!("{other:?}"),
    }
    let error = client.divide(7, 0).expect_err("by zero");
    assert_eq!(error.to_string(), "the worker `worker`: by zero");
    assert!(!error.is_fatal() && error.compartment() == "worker");
    assert_eq!(client.names(1, 2, 3, 4, 5, 6).expect("a sum"), 21);
    client.r#type().expect("nothing");
    drop(client);
    server.join().expect("no panic").expect("an honest client");
}

#[test]
fn descriptors_are_arguments_like_others() {
    let (client, _server) = honest();
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"some bytes").expect("write");
    let length = file.metadata().expect("fstat").len();
    assert_eq!(client.length(Handle::new(file)).expect("a length"), length);
}

#[test]
fn a_panic_is_the_error_of_its_call_alone() {
    let (client, server) = honest();
    client.add(5).expect("a sum");
    match client.panic("too much of it".to_owned()) {
        Err(CallError::Panicked { message, .. }) => assert_eq!(message, "too much of it"),
        other => panic!("{other:?}"),
    }
    let long = "x".repeat(60_000);
    match client.panic(long.clone()) {
        Err(CallError::Panicked { message, .. }) => {
            assert!(message.len() == 4 << 10 && long.starts_with(&message));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(client.add(1).expect("a sum"), 6);
    drop(client);
    server.join().expect("no panic").expect("an honest client");
}

#[test]
fn what_cannot_be_sent_is_told_and_harms_nothing() {
    let (client, _server) = honest();
    assert!(matches!(client.panic("x".repeat(70_000)), Err(CallError::Unsent { .. })));
    match client.bytes(70_000) {
        Err(CallError::Unanswered { reason, .. }) => {
            assert!(reason.contains("more than the 65536"), "{reason}");
        }
        other => panic!("{:?}", other.map(|bytes| bytes.len())),
    }
    assert_eq!(client.bytes(60_000).expect("within the cap").len(), 60_000);
}

#[test]
fn a_deadline_ends_the_call_and_its_late_answer_is_dropped() {
    let (client, server) = honest();
    let started = Instant::now();
    let short = client.within(Duration::from_millis(30));
    assert!(matches!(short.wait_until_cancelled(), Err(CallError::Deadline { .. })));
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert_eq!(client.add(3).expect("the right answer"), 3);
    let past = client.by(Instant::now());
    assert!(matches!(past.add(1), Err(CallError::Deadline { .. })));
    // It was not sent.
    assert_eq!(client.add(4).expect("a sum"), 7);
    drop((client, short, past));
    server.join().expect("no panic").expect("an honest client");
}

#[test]
fn calls_are_pipelined_beyond_what_the_server_takes_at_once() {
    let (client, _server) = honest();
    let many = IN_FLIGHT * 3 + 1;
    let replies: Vec<_> = (0..many).map(|_| client.begin_add(1).expect("sent")).collect();
    for (at, reply) in replies.into_iter().enumerate().rev() {
        assert_eq!(reply.wait().expect("a sum"), at as u64 + 1);
    }
}

#[test]
fn neither_end_waits_for_the_other_to_read() {
    let (client, _server) = honest();
    // More than the buffers of both directions hold.
    let replies: Vec<_> = (0..40).map(|_| client.begin_bytes(60_000).expect("sent")).collect();
    let large = "y".repeat(60_000);
    let panics: Vec<_> =
        (0..40).map(|_| client.begin_panic(large.clone()).expect("sent")).collect();
    for reply in replies {
        assert_eq!(reply.wait().expect("bytes").len(), 60_000);
    }
    for panic in panics {
        assert!(matches!(panic.wait(), Err(CallError::Panicked { .. })));
    }
}

/// Calls as large as may be, to a server that takes none until it is told to, until no more are taken. FreeBSD 15 takes a
/// part of the last one.
fn until_full(client: &WorkClient) -> Vec<Reply<(), Infallible>> {
    let soon = client.within(Duration::from_millis(20));
    let large = "y".repeat(60_000);
    let mut replies = Vec::new();
    loop {
        match soon.begin_panic(large.clone()) {
            Ok(reply) => replies.push(reply),
            Err(CallError::Deadline { .. }) => break,
            Err(error) => panic!("{error:?}"),
        }
        assert!(replies.len() < IN_FLIGHT, "nothing ever fills the buffer");
    }
    assert!(!replies.is_empty());
    replies
}

#[test]
fn calls_that_a_busy_server_does_not_take_end_by_their_deadline_and_the_connection_goes_on() {
    for round in ["given up", "waited for", "held"] {
        let (here, there) = Frames::pair().expect("a pair");
        let (go, busy) = mpsc::channel();
        let server = thread::spawn(move || {
            busy.recv().expect("the test");
            WorkServer::serve(there, Honest::default())
        });
        let client = WorkClient::from(Client::named(here, "busy")).within(LONG);
        let mut replies = until_full(&client);
        let soon = client.within(Duration::from_millis(20));
        assert!(matches!(soon.add(1), Err(CallError::Deadline { .. })));
        if round == "given up" {
            replies.clear();
        }
        thread::scope(|scope| {
            // Mostly it has to wait for what was sent before it.
            let next = scope.spawn(|| client.add(5));
            thread::sleep(Duration::from_millis(5));
            go.send(()).expect("the server");
            if round == "waited for" {
                for reply in replies.drain(..) {
                    let error = reply.wait().expect_err("a panic");
                    // Its deadline may have passed meanwhile.
                    assert!(
                        matches!(error, CallError::Panicked { .. } | CallError::Deadline { .. }),
                        "{error:?}"
                    );
                }
            }
            // What was not sent is not there, and nothing is before its turn.
            assert_eq!(next.join().expect("no panic").expect("an answer"), 5, "{round}");
        });
        let large = client.panic("y".repeat(60_000));
        assert!(matches!(large, Err(CallError::Panicked { .. })), "{large:?}");
        drop((replies, client, soon));
        server.join().expect("no panic").expect("an honest client");
    }
}

/// Nobody does anything for a call after it has been sent, until its answer is waited for.
#[test]
fn a_call_that_was_sent_needs_no_more_of_its_client_to_be_begun() {
    const MANY: usize = 30;
    let (told, all) = mpsc::channel();
    let (client, server) = against(move |frames| {
        for _ in 0..MANY {
            // Slower than they are sent.
            thread::sleep(Duration::from_millis(1));
            call(frames).expect("a call");
        }
        told.send(()).expect("the test");
    });
    let large = "y".repeat(50_000);
    let replies: Vec<_> =
        (0..MANY).map(|_| client.begin_panic(large.clone()).expect("sent")).collect();
    all.recv_timeout(LONG).expect("all of them");
    drop(replies);
    server.join().expect("no panic");
}

#[test]
fn calls_to_a_busy_server_that_ends_have_an_error() {
    let (go, busy) = mpsc::channel();
    let (client, server) = against(move |_| busy.recv().expect("the test"));
    let replies = until_full(&client);
    thread::scope(|scope| {
        // One that waits for room.
        scope.spawn(|| assert!(matches!(client.add(1), Err(CallError::Closed { .. }))));
        go.send(()).expect("the server");
        for reply in replies {
            let error = reply.wait().expect_err("no answer");
            assert!(matches!(error, CallError::Closed { .. } | CallError::Deadline { .. }));
        }
    });
    assert!(matches!(client.r#type(), Err(CallError::Closed { .. })));
    server.join().expect("no panic");
}

#[test]
fn many_threads_send_large_calls_and_give_some_up() {
    let (client, server) = honest();
    thread::scope(|scope| {
        for thread in 0..4_usize {
            let client = client.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    let size = [60_000, 10, 33_333, 1][(thread + round) % 4];
                    let replies: Vec<_> = (0..5)
                        .map(|_| client.begin_panic("z".repeat(size)).expect("sent"))
                        .collect();
                    for (at, reply) in replies.into_iter().enumerate() {
                        if at % 3 != 1 {
                            let answer = reply.wait();
                            assert!(matches!(answer, Err(CallError::Panicked { .. })));
                        }
                    }
                }
            });
        }
    });
    drop(client);
    server.join().expect("no panic").expect("an honest client");
}

#[test]
fn a_call_that_is_given_up_before_its_turn_is_not_begun() {
    let (client, _server) = honest();
    let blocking = client.begin_wait_until_cancelled().expect("sent");
    drop(client.begin_add(1000).expect("sent"));
    let last = client.begin_add(1).expect("sent");
    drop(blocking);
    assert_eq!(last.wait().expect("a sum"), 1);
}

#[test]
fn a_stream_is_an_iterator() {
    let (client, _server) = honest();
    let all: Result<Vec<u64>, _> = client.numbers(5, 1000).expect("a stream").collect();
    assert_eq!(all.expect("items"), (5..1000).collect::<Vec<_>>());
    assert_eq!(client.numbers(5, 5).expect("a stream").count(), 0);
    for count in [WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW] {
        let files = client.files(count, false).expect("a stream");
        assert_eq!(files.collect::<Result<Vec<_>, _>>().expect("files").len(), count as usize);
    }
    match client.files(1, true) {
        Err(CallError::Remote { error, .. }) => assert_eq!(error, "no files"),
        other => panic!("{other:?}"),
    }
    let mut begun = client.begin_files(1, true).expect("sent");
    assert!(matches!(begun.next(), Some(Err(CallError::Remote { .. }))));
    assert!(begun.next().is_none());
}

#[test]
fn a_stream_ends_when_its_reader_stops_and_makes_no_more_than_the_window() {
    let (client, _server) = honest();
    let mut endless = client.numbers(0, u64::MAX).expect("a stream");
    for expected in 0..5 {
        assert_eq!(endless.next().expect("more").expect("an item"), expected);
    }
    drop(endless);
    let made = client.add(0).expect("what was made");
    assert!((5..=u64::from(5 + WINDOW)).contains(&made), "{made}");
    // By its deadline too.
    let short = client.within(Duration::from_millis(30));
    let endless = short.numbers(0, u64::MAX).expect("a stream");
    let last = endless.last().expect("an end");
    assert!(matches!(last, Err(CallError::Deadline { .. })), "{last:?}");
    assert!(client.add(0).is_ok());
}

#[test]
fn a_call_behind_a_stream_waits_for_its_end() {
    let (client, _server) = honest();
    let mut stream = client.numbers(0, 100).expect("a stream");
    let behind = client.begin_add(0).expect("sent");
    assert_eq!(stream.by_ref().count(), 100);
    assert_eq!(behind.wait().expect("a sum"), 100);
}

#[test]
fn many_threads_share_a_connection() {
    let (client, server) = honest();
    let done = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..8_u64 {
            let (client, done) = (client.clone(), Arc::clone(&done));
            scope.spawn(move || {
                let mut chance = Chance(number + 1);
                for round in 0..400 {
                    let number = number * 1_000_000 + round;
                    match chance.below(5) {
                        0 => assert!(client.divide(1, 0).is_err()),
                        1 => {
                            let to = number + chance.below(40);
                            let items: Result<Vec<u64>, _> =
                                client.numbers(number, to).expect("a stream").collect();
                            assert_eq!(items.expect("items"), (number..to).collect::<Vec<_>>());
                        }
                        2 => drop(client.begin_numbers(0, 100).expect("sent")),
                        3 => {
                            let brief = client.within(Duration::from_micros(chance.below(200)));
                            match brief.divide(number, 1) {
                                Ok(answer) => assert_eq!(answer, number),
                                Err(error) => {
                                    assert!(matches!(error, CallError::Deadline { .. }), "{error}");
                                }
                            }
                        }
                        _ => assert_eq!(client.divide(number, 1).expect("an answer"), number),
                    }
                    done.fetch_add(1, SeqCst);
                }
            });
        }
    });
    assert_eq!(done.load(SeqCst), 8 * 400);
    drop(client);
    server.join().expect("no panic").expect("an honest client");
}

/// Whoever reads for all leaves, and another one has to.
#[test]
fn a_reader_that_has_its_answer_leaves_its_role_to_another() {
    for _ in 0..30 {
        let (first_is_done, second) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let all_wait = Arc::clone(&waiting);
        let (client, server) = against(move |frames| {
            let (one, two) = (call(frames).expect("a call"), call(frames).expect("a call"));
            while all_wait.load(SeqCst) < 2 {
                thread::yield_now();
            }
            throw(frames, kind::REPLY, one, &[0, 1], 0);
            second.recv_timeout(LONG).expect("the first caller has its answer");
            throw(frames, kind::REPLY, two, &[0, 2], 0);
        });
        let (one, two) = (client.begin_add(1).expect("sent"), client.begin_add(1).expect("sent"));
        thread::scope(|scope| {
            scope.spawn(|| {
                waiting.fetch_add(1, SeqCst);
                assert_eq!(one.wait().expect("an answer"), 1);
                first_is_done.send(()).expect("a server");
            });
            scope.spawn(|| {
                waiting.fetch_add(1, SeqCst);
                assert_eq!(two.wait().expect("an answer"), 2);
            });
        });
        server.join().expect("no panic");
    }
}

#[test]
fn a_panic_in_a_stream_ends_it() {
    struct Panics;
    impl Work for Panics {
        fn add(&mut self, number: u64) -> u64 {
            number
        }
        fn divide(&self, _: u64, _: u64) -> Result<u64, String> {
            Err(String::new())
        }
        fn length(&mut self, _: Handle<File>) -> Result<u64, String> {
            Err(String::new())
        }
        fn numbers(&mut self, from: u64, to: u64) -> sandbox_spawn::call::Stream<'_, u64> {
            sandbox_spawn::call::Stream::new((from..to).inspect(|number| {
                if *number == 3 {
                    std::panic::resume_unwind(Box::new("three"));
                }
            }))
        }
        fn files(
            &mut self,
            _: u32,
            _: bool,
        ) -> Result<sandbox_spawn::call::Stream<'_, Handle<std::os::fd::OwnedFd>>, String> {
            Err(String::new())
        }
        fn panic(&mut self, _: String) {
            // Neither text nor number.
            std::panic::resume_unwind(Box::new(BadPanic))
        }
        fn bytes(&mut self, _: usize) -> Vec<u8> {
            Vec::new()
        }
        fn wait_until_cancelled(&mut self) -> u64 {
            0
        }
        fn names(&self, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) -> u32 {
            0
        }
        fn r#type(&self) {}
    }
    /// Panics again when it is dropped.
    struct BadPanic;
    impl Drop for BadPanic {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("again"));
        }
    }
    let (client, server) = serving(Panics);
    let items: Vec<_> = client.numbers(0, 10).expect("a stream").collect();
    assert_eq!(items.len(), 4);
    assert!(
        matches!(&items[3], Err(CallError::Panicked { message, .. }) if message == "three"),
        "{items:?}"
    );
    match client.panic(String::new()) {
        Err(CallError::Panicked { message, .. }) => assert!(message.contains("without")),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.add(1).expect("it goes on"), 1);
    drop(client);
    server.join().expect("no panic").expect("an honest client");
}

struct Known(Fate, AtomicBool);

impl Peer for Known {
    fn name(&self) -> &'static str {
        "known"
    }

    fn kill(&self) {}

    fn fate(&self, within: Duration) -> Option<Fate> {
        assert!(within > Duration::ZERO && within <= Duration::from_secs(1));
        self.1.store(true, SeqCst);
        Some(self.0.clone())
    }
}

#[test]
fn errors_tell_how_the_worker_ended() {
    let end = End::Signalled { signal: 11, core: false };
    for fate in [Fate::Died(end), Fate::Violation(Violation::Forbidden)] {
        let (here, there) = Frames::pair().expect("a pair");
        let peer = Arc::new(Known(fate.clone(), AtomicBool::new(false)));
        let client = WorkClient::new(here, Arc::<Known>::clone(&peer));
        let waiting = client.within(LONG);
        let waiting = waiting.begin_add(1).expect("sent");
        drop(there);
        for error in [waiting.wait().expect_err("dead"), client.add(1).expect_err("dead")] {
            assert!(error.is_fatal());
            match (&fate, error) {
                (Fate::Died(end), CallError::Died { compartment, end: told }) => {
                    assert_eq!((&*compartment, told), ("known", *end));
                }
                (Fate::Violation(what), CallError::Violation { what: told, .. }) => {
                    assert_eq!(*what, told);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(peer.1.load(SeqCst));
    }
}

#[test]
fn all_who_wait_learn_that_the_worker_is_gone() {
    let (here, there) = Frames::pair().expect("a pair");
    let client = WorkClient::from(Client::named(here, "gone"));
    let waiting = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            let (client, waiting) = (client.clone(), Arc::clone(&waiting));
            scope.spawn(move || {
                // Without a deadline.
                let reply = client.begin_add(1).expect("sent");
                waiting.fetch_add(1, SeqCst);
                assert!(matches!(reply.wait(), Err(CallError::Closed { .. })));
            });
        }
        while waiting.load(SeqCst) < 8 {
            thread::yield_now();
        }
        drop(there);
    });
}

#[test]
fn an_in_process_service_is_the_same_as_any() {
    let client = WorkClient::in_process(Honest { sum: 1 }).expect("debug assertions");
    assert_eq!(client.add(1).expect("a sum"), 2);
    assert_eq!(client.client().name(), "Work");
    assert!(client.client().bytes() > 0);
    let served = WorkServer;
    assert_eq!(format!("{served:?}"), "WorkServer");
}
