//! The process of the service.

use sandbox_spawn::{Builder, Reach, service};
use serde::{Deserialize, Serialize};

use super::{Commands, Fields, PwdLimits};
use crate::{
    Failure, Service,
    database::{self, Page, Record as _},
    reach,
    service::{Connection, Grants},
    sys::{self, Entry},
};

pub(crate) use crate::database::checked;

/// A user as it travels: what is not shown is `None`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(with = "serde_bytes")]
    pub(crate) name: Option<Vec<u8>>,
    #[serde(with = "serde_bytes")]
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    #[serde(with = "serde_bytes")]
    pub(crate) gecos: Option<Vec<u8>>,
    #[serde(with = "serde_bytes")]
    pub(crate) home: Option<Vec<u8>>,
    #[serde(with = "serde_bytes")]
    pub(crate) shell: Option<Vec<u8>>,
    #[serde(with = "serde_bytes")]
    pub(crate) class: Option<Vec<u8>>,
    pub(crate) change: Option<i64>,
    pub(crate) expire: Option<i64>,
}

/// What a client asks.
#[service]
pub(crate) trait Requests {
    fn by_name(&mut self, name: String) -> Result<Option<Record>, Failure>;
    fn by_uid(&mut self, uid: u32) -> Result<Option<Record>, Failure>;
    fn page(&mut self, from: u64) -> Result<Page<Record>, Failure>;
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
        sys::refuse_root()?;
        Ok(Self)
    }
}

/// What the limits show of an entry, if anything. One that is too large to be sent is an error.
fn shown(limits: &PwdLimits, entry: Entry) -> Result<Option<Record>, Failure> {
    if !limits.allows_user(&entry.name, entry.uid) {
        return Ok(None);
    }
    record(limits, entry).fitting().map(Some)
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

impl database::Record for Record {
    const OF: &'static str = "user";

    fn length(&self) -> usize {
        let Self { name, password, gecos, home, shell, class, .. } = self;
        let texts = [name, password, gecos, home, shell, class];
        // Each string has its length before it.
        64 + texts.into_iter().flatten().map(|text| text.len() + 4).sum::<usize>()
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
        self.check(Commands::NAME, "looking up users by name")?;
        let name = checked(name)?;
        let found = sys::entry_by_name(&name).map_err(Failure::system("getpwnam_r"))?;
        found.map_or(Ok(None), |entry| shown(self.limits(), entry))
    }

    fn by_uid(&mut self, uid: u32) -> Result<Option<Record>, Failure> {
        self.check(Commands::UID, "looking up users by number")?;
        let found = sys::entry_by_uid(uid).map_err(Failure::system("getpwuid_r"))?;
        found.map_or(Ok(None), |entry| shown(self.limits(), entry))
    }

    fn page(&mut self, from: u64) -> Result<Page<Record>, Failure> {
        self.check(Commands::ENUMERATE, "enumerating users")?;
        let shown = |entry| shown(self.limits(), entry);
        Page::from("getpwent", from, |take| sys::entries(take), shown)
    }
}
