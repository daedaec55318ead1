//! `Grp`: the group database, after cap_grp(3).

mod limits;
mod portable;
pub(crate) mod service;

use std::{os::fd::AsFd, time::Duration};

use capsicum_channel::Frames;
use serde_bytes::ByteBuf;

pub use limits::{Commands, Fields, GrpLimits, MOST_GROUPS};
use service::Record;

use crate::{
    Error,
    database::{Pages, text},
};

/// A channel to the service `system.grp`.
///
/// The C library looks groups up, as the host's nsswitch.conf(5) says, in files: on Linux the process of
/// the service makes no connections, so that a group that only a server knows (LDAP, sssd(8)) is not
/// found there, or the lookup fails. It is not root, so that [`Group::password`] is what everybody sees.
///
/// ```
/// use casper::{Casper, Limits, grp::{Commands, Fields, Grp, GrpLimits}};
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<Grp>()];
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     sandbox_spawn::init(WORKERS)?;
///     let grp: Grp = Casper::start()?.open()?;
///     grp.limit(GrpLimits::unlimited().commands(Commands::NAME).fields(Fields::GID))?;
///     capsicum_rs::enter()?;
///
///     // The first group is called root on Linux, and wheel on FreeBSD.
///     let root = grp.by_name("root")?;
///     let first = if root.is_some() { root } else { grp.by_name("wheel")? };
///     let first = first.ok_or("no such group")?;
///     assert_eq!((first.gid, first.members), (Some(0), None));
///     assert!(matches!(grp.by_gid(0), Err(casper::Error::NotCapable { .. })));
///     Ok(())
/// }
/// ```
pub struct Grp(Box<dyn Api>);

/// A group. What the limits do not show is `None`.
///
/// Text that is no UTF-8 has replacement characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// The name.
    pub name: Option<String>,
    /// The encrypted password, or what stands in its place.
    pub password: Option<String>,
    /// The number.
    pub gid: Option<u32>,
    /// The names of its members, without those of whom it is the login group.
    pub members: Option<Vec<String>>,
}

/// Bytes travel as such.
fn names(members: Vec<ByteBuf>) -> Vec<String> {
    members.into_iter().map(|member| text(member.into_vec())).collect()
}

impl From<Record> for Group {
    fn from(record: Record) -> Self {
        Self {
            name: record.name.map(text),
            password: record.password.map(text),
            gid: record.gid,
            members: record.members.map(names),
        }
    }
}

/// What a provider does.
pub(crate) trait Api: AsFd + Send + Sync {
    fn limit(&self, limits: GrpLimits) -> Result<(), Error>;
    fn limits(&self) -> Result<GrpLimits, Error>;
    fn try_clone(&self) -> Result<Box<dyn Api>, Error>;
    fn to_frames(&self) -> Result<Frames, Error>;
    fn within(&self, time: Duration) -> Box<dyn Api>;
    fn by_name(&self, name: &str) -> Result<Option<Group>, Error>;
    fn by_gid(&self, gid: u32) -> Result<Option<Group>, Error>;
    /// Groups from this one on, and where those begin that come after them.
    fn page(&self, from: u64) -> Result<(Vec<Group>, Option<u64>), Error>;
}

impl Grp {
    /// The group of this name: getgrnam(3). `None` where there is none, or the limits do not allow it.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] without [`Commands::NAME`]; [`Error::System`] where the database cannot be
    /// asked, `EFBIG` for a group of more than 40 KiB, whose members the limits may hide; [`Error::Invalid`] for what is no name.
    pub fn by_name(&self, name: &str) -> Result<Option<Group>, Error> {
        self.0.by_name(name)
    }

    /// The group of this number: getgrgid(3). `None` where there is none, or the limits do not allow it.
    ///
    /// # Errors
    ///
    /// As of [`by_name`](Self::by_name), with [`Commands::GID`].
    pub fn by_gid(&self, gid: u32) -> Result<Option<Group>, Error> {
        self.0.by_gid(gid)
    }

    /// All groups that the limits allow, one after another: getgrent(3). Each call starts anew; a group
    /// that is added or removed meanwhile may be missed, or come twice.
    ///
    /// After an error there are no more. The errors are those of [`by_name`](Self::by_name), with
    /// [`Commands::ENUMERATE`].
    pub fn groups(&self) -> Groups<'_> {
        Groups { grp: self, pages: Pages::default() }
    }
}

/// The groups of [`Grp::groups`].
#[derive(Debug)]
#[must_use = "nothing is asked before it is iterated"]
pub struct Groups<'a> {
    grp: &'a Grp,
    pages: Pages<Group>,
}

impl Iterator for Groups<'_> {
    type Item = Result<Group, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pages.next(|from| self.grp.0.page(from))
    }
}

crate::client::client!(Grp, GrpLimits, (), service::Serving, native: |libcasper, ()| {
    libcasper.grp()
});
