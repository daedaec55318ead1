//! Under what a case runs.

use capsicum_rs::{Containment, Support};
use sandbox_spawn::{Builder, Compartment, Start};

pub(crate) const CASE: &str = "COMPARTMENTS_CASE";
pub(crate) const LEVEL: &str = "COMPARTMENTS_LEVEL";
pub(crate) const START: &str = "COMPARTMENTS_START";
/// A variable that no worker may find.
pub(crate) const SECRET: &str = "COMPARTMENTS_SECRET";
pub(crate) const SECRET_VALUE: &str = "a secret of the program";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) level: Containment,
    pub(crate) start: Start,
}

impl Setting {
    pub(crate) fn new(level: &str, start: &str) -> Result<Self, String> {
        let known = Support::probe().levels.into_iter().map(|level| level.containment);
        let level = known.into_iter().find(|known| known.to_string() == level);
        let start = match start {
            "Zygote" => Start::Zygote,
            "Exec" => Start::Exec,
            _ => Start::Fork,
        };
        Ok(Self { level: level.ok_or("no such level")?, start })
    }

    /// Makes the kernel look like one that offers this level and no better one.
    pub(crate) fn descend(self) -> std::io::Result<()> {
        crate::raw::hide_better_than(self.level)
    }

    /// A compartment at this level, started like this.
    pub(crate) fn builder(self, worker: &str) -> Builder {
        Compartment::builder(worker).start(self.start).require(self.level)
    }
}
