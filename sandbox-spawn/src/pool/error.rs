//! What can become of a call of a pool.

use std::convert::Infallible;

use crate::CallError;

/// Why a call of a pool has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError<E = Infallible> {
    /// A worker had the call.
    #[error(transparent)]
    Call(CallError<E>),
    /// Every worker is busy or may not be started yet, and as many calls wait already as may.
    #[error("every worker is busy, and no more calls may wait")]
    Full,
    /// The deadline passed before there was a worker.
    #[error("no worker was free before the deadline")]
    Deadline,
    /// The input has killed two workers.
    #[error("the input has killed two workers, and is not tried again")]
    Quarantined,
    /// The pool takes no more calls.
    #[error("the pool is draining")]
    Draining,
    /// A worker could not be started.
    #[error("a worker could not be started: {0}")]
    Start(Box<dyn std::error::Error + Send + Sync>),
}
