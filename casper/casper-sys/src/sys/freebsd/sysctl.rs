//! cap_sysctl(3)

use std::{
    ffi::{CString, c_int, c_uint, c_void},
    io, ptr,
};

use super::{channel::channel_of, dns::done, load, text::c_string};
use crate::{Error, SysctlLimit, Variable};

/// `CTL_MAXNAME` of sys/sysctl.h: the longest number of a variable.
const MIB: usize = 24;
/// The largest value that is read, in bytes.
const LARGEST: usize = 64 << 20;

channel_of! {
    /// Variables of the kernel: cap_sysctl(3).
    Sysctl
}

/// A variable as C has it.
enum Named {
    Name(CString),
    /// Its parts, and how many there are.
    Mib(Vec<c_int>, c_uint),
}

impl Named {
    fn new(call: &'static str, variable: Variable<'_>) -> Result<Self, Error> {
        match variable {
            Variable::Name(name) => Ok(Self::Name(c_string(call, name)?)),
            Variable::Mib(mib) => {
                let parts = c_uint::try_from(mib.len()).ok();
                if let Some(parts) = parts.filter(|_| (1..=MIB).contains(&mib.len())) {
                    return Ok(Self::Mib(mib.to_vec(), parts));
                }
                let what = format!("a number of {} parts; there are 1 to {MIB}", mib.len());
                Err(Error::Invalid { call, what })
            }
        }
    }
}

impl Sysctl {
    /// sysctl(3): the value, as the kernel lays it out.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`]; `EFBIG` for more than 64 MiB.
    pub fn read(&self, variable: Variable<'_>) -> Result<Vec<u8>, Error> {
        const CALL: &str = "cap_sysctl";
        let named = Named::new(CALL, variable)?;
        // What grows meanwhile is asked for again.
        for _ in 0..8 {
            let mut size = 0;
            self.call(&named, ptr::null_mut(), &raw mut size, &[])?;
            // An empty value cannot be asked for: the service could not send it, and would end.
            if size == 0 {
                return Ok(Vec::new());
            }
            if size > LARGEST {
                let source = io::Error::from_raw_os_error(libc::EFBIG);
                return Err(Error::System { call: CALL, source });
            }
            size += size / 8;
            let mut value = vec![0_u8; size];
            match self.call(&named, value.as_mut_ptr().cast(), &raw mut size, &[]) {
                Err(Error::System { source, .. })
                    if source.raw_os_error() == Some(libc::ENOMEM) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    value.truncate(size);
                    return Ok(value);
                }
            }
        }
        Err(Error::System { call: CALL, source: io::Error::from_raw_os_error(libc::ENOMEM) })
    }

    /// sysctl(3): sets the value.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`]; [`Error::Invalid`] for an empty value,
    /// which would end the service.
    pub fn write(&self, variable: Variable<'_>, value: &[u8]) -> Result<(), Error> {
        const CALL: &str = "cap_sysctl";
        if value.is_empty() {
            return Err(Error::Invalid { call: CALL, what: "an empty value".to_owned() });
        }
        self.call(&Named::new(CALL, variable)?, ptr::null_mut(), ptr::null_mut(), value)
    }

    /// Reads into memory of a size, or asks for the size where there is no memory; sets the value unless
    /// it is empty. The callers pass null or memory of the size.
    fn call(
        &self,
        named: &Named,
        old: *mut c_void,
        size: *mut usize,
        new: &[u8],
    ) -> Result<(), Error> {
        let table = load::sysctl()?;
        let channel = self.channel.raw();
        let set = if new.is_empty() { ptr::null() } else { new.as_ptr().cast() };
        match named {
            // SAFETY: the channel is open; the name, the value and the memory live until the call
            // returns.
            Named::Name(name) => done(&self.channel, "cap_sysctlbyname", unsafe {
                table.cap_sysctlbyname(channel, name.as_ptr(), old, size, set, new.len())
            }),
            // SAFETY: the channel is open; the name, the value and the memory live until the call
            // returns.
            Named::Mib(mib, parts) => done(&self.channel, "cap_sysctl", unsafe {
                table.cap_sysctl(channel, mib.as_ptr(), *parts, old, size, set, new.len())
            }),
        }
    }

    /// sysctlnametomib(3): the number of a variable.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`]; [`Error::Invalid`] for a zero byte.
    pub fn mib(&self, name: &str) -> Result<Vec<i32>, Error> {
        const CALL: &str = "cap_sysctlnametomib";
        let name = c_string(CALL, name)?;
        let table = load::sysctl()?;
        let mut mib = vec![0; MIB];
        let mut count = mib.len();
        // SAFETY: the channel is open, and so many numbers can be written.
        done(&self.channel, CALL, unsafe {
            let channel = self.channel.raw();
            table.cap_sysctlnametomib(channel, name.as_ptr(), mib.as_mut_ptr(), &raw mut count)
        })?;
        mib.truncate(count);
        Ok(mib)
    }

    /// Narrows what may be read and set: cap_sysctl_limit(3). An empty list allows nothing.
    ///
    /// # Errors
    /// [`Error::NotCapable`] for more than is allowed already, [`Error::Died`], [`Error::System`];
    /// [`Error::Invalid`] for one that may be neither read nor set.
    pub fn limit(&self, limits: &[SysctlLimit<'_>]) -> Result<(), Error> {
        const CALL: &str = "cap_sysctl_limit";
        let mut named = Vec::new();
        for limit in limits {
            if !limit.read && !limit.write {
                let what = format!("{:?} with neither reading nor setting", limit.variable);
                return Err(Error::Invalid { call: CALL, what });
            }
            let flags = c_int::from(limit.read)
                | c_int::from(limit.write) << 1
                | c_int::from(limit.recursive) << 2;
            named.push((Named::new(CALL, limit.variable)?, flags));
        }
        let table = load::sysctl()?;
        // SAFETY: the channel is open. Each function takes what the one before returned and frees it
        // where it fails; the last one frees it in any case. What they read lives until they return.
        unsafe {
            let mut limit = table.cap_sysctl_limit_init(self.channel.raw());
            for (variable, flags) in &named {
                if limit.is_null() {
                    break;
                }
                limit = match variable {
                    Named::Name(name) => table.cap_sysctl_limit_name(limit, name.as_ptr(), *flags),
                    Named::Mib(mib, parts) => {
                        table.cap_sysctl_limit_mib(limit, mib.as_ptr(), *parts, *flags)
                    }
                };
            }
            if limit.is_null() {
                return Err(self.channel.failed(CALL));
            }
            done(&self.channel, CALL, table.cap_sysctl_limit(limit))
        }
    }
}
