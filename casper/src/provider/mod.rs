//! Who provides services: their processes are this program's, or libcasper's.
//!
//! Each service of this crate holds a `Box<dyn Api>` of its module, whose methods are what a client may
//! ask; a provider implements it. `portable` does so for `Channel`s.

mod portable;

/// A provider.
#[derive(Clone, Debug)]
pub(crate) enum Provider {
    /// Each service is a process of this program's.
    Portable,
}
