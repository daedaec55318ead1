//! Capsicum.
