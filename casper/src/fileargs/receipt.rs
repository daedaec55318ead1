//! Holding a client to the answers that it receives.
//!
//! Descriptors that were sent and not received count against all that a user sends: on Linux, sending
//! more than `RLIMIT_NOFILE` of them is `ETOOMANYREFS` for all of the user's processes. So an answer brings the
//! end of a pipe along, which the client closes at once, and a connection on which it has not been closed
//! is not answered any further.

use std::{
    io::{self, PipeReader},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use sandbox_spawn::call::cancelled;

use crate::sys;

/// How many answers with one file each may go without.
const MOST: u8 = 8;

/// What a connection has sent. A clone has sent nothing.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pipe: Option<PipeReader>,
    without: u8,
}

impl Clone for Sent {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Sent {
    /// Waits until the client has received what was sent; or is gone, which is `EPIPE`.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        const WHILE: Duration = Duration::from_millis(100);
        let Some(pipe) = &self.pipe else { return Ok(()) };
        while !sys::hung_up(pipe.as_fd(), WHILE)? {
            if cancelled() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        self.pipe = None;
        Ok(())
    }

    /// What goes along with an answer of so many files.
    pub(super) fn along(&mut self, files: usize) -> io::Result<Option<OwnedFd>> {
        if files <= 1 && self.without < MOST {
            self.without += 1;
            return Ok(None);
        }
        let (reader, writer) = io::pipe()?;
        self.pipe = Some(reader);
        self.without = 0;
        Ok(Some(writer.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_received_is_waited_for() {
        let mut sent = Sent::default();
        for _ in 0..MOST {
            assert!(sent.along(1).unwrap().is_none());
            sent.wait().unwrap();
        }
        let receipt = sent.along(1).unwrap().unwrap();
        let pipe = sent.pipe.as_ref().unwrap();
        assert!(!sys::hung_up(pipe.as_fd(), Duration::ZERO).unwrap());
        drop(receipt);
        assert!(sys::hung_up(pipe.as_fd(), Duration::ZERO).unwrap());
        sent.wait().unwrap();
        assert!(sent.along(2).unwrap().is_some());
        assert!(sent.clone().pipe.is_none());
    }
}
