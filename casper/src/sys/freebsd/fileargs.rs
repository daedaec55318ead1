//! Holding what `FileArgs` sends to rights.

use std::{os::fd::OwnedFd, path::Path};

use capsicum_channel::Handle;
use capsicum_rs::Rights;

use crate::fileargs::{Access, OpenFlags};

/// `O_SEARCH`: a directory is opened for lookups alone.
pub(crate) const SEARCH: i32 = libc::O_EXEC;

/// They always do: they are the descriptor's.
#[allow(clippy::unnecessary_wraps, reason = "Linux cannot hold all")]
pub(crate) fn rights_hold(_: Rights, _: Option<Rights>, _: Access) -> Result<(), String> {
    Ok(())
}

/// It is sent with these.
pub(crate) fn with_rights(file: OwnedFd, rights: Rights) -> Handle<OwnedFd> {
    Handle::limited(file, rights)
}

/// Nothing but capability mode holds a process to files, and in that there are no paths.
#[allow(clippy::unnecessary_wraps, reason = "Linux can fail")]
pub(crate) fn keep_to<'a>(
    _: impl Iterator<Item = &'a Path>,
    _: Access,
    _: OpenFlags,
) -> Result<(), String> {
    Ok(())
}
