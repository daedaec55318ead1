//! Rights and limits as text and as JSON, by what `fuzz/` drives: arbitrary text, and text that is
//! near what is read.
#![cfg(feature = "serde")]

use capsicum_rs::{Fcntls, Ioctls, Limits, Rights};
use proptest::{collection, prelude::*, sample};

#[path = "../../fuzz/src/text.rs"]
mod text;

/// Names, separators and parts of JSON, in any order.
fn near() -> impl Strategy<Value = String> {
    let mut parts: Vec<String> = Rights::each().map(|(name, _)| name.to_owned()).collect();
    let others = [
        "|",
        "|",
        "|",
        " ",
        "\"",
        "\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "ALL",
        "NONE",
        "All",
        "Only",
        "rights",
        "fcntls",
        "ioctls",
        "GETFL",
        "SETFL",
        "0",
        "1",
        "4294967295",
        "-1",
        "\\u0000",
    ];
    parts.extend(others.map(str::to_owned));
    collection::vec(sample::select(parts), 0..20).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same(text in prop_oneof![".*", near()]) {
        text::round_trip(text.as_bytes());
        text::round_trip(format!("\"{text}\"").as_bytes());
    }

    #[test]
    fn limits_are_written_and_read(
        rights in any::<u128>(),
        fcntls in any::<u32>(),
        ioctls in prop::option::of(collection::btree_set(any::<u32>(), 0..9)),
    ) {
        let limits = Limits::from(Rights::from_bits_truncate(rights))
            .fcntls(Fcntls::from_bits_truncate(fcntls))
            .ioctls(ioctls.map_or(Ioctls::All, Ioctls::Only));
        let json = serde_json::to_string(&limits).expect("limits have names for fields");
        let read: Limits = serde_json::from_str(&json).expect("written by us");
        // Any bits may be parts of rights, which have no name: what is read is the rest.
        let named = Rights::each().filter(|(_, right)| limits.rights.contains(*right));
        let named = named.fold(Rights::NONE, |all, (_, right)| all | right);
        prop_assert_eq!(&read, &Limits { rights: named, ..limits });
        text::round_trip(json.as_bytes());
    }
}
