//! What a pool has done.

use super::Latency;

/// What a pool has done since it was built, and does now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls that a worker had, however they ended.
    pub calls: u64,
    /// Of those, the ones that ended with an error of the method.
    pub remote_errors: u64,
    /// Of those, the ones whose method panicked.
    pub panics: u64,
    /// Of those, the ones that were ended by their deadline, and their worker with them.
    pub deadlines: u64,
    /// Of those, the ones in which the worker died or broke the protocol.
    pub deaths: u64,
    /// Calls that were refused because too many were waiting, or none may wait.
    pub full: u64,
    /// Calls that were refused because of their input.
    pub quarantined: u64,
    /// Workers that were started.
    pub starts: u64,
    /// Workers that could not be started.
    pub failed_starts: u64,
    /// Of the starts, those in the place of a worker that failed.
    pub restarts: u64,
    /// Workers that were ended after so many calls or bytes, or after a panic.
    pub recycled: u64,
    /// Workers that wait for a call, now.
    pub idle: usize,
    /// Workers that have a call, or are being started, now.
    pub busy: usize,
    /// Calls that wait for a worker, now.
    pub waiting: usize,
    /// How long calls took, from when they had a worker.
    pub latency: Latency,
}
