//! Asking the filter whether it is there.
//!
//! A process knows what it limited, but not what it inherited through execve(2). So the filters
//! answer a prctl(2) of an option that no kernel has: capability mode with `ECAPMODE`, limits alone
//! with `ENOTCAPABLE`. A kernel without them answers `EINVAL`.

use super::{ECAPMODE, ENOTCAPABLE, call};
use crate::{Error, Mode};

/// The option, `CAPS` in ASCII.
pub(super) const OPTION: u32 = 0x4341_5053;

/// What filters are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filters {
    /// None of this crate's.
    None,
    /// Descriptors are limited.
    Limits,
    /// The process is in capability mode.
    Capability,
}

pub(super) fn filters() -> Filters {
    match call::prctl(OPTION, 0).err().and_then(|error| error.raw_os_error()) {
        Some(ECAPMODE) => Filters::Capability,
        Some(ENOTCAPABLE) => Filters::Limits,
        _ => Filters::None,
    }
}

#[allow(clippy::unnecessary_wraps)] // FreeBSD's may fail.
pub(crate) fn mode() -> Result<Mode, Error> {
    Ok(match filters() {
        Filters::Capability => Mode::Capability,
        Filters::None | Filters::Limits => Mode::Ambient,
    })
}
