//! cap_netdb(3)

use super::{
    channel::channel_of,
    load,
    names::shared,
    text::{c_string, copies, copy},
};
use crate::{Error, Protocol};

channel_of! {
    /// Protocols: cap_netdb(3). The service has no limits: it takes all that are stated, and holds none,
    /// so that there is no function for them here.
    NetDb
}

impl NetDb {
    /// getprotobyname(3); `None` where there is none of that name.
    ///
    /// The answer's memory is not freed, since cap_netdb(3) does not say whose it is: about a hundred
    /// bytes for each call.
    ///
    /// # Errors
    /// [`Error::Died`]; [`Error::Invalid`] for a zero byte.
    pub fn protocol(&self, name: &str) -> Result<Option<Protocol>, Error> {
        const CALL: &str = "cap_getprotobyname";
        let name = c_string(CALL, name)?;
        let table = load::netdb()?;
        let _shared = shared();
        // SAFETY: the channel is open, and the name lives until the call returns. The answer has the
        // form that getprotobyname(3) describes, and nobody changes it until it is copied.
        unsafe {
            let Some(found) = table.cap_getprotobyname(self.channel.raw(), name.as_ptr()).as_ref()
            else {
                // It tells one who is unknown from one who cannot be asked in no other way.
                self.channel.alive(CALL)?;
                return Ok(None);
            };
            Ok(Some(Protocol {
                name: copy(found.p_name),
                aliases: copies(found.p_aliases),
                number: found.p_proto,
            }))
        }
    }
}
