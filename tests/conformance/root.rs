//! The level `Directories`: what its set-up leaves behind, and what it holds.

mod found;
mod hostile;
mod setup;
mod trees;

use capsicum_rs::Containment;

use crate::harness::Case;

pub(crate) fn cases() -> Vec<Case> {
    setup::cases()
        .into_iter()
        .chain(found::cases())
        .chain(hostile::cases())
        .chain(trees::cases())
        .map(|case| case.only(Containment::Directories))
        .collect()
}
