//! The process of the service.

use sandbox_spawn::{Builder, Reach, service};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Commands, Fields, GrpLimits};
use crate::{
    Failure, Service,
    database::{self, Page, Record as _},
    reach,
    service::{Connection, Grants},
    sys::{self, GroupEntry},
};

pub(crate) use crate::database::checked;

/// A group as it travels: what is not shown is `None`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(with = "serde_bytes")]
    pub(crate) name: Option<Vec<u8>>,
    #[serde(with = "serde_bytes")]
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) gid: Option<u32>,
    pub(crate) members: Option<Vec<ByteBuf>>,
}

/// What a client asks.
#[service]
pub(crate) trait Requests {
    fn by_name(&mut self, name: String) -> Result<Option<Record>, Failure>;
    fn by_gid(&mut self, gid: u32) -> Result<Option<Record>, Failure>;
    fn page(&mut self, from: u64) -> Result<Page<Record>, Failure>;
}

/// The service `system.grp`. It holds nothing.
#[derive(Debug)]
pub(crate) struct Serving;

impl Service for Serving {
    const NAME: &'static str = "system.grp";
    const REACH: Option<&'static Reach> =
        Some(&Reach::NOTHING.paths(reach::NAME_SERVICE).metadata());
    type Calls = RequestsServer;
    type Client = RequestsClient;
    type Limits = GrpLimits;
    type Session = ();
    type Setup = ();

    fn describe((): (), process: Builder) -> Result<Builder, String> {
        Ok(sys::as_ordinary_user(process))
    }

    fn start(_: &mut Grants<'_>) -> Result<Self, String> {
        sys::refuse_root()?;
        Ok(Self)
    }
}

/// What the limits show of an entry, if anything. One that is too large to be sent is an error.
fn shown(limits: &GrpLimits, entry: GroupEntry) -> Result<Option<Record>, Failure> {
    if !limits.allows_group(&entry.name, entry.gid) {
        return Ok(None);
    }
    record(limits, entry).fitting().map(Some)
}

/// The fields of an entry that the limits show.
pub(crate) fn record(limits: &GrpLimits, entry: GroupEntry) -> Record {
    let shows = |field| limits.shows(field);
    Record {
        name: shows(Fields::NAME).then_some(entry.name),
        password: shows(Fields::PASSWORD).then_some(entry.password),
        gid: shows(Fields::GID).then_some(entry.gid),
        members: shows(Fields::MEMBERS)
            .then(|| entry.members.into_iter().map(ByteBuf::from).collect()),
    }
}

impl database::Record for Record {
    const OF: &'static str = "group";

    fn length(&self) -> usize {
        let Self { name, password, members, .. } = self;
        let names = [name, password].into_iter().flatten().map(Vec::len);
        let lengths = names.chain(members.iter().flatten().map(|member| member.len()));
        // Each string has its length before it.
        32 + lengths.map(|length| length + 4).sum::<usize>()
    }
}

impl Connection<Serving> {
    fn check(&self, command: Commands, what: &str) -> Result<(), Failure> {
        if self.limits().allows(command) {
            return Ok(());
        }
        Err(Failure::not_capable(what))
    }
}

impl Requests for Connection<Serving> {
    fn by_name(&mut self, name: String) -> Result<Option<Record>, Failure> {
        self.check(Commands::NAME, "looking up groups by name")?;
        let name = checked(name)?;
        let found = sys::group_by_name(&name).map_err(Failure::system("getgrnam_r"))?;
        found.map_or(Ok(None), |entry| shown(self.limits(), entry))
    }

    fn by_gid(&mut self, gid: u32) -> Result<Option<Record>, Failure> {
        self.check(Commands::GID, "looking up groups by number")?;
        let found = sys::group_by_gid(gid).map_err(Failure::system("getgrgid_r"))?;
        found.map_or(Ok(None), |entry| shown(self.limits(), entry))
    }

    fn page(&mut self, from: u64) -> Result<Page<Record>, Failure> {
        self.check(Commands::ENUMERATE, "enumerating groups")?;
        let shown = |entry| shown(self.limits(), entry);
        Page::from("getgrent", from, |take| sys::groups(take), shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn a_group_that_is_too_large_is_an_error_unless_its_members_are_hidden() {
        let members = vec![b"member".to_vec(); 10_000];
        let entry = GroupEntry { name: b"all".to_vec(), gid: 7, members, ..GroupEntry::default() };
        let all = GrpLimits::unlimited();
        assert!(matches!(shown(&all, entry.clone()), Err(Failure::System { .. })));
        let hidden = all.fields(Fields::NAME | Fields::GID);
        assert!(matches!(shown(&hidden, entry.clone()), Ok(Some(Record { gid: Some(7), .. }))));
        // One that is not allowed is not there, however large it is.
        let other = GrpLimits::unlimited().groups(["other"], []);
        assert!(matches!(shown(&other, entry), Ok(None)));
    }
}
