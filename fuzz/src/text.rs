//! Rights and limits as text and as JSON. The library's tests drive this too.

use capsicum_rs::{Limits, Rights};

/// Panics where something that can be read is written so that it does not read the same.
pub(crate) fn round_trip(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Rights>() {
        Ok(rights) => assert_eq!(rights.to_string().parse(), Ok(rights), "{text}"),
        Err(error) => assert!(text.contains(&error.name), "{text}: {error}"),
    }
    if let Ok(rights) = serde_json::from_str::<Rights>(text) {
        let json = serde_json::to_string(&rights).expect("rights are a string");
        assert_eq!(serde_json::from_str::<Rights>(&json).ok(), Some(rights), "{text}");
    }
    if let Ok(limits) = serde_json::from_str::<Limits>(text) {
        let json = serde_json::to_string(&limits).expect("limits have names for fields");
        assert_eq!(serde_json::from_str::<Limits>(&json).ok().as_ref(), Some(&limits), "{text}");
        // What is shown of them is for people; it must not fail.
        assert!(!limits.to_string().is_empty());
        assert!(limits.contains(&limits) && limits.intersection(&limits) == limits);
    }
}
