//! cap_grp(3)

use std::{ffi::c_char, io, mem::MaybeUninit, ptr};

use libc::group;

use super::{
    channel::channel_of,
    dns::done,
    load,
    names::{BUFFER, BUFFER_MOST, clear_errno, shared},
    pwd::{shown, unique},
    text::{c_string, c_strings, copies, copy, pointers},
};
use crate::{Error, Group, GroupField, Lookup};

channel_of! {
    /// Groups: cap_grp(3).
    Grp
}

impl Grp {
    /// getgrnam(3); `None` where there is no such group, or the limits hide it.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`]; [`Error::Invalid`] for a zero byte.
    pub fn by_name(&self, name: &str) -> Result<Option<Group>, Error> {
        const CALL: &str = "cap_getgrnam_r";
        let name = c_string(CALL, name)?;
        let table = load::grp()?;
        self.find(CALL, |group, buffer, size, result| {
            // SAFETY: the channel is open, the name lives until the call returns, and `find` says the
            // rest.
            unsafe {
                let channel = self.channel.raw();
                table.cap_getgrnam_r(channel, name.as_ptr(), group, buffer, size, result)
            }
        })
    }

    /// getgrgid(3); `None` where there is no such group, or the limits hide it.
    ///
    /// # Errors
    /// As [`Grp::by_name`].
    pub fn by_id(&self, gid: u32) -> Result<Option<Group>, Error> {
        let table = load::grp()?;
        self.find("cap_getgrgid_r", |group, buffer, size, result| {
            // SAFETY: the channel is open, and `find` says the rest.
            unsafe { table.cap_getgrgid_r(self.channel.raw(), gid, group, buffer, size, result) }
        })
    }

    /// Calls a function with a structure, a buffer of a size, and where to say whether there is a
    /// result; with larger ones while the entry does not fit.
    fn find(
        &self,
        call: &'static str,
        function: impl Fn(*mut group, *mut c_char, usize, *mut *mut group) -> i32,
    ) -> Result<Option<Group>, Error> {
        let mut buffer: Vec<c_char> = vec![0; BUFFER];
        loop {
            let mut group = MaybeUninit::uninit();
            let mut result = ptr::null_mut();
            let code =
                function(group.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut result);
            match code {
                // SAFETY: null, or the structure, which was filled in; its strings lie in the buffer.
                0 => return Ok(unsafe { result.as_ref().map(|group| read(group)) }),
                libc::ERANGE if buffer.len() < BUFFER_MOST => buffer.resize(buffer.len() * 2, 0),
                code => {
                    return Err(self.channel.failed_with(call, io::Error::from_raw_os_error(code)));
                }
            }
        }
    }

    /// getgrent(3): the next group; `None` after the last. Clones of a channel share the place.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`].
    pub fn next_group(&self) -> Result<Option<Group>, Error> {
        let table = load::grp()?;
        // Not the function with a buffer: an entry that does not fit would be lost.
        let _shared = shared();
        clear_errno();
        // SAFETY: the channel is open, and nobody else writes to the memory of the result.
        let group = unsafe { table.cap_getgrent(self.channel.raw()).as_ref() };
        match group {
            // SAFETY: as getgrent(3) describes it.
            Some(group) => Ok(Some(unsafe { read(group) })),
            None if io::Error::last_os_error().raw_os_error() == Some(0) => Ok(None),
            None => Err(self.channel.failed("cap_getgrent")),
        }
    }

    /// setgroupent(3): starts over.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`].
    pub fn rewind(&self) -> Result<(), Error> {
        let table = load::grp()?;
        // SAFETY: the channel is open.
        let right = unsafe { table.cap_setgroupent(self.channel.raw(), 0) } == 1;
        if right { Ok(()) } else { Err(self.channel.failed("cap_setgroupent")) }
    }

    /// Narrows what may be called: cap_grp_limit_cmds(3).
    ///
    /// # Errors
    /// [`Error::NotCapable`] for more than is allowed already, [`Error::Died`], [`Error::System`].
    pub fn limit_lookups(&self, lookups: &[Lookup]) -> Result<(), Error> {
        const CALL: &str = "cap_grp_limit_cmds";
        // The service knows a function and the one with a buffer as two.
        let commands: Vec<&str> = unique(lookups)
            .flat_map(|lookup| match lookup {
                Lookup::ByName => ["getgrnam", "getgrnam_r"].as_slice(),
                Lookup::ById => &["getgrgid", "getgrgid_r"],
                Lookup::Entries => {
                    &["getgrent", "getgrent_r", "setgroupent", "setgrent", "endgrent"]
                }
            })
            .copied()
            .collect();
        let commands = c_strings(CALL, &commands)?;
        let pointers = pointers(&commands);
        let table = load::grp()?;
        // SAFETY: the channel is open, and the names live until the call returns.
        done(&self.channel, CALL, unsafe {
            table.cap_grp_limit_cmds(self.channel.raw(), pointers.as_ptr(), pointers.len())
        })
    }

    /// Narrows what is answered: cap_grp_limit_fields(3).
    ///
    /// # Errors
    /// As [`Grp::limit_lookups`].
    pub fn limit_fields(&self, fields: &[GroupField]) -> Result<(), Error> {
        const CALL: &str = "cap_grp_limit_fields";
        let fields: Vec<&str> = unique(fields)
            .map(|field| match field {
                GroupField::Name => "gr_name",
                GroupField::Password => "gr_passwd",
                GroupField::Gid => "gr_gid",
                GroupField::Members => "gr_mem",
            })
            .collect();
        let fields = c_strings(CALL, &fields)?;
        let pointers = pointers(&fields);
        let table = load::grp()?;
        // SAFETY: the channel is open, and the names live until the call returns.
        done(&self.channel, CALL, unsafe {
            table.cap_grp_limit_fields(self.channel.raw(), pointers.as_ptr(), pointers.len())
        })
    }

    /// Narrows about which groups is answered: those with one of the names or one of the numbers,
    /// cap_grp_limit_groups(3).
    ///
    /// # Errors
    /// As [`Grp::limit_lookups`]. libcap_grp refuses names beside numbers (`EEXIST`), as it stores both
    /// under the same keys.
    pub fn limit_groups(&self, names: &[&str], gids: &[u32]) -> Result<(), Error> {
        const CALL: &str = "cap_grp_limit_groups";
        let names = c_strings(CALL, names)?;
        let pointers = pointers(&names);
        let table = load::grp()?;
        // SAFETY: the channel is open, and both lists live until the call returns.
        done(&self.channel, CALL, unsafe {
            table.cap_grp_limit_groups(
                self.channel.raw(),
                pointers.as_ptr(),
                pointers.len(),
                gids.as_ptr(),
                gids.len(),
            )
        })
    }
}

/// # Safety
/// Its strings are null or end with a zero byte, and its members with a null pointer.
unsafe fn read(group: &group) -> Group {
    // SAFETY: the caller says so.
    unsafe {
        Group {
            name: copy(group.gr_name),
            password: copy(group.gr_passwd),
            gid: shown(group.gr_gid),
            members: copies(group.gr_mem),
        }
    }
}
