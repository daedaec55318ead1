//! cap_grp(3)

use std::os::unix::ffi::OsStringExt;

use casper_sys::{GroupField, Lookup};

use super::shared::{Of, Shared, framework};
use crate::{
    Error,
    grp::service::{checked, record},
    grp::{Api, Commands, Fields, Group, GrpLimits},
    sys::GroupEntry,
};

type Channel = casper_sys::Grp;
const NAME: &str = <Channel as Of>::NAME;

const LOOKUPS: [(Commands, Lookup); 3] = [
    (Commands::NAME, Lookup::ByName),
    (Commands::GID, Lookup::ById),
    (Commands::ENUMERATE, Lookup::Entries),
];

const FIELDS: [(Fields, GroupField); 4] = [
    (Fields::NAME, GroupField::Name),
    (Fields::PASSWORD, GroupField::Password),
    (Fields::GID, GroupField::Gid),
    (Fields::MEMBERS, GroupField::Members),
];

/// What the limits show. Hidden fields are empty, or a number that is no group's.
fn group(limits: &GrpLimits, group: casper_sys::Group) -> Group {
    let entry = GroupEntry {
        name: group.name.into_vec(),
        password: group.password.into_vec(),
        gid: group.gid.unwrap_or(u32::MAX),
        members: group.members.into_iter().map(OsStringExt::into_vec).collect(),
    };
    record(limits, entry).into()
}

impl Api for Shared<Channel, GrpLimits> {
    framework!(GrpLimits);

    fn limit(&self, new: GrpLimits) -> Result<(), Error> {
        self.narrow(&new, |channel, held| {
            let failed = |error| super::explain(NAME, error);
            // Before anything is set. libcap_grp stores both under the same keys, and refuses them.
            if let Some(groups) = &new.groups
                && !groups.names.is_empty()
                && !groups.gids.is_empty()
            {
                let reason = "libcap_grp takes names or numbers, and not both";
                return Err(super::no_limit(NAME, "limit to groups by name and by number", reason));
            }
            if new.commands != held.commands {
                let chosen = LOOKUPS.iter().filter(|(command, _)| new.allows(*command));
                let chosen: Vec<_> = chosen.map(|(_, lookup)| *lookup).collect();
                channel.limit_lookups(&chosen).map_err(failed)?;
                held.commands = new.commands;
            }
            if new.fields != held.fields {
                let chosen = FIELDS.iter().filter(|(field, _)| new.shows(*field));
                let chosen: Vec<_> = chosen.map(|(_, field)| *field).collect();
                channel.limit_fields(&chosen).map_err(failed)?;
                held.fields = new.fields;
            }
            if let Some(groups) = &new.groups {
                let names: Vec<&str> = groups.names.iter().map(String::as_str).collect();
                channel.limit_groups(&names, &groups.gids).map_err(failed)?;
                held.groups.clone_from(&new.groups);
            }
            Ok(())
        })
    }

    fn by_name(&self, name: &str) -> Result<Option<Group>, Error> {
        checked(name.to_owned()).map_err(|failure| Error::from_failure(NAME, failure))?;
        self.ask_in_turn(|channel, held| Ok(channel.by_name(name)?.map(|found| group(held, found))))
    }

    fn by_gid(&self, gid: u32) -> Result<Option<Group>, Error> {
        self.ask_in_turn(|channel, held| Ok(channel.by_id(gid)?.map(|found| group(held, found))))
    }

    /// All at once: who came back for more would find the place somewhere else.
    fn page(&self, _: u64) -> Result<(Vec<Group>, Option<u64>), Error> {
        self.ask_in_turn(|channel, held| {
            let mut groups = Vec::new();
            channel.rewind()?;
            while let Some(found) = channel.next_group()? {
                groups.push(group(held, found));
            }
            Ok((groups, None))
        })
    }
}
