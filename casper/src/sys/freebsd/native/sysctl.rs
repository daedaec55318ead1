//! cap_sysctl(3)
//!
//! The service is told MIBs only, of requests and of limits. Where limits have a name, libcap_sysctl
//! holds new ones against that alone, and takes the MIB that they bring along as it is: who may read
//! one sysctl by name can limit itself to that name with any MIB at all, and then read that. Limits that
//! have MIBs alone only narrow. Names become MIBs by sysctlnametomib(3), which capability mode allows.

use std::io;

use casper_sys::{SysctlLimit, Variable};

use super::shared::{Of, Shared, framework};
use crate::{
    Error, Failure,
    sys::{integer_bytes, sysctl_mib},
    sysctl::{
        Access, Api, Key, SysctlLimits,
        service::{MOST, check, check_value},
    },
};

type Channel = casper_sys::Sysctl;
const NAME: &str = <Channel as Of>::NAME;

fn failed(failure: Failure) -> Error {
    Error::from_failure(NAME, failure)
}

fn mib_of(key: Key) -> Result<Vec<i32>, Error> {
    match key {
        Key::Name(name) => sysctl_mib(&name).map_err(failed),
        Key::Mib(mib) => Ok(mib),
    }
}

impl Shared<Channel, SysctlLimits> {
    /// The MIB, if this is within the limits as they were stated: the service knows no names.
    fn allowed(&self, key: Key, access: Access) -> Result<Vec<i32>, Error> {
        check(&Self::limits(self), &key, access).map_err(failed)?;
        mib_of(key)
    }
}

impl Api for Shared<Channel, SysctlLimits> {
    framework!(SysctlLimits);

    fn limit(&self, new: SysctlLimits) -> Result<(), Error> {
        self.narrow(&new, |channel, held| {
            let Some(entries) = &new.entries else { return Ok(()) };
            let mut mibs = Vec::new();
            for entry in entries {
                let what = || format!("limit to {:?} of the sysctl {:?}", entry.access, entry.key);
                if !entry.access.intersects(Access::READ | Access::WRITE) {
                    let reason = "libcap_sysctl limits reading and writing";
                    return Err(super::no_limit(NAME, &what(), reason));
                }
                let mib = mib_of(entry.key.clone()).map_err(|error| {
                    let reason = format!("it has no MIB, which libcap_sysctl is told: {error}");
                    super::no_limit(NAME, &what(), &reason)
                })?;
                mibs.push((mib, entry.access));
            }
            let limits: Vec<SysctlLimit<'_>> = mibs
                .iter()
                .map(|(mib, access)| SysctlLimit {
                    variable: Variable::Mib(mib),
                    read: access.contains(Access::READ),
                    write: access.contains(Access::WRITE),
                    recursive: access.contains(Access::RECURSIVE),
                })
                .collect();
            channel.limit(&limits).map_err(|error| super::explain(NAME, error))?;
            *held = new.clone();
            Ok(())
        })
    }

    fn read(&self, key: Key) -> Result<Vec<u8>, Error> {
        let mib = self.allowed(key, Access::READ)?;
        let value = self.ask(|channel, _| channel.read(Variable::Mib(&mib)))?;
        if value.len() <= MOST {
            return Ok(value);
        }
        let large = Failure::system(format!("read the sysctl {mib:?}"));
        Err(failed(large(io::Error::from_raw_os_error(libc::EFBIG))))
    }

    fn write(&self, key: Key, value: Vec<u8>) -> Result<(), Error> {
        check_value(&value).map_err(failed)?;
        let mib = self.allowed(key, Access::WRITE)?;
        self.ask(|channel, _| channel.write(Variable::Mib(&mib), &value))
    }

    /// Its size is that of its value, which must be read.
    fn write_integer(&self, key: Key, value: i64) -> Result<(), Error> {
        let mib = self.allowed(key, Access::WRITE)?;
        let size = self.ask(|channel, _| channel.read(Variable::Mib(&mib)))?.len();
        let bytes = integer_bytes(size, value).map_err(failed)?;
        self.ask(|channel, _| channel.write(Variable::Mib(&mib), &bytes))
    }

    fn mib(&self, name: &str) -> Result<Vec<i32>, Error> {
        self.allowed(Key::Name(name.to_owned()), Access::empty())
    }
}
