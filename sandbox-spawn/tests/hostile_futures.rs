//! A server that means harm, against calls that are futures. The one test counts descriptors, and so
//! is alone.

mod support;

use std::{thread, time::Instant};

use capsicum_channel::Frames;
use sandbox_spawn::CallError;
use support::{LONG, WorkAsyncClient, call, free_numbers, kind, throw};
use tokio::runtime::Builder;

fn against<T: Send + 'static>(
    server: impl FnOnce(&mut Frames) -> T + Send + 'static,
) -> (WorkAsyncClient, thread::JoinHandle<T>) {
    let (here, mut there) = Frames::pair().expect("a pair");
    let server = thread::spawn(move || server(&mut there));
    (WorkAsyncClient::named(here, "hostile").expect("a runtime").within(LONG), server)
}

#[test]
fn a_hostile_server_harms_no_task() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let before = free_numbers();
        for attack in 0..5 {
            let (client, server) = against(move |frames| {
                let id = call(frames).expect("a call");
                match attack {
                    0 => drop(throw(frames, kind::REPLY, id + 1, &[0, 1], 0)),
                    1 => drop(throw(frames, kind::REPLY, id, &[77], 0)),
                    2 => drop(throw(frames, kind::REPLY, id, &[0, 1], 5)),
                    3 => drop(throw(frames, kind::END, id, &[], 0)),
                    // It goes.
                    _ => return,
                }
                // It stays, so that it is not the end that is found.
                while frames.receive(None).is_ok() {}
            });
            let (one, two) = tokio::join!(client.add(1), client.add(2));
            for result in [one, two] {
                match (attack, result.expect_err("hostile")) {
                    (0..4, CallError::Protocol { .. }) | (4, CallError::Closed { .. }) => {}
                    other => panic!("{other:?}"),
                }
            }
            drop(client);
            tokio::task::spawn_blocking(|| server.join().expect("no panic"))
                .await
                .expect("no panic");
        }
        // The task that receives is ended by the runtime, soon.
        let deadline = Instant::now() + LONG;
        while free_numbers() != before {
            assert!(Instant::now() < deadline, "something was left open");
            tokio::task::yield_now().await;
        }
    });
}
