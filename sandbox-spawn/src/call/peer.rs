//! What a client knows of the process at the other end.

use std::{fmt, sync::Arc, time::Duration};

use crate::{End, Violation};

/// How a worker ended, for those who were calling it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It has died.
    Died(End),
    /// It did what the system punishes by death: what, as far as that is known.
    Violation(Violation),
}

impl From<End> for Fate {
    fn from(end: End) -> Self {
        end.violation().map_or(Self::Died(end), Self::Violation)
    }
}

/// The worker at the other end of a connection: what has a name for errors, can be ended, and can
/// tell how it did.
pub trait Peer: Send + Sync {
    /// The name of the compartment.
    fn name(&self) -> &str;

    /// Ends the worker at once. One that has ended already is left alone.
    fn kill(&self);

    /// How it ended, if it has, or does so within this time. `None` where nobody knows.
    ///
    /// It is asked when the connection has been closed, which a dying process does before others
    /// can learn of its death; so a moment should be spent on waiting.
    fn fate(&self, within: Duration) -> Option<Fate>;
}

/// A peer of which nothing is known but its name.
pub(crate) struct Named(Arc<str>);

impl Named {
    pub(crate) fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl Peer for Named {
    fn name(&self) -> &str {
        &self.0
    }

    fn kill(&self) {}

    fn fate(&self, _within: Duration) -> Option<Fate> {
        None
    }
}

impl fmt::Debug for dyn Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.name()).finish()
    }
}
