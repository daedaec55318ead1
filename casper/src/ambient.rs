//! Who may open a service that is told of paths.
//!
//! A program in capability mode may still have its socket to the zygote, and must not get paths by it.
//! So whoever opens such a service hands over the root directory, which only who has paths can open, and
//! the service does not start without.

use std::{fs::File, io, os::unix::fs::MetadataExt};

use capsicum_rs::Limits;
use sandbox_spawn::Builder;

use crate::service::Grants;

const ROOT: &str = "/";
const GRANT: &str = "root";

/// Hands it over.
pub(crate) fn prove(process: Builder) -> Result<Builder, String> {
    let root = File::open(ROOT).map_err(|error| format!("{ROOT}: {error}"))?;
    Ok(process.grant(GRANT, root, Limits::ALL))
}

/// Whether it was handed over, without having been limited.
pub(crate) fn proven(grants: &mut Grants<'_>) -> Result<(), String> {
    let granted: File = grants.take(GRANT)?;
    let place = |metadata: io::Result<std::fs::Metadata>| {
        metadata.map(|data| (data.dev(), data.ino())).map_err(|error| format!("{ROOT}: {error}"))
    };
    let limits = capsicum_rs::limits_of(&granted).map_err(|error| error.to_string())?;
    if place(granted.metadata())? == place(std::fs::metadata(ROOT))? && limits == Limits::ALL {
        return Ok(());
    }
    Err("who opens it does not have the root directory that its process has".to_owned())
}
