//! What `fuzz/` drives, in its builds only.

/// Panics where the filter of a policy, both made of these bytes, is not what the model says.
pub fn filter(data: &[u8]) {
    crate::sys::fuzzing::filter(data);
}
