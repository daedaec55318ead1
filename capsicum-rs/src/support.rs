//! What the running kernel enforces, right by right.

use crate::{Containment, Rights, sys};

/// What the running kernel enforces and why not more. Probing changes nothing.
///
/// ```
/// use capsicum_rs::{Enforcement, Rights, Support};
///
/// let support = Support::probe();
/// println!("{}: {}", support.system, support.containment);
/// for right in &support.rights {
///     println!("{:16} {:?}", right.name, right.enforcement);
/// }
/// assert!(matches!(support.right(Rights::READ), Some(Enforcement::Enforced { .. })));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Support {
    /// The system and its release.
    pub system: String,
    /// The best level that [`Sandbox::enter`](crate::Sandbox::enter) reaches from here.
    pub containment: Containment,
    /// The levels of this system, worst first.
    pub levels: Vec<Level>,
    /// The kernel mechanisms that the levels stand on.
    pub mechanisms: Vec<Mechanism>,
    /// Every right of rights(4).
    pub rights: Vec<RightSupport>,
}

/// A level of containment, and whether it is to be had.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Level {
    /// The level.
    pub containment: Containment,
    /// Why it is not to be had and what would change that; `None` where it is.
    pub lacks: Option<String>,
}

/// A mechanism of the kernel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mechanism {
    /// Its name, as in its manual page.
    pub name: &'static str,
    /// What was found: a version, or `Err` with the reason for its absence.
    pub state: Result<String, String>,
}

/// A right, and what becomes of it at the best level.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RightSupport {
    /// Its name in rights(4), without `CAP_`.
    pub name: &'static str,
    /// The right.
    pub right: Rights,
    /// What becomes of it.
    pub enforcement: Enforcement,
}

/// What becomes of a right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enforcement {
    /// Its operations work with it and are refused without it.
    Enforced {
        /// The operations, as their system calls are named.
        operations: Vec<&'static str>,
    },
    /// Its operations are refused with it as well as without it: safe, and of no use.
    Refused {
        /// Why.
        reason: String,
    },
    /// This system has no operation that the right is about.
    NoOperation,
}

impl Support {
    /// Asks the running kernel.
    #[must_use]
    pub fn probe() -> Self {
        sys::support()
    }

    /// What becomes of one right; `None` for a set that is no right of its own.
    #[must_use]
    pub fn right(&self, right: Rights) -> Option<&Enforcement> {
        self.rights.iter().find(|row| row.right == right).map(|row| &row.enforcement)
    }
}
