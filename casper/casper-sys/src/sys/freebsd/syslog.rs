//! cap_syslog(3)

use super::{
    channel::channel_of,
    load,
    text::{c_string, or_null},
};
use crate::Error;

channel_of! {
    /// The system's log: cap_syslog(3). The service has no limits.
    Syslog
}

impl Syslog {
    /// syslog(3), with the text as it is. Of a longer one than 2047 bytes the rest is dropped.
    ///
    /// # Errors
    /// [`Error::Died`]; [`Error::Invalid`] for a zero byte. Whether the log has it nobody says.
    pub fn log(&self, priority: i32, text: &str) -> Result<(), Error> {
        const CALL: &str = "cap_syslog";
        let text = c_string(CALL, text)?;
        let table = load::syslog()?;
        // SAFETY: the channel is open; the format takes one string, which lives until the call returns.
        unsafe {
            (table.cap_syslog)(self.channel.raw(), priority, c"%s".as_ptr(), text.as_ptr());
        }
        self.channel.alive(CALL)
    }

    /// openlog(3): what lines begin with, `LOG_` options, and the facility of lines that name none.
    ///
    /// # Errors
    /// As [`Syslog::log`].
    pub fn open_log(&self, ident: Option<&str>, options: i32, facility: i32) -> Result<(), Error> {
        const CALL: &str = "cap_openlog";
        let ident = ident.map(|ident| c_string(CALL, ident)).transpose()?;
        let table = load::syslog()?;
        // SAFETY: the channel is open, and the string lives until the call returns: the service keeps
        // a copy of its own.
        unsafe {
            table.cap_openlog(self.channel.raw(), or_null(ident.as_ref()), options, facility);
        }
        self.channel.alive(CALL)
    }

    /// closelog(3)
    ///
    /// # Errors
    /// [`Error::Died`].
    pub fn close_log(&self) -> Result<(), Error> {
        let table = load::syslog()?;
        // SAFETY: the channel is open.
        unsafe { table.cap_closelog(self.channel.raw()) };
        self.channel.alive("cap_closelog")
    }

    /// setlogmask(3): which priorities are logged; returns what was set before.
    ///
    /// # Errors
    /// [`Error::Died`] where the service is gone already. If it ends in the middle of this call,
    /// libcap_syslog ends the program.
    pub fn set_mask(&self, mask: i32) -> Result<i32, Error> {
        let table = load::syslog()?;
        self.channel.alive("cap_setlogmask")?;
        // SAFETY: the channel is open.
        Ok(unsafe { table.cap_setlogmask(self.channel.raw(), mask) })
    }
}
