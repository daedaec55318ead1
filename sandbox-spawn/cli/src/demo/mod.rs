//! x
pub(crate) fn demo(_: &crate::args::DemoOptions) -> Result<u8, crate::error::Error> { Ok(0) }
pub(crate) fn pack(_: &crate::args::PackOptions) -> Result<u8, crate::error::Error> { Ok(0) }
