//! What is asked of the framework, beside the calls of a service.

use capsicum_channel::{Frames, Handle};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// A request to the framework.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "L: Serialize + serde::de::DeserializeOwned")]
pub(crate) enum Control<L> {
    /// Has the service started?
    Start,
    /// Limit the connection to this: cap_limit_set(3).
    Limit(L),
    /// What is it limited to? cap_limit_get(3)
    Limits,
    /// Another connection with the same limits: cap_clone(3).
    Clone,
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "L: Serialize + serde::de::DeserializeOwned")]
pub(crate) enum Told<L> {
    /// To `Start`.
    Started(Result<(), String>),
    /// To `Limit`.
    Limited(Result<(), Failure>),
    /// To `Limits`.
    Limits(L),
    /// To `Clone`.
    Cloned(Result<Handle<Frames>, Failure>),
}
