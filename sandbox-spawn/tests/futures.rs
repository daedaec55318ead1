//! Calls as futures.

mod support;

use std::{sync::mpsc, thread, time::Duration};

use capsicum_channel::{Error, Frames};
use sandbox_spawn::{
    CallError,
    call::{AsyncClient, IN_FLIGHT},
};
use support::{Chance, Honest, LONG, WorkAsyncClient, WorkServer, call};
use tokio::runtime::{Builder, Runtime};

type Server<T> = thread::JoinHandle<T>;

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn honest() -> (WorkAsyncClient, Server<Result<(), Error>>) {
    let (here, there) = Frames::pair().expect("a pair");
    let server = thread::spawn(move || WorkServer::serve(there, Honest::default()));
    (WorkAsyncClient::named(here, "worker").expect("a runtime").within(LONG), server)
}

/// Within a runtime of one thread: whoever blocks blocks all.
fn run<T>(test: impl AsyncFnOnce() -> T) -> T {
    let runtime = one_thread();
    let result = runtime.block_on(async { tokio::time::timeout(LONG, test()).await });
    result.expect("it hangs")
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let (here, _there) = Frames::pair().expect("a pair");
    assert!(matches!(AsyncClient::named(here, "none"), Err(Error::System { .. })));
}

#[test]
fn calls_are_futures() {
    run(async || {
        let (client, server) = honest();
        assert_eq!(client.add(40).await.expect("a sum"), 40);
        let (one, two) = tokio::join!(client.add(1), client.add(1));
        assert_eq!((one.expect("a sum"), two.expect("a sum")), (41, 42));
        match client.divide(1, 0).await {
            Err(CallError::Remote { error, .. }) => assert_eq!(error, "by zero"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(
            client.panic("no".to_owned()).await,
            Err(CallError::Panicked { message, .. }) if message == "no"
        ));
        let large = client.panic("x".repeat(70_000)).await;
        assert!(matches!(large, Err(CallError::Unsent { .. })));
        assert_eq!(client.client().name(), "worker");
        drop(client);
        tokio::task::spawn_blocking(|| server.join().expect("no panic").expect("honest"))
            .await
            .expect("no panic");
    });
}

#[test]
fn a_future_that_is_dropped_gives_its_call_up() {
    run(async || {
        let (client, _server) = honest();
        for millis in [0, 1, 5, 20] {
            let call = client.wait_until_cancelled();
            let ended = tokio::time::timeout(Duration::from_millis(millis), call).await;
            assert!(ended.is_err());
            assert_eq!(client.divide(6, 2).await.expect("the next one"), 3);
        }
        let brief = client.within(Duration::from_millis(10));
        let ended = brief.wait_until_cancelled().await;
        assert!(matches!(ended, Err(CallError::Deadline { .. })), "{ended:?}");
        assert_eq!(client.add(1).await.expect("the next one"), 1);
    });
}

#[test]
fn more_calls_than_the_server_takes_at_once_and_more_bytes_than_the_buffers_hold() {
    run(async || {
        let (client, _server) = honest();
        let calls: Vec<_> = (0..3 * IN_FLIGHT)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.bytes(20_000).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.expect("no panic").expect("bytes").len(), 20_000);
        }
    });
}

/// FreeBSD 15 takes a part of the last call that has room, whose rest the driver sends.
#[test]
fn large_calls_that_a_busy_server_does_not_take_end_by_their_deadline_and_the_connection_goes_on() {
    let (here, there) = Frames::pair().expect("a pair");
    let (go, busy) = mpsc::channel();
    let server = thread::spawn(move || {
        busy.recv().expect("the test");
        WorkServer::serve(there, Honest::default())
    });
    run(async || {
        let client = WorkAsyncClient::named(here, "busy").expect("a runtime").within(LONG);
        let soon = client.within(Duration::from_millis(50));
        let mut calls = Vec::new();
        for _ in 0..IN_FLIGHT / 2 {
            let soon = soon.clone();
            calls.push(tokio::spawn(async move { soon.panic("y".repeat(60_000)).await }));
        }
        for call in calls {
            let ended = call.await.expect("no panic");
            assert!(matches!(ended, Err(CallError::Deadline { .. })), "{ended:?}");
        }
        let waiting = client.panic("y".repeat(60_000));
        let next = async {
            tokio::task::yield_now().await;
            go.send(()).expect("the server");
            client.add(5).await
        };
        let (one, two) = tokio::join!(waiting, next);
        assert!(matches!(one, Err(CallError::Panicked { .. })), "{one:?}");
        assert_eq!(two.expect("an answer"), 5);
    });
    server.join().expect("no panic").expect("an honest client");
}

#[test]
fn a_large_call_to_a_slow_server_is_sent_while_its_answer_is_waited_for() {
    const MANY: usize = 30;
    let (here, mut there) = Frames::pair().expect("a pair");
    let server = thread::spawn(move || {
        for _ in 0..MANY {
            // Slower than they are sent.
            thread::sleep(Duration::from_millis(1));
            call(&mut there).expect("a call");
        }
    });
    run(async || {
        let client = WorkAsyncClient::named(here, "slow").expect("a runtime").within(LONG);
        let calls: Vec<_> = (0..MANY)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.panic("y".repeat(50_000)).await })
            })
            .collect();
        for call in calls {
            let ended = call.await.expect("no panic");
            assert!(matches!(ended, Err(CallError::Closed { .. })), "{ended:?}");
        }
    });
    server.join().expect("no panic");
}

#[test]
fn streams_are_read_item_by_item() {
    run(async || {
        let (client, _server) = honest();
        let mut items = client.numbers(0, 1000).await.expect("a stream");
        let mut expected = 0;
        loop {
            // Dropped before it is done it loses nothing.
            let impatient = tokio::time::timeout(Duration::ZERO, items.next()).await;
            let item = match impatient {
                Ok(item) => item,
                Err(_) => items.next().await,
            };
            match item {
                None => break,
                Some(item) => assert_eq!(item.expect("an item"), expected),
            }
            expected += 1;
        }
        assert_eq!(expected, 1000);
        let mut endless = client.numbers(0, u64::MAX).await.expect("a stream");
        assert!(endless.next().await.is_some());
        drop(endless);
        assert!(client.add(0).await.is_ok());
        assert!(matches!(client.files(1, true).await, Err(CallError::Remote { .. })));
        let mut files = client.files(3, false).await.expect("a stream");
        while let Some(file) = files.next().await {
            file.expect("a file");
        }
    });
}

#[test]
fn many_tasks_on_many_threads_share_a_connection() {
    let runtime =
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, _server) = honest();
        let tasks: Vec<_> = (1..=8)
            .map(|number| {
                let client = client.clone();
                tokio::spawn(async move {
                    let mut chance = Chance(number);
                    for round in 0..200 {
                        match chance.below(4) {
                            0 => {
                                let wait = Duration::from_micros(chance.below(200));
                                let _ = tokio::time::timeout(wait, client.divide(1, 1)).await;
                            }
                            1 => {
                                let mut items = client.numbers(0, 40).await.expect("a stream");
                                for expected in 0..chance.below(50).min(40) {
                                    let item = items.next().await.expect("an item");
                                    assert_eq!(item.expect("an item"), expected);
                                }
                            }
                            _ => {
                                let answer = client.divide(round, 1).await;
                                assert_eq!(answer.expect("an answer"), round);
                            }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            tokio::time::timeout(LONG, task).await.expect("it hangs").expect("no panic");
        }
    });
}

#[test]
fn without_the_runtime_that_receives_a_call_has_an_error() {
    let first = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let first = first.expect("a runtime");
    let (here, mut there) = Frames::pair().expect("a pair");
    let client = first.block_on(async { WorkAsyncClient::named(here, "worker") });
    let client = client.expect("a runtime").within(LONG);
    // A server that does not answer.
    let received = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let has_it = std::sync::Arc::clone(&received);
    let server = thread::spawn(move || {
        let call = there.receive(Some(std::time::Instant::now() + LONG));
        has_it.store(call.is_ok(), std::sync::atomic::Ordering::SeqCst);
        let _ = there.receive(None);
    });
    run(async || {
        let mut waits = std::pin::pin!(client.add(1));
        std::future::poll_fn(|context| {
            assert!(waits.as_mut().poll(context).is_pending(), "it was answered");
            context.waker().wake_by_ref();
            if received.load(std::sync::atomic::Ordering::SeqCst) {
                return std::task::Poll::Ready(());
            }
            std::task::Poll::Pending
        })
        .await;
        let ended = tokio::task::spawn_blocking(move || drop(first));
        let result = waits.await;
        assert!(matches!(result, Err(CallError::Closed { .. })), "{result:?}");
        ended.await.expect("no panic");
        let again = client.add(1).await;
        assert!(matches!(again, Err(CallError::Closed { .. })), "{again:?}");
    });
    drop(client);
    server.join().expect("no panic");
}
