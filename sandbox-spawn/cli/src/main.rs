//! `sandbox-spawn`.
fn main() {}
