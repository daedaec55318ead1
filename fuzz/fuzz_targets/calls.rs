//! Both ends of calls against an end that sends anything: the first byte says which.
#![no_main]

#[path = "../src/open.rs"]
mod open;

use libfuzzer_sys::fuzz_target;
use sandbox_spawn::call::fuzzing;

fuzz_target!(|data: &[u8]| {
    let before = open::lowest_free();
    match data.split_first() {
        Some((first, steps)) if first % 2 == 0 => fuzzing::exchange(steps),
        Some((_, frames)) => fuzzing::server(frames),
        None => {}
    }
    assert_eq!(open::lowest_free(), before, "something was left open");
});
