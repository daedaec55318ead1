//! `Sysctl`: reading and writing the kernel's state, after cap_sysctl(3).

mod limits;
mod portable;
pub(crate) mod service;

use std::{os::fd::AsFd, time::Duration};

use capsicum_channel::Frames;

pub(crate) use limits::Key;
pub use limits::{Access, MOST_ENTRIES, SysctlLimits};

use crate::{Error, sys};

/// A channel to the service `system.sysctl`.
///
/// Names are those of the system: `kern.ostype` on FreeBSD, `kernel.ostype` on Linux, where a name is a
/// path beneath /proc/sys with points for slashes. Values are the kernel's bytes, which
/// [`text`](Self::text) and [`integer`](Self::integer) read. A value has at most 32 KiB.
///
/// ```
/// use casper::{Casper, sysctl::{Access, Sysctl, SysctlLimits}};
/// use sandbox_spawn::Worker;
///
/// const WORKERS: &[Worker] = &[casper::worker::<Sysctl>()];
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     sandbox_spawn::init(WORKERS)?;
///     // The name of the system, on FreeBSD and on Linux.
///     let names = ["kern.ostype", "kernel.ostype"];
///     let sysctl: Sysctl = Casper::start()?.open()?;
///     let limits = SysctlLimits::nothing();
///     sysctl.limit(names.iter().fold(limits, |limits, name| limits.name(name, Access::READ)))?;
///     capsicum_rs::enter()?;
///
///     let system = names.iter().find_map(|name| sysctl.text(name).ok()).ok_or("no name")?;
///     assert!(["Linux", "FreeBSD"].contains(&system.as_str()));
///     assert!(matches!(sysctl.text("vm.overcommit_memory"), Err(casper::Error::NotCapable { .. })));
///     Ok(())
/// }
/// ```
pub struct Sysctl(Box<dyn Api>);

/// What a provider does.
pub(crate) trait Api: AsFd + Send + Sync {
    fn limit(&self, limits: SysctlLimits) -> Result<(), Error>;
    fn limits(&self) -> Result<SysctlLimits, Error>;
    fn try_clone(&self) -> Result<Box<dyn Api>, Error>;
    fn to_frames(&self) -> Result<Frames, Error>;
    fn within(&self, time: Duration) -> Box<dyn Api>;
    fn read(&self, key: Key) -> Result<Vec<u8>, Error>;
    fn write(&self, key: Key, value: Vec<u8>) -> Result<(), Error>;
    fn write_integer(&self, key: Key, value: i64) -> Result<(), Error>;
    fn mib(&self, name: &str) -> Result<Vec<i32>, Error>;
}

/// The name in errors.
const NAME: &str = <service::Serving as crate::Service>::NAME;

impl Sysctl {
    /// The value, as the kernel has it: sysctlbyname(3). On Linux it is text with a newline.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] without [`Access::READ`]; [`Error::System`], `ENOENT` for one that there is
    /// not, `EFBIG` for a value of more than 32 KiB.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.0.read(Key::Name(name.to_owned()))
    }

    /// The value of one that has a MIB: sysctl(3).
    ///
    /// # Errors
    ///
    /// As of [`read`](Self::read); [`Error::Unsupported`] on Linux, which has names only.
    pub fn read_mib(&self, mib: &[i32]) -> Result<Vec<u8>, Error> {
        self.0.read(Key::Mib(mib.to_owned()))
    }

    /// The value of one that is text, without what ends it there (FreeBSD: a NUL, Linux: a newline).
    ///
    /// # Errors
    ///
    /// As of [`read`](Self::read); [`Error::Invalid`] where it is no UTF-8.
    pub fn text(&self, name: &str) -> Result<String, Error> {
        let value = self.read(name)?;
        sys::sysctl_text(&value).ok_or_else(|| invalid(name, "text"))
    }

    /// The value of one that is an integer, of 4 or 8 bytes (also of 1 or 2) on FreeBSD, with its sign.
    ///
    /// # Errors
    ///
    /// As of [`read`](Self::read); [`Error::Invalid`] where it is none.
    pub fn integer(&self, name: &str) -> Result<i64, Error> {
        let value = self.read(name)?;
        sys::sysctl_integer(&value).ok_or_else(|| invalid(name, "an integer"))
    }

    /// Writes a value, as the kernel takes it.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`] without [`Access::WRITE`]; [`Error::System`] where the user of this process
    /// may not. The service has no capabilities(7), which some of root's need on Linux.
    pub fn write(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.0.write(Key::Name(name.to_owned()), value.to_owned())
    }

    /// Writes the value of one that has a MIB.
    ///
    /// # Errors
    ///
    /// As of [`write`](Self::write); [`Error::Unsupported`] on Linux.
    pub fn write_mib(&self, mib: &[i32], value: &[u8]) -> Result<(), Error> {
        self.0.write(Key::Mib(mib.to_owned()), value.to_owned())
    }

    /// Writes an integer, of the size that the sysctl has.
    ///
    /// # Errors
    ///
    /// As of [`write`](Self::write).
    pub fn write_integer(&self, name: &str, value: i64) -> Result<(), Error> {
        self.0.write_integer(Key::Name(name.to_owned()), value)
    }

    /// The MIB of a name: sysctlnametomib(3). Whoever may read or write it may ask.
    ///
    /// # Errors
    ///
    /// [`Error::NotCapable`]; [`Error::Unsupported`] on Linux.
    pub fn mib(&self, name: &str) -> Result<Vec<i32>, Error> {
        self.0.mib(name)
    }
}

fn invalid(name: &str, what: &str) -> Error {
    Error::Invalid { service: NAME.to_owned(), what: format!("{name} is not {what}") }
}

crate::client::client!(Sysctl, SysctlLimits, (), service::Serving, native: |libcasper, ()| {
    libcasper.sysctl()
});
