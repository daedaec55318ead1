//! What of the user database a channel may ask for.

use serde::{Deserialize, Serialize};

use crate::{
    Limits,
    database::{self, Chosen},
};

bitflags::bitflags! {
    /// How users may be looked up: the commands of cap_pwd(3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Commands: u8 {
        /// By name: getpwnam(3).
        const NAME = 1;
        /// By number: getpwuid(3).
        const UID = 1 << 1;
        /// One after another: getpwent(3).
        const ENUMERATE = 1 << 2;
    }

    /// What may be known of a user: the fields of cap_pwd(3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Fields: u16 {
        /// `pw_name`
        const NAME = 1;
        /// `pw_passwd`
        const PASSWORD = 1 << 1;
        /// `pw_uid`
        const UID = 1 << 2;
        /// `pw_gid`
        const GID = 1 << 3;
        /// `pw_gecos`
        const GECOS = 1 << 4;
        /// `pw_dir`
        const HOME = 1 << 5;
        /// `pw_shell`
        const SHELL = 1 << 6;
        /// `pw_class`, of FreeBSD
        const CLASS = 1 << 7;
        /// `pw_change`, of FreeBSD
        const CHANGE = 1 << 8;
        /// `pw_expire`, of FreeBSD
        const EXPIRE = 1 << 9;
    }
}

/// The most names, and the most numbers, that limits have.
pub const MOST_USERS: usize = database::MOST;

/// Users that are allowed by one or the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allowed {
    pub(crate) names: Vec<String>,
    pub(crate) uids: Vec<u32>,
}

/// What a channel may ask of the user database: by which commands, which fields, of which users.
///
/// A user that is not allowed is one that there is not: looking it up finds nothing, and enumerating
/// leaves it out.
///
/// ```
/// use casper::{Limits, pwd::{Commands, Fields, PwdLimits}};
///
/// let limits = PwdLimits::unlimited()
///     .commands(Commands::NAME)
///     .fields(Fields::UID | Fields::GID | Fields::HOME)
///     .users(["www", "nobody"], [80]);
/// # let _ = limits;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct PwdLimits {
    pub(crate) commands: Commands,
    pub(crate) fields: Fields,
    /// `None`: all.
    pub(crate) users: Option<Allowed>,
}

impl PwdLimits {
    /// By these commands only.
    pub fn commands(self, commands: Commands) -> Self {
        Self { commands, ..self }
    }

    /// These fields only; the others are `None`.
    pub fn fields(self, fields: Fields) -> Self {
        Self { fields, ..self }
    }

    /// Users with one of these names, or one of these numbers, only: of each [`MOST_USERS`] at most.
    pub fn users<'a>(
        self,
        names: impl IntoIterator<Item = &'a str>,
        uids: impl IntoIterator<Item = u32>,
    ) -> Self {
        let names = names.into_iter().map(str::to_owned).collect();
        Self { users: Some(Allowed { names, uids: uids.into_iter().collect() }), ..self }
    }

    pub(crate) fn allows(&self, command: Commands) -> bool {
        self.commands.contains(command)
    }

    fn chosen(&self) -> Option<Chosen<'_>> {
        let users = self.users.as_ref()?;
        Some(Chosen { names: &users.names, numbers: &users.uids })
    }

    /// Whether a user of this name and number is allowed.
    pub(crate) fn allows_user(&self, name: &[u8], uid: u32) -> bool {
        Chosen::has(self.chosen(), name, uid)
    }

    pub(crate) fn shows(&self, field: Fields) -> bool {
        self.fields.contains(field)
    }
}

impl Limits for PwdLimits {
    fn unlimited() -> Self {
        Self { commands: Commands::all(), fields: Fields::all(), users: None }
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
        let all = PwdLimits::unlimited();
        let some = all
            .clone()
            .commands(Commands::NAME)
            .fields(Fields::UID | Fields::GID)
            .users(["a", "b"], [1, 2]);
        assert!(all.narrows(&some) && some.narrows(&some));
        assert!(!some.narrows(&all));
        assert!(!some.narrows(&some.clone().commands(Commands::UID)));
        assert!(!some.narrows(&some.clone().fields(Fields::all())));
        assert!(!some.narrows(&some.clone().users(["a", "c"], [])));
        assert!(!some.narrows(&some.clone().users(["a"], [3])));
        assert!(some.narrows(&some.clone().users(["b"], [1])));
        assert!(some.narrows(&some.clone().users([], [])));
        assert!(!some.narrows(&PwdLimits { users: None, ..some.clone() }));
        assert!(!all.narrows(&all.clone().users([], 0..=1024)));
        assert!(!all.narrows(&all.clone().users(vec!["a"; 1025], [])));
        // Bits that nothing knows.
        assert!(!all.narrows(&all.clone().commands(Commands::from_bits_retain(0x80))));
    }

    #[test]
    fn a_user_is_allowed_by_name_or_number() {
        let limits = PwdLimits::unlimited().users(["a"], [7]);
        assert!(limits.allows_user(b"a", 1) && limits.allows_user(b"b", 7));
        assert!(!limits.allows_user(b"b", 1) && !limits.allows_user(b"", 0));
        assert!(!PwdLimits::unlimited().users([], []).allows_user(b"root", 0));
    }
}
