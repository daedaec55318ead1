//! What a call takes of memory, on both sides: nothing but what its values hold.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use capsicum_channel::Frames;
use sandbox_spawn::{call::Client, service};

static MADE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: it is the system's allocator, and counts beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MADE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: says the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: says the caller.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[service]
trait Adder {
    fn add(&mut self, number: [u64; 8]) -> [u64; 8];
    fn text(&mut self, number: u64) -> String;
}

struct Sum(u64);

impl Adder for Sum {
    fn add(&mut self, number: [u64; 8]) -> [u64; 8] {
        self.0 += number.iter().sum::<u64>();
        [self.0; 8]
    }

    fn text(&mut self, number: u64) -> String {
        number.to_string()
    }
}

#[test]
fn a_call_allocates_what_its_values_hold_and_no_more() {
    const CALLS: usize = 1_000;
    if cfg!(capsicum_parts) {
        println!(
            "SKIPPED: a call's allocations: each part is one, where frames go in parts for tests"
        );
        return;
    }
    let (here, there) = Frames::pair().expect("a pair");
    let server = thread::spawn(move || AdderServer::serve(there, Sum(0)));
    let adder = AdderClient::from(Client::named(here, "adder"));
    let made = |call: &dyn Fn()| {
        // Buffers are made once.
        call();
        let before = MADE.load(Ordering::Relaxed);
        (0..CALLS).for_each(|_| call());
        MADE.load(Ordering::Relaxed) - before
    };
    // What the test's harness does beside it is no thousand.
    let none = made(&|| assert_ne!(adder.add([1; 8]).expect("an answer"), [0; 8]));
    assert!(none < CALLS / 2, "{none}");
    let begun = made(&|| {
        let (one, two) = (adder.begin_add([1; 8]).expect("sent"), adder.begin_add([1; 8]));
        assert_ne!(one.wait().expect("an answer"), two.expect("sent").wait().expect("an answer"));
    });
    assert!(begun < CALLS / 2, "{begun}");
    // One where it is made, another where it is received.
    let texts = made(&|| assert_eq!(adder.text(7).expect("an answer"), "7"));
    assert!((2 * CALLS..2 * CALLS + CALLS / 2).contains(&texts), "{texts}");
    drop(adder);
    server.join().expect("no panic").expect("an honest client");
}
