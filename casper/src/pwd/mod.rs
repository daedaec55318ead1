//! `Pwd`: the user database, after cap_pwd(3).

mod limits;
mod portable;
pub(crate) mod service;

use std::{ffi::OsString, os::fd::AsFd, os::unix::ffi::OsStringExt, path::PathBuf, time::Duration};

use capsicum_channel::Frames;

pub use limits::{Commands, Fields, MOST_USERS, PwdLimits};
use service::Record;

use crate::{
    Error,
    database::{Pages, text},
};

/// A channel to the service `system.pwd`.
///
/// The C library looks users up, as the host's nsswitch.conf(5) says, in files: on Linux the process of
/// the service makes no connections, so that a user whom only a server knows (LDAP, sssd(8)) is not
/// found there, or the lookup fails. It is not root, so that [`User::password`] is what everybody sees.
///
/// ```
/// use casper::{Casper, Limits, pwd::{Commands, Fields, Pwd, PwdLimits}};
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<Pwd>()];
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     sandbox_spawn::init(WORKERS)?;
///     let pwd: Pwd = Casper::start()?.open()?;
///     pwd.limit(PwdLimits::unlimited().commands(Commands::NAME).fields(Fields::UID))?;
///     capsicum_rs::enter()?;
///
///     let root = pwd.by_name("root")?.ok_or("no root")?;
///     assert_eq!((root.uid, root.home), (Some(0), None));
///     assert!(matches!(pwd.by_uid(0), Err(casper::Error::NotCapable { .. })));
///     Ok(())
/// }
/// ```
pub struct Pwd(Box<dyn Api>);

/// A user. What the limits do not show, or the system does not have, is `None`.
///
/// Text that is no UTF-8 has replacement characters; paths are as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The name.
    pub name: Option<String>,
    /// The encrypted password, or what stands in its place.
    pub password: Option<String>,
    /// The number.
    pub uid: Option<u32>,
    /// The number of the login group.
    pub gid: Option<u32>,
    /// The full name, and what else there is.
    pub gecos: Option<String>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// The login shell.
    pub shell: Option<PathBuf>,
    /// The login class, on FreeBSD.
    pub class: Option<String>,
    /// When the password must be changed, in seconds since 1970, 0 for never; on FreeBSD.
    pub change: Option<i64>,
    /// When the account expires, in seconds since 1970, 0 for never; on FreeBSD.
    pub expire: Option<i64>,
}

impl From<Record> for User {
    fn from(record: Record) -> Self {
        let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
        Self {
            name: record.name.map(text),
            password: record.password.map(text),
            uid: record.uid,
            gid: record.gid,
            gecos: record.gecos.map(text),
            home: record.home.map(path),
            shell: record.shell.map(path),
            class: record.class.map(text),
            change: record.change,
            expire: record.expire,
        }
    }
}

/// What a provider does.
pub(crate) trait Api: AsFd + Send + Sync {
    fn limit(&self, limits: PwdLimits) -> Result<(), Error>;
    fn limits(&self) -> Result<PwdLimits, Error>;
    fn try_clone(&self) -> Result<Box<dyn Api>, Error>;
    fn to_frames(&self) -> Result<Frames, Error>;
    fn within(&self, time: Duration) -> Box<dyn Api>;
    fn by_name(&self, name: &str) -> Result<Option<User>, Error>;
    fn by_uid(&self, uid: u32) -> Result<Option<User>, Error>;
    /// Users from this one on, and where those begin that come after them.
    fn page(&self, from: u64) -> Result<(Vec<User>, Option<u64>), Error>;
}

impl Pwd {
    /// The user of this name: getpwnam(3). `None` where there is none, or the limits do not allow it.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] without [`Commands::NAME`]; [`Error::System`] where the database cannot be
    /// asked; [`Error::Invalid`] for what is no name.
    pub fn by_name(&self, name: &str) -> Result<Option<User>, Error> {
        self.0.by_name(name)
    }

    /// The user of this number: getpwuid(3). `None` where there is none, or the limits do not allow it.
    ///
    /// # Errors
    ///
    /// As of [`by_name`](Self::by_name), with [`Commands::UID`].
    pub fn by_uid(&self, uid: u32) -> Result<Option<User>, Error> {
        self.0.by_uid(uid)
    }

    /// All users that the limits allow, one after another: getpwent(3). Each call starts anew; a user
    /// that is added or removed meanwhile may be missed, or come twice.
    ///
    /// After an error there are no more. The errors are those of [`by_name`](Self::by_name), with
    /// [`Commands::ENUMERATE`].
    pub fn users(&self) -> Users<'_> {
        Users { pwd: self, pages: Pages::default() }
    }
}

/// The users of [`Pwd::users`].
#[derive(Debug)]
#[must_use = "nothing is asked before it is iterated"]
pub struct Users<'a> {
    pwd: &'a Pwd,
    pages: Pages<User>,
}

impl Iterator for Users<'_> {
    type Item = Result<User, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pages.next(|from| self.pwd.0.page(from))
    }
}

crate::client::client!(Pwd, PwdLimits, (), service::Serving, native: |libcasper, ()| {
    libcasper.pwd()
});
