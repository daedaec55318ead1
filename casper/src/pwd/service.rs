//! The process of the service.

use std::ffi::CString;

use sandbox_spawn::{Builder, Reach, service};
use serde::{Deserialize, Serialize};

use super::{Commands, Fields, PwdLimits};
use crate::{
    Failure, Service, reach,
    service::{Connection, Grants},
    sys::{self, Entry},
};

/// Bytes of a name.
const LONGEST: usize = 1 << 10;

/// A user as it travels: what is not shown is `None`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) gecos: Option<Vec<u8>>,
    pub(crate) home: Option<Vec<u8>>,
    pub(crate) shell: Option<Vec<u8>>,
    pub(crate) class: Option<Vec<u8>>,
    pub(crate) change: Option<i64>,
    pub(crate) expire: Option<i64>,
}

/// Some users, and where those begin that come after them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) users: Vec<Record>,
    pub(crate) next: Option<u64>,
}

/// How many users a page has at most, and how many bytes it may have before another one is put there
/// (which has 32 KiB at most).
const USERS: usize = 128;
const BYTES: usize = 16 << 10;

/// What a client asks.
#[service]
pub(crate) trait Requests {
    fn by_name(&mut self, name: String) -> Result<Option<Record>, Failure>;
    fn by_uid(&mut self, uid: u32) -> Result<Option<Record>, Failure>;
    fn page(&mut self, from: u64) -> Result<Page, Failure>;
}

/// The service `system.pwd`. It holds nothing.
#[derive(Debug)]
pub(crate) struct Serving;

impl Service for Serving {
    const NAME: &'static str = "system.pwd";
    const REACH: Option<&'static Reach> =
        Some(&Reach::NOTHING.paths(reach::NAME_SERVICE).metadata());
    type Calls = RequestsServer;
    type Client = RequestsClient;
    type Limits = PwdLimits;
    type Session = ();
    type Setup = ();

    fn describe((): (), process: Builder) -> Result<Builder, String> {
        Ok(sys::as_ordinary_user(process))
    }

    fn start(_: &mut Grants<'_>) -> Result<Self, String> {
        Ok(Self)
    }
}

/// What the limits show of an entry, if anything.
fn shown(limits: &PwdLimits, entry: Entry) -> Option<Record> {
    if !limits.allows_user(&entry.name, entry.uid) {
        return None;
    }
    Some(record(limits, entry))
}

/// The fields of an entry that the limits show.
pub(crate) fn record(limits: &PwdLimits, entry: Entry) -> Record {
    let (shows, of_freebsd) = (|field| limits.shows(field), sys::HAS_CLASSES);
    Record {
        name: shows(Fields::NAME).then_some(entry.name),
        password: shows(Fields::PASSWORD).then_some(entry.password),
        uid: shows(Fields::UID).then_some(entry.uid),
        gid: shows(Fields::GID).then_some(entry.gid),
        gecos: shows(Fields::GECOS).then_some(entry.gecos),
        home: shows(Fields::HOME).then_some(entry.home),
        shell: shows(Fields::SHELL).then_some(entry.shell),
        class: (of_freebsd && shows(Fields::CLASS)).then_some(entry.class),
        change: (of_freebsd && shows(Fields::CHANGE)).then_some(entry.change),
        expire: (of_freebsd && shows(Fields::EXPIRE)).then_some(entry.expire),
    }
}

fn length(record: &Record) -> usize {
    let Record { name, password, gecos, home, shell, class, .. } = record;
    let texts = [name, password, gecos, home, shell, class];
    32 + texts.into_iter().flatten().map(Vec::len).sum::<usize>()
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
        self.check(Commands::NAME, "looking up users by name")?;
        let name = checked(name)?;
        let found = sys::entry_by_name(&name).map_err(Failure::system("getpwnam_r"))?;
        Ok(found.and_then(|entry| shown(self.limits(), entry)))
    }

    fn by_uid(&mut self, uid: u32) -> Result<Option<Record>, Failure> {
        self.check(Commands::UID, "looking up users by number")?;
        let found = sys::entry_by_uid(uid).map_err(Failure::system("getpwuid_r"))?;
        Ok(found.and_then(|entry| shown(self.limits(), entry)))
    }

    fn page(&mut self, from: u64) -> Result<Page, Failure> {
        self.check(Commands::ENUMERATE, "enumerating users")?;
        let (mut users, mut bytes, mut next) = (Vec::new(), 0, None);
        let limits = self.limits();
        sys::entries(from, |index, entry| {
            if users.len() >= USERS || bytes >= BYTES {
                next = Some(index);
                return false;
            }
            if let Some(record) = shown(limits, entry) {
                bytes += length(&record);
                users.push(record);
            }
            true
        })
        .map_err(Failure::system("getpwent"))?;
        Ok(Page { users, next })
    }
}
