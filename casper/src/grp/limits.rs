//! What of the group database a channel may ask for.

use serde::{Deserialize, Serialize};

use crate::{
    Limits,
    database::{self, Chosen},
};

bitflags::bitflags! {
    /// How groups may be looked up: the commands of cap_grp(3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Commands: u8 {
        /// By name: getgrnam(3).
        const NAME = 1;
        /// By number: getgrgid(3).
        const GID = 1 << 1;
        /// One after another: getgrent(3).
        const ENUMERATE = 1 << 2;
    }

    /// What may be known of a group: the fields of cap_grp(3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Fields: u8 {
        /// `gr_name`
        const NAME = 1;
        /// `gr_passwd`
        const PASSWORD = 1 << 1;
        /// `gr_gid`
        const GID = 1 << 2;
        /// `gr_mem`
        const MEMBERS = 1 << 3;
    }
}

/// The most names, and the most numbers, that limits have.
pub const MOST_GROUPS: usize = database::MOST;

/// Groups that are allowed by one or the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allowed {
    pub(crate) names: Vec<String>,
    pub(crate) gids: Vec<u32>,
}

/// What a channel may ask of the group database: by which commands, which fields, of which groups.
///
/// A group that is not allowed is one that there is not: looking it up finds nothing, and enumerating
/// leaves it out.
///
/// ```
/// use casper::{Limits, grp::{Commands, Fields, GrpLimits}};
///
/// let limits = GrpLimits::unlimited()
///     .commands(Commands::NAME)
///     .fields(Fields::GID | Fields::MEMBERS)
///     .groups(["www", "staff"], [20]);
/// # let _ = limits;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct GrpLimits {
    pub(crate) commands: Commands,
    pub(crate) fields: Fields,
    /// `None`: all.
    pub(crate) groups: Option<Allowed>,
}

impl GrpLimits {
    /// By these commands only.
    pub fn commands(self, commands: Commands) -> Self {
        Self { commands, ..self }
    }

    /// These fields only; the others are `None`.
    pub fn fields(self, fields: Fields) -> Self {
        Self { fields, ..self }
    }

    /// Groups with one of these names, or one of these numbers, only: of each [`MOST_GROUPS`] at most.
    pub fn groups<'a>(
        self,
        names: impl IntoIterator<Item = &'a str>,
        gids: impl IntoIterator<Item = u32>,
    ) -> Self {
        let names = names.into_iter().map(str::to_owned).collect();
        Self { groups: Some(Allowed { names, gids: gids.into_iter().collect() }), ..self }
    }

    pub(crate) fn allows(&self, command: Commands) -> bool {
        self.commands.contains(command)
    }

    fn chosen(&self) -> Option<Chosen<'_>> {
        let groups = self.groups.as_ref()?;
        Some(Chosen { names: &groups.names, numbers: &groups.gids })
    }

    /// Whether a group of this name and number is allowed.
    pub(crate) fn allows_group(&self, name: &[u8], gid: u32) -> bool {
        Chosen::has(self.chosen(), name, gid)
    }

    pub(crate) fn shows(&self, field: Fields) -> bool {
        self.fields.contains(field)
    }
}

impl Limits for GrpLimits {
    fn unlimited() -> Self {
        Self { commands: Commands::all(), fields: Fields::all(), groups: None }
    }

    fn narrows(&self, new: &Self) -> bool {
        Chosen::narrow(self.chosen(), new.chosen())
            && self.commands.contains(new.commands)
            && self.fields.contains(new.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_only_narrows() {
        let all = GrpLimits::unlimited();
        let some = all
            .clone()
            .commands(Commands::NAME)
            .fields(Fields::GID | Fields::NAME)
            .groups(["a", "b"], [1, 2]);
        assert!(all.narrows(&some) && some.narrows(&some));
        assert!(!some.narrows(&all));
        assert!(!some.narrows(&some.clone().commands(Commands::GID)));
        assert!(!some.narrows(&some.clone().fields(Fields::all())));
        assert!(!some.narrows(&some.clone().groups(["a", "c"], [])));
        assert!(!some.narrows(&some.clone().groups(["a"], [3])));
        assert!(some.narrows(&some.clone().groups(["b"], [1])));
        assert!(some.narrows(&some.clone().groups([], [])));
        assert!(!some.narrows(&GrpLimits { groups: None, ..some.clone() }));
        assert!(!all.narrows(&all.clone().groups([], 0..=1024)));
        assert!(!all.narrows(&all.clone().groups(vec!["a"; 1025], [])));
        // Bits that nothing knows.
        assert!(!all.narrows(&all.clone().commands(Commands::from_bits_retain(0x80))));
    }

    #[test]
    fn a_group_is_allowed_by_name_or_number() {
        let limits = GrpLimits::unlimited().groups(["a"], [7]);
        assert!(limits.allows_group(b"a", 1) && limits.allows_group(b"b", 7));
        assert!(!limits.allows_group(b"b", 1) && !limits.allows_group(b"", 0));
        assert!(!GrpLimits::unlimited().groups([], []).allows_group(b"wheel", 0));
    }
}
