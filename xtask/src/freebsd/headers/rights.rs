//! The rights and the fcntl commands, both ways: each of ours is FreeBSD's, and FreeBSD has no
//! other.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use bitflags::Flags;
use capsicum_rs::{Fcntls, Rights};

use super::macros::Macros;

/// What begins like a right in `sys/capsicum.h` and is none.
const NO_RIGHTS: [&str; 5] = [
    "CAP_ALL0",       // all of word 0: compared with `Rights::ALL`
    "CAP_ALL1",       // all of word 1
    "CAP_UNUSED0_57", // the bits that are free yet
    "CAP_UNUSED1_22", //
    "CAP_UNUSED1_57", //
];

/// Another name of a right, kept for old sources.
const OLD_NAMES: [(&str, &str); 1] = [("CAP_POLL_EVENT", "EVENT")];

/// Rights that we have and the pinned headers lack, with the source they were taken from. The
/// headers of ziglang 0.17.1 are those of FreeBSD 15 and have them all.
const NOT_IN_HEADERS: [(&str, u128, &str); 0] = [];

/// How many rights are compared.
pub(super) fn count() -> usize {
    Rights::FLAGS.len()
}

/// How many fcntl commands are compared.
pub(super) fn fcntl_count() -> usize {
    Fcntls::FLAGS.len()
}

/// What differs.
pub(super) fn compare(capsicum: &Macros) -> Vec<String> {
    let rights = Rights::FLAGS.iter().map(|flag| (flag.name(), flag.value().bits()));
    let fcntls = Fcntls::FLAGS.iter().map(|flag| (flag.name(), flag.value().bits()));
    let mut faults = compare_rights(&rights.collect(), Rights::ALL.bits(), capsicum);
    faults.extend(compare_fcntls(&fcntls.collect(), capsicum));
    faults
}

fn compare_rights(ours: &BTreeMap<&str, u128>, all: u128, capsicum: &Macros) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, bits) in ours {
        let noted = NOT_IN_HEADERS.iter().find(|(noted, ..)| noted == name);
        match (capsicum.get(&format!("CAP_{name}")).map(|value| value.and_then(right)), noted) {
            (None, None) => faults.push(format!("right {name}: not in sys/capsicum.h")),
            (None, Some((_, value, source))) if value != bits => {
                faults.push(format!("right {name} is {bits:#x} here and {value:#x} in {source}"));
            }
            (None, Some(_)) => {}
            (Some(_), Some(_)) => faults.push(format!("right {name} is in sys/capsicum.h by now")),
            (Some(Ok(theirs)), None) if theirs == *bits => {}
            (Some(Ok(theirs)), None) => faults
                .push(format!("right {name} is {bits:#x} here and {theirs:#x} in sys/capsicum.h")),
            (Some(Err(error)), None) => faults.push(format!("right {name}: {error:#}")),
        }
    }
    for name in capsicum.names() {
        let Some(right) = name.strip_prefix("CAP_") else { continue };
        let other = right.starts_with("FCNTL_") || right == "IOCTLS_ALL";
        let old = OLD_NAMES.iter().any(|(old, new)| *old == name && ours.contains_key(new));
        if !other && !old && !NO_RIGHTS.contains(&name) && !ours.contains_key(right) {
            faults.push(format!("{name} of sys/capsicum.h is no right of ours"));
        }
    }
    let word = |name: &str| capsicum.get(name).and_then(|value| right(value.ok()?).ok());
    let newer = NOT_IN_HEADERS.iter().fold(0, |bits, (_, value, _)| bits | value);
    match (word("CAP_ALL0"), word("CAP_ALL1")) {
        (Some(low), Some(high)) if low | high | newer == all => {}
        (Some(low), Some(high)) => faults
            .push(format!("all rights are {all:#x} here and {:#x} in sys/capsicum.h", low | high)),
        _ => faults.push("CAP_ALL0 and CAP_ALL1 are not in sys/capsicum.h".to_owned()),
    }
    faults
}

fn compare_fcntls(ours: &BTreeMap<&str, u32>, capsicum: &Macros) -> Vec<String> {
    let mut faults = Vec::new();
    let mut compare = |name: &str, bits: u32| match capsicum.get(&format!("CAP_FCNTL_{name}")) {
        Some(Ok(theirs)) if theirs == i128::from(bits) => {}
        Some(Ok(theirs)) => faults.push(format!(
            "fcntl command {name} is {bits:#x} here and {theirs:#x} in sys/capsicum.h"
        )),
        Some(Err(error)) => faults.push(format!("fcntl command {name}: {error:#}")),
        None => faults.push(format!("fcntl command {name}: not in sys/capsicum.h")),
    };
    for (name, bits) in ours {
        compare(name, *bits);
    }
    compare("ALL", ours.values().fold(0, |all, bits| all | bits));
    for name in capsicum.names() {
        let Some(command) = name.strip_prefix("CAP_FCNTL_") else { continue };
        if command != "ALL" && !ours.contains_key(command) {
            faults.push(format!("{name} of sys/capsicum.h is no fcntl command of ours"));
        }
    }
    faults
}

/// A right of the header as ours has it: the word goes by the position of the bits, not by
/// FreeBSD's mark, which must be the one of a single word.
fn right(value: i128) -> Result<u128> {
    let value = u128::from(u64::try_from(value)?);
    let (mark, bits) = (value >> 57, value & ((1 << 57) - 1));
    ensure!(mark == 1 || mark == 2, "{value:#x} is in no word, or in two");
    Ok(bits << (64 * (mark - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "
#define CAPRIGHT(idx, bit) ((1ULL << (57 + (idx))) | (bit))
#define CAP_READ CAPRIGHT(0, 0x1ULL)
#define CAP_SEEK_TELL CAPRIGHT(0, 0x4ULL)
#define CAP_SEEK (CAP_SEEK_TELL | 0x8ULL)
#define CAP_PREAD (CAP_SEEK | CAP_READ)
#define CAP_ALL0 CAPRIGHT(0, 0xdULL)
#define CAP_UNUSED0_57 CAPRIGHT(0, 0x0100000000000000ULL)
#define CAP_EVENT CAPRIGHT(1, 0x20ULL)
#define CAP_POLL_EVENT CAP_EVENT
#define CAP_ALL1 CAPRIGHT(1, 0x20ULL)
#define CAP_ALL(rights) do { } while (0)
#define F_GETFL 3
#define CAP_FCNTL_GETFL (1 << F_GETFL)
#define CAP_FCNTL_ALL (CAP_FCNTL_GETFL)
#define CAP_IOCTLS_ALL SSIZE_MAX
";
    const OURS: [(&str, u128); 5] =
        [("READ", 1), ("SEEK_TELL", 4), ("SEEK", 0xc), ("PREAD", 0xd), ("EVENT", 0x20 << 64)];
    const ALL: u128 = (0x20 << 64) | 0xd;

    fn header() -> Macros {
        let mut macros = Macros::default();
        macros.add(HEADER).expect("a header");
        macros
    }

    #[test]
    fn the_same_rights_have_no_faults() {
        assert_eq!(compare_rights(&BTreeMap::from(OURS), ALL, &header()), [""; 0]);
        assert_eq!(compare_fcntls(&BTreeMap::from([("GETFL", 8)]), &header()), [""; 0]);
    }

    #[test]
    fn every_bit_that_is_wrong_is_found() {
        for (name, bits) in OURS {
            for bit in 0..128 {
                let mut ours = BTreeMap::from(OURS);
                ours.insert(name, bits ^ (1 << bit));
                assert_eq!(compare_rights(&ours, ALL, &header()).len(), 1, "{name}, bit {bit}");
            }
        }
        for bit in 0..32 {
            let ours = BTreeMap::from([("GETFL", 8 ^ (1 << bit))]);
            assert!(!compare_fcntls(&ours, &header()).is_empty(), "bit {bit}");
        }
    }

    #[test]
    fn a_right_that_only_one_side_has_is_found() {
        for (name, _) in OURS {
            let mut ours = BTreeMap::from(OURS);
            ours.remove(name);
            assert!(!compare_rights(&ours, ALL, &header()).is_empty(), "{name}");
        }
        let mut ours = BTreeMap::from(OURS);
        ours.insert("FLY", 0x1000);
        assert_eq!(compare_rights(&ours, ALL, &header()).len(), 1);
        assert_eq!(compare_rights(&BTreeMap::from(OURS), ALL | 2, &header()).len(), 1);
        assert_eq!(compare_fcntls(&BTreeMap::from([("GETFL", 8), ("X", 1)]), &header()).len(), 2);
        assert!(!compare_fcntls(&BTreeMap::new(), &header()).is_empty());
    }

    #[test]
    fn a_right_without_a_word_or_of_two_is_an_error() {
        assert!(right(0x1).is_err());
        assert!(right((3 << 57) | 1).is_err());
        assert_eq!(right((2 << 57) | 0x40).expect("word 1"), 0x40 << 64);
    }
}
