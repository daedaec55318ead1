//! Types whose serialisation panics. It is the end of one call, and of nothing else.

mod support;

use std::{
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    thread::{self, JoinHandle},
};

use capsicum_channel::{Error, Frames, Handle};
use sandbox_spawn::{CallError, call::Client, service};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use support::{LONG, free_numbers, null};

/// When it panics.
const NEVER: u8 = 0;
const SENT: u8 = 1;
const RECEIVED: u8 = 2;

struct Fragile(u8);

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == SENT {
            // No hook runs.
            resume_unwind(Box::new("sent"));
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            RECEIVED => resume_unwind(Box::new("received")),
            when => Ok(Self(when)),
        }
    }
}

#[service]
trait Careless {
    fn take(&mut self, before: Handle<OwnedFd>, fragile: Fragile, after: Handle<OwnedFd>) -> u32;
    fn give(&mut self, when: u8) -> (Handle<OwnedFd>, Fragile, Handle<OwnedFd>);
}

#[derive(Default)]
struct Counting(u32);

impl Careless for Counting {
    fn take(&mut self, _: Handle<OwnedFd>, _: Fragile, _: Handle<OwnedFd>) -> u32 {
        self.0 += 1;
        self.0
    }

    fn give(&mut self, when: u8) -> (Handle<OwnedFd>, Fragile, Handle<OwnedFd>) {
        (Handle::new(null()), Fragile(when), Handle::new(null()))
    }
}

fn serving() -> (CarelessClient, JoinHandle<Result<(), Error>>) {
    let (here, there) = Frames::pair().expect("a pair");
    let server = thread::spawn(move || CarelessServer::serve(there, Counting::default()));
    (CarelessClient::from(Client::named(here, "careless")).within(LONG), server)
}

fn take(client: &CarelessClient, when: u8) -> Result<u32, CallError> {
    client.take(Handle::new(null()), Fragile(when), Handle::new(null()))
}

fn panics<T>(run: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "no panic");
}

// The tests count descriptors, and so run one after another.
#[test]
fn types_that_panic() {
    let before = free_numbers();
    for case in [here, there, among_calls_of_one_thread, among_calls_of_many_threads] {
        let (client, server) = serving();
        case(&client);
        drop(client);
        server.join().expect("no panic").expect("an honest client");
        assert_eq!(free_numbers(), before, "something was left open");
    }
}

/// In the process that calls it is a panic of the call.
fn here(client: &CarelessClient) {
    panics(|| take(client, SENT));
    assert_eq!(take(client, NEVER).expect("as before"), 1);
    panics(|| client.give(RECEIVED));
    assert_eq!(take(client, NEVER).expect("as before"), 2);
    let given = client.give(NEVER).expect("as before");
    assert_eq!(given.1.0, NEVER);
}

/// In the worker it is the answer to the call.
fn there(client: &CarelessClient) {
    let message = |error| match error {
        CallError::Panicked { message, .. } => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(message(take(client, RECEIVED).expect_err("a panic")), "received");
    assert_eq!(take(client, NEVER).expect("as before"), 1);
    assert_eq!(message(client.give(SENT).map(drop).expect_err("a panic")), "sent");
    assert_eq!(take(client, NEVER).expect("as before"), 2);
}

fn among_calls_of_one_thread(client: &CarelessClient) {
    let begin = |when| client.begin_give(when).expect("sent");
    // The first is received by who waits for it, where it is; the last is kept until it is waited for.
    let (first, second, last) = (begin(RECEIVED), begin(NEVER), begin(RECEIVED));
    panics(|| first.wait());
    assert_eq!(take(client, NEVER).expect("after those before it"), 1);
    assert_eq!(second.wait().expect("its own").1.0, NEVER);
    panics(|| last.wait());
    assert_eq!(take(client, NEVER).expect("as before"), 2);
}

/// Who panics has the answers of others to receive, and does not keep them from it.
fn among_calls_of_many_threads(client: &CarelessClient) {
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for call in 0..50 {
                    if (thread + call) % 3 == 0 {
                        panics(|| client.give(RECEIVED));
                    } else {
                        assert_eq!(client.give(NEVER).expect("its own").1.0, NEVER);
                    }
                }
            });
        }
    });
}
