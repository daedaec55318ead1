//! For fuzzers: decoding without a socket. Built with `--cfg fuzzing` only.

use std::os::fd::OwnedFd;

use serde::de::DeserializeOwned;

use crate::{
    Caps, Error, frame,
    header::{self, Header},
};

/// What is done with a datagram and its descriptors once the kernel has delivered them.
///
/// # Errors
///
/// [`Error::Protocol`], and those of checking descriptors.
pub fn decode<T: DeserializeOwned>(
    datagram: &[u8],
    descriptors: Vec<OwnedFd>,
    caps: Caps,
) -> Result<T, Error> {
    let header = Header::read(datagram).ok_or_else(|| Error::protocol("no header"))?;
    let payload = &datagram[header::LENGTH..];
    let whole = usize::try_from(header.length).ok() == Some(payload.len());
    if !whole || usize::from(header.descriptors) != descriptors.len() {
        return Err(Error::protocol("another length or number of descriptors"));
    }
    frame::decode(payload, descriptors, caps)
}
