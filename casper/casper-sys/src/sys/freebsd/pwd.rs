//! cap_pwd(3)

use std::{ffi::c_char, io, mem::MaybeUninit, ptr};

use libc::passwd;

use super::{
    channel::channel_of,
    dns::done,
    load,
    names::{BUFFER, BUFFER_MOST, clear_errno, shared},
    text::{c_string, c_strings, copy, pointers},
};
use crate::{Error, Lookup, User, UserField};

channel_of! {
    /// Users: cap_pwd(3).
    Pwd
}

impl Pwd {
    /// getpwnam(3); `None` where there is no such user, or the limits hide him.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`]; [`Error::Invalid`] for a zero byte.
    pub fn by_name(&self, name: &str) -> Result<Option<User>, Error> {
        const CALL: &str = "cap_getpwnam_r";
        let name = c_string(CALL, name)?;
        let table = load::pwd()?;
        self.find(CALL, |user, buffer, size, result| {
            // SAFETY: the channel is open, the name lives until the call returns, and `find` says the
            // rest.
            unsafe {
                let channel = self.channel.raw();
                table.cap_getpwnam_r(channel, name.as_ptr(), user, buffer, size, result)
            }
        })
    }

    /// getpwuid(3); `None` where there is no such user, or the limits hide him.
    ///
    /// # Errors
    /// As [`Pwd::by_name`].
    pub fn by_id(&self, uid: u32) -> Result<Option<User>, Error> {
        let table = load::pwd()?;
        self.find("cap_getpwuid_r", |user, buffer, size, result| {
            // SAFETY: the channel is open, and `find` says the rest.
            unsafe { table.cap_getpwuid_r(self.channel.raw(), uid, user, buffer, size, result) }
        })
    }

    /// Calls a function with a structure, a buffer of a size, and where to say whether there is a
    /// result; with larger ones while the entry does not fit.
    fn find(
        &self,
        call: &'static str,
        function: impl Fn(*mut passwd, *mut c_char, usize, *mut *mut passwd) -> i32,
    ) -> Result<Option<User>, Error> {
        let mut buffer: Vec<c_char> = vec![0; BUFFER];
        loop {
            let mut user = MaybeUninit::uninit();
            let mut result = ptr::null_mut();
            let code =
                function(user.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut result);
            match code {
                // SAFETY: null, or the structure, which was filled in; its strings lie in the buffer.
                0 => return Ok(unsafe { result.as_ref().map(|user| read(user)) }),
                libc::ERANGE if buffer.len() < BUFFER_MOST => buffer.resize(buffer.len() * 2, 0),
                code => {
                    return Err(self.channel.failed_with(call, io::Error::from_raw_os_error(code)));
                }
            }
        }
    }

    /// getpwent(3): the next user; `None` after the last. Clones of a channel share the place.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`].
    pub fn next_user(&self) -> Result<Option<User>, Error> {
        let table = load::pwd()?;
        // Not the function with a buffer: an entry that does not fit would be lost.
        let _shared = shared();
        clear_errno();
        // SAFETY: the channel is open, and nobody else writes to the memory of the result.
        let user = unsafe { table.cap_getpwent(self.channel.raw()).as_ref() };
        match user {
            // SAFETY: as getpwent(3) describes it.
            Some(user) => Ok(Some(unsafe { read(user) })),
            None if io::Error::last_os_error().raw_os_error() == Some(0) => Ok(None),
            None => Err(self.channel.failed("cap_getpwent")),
        }
    }

    /// setpassent(3): starts over.
    ///
    /// # Errors
    /// [`Error::NotCapable`], [`Error::Died`], [`Error::System`].
    pub fn rewind(&self) -> Result<(), Error> {
        let table = load::pwd()?;
        // SAFETY: the channel is open.
        let right = unsafe { table.cap_setpassent(self.channel.raw(), 0) } == 1;
        if right { Ok(()) } else { Err(self.channel.failed("cap_setpassent")) }
    }

    /// Narrows what may be called: cap_pwd_limit_cmds(3).
    ///
    /// # Errors
    /// [`Error::NotCapable`] for more than is allowed already, [`Error::Died`], [`Error::System`].
    pub fn limit_lookups(&self, lookups: &[Lookup]) -> Result<(), Error> {
        const CALL: &str = "cap_pwd_limit_cmds";
        // The service knows a function and the one with a buffer as two.
        let commands: Vec<&str> = unique(lookups)
            .flat_map(|lookup| match lookup {
                Lookup::ByName => ["getpwnam", "getpwnam_r"].as_slice(),
                Lookup::ById => &["getpwuid", "getpwuid_r"],
                Lookup::Entries => {
                    &["getpwent", "getpwent_r", "setpassent", "setpwent", "endpwent"]
                }
            })
            .copied()
            .collect();
        let commands = c_strings(CALL, &commands)?;
        let pointers = pointers(&commands);
        let table = load::pwd()?;
        // SAFETY: the channel is open, and the names live until the call returns.
        done(&self.channel, CALL, unsafe {
            table.cap_pwd_limit_cmds(self.channel.raw(), pointers.as_ptr(), pointers.len())
        })
    }

    /// Narrows what is answered: cap_pwd_limit_fields(3).
    ///
    /// # Errors
    /// As [`Pwd::limit_lookups`].
    pub fn limit_fields(&self, fields: &[UserField]) -> Result<(), Error> {
        const CALL: &str = "cap_pwd_limit_fields";
        let fields: Vec<&str> = unique(fields)
            .map(|field| match field {
                UserField::Name => "pw_name",
                UserField::Password => "pw_passwd",
                UserField::Uid => "pw_uid",
                UserField::Gid => "pw_gid",
                UserField::Change => "pw_change",
                UserField::Class => "pw_class",
                UserField::Gecos => "pw_gecos",
                UserField::Home => "pw_dir",
                UserField::Shell => "pw_shell",
                UserField::Expire => "pw_expire",
            })
            .collect();
        let fields = c_strings(CALL, &fields)?;
        let pointers = pointers(&fields);
        let table = load::pwd()?;
        // SAFETY: the channel is open, and the names live until the call returns.
        done(&self.channel, CALL, unsafe {
            table.cap_pwd_limit_fields(self.channel.raw(), pointers.as_ptr(), pointers.len())
        })
    }

    /// Narrows about whom is answered: users with one of the names or one of the numbers,
    /// cap_pwd_limit_users(3).
    ///
    /// # Errors
    /// As [`Pwd::limit_lookups`].
    pub fn limit_users(&self, names: &[&str], uids: &[u32]) -> Result<(), Error> {
        const CALL: &str = "cap_pwd_limit_users";
        let names = c_strings(CALL, names)?;
        let pointers = pointers(&names);
        // It takes a pointer to what it might change.
        let mut uids = uids.to_vec();
        let table = load::pwd()?;
        // SAFETY: the channel is open, and both lists live until the call returns.
        done(&self.channel, CALL, unsafe {
            table.cap_pwd_limit_users(
                self.channel.raw(),
                pointers.as_ptr(),
                pointers.len(),
                uids.as_mut_ptr(),
                uids.len(),
            )
        })
    }
}

/// Each once: a name that comes twice is an error of nv(9).
pub(super) fn unique<T: Copy + PartialEq>(list: &[T]) -> impl Iterator<Item = T> + '_ {
    list.iter().enumerate().filter(|(at, item)| !list[..*at].contains(item)).map(|(_, item)| *item)
}

/// A number that is hidden comes as -1, which is no user's and no group's.
pub(super) fn shown(id: u32) -> Option<u32> {
    (id != u32::MAX).then_some(id)
}

/// # Safety
/// Its strings are null or end with a zero byte.
unsafe fn read(user: &passwd) -> User {
    // SAFETY: the caller says so.
    unsafe {
        User {
            name: copy(user.pw_name),
            password: copy(user.pw_passwd),
            uid: shown(user.pw_uid),
            gid: shown(user.pw_gid),
            change: user.pw_change,
            class: copy(user.pw_class),
            gecos: copy(user.pw_gecos),
            home: copy(user.pw_dir).into(),
            shell: copy(user.pw_shell).into(),
            expire: user.pw_expire,
        }
    }
}
