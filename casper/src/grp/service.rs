//! The process of the service.

use std::{ffi::CString, io};

use sandbox_spawn::{Builder, Reach, service};
use serde::{Deserialize, Serialize};

use super::{Commands, Fields, GrpLimits};
use crate::{
    Failure, Service, reach,
    service::{Connection, Grants},
    sys::{self, GroupEntry},
};

/// Bytes of a name.
const LONGEST: usize = 1 << 10;

/// A group as it travels: what is not shown is `None`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) gid: Option<u32>,
    pub(crate) members: Option<Vec<Vec<u8>>>,
}

/// Some groups, and where those begin that come after them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) groups: Vec<Record>,
    pub(crate) next: Option<u64>,
}

/// How many groups a page has at most, and how many bytes it may have before another one is put there;
/// and how many one may have. A frame has 64 KiB.
const GROUPS: usize = 128;
const BYTES: usize = 16 << 10;
const LARGEST: usize = 40 << 10;

/// What a client asks.
#[service]
pub(crate) trait Requests {
    fn by_name(&mut self, name: String) -> Result<Option<Record>, Failure>;
    fn by_gid(&mut self, gid: u32) -> Result<Option<Record>, Failure>;
    fn page(&mut self, from: u64) -> Result<Page, Failure>;
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
        Ok(Self)
    }
}

/// What the limits show of an entry, if anything. One that is too large to be sent is an error.
fn shown(limits: &GrpLimits, entry: GroupEntry) -> Result<Option<Record>, Failure> {
    if !limits.allows_group(&entry.name, entry.gid) {
        return Ok(None);
    }
    let record = record(limits, entry);
    if length(&record) > LARGEST {
        let failed = Failure::system(format!("a group of more than {LARGEST} bytes"));
        return Err(failed(io::Error::from_raw_os_error(libc::EFBIG)));
    }
    Ok(Some(record))
}

/// The fields of an entry that the limits show.
pub(crate) fn record(limits: &GrpLimits, entry: GroupEntry) -> Record {
    let shows = |field| limits.shows(field);
    Record {
        name: shows(Fields::NAME).then_some(entry.name),
        password: shows(Fields::PASSWORD).then_some(entry.password),
        gid: shows(Fields::GID).then_some(entry.gid),
        members: shows(Fields::MEMBERS).then_some(entry.members),
    }
}

/// How many bytes it travels in, at most: each string has its length before it.
fn length(record: &Record) -> usize {
    let Record { name, password, members, .. } = record;
    let strings = [name, password].into_iter().flatten().chain(members.iter().flatten());
    32 + strings.map(|string| string.len() + 4).sum::<usize>()
}

/// What can be a name.
pub(crate) fn checked(name: String) -> Result<CString, Failure> {
    if name.is_empty() || name.len() > LONGEST {
        return Err(Failure::invalid(format!("a name has between 1 and {LONGEST} bytes")));
    }
    CString::new(name).map_err(|_| Failure::invalid("a name with a NUL"))
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

    fn page(&mut self, from: u64) -> Result<Page, Failure> {
        self.check(Commands::ENUMERATE, "enumerating groups")?;
        let (mut groups, mut bytes, mut next, mut large) = (Vec::new(), 0, None, None);
        let limits = self.limits();
        sys::groups(from, |index, entry| {
            if groups.len() >= GROUPS || bytes >= BYTES {
                next = Some(index);
                return false;
            }
            match shown(limits, entry) {
                Ok(Some(record)) => {
                    bytes += length(&record);
                    groups.push(record);
                }
                Ok(None) => {}
                // Those before it come first, and it in the next page.
                Err(_) if !groups.is_empty() => {
                    next = Some(index);
                    return false;
                }
                Err(error) => {
                    large = Some(error);
                    return false;
                }
            }
            true
        })
        .map_err(Failure::system("getgrent"))?;
        large.map_or(Ok(Page { groups, next }), Err)
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
