//! The compiled filter and the plain model agree on a policy and calls made of the input.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| capsicum_rs::fuzzing::filter(data));
