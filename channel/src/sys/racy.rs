//! Copying out of and into memory that another process may be writing at the same time.
//!
//! Ordinary loads and stores would be a data race. Each of these is atomic and ordered with
//! nothing: what is copied may be any mixture of old and new, and no more harm than that.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use super::Mapping;

const WORD: usize = size_of::<u64>();

/// The bytes of a mapping from `offset`, as atomics: single ones up to a boundary of words, words,
/// and what is left. The caller has checked the range.
fn parts(map: &Mapping, offset: usize, length: usize) -> (&[AtomicU8], &[AtomicU64], &[AtomicU8]) {
    assert!(offset.checked_add(length).is_some_and(|end| end <= map.len()));
    // SAFETY: the range lies within the mapping, which lives as long as the result; atomics may be
    // read and written by anyone at any time.
    unsafe {
        let bytes = std::slice::from_raw_parts(map.at().cast::<AtomicU8>().add(offset), length);
        bytes.align_to::<AtomicU64>()
    }
}

/// Copies out of the memory.
pub(crate) fn load(map: &Mapping, offset: usize, into: &mut [u8]) {
    let (first, words, last) = parts(map, offset, into.len());
    let (head, rest) = into.split_at_mut(first.len());
    let (middle, tail) = rest.split_at_mut(words.len() * WORD);
    for (to, from) in head.iter_mut().zip(first).chain(tail.iter_mut().zip(last)) {
        *to = from.load(Relaxed);
    }
    for (to, from) in middle.chunks_exact_mut(WORD).zip(words) {
        to.copy_from_slice(&from.load(Relaxed).to_ne_bytes());
    }
}

/// Copies into the memory, which is mapped for writing.
pub(crate) fn store(map: &Mapping, offset: usize, from: &[u8]) {
    let (first, words, last) = parts(map, offset, from.len());
    let (head, rest) = from.split_at(first.len());
    let (middle, tail) = rest.split_at(words.len() * WORD);
    for (from, to) in head.iter().zip(first).chain(tail.iter().zip(last)) {
        to.store(*from, Relaxed);
    }
    for (from, to) in middle.chunks_exact(WORD).zip(words) {
        let mut word = [0; WORD];
        word.copy_from_slice(from);
        to.store(u64::from_ne_bytes(word), Relaxed);
    }
}
