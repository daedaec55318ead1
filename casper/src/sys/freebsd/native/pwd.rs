//! cap_pwd(3)

use std::os::unix::ffi::OsStringExt;

use casper_sys::{Lookup, UserField};

use super::shared::{Of, Shared, framework};
use crate::{
    Error,
    pwd::service::{checked, record},
    pwd::{Api, Commands, Fields, PwdLimits, User},
    sys::Entry,
};

type Channel = casper_sys::Pwd;
const NAME: &str = <Channel as Of>::NAME;

const LOOKUPS: [(Commands, Lookup); 3] = [
    (Commands::NAME, Lookup::ByName),
    (Commands::UID, Lookup::ById),
    (Commands::ENUMERATE, Lookup::Entries),
];

const FIELDS: [(Fields, UserField); 10] = [
    (Fields::NAME, UserField::Name),
    (Fields::PASSWORD, UserField::Password),
    (Fields::UID, UserField::Uid),
    (Fields::GID, UserField::Gid),
    (Fields::GECOS, UserField::Gecos),
    (Fields::HOME, UserField::Home),
    (Fields::SHELL, UserField::Shell),
    (Fields::CLASS, UserField::Class),
    (Fields::CHANGE, UserField::Change),
    (Fields::EXPIRE, UserField::Expire),
];

/// What the limits show. Hidden fields are empty, or a number that is nobody's.
fn user(limits: &PwdLimits, user: casper_sys::User) -> User {
    let entry = Entry {
        name: user.name.into_vec(),
        password: user.password.into_vec(),
        uid: user.uid.unwrap_or(u32::MAX),
        gid: user.gid.unwrap_or(u32::MAX),
        gecos: user.gecos.into_vec(),
        home: user.home.into_os_string().into_vec(),
        shell: user.shell.into_os_string().into_vec(),
        class: user.class.into_vec(),
        change: user.change,
        expire: user.expire,
    };
    record(limits, entry).into()
}

impl Api for Shared<Channel, PwdLimits> {
    framework!(PwdLimits);

    fn limit(&self, new: PwdLimits) -> Result<(), Error> {
        self.narrow(&new, |channel, held| {
            let failed = |error| super::explain(NAME, error);
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
            if let Some(users) = &new.users {
                let names: Vec<&str> = users.names.iter().map(String::as_str).collect();
                channel.limit_users(&names, &users.uids).map_err(failed)?;
                held.users.clone_from(&new.users);
            }
            Ok(())
        })
    }

    fn by_name(&self, name: &str) -> Result<Option<User>, Error> {
        checked(name.to_owned()).map_err(|failure| Error::from_failure(NAME, failure))?;
        self.ask_in_turn(|channel, held| Ok(channel.by_name(name)?.map(|found| user(held, found))))
    }

    fn by_uid(&self, uid: u32) -> Result<Option<User>, Error> {
        self.ask_in_turn(|channel, held| Ok(channel.by_id(uid)?.map(|found| user(held, found))))
    }

    /// All at once: who came back for more would find the place somewhere else.
    fn page(&self, _: u64) -> Result<(Vec<User>, Option<u64>), Error> {
        self.ask_in_turn(|channel, held| {
            let mut users = Vec::new();
            channel.rewind()?;
            while let Some(found) = channel.next_user()? {
                users.push(user(held, found));
            }
            Ok((users, None))
        })
    }
}
