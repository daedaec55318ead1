//! x
pub(crate) struct Bait;
