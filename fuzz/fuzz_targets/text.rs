//! Rights and limits as text and as JSON: whatever is read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/text.rs"]
mod text;

fuzz_target!(|data: &[u8]| text::round_trip(data));
