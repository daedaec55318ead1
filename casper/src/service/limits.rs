//! Limits of a connection.

use serde::{Serialize, de::DeserializeOwned};

/// What a connection may ask for.
///
/// A new connection has [`unlimited`](Self::unlimited). The framework sets new limits where the old ones
/// [narrow](Self::narrows) to them, and refuses them otherwise, in the service's process.
pub trait Limits: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// Everything that the service does.
    fn unlimited() -> Self;

    /// Whether `new` allows nothing that these limits do not allow.
    ///
    /// `new` comes from a client that may mean harm: it is any value of the type at all.
    fn narrows(&self, new: &Self) -> bool;
}
