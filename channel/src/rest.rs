//! What is left of a frame of which the kernel has taken a part.
//!
//! From FreeBSD 15 on the kernel takes as much of a record as the receiver has room for. Where there is no time to wait
//! for more, the *rest* is kept here, and goes before anything else. So a frame of which a part was taken is as good as
//! sent, and one of which nothing was can be tried again.

use crate::{Error, passing::Passed};

/// The rest of one frame, or none.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    bytes: Vec<u8>,
    /// How many of them have gone meanwhile.
    sent: usize,
    /// A frame has ended in its midst. Nothing that follows could be told from its rest.
    broken: bool,
}

impl Rest {
    /// Whether all has gone that was taken over: not where it was cut off.
    pub(crate) fn is_gone(&self) -> bool {
        self.bytes.is_empty() && !self.broken
    }

    /// Whether nothing can be sent any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    fn broken(&mut self, error: Error) -> Error {
        *self = Self { broken: true, ..Self::default() };
        error
    }

    /// Sends what there is of it, by `put`, whose answer is how many bytes were taken; `None`, or
    /// [`Error::Deadline`], where there is no more time. Whether nothing is left.
    pub(crate) fn flush(
        &mut self,
        mut put: impl FnMut(&[u8], &[Passed]) -> Result<Option<usize>, Error>,
    ) -> Result<bool, Error> {
        if self.broken {
            return Err(Error::Closed);
        }
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match put(rest, &[]) {
                Ok(Some(part)) => self.sent += part,
                Ok(None) => return Ok(false),
                Err(Error::Deadline) => return Err(Error::Deadline),
                Err(error) => return Err(self.broken(error)),
            }
        }
        *self = Self::default();
        Ok(true)
    }

    /// Sends a frame, after the rest of another one: whether it was sent, or the rest of it is kept. Otherwise nothing
    /// of it was sent. Its descriptors go with the first part, or before it where they are to go apart.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        passed: &[Passed],
        apart: bool,
        mut put: impl FnMut(&[u8], &[Passed]) -> Result<Option<usize>, Error>,
    ) -> Result<bool, Error> {
        if !self.flush(&mut put)? {
            return Ok(false);
        }
        let mut begun = apart && !passed.is_empty();
        if begun && put(&[], passed)?.is_none() {
            return Ok(false);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match put(rest, if begun { &[] } else { passed }) {
                Ok(Some(part)) => {
                    rest = rest.get(part..).unwrap_or_default();
                    begun = true;
                }
                Ok(None) | Err(Error::Deadline) if begun => {
                    self.bytes.extend_from_slice(rest);
                    return Ok(true);
                }
                Ok(None) => return Ok(false),
                Err(error) if begun => return Err(self.broken(error)),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
