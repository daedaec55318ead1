//! x
pub(crate) fn attack(_: &crate::args::AttackOptions) -> Result<u8, crate::error::Error> { Ok(0) }
