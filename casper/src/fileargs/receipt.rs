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

use super::AHEAD;
use crate::{MOST_CONNECTIONS, sys};

/// How much a connection may have been sent that it has not received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// How many answers with one file each go without a receipt.
    without: u8,
    /// How many files may come along with one.
    pub(super) ahead: u8,
}

/// How many answers with one file go without a receipt, where there is room: each receipt is a pipe.
const MOST_WITHOUT: u8 = 16;

impl Allowance {
    /// The share of one connection, where all of them may have so many: those of the answers without a
    /// receipt, and another answer, its file and its receipt.
    pub(super) fn share(descriptors: u64) -> Self {
        let room = descriptors / MOST_CONNECTIONS as u64;
        let most = |most: u8, share: u64| u8::try_from(share).map_or(most, |share| share.min(most));
        Self {
            without: most(MOST_WITHOUT, room / 4),
            ahead: most(AHEAD, (room / 2).saturating_sub(1)),
        }
    }
}

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
    pub(super) fn along(
        &mut self,
        files: usize,
        allowed: Allowance,
    ) -> io::Result<Option<OwnedFd>> {
        if files <= 1 && self.without < allowed.without {
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
        let allowed = Allowance { without: 3, ahead: 1 };
        for _ in 0..3 {
            assert!(sent.along(1, allowed).unwrap().is_none());
            sent.wait().unwrap();
        }
        let receipt = sent.along(1, allowed).unwrap().unwrap();
        let pipe = sent.pipe.as_ref().unwrap();
        assert!(!sys::hung_up(pipe.as_fd(), Duration::ZERO).unwrap());
        drop(receipt);
        assert!(sys::hung_up(pipe.as_fd(), Duration::ZERO).unwrap());
        sent.wait().unwrap();
        assert!(sent.along(2, allowed).unwrap().is_some());
        assert!(sent.clone().pipe.is_none());
    }

    #[test]
    fn all_connections_together_have_no_more_than_there_may_be() {
        for descriptors in [64, 256, 1024, 4096, 1 << 40] {
            let Allowance { without, ahead } = Allowance::share(descriptors);
            let each = u64::from(without) + 2 + u64::from(ahead);
            assert!(each * MOST_CONNECTIONS as u64 <= descriptors.max(256), "{descriptors}");
        }
        assert_eq!(Allowance::share(4096), Allowance { without: MOST_WITHOUT, ahead: AHEAD });
    }
}
