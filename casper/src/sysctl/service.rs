//! The process of the service.

use capsicum_rs::Rights;
use sandbox_spawn::{Builder, Path, Reach, service};
use serde_bytes::ByteBuf;

use super::{Access, Key, SysctlLimits};
use crate::{
    Failure, Service,
    service::{Connection, Grants},
    sys,
};

/// Bytes of a value, read or written.
pub(crate) const MOST: usize = 32 << 10;
/// Bytes of a name, and numbers of a MIB (FreeBSD's `CTL_MAXNAME`).
const LONGEST: usize = 512;
const DEEPEST: usize = 24;

/// What a client asks.
#[service]
pub(crate) trait Requests {
    fn read(&mut self, key: Key) -> Result<ByteBuf, Failure>;
    fn write(&mut self, key: Key, value: ByteBuf) -> Result<(), Failure>;
    fn write_integer(&mut self, key: Key, value: i64) -> Result<(), Failure>;
    fn mib(&mut self, name: String) -> Result<Vec<i32>, Failure>;
}

/// The service `system.sysctl`. It holds nothing.
#[derive(Debug)]
pub(crate) struct Serving;

impl Service for Serving {
    const NAME: &'static str = "system.sysctl";
    const REACH: Option<&'static Reach> = Some(&Reach::NOTHING.paths(PATHS));
    type Calls = RequestsServer;
    type Client = RequestsClient;
    type Limits = SysctlLimits;
    type Session = ();
    type Setup = ();

    fn describe((): (), process: Builder) -> Result<Builder, String> {
        Ok(process)
    }

    fn start(_: &mut Grants<'_>) -> Result<Self, String> {
        Ok(Self)
    }
}

/// Where Linux has them; FreeBSD has a system call.
const PATHS: &[Path] = &[Path::if_there(sys::SYSCTLS, Rights::READ.union(Rights::WRITE))];

/// Whether it can be a sysctl, and the limits allow this.
pub(crate) fn check(limits: &SysctlLimits, key: &Key, access: Access) -> Result<(), Failure> {
    match key {
        Key::Name(name) => check_name(name)?,
        Key::Mib(mib) if mib.is_empty() || mib.len() > DEEPEST => {
            return Err(Failure::invalid("a MIB has between 1 and 24 numbers"));
        }
        Key::Mib(_) => {}
    }
    if limits.allows(key, access) {
        return Ok(());
    }
    Err(Failure::not_capable(format!("{access:?} of the sysctl {key:?}")))
}

/// Whether it can be a value to write.
pub(crate) fn check_value(value: &[u8]) -> Result<(), Failure> {
    if value.is_empty() || value.len() > MOST {
        return Err(Failure::invalid(format!("a value has between 1 and {MOST} bytes")));
    }
    Ok(())
}

/// Whether a name is one: words with a point between them. On Linux a point within a word is written
/// `/`, as by sysctl(8).
fn check_name(name: &str) -> Result<(), Failure> {
    let word = |word: &str| {
        let only_points = word.chars().all(|character| character == '/');
        let plain = |character: char| character.is_ascii_graphic();
        !word.is_empty() && !only_points && word.chars().all(plain)
    };
    if name.len() <= LONGEST && name.split('.').all(word) {
        return Ok(());
    }
    Err(Failure::invalid("a sysctl's name is words with points between them"))
}

impl Requests for Connection<Serving> {
    fn read(&mut self, key: Key) -> Result<ByteBuf, Failure> {
        check(self.limits(), &key, Access::READ)?;
        match &key {
            Key::Name(name) => sys::read_sysctl(name, MOST),
            Key::Mib(mib) => sys::read_mib(mib, MOST),
        }
        .map(ByteBuf::from)
    }

    fn write(&mut self, key: Key, value: ByteBuf) -> Result<(), Failure> {
        check(self.limits(), &key, Access::WRITE)?;
        check_value(&value)?;
        match &key {
            Key::Name(name) => sys::write_sysctl(name, &value),
            Key::Mib(mib) => sys::write_mib(mib, &value),
        }
    }

    fn write_integer(&mut self, key: Key, value: i64) -> Result<(), Failure> {
        check(self.limits(), &key, Access::WRITE)?;
        match &key {
            Key::Name(name) => sys::write_sysctl_integer(name, value),
            Key::Mib(mib) => sys::write_mib_integer(mib, value),
        }
    }

    fn mib(&mut self, name: String) -> Result<Vec<i32>, Failure> {
        let key = Key::Name(name);
        // A request that neither reads nor writes is libcasper's too, for whoever may do either.
        let Key::Name(name) = &key else { return Err(Failure::invalid("a MIB is asked by name")) };
        check(self.limits(), &key, Access::empty())?;
        sys::sysctl_mib(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_with_points_between_them() {
        let long = "a".repeat(LONGEST);
        for good in ["kernel.ostype", "net.ipv4.conf.eth0/1.forwarding", "a", &long, "a.b-c_d"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let longer = "a".repeat(LONGEST + 1);
        let bad =
            ["", ".", "..", "a.", ".a", "a..b", "a./.b", "//", "a.//.b", "a b", "a\0b", "a\n"];
        for bad in bad.into_iter().chain([longer.as_str(), "a.\u{e9}"]) {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
