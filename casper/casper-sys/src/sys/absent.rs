//! Systems without libcasper.

use crate::{Error, Service};

/// What libcasper would be. There is none here, and so no value of this type.
#[derive(Debug)]
pub enum Casper {}

impl Casper {
    /// Says that there is no libcasper.
    ///
    /// # Errors
    /// Always [`Error::Unsupported`], with the library of the first service.
    pub fn start(services: &[Service]) -> Result<Self, Error> {
        let library = services.first().map_or("libcasper.so.1", |service| service.library());
        let reason = format!("it is FreeBSD's, and this is {}", std::env::consts::OS);
        Err(Error::Unsupported { library, reason })
    }
}
