//! Shared parts of the cross-crate suites.
