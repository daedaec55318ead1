//! Holding a client to the answers that it receives.
//!
//! Descriptors that were sent and not received count against all that a user sends: on Linux, sending
//! more than `RLIMIT_NOFILE` of them is `ETOOMANYREFS` for all of the user's processes. So an answer brings the
//! end of a pipe along, which the client closes at once, and a connection on which it has not been closed
//! is not answered any further. What all connections together may have been sent is bounded, by less than
//! a process of the user may usually have on the way: of that each connection has a small share, and what comes along
//! takes of the rest, as do more answers without a receipt.

use std::{
    io::{self, PipeReader},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sandbox_spawn::call::cancelled;

use super::AHEAD;
use crate::{MOST_CONNECTIONS, sys};

/// How many descriptors may have been sent by the process that nobody has received, where it may have as many. A
/// process may usually have 1024 on the way, and other services are the user's too.
const MOST: u64 = 512;

/// How many answers with one file go without a receipt beside those of the share, where there is room: each receipt
/// is a pipe.
const MORE_WITHOUT: u8 = 15;

/// How much may have been sent that was not received.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// How many answers with one file each go without a receipt, on each connection.
    without: usize,
    /// How many files besides, on all of them.
    ahead: Arc<AtomicUsize>,
}

impl Allowance {
    /// Where the process may have so many descriptors. The share of one connection are the answers without a
    /// receipt, and another answer, its file and its receipt.
    pub(super) fn of(descriptors: u64) -> Self {
        let most = descriptors.min(MOST);
        let share = most / MOST_CONNECTIONS as u64;
        let without = (share / 4).saturating_sub(1);
        let shares = (without + 2) * MOST_CONNECTIONS as u64;
        let number = |number| usize::try_from(number).unwrap_or(0);
        let ahead = AtomicUsize::new(number(most.saturating_sub(shares)));
        Self { without: number(without), ahead: Arc::new(ahead) }
    }

    /// Room for so many files, or as many as there is room for.
    pub(super) fn room(&self, most: u8) -> Room {
        let mut taken = 0;
        let most = usize::from(most.min(AHEAD));
        let _ = self.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            taken = left.min(most);
            Some(left - taken)
        });
        Room { taken, of: Arc::clone(&self.ahead) }
    }
}

/// Room for files beside the share of a connection, which is given back with it.
#[derive(Debug)]
pub(crate) struct Room {
    taken: usize,
    of: Arc<AtomicUsize>,
}

impl Room {
    /// For how many.
    pub(super) fn files(&self) -> usize {
        self.taken
    }

    /// Gives back what is not needed for so many.
    pub(super) fn keep(&mut self, files: usize) {
        let spare = self.taken.saturating_sub(files);
        self.taken -= spare;
        self.of.fetch_add(spare, Ordering::Relaxed);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.keep(0);
    }
}

/// What a connection has sent. A clone has sent nothing.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The receipt that is still to come, and what it gives back.
    pipe: Option<(PipeReader, [Option<Room>; 2])>,
    without: usize,
    /// For answers without a receipt.
    more: Option<Room>,
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
        let Some((pipe, _)) = &self.pipe else { return Ok(()) };
        while !sys::hung_up(pipe.as_fd(), WHILE)? {
            if cancelled() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        self.pipe = None;
        Ok(())
    }

    /// What goes along with an answer of a file, and of so many others as there was room for.
    pub(super) fn along(
        &mut self,
        others: Room,
        allowed: &Allowance,
    ) -> io::Result<Option<OwnedFd>> {
        if others.files() == 0 {
            let mut most = allowed.without;
            if self.without >= most {
                let more = self.more.get_or_insert_with(|| allowed.room(MORE_WITHOUT));
                most += more.files();
            }
            if self.without < most {
                self.without += 1;
                return Ok(None);
            }
        }
        let (reader, writer) = io::pipe()?;
        self.pipe = Some((reader, [Some(others), self.more.take()]));
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
        let allowed = Allowance { without: 2, ahead: Arc::new(AtomicUsize::new(1)) };
        for _ in 0..3 {
            assert!(sent.along(allowed.room(0), &allowed).unwrap().is_none());
            sent.wait().unwrap();
        }
        let receipt = sent.along(allowed.room(0), &allowed).unwrap().unwrap();
        let (pipe, _) = sent.pipe.as_ref().unwrap();
        assert!(!sys::hung_up(pipe.as_fd(), Duration::ZERO).unwrap());
        drop(receipt);
        assert!(sys::hung_up(pipe.as_fd(), Duration::ZERO).unwrap());
        assert_eq!(allowed.room(1).files(), 0);
        sent.wait().unwrap();
        assert!(sent.along(allowed.room(1), &allowed).unwrap().is_some());
        assert!(sent.clone().pipe.is_none());
    }

    #[test]
    fn what_comes_along_takes_of_what_all_have_together() {
        let allowed = Allowance { without: 0, ahead: Arc::new(AtomicUsize::new(40)) };
        let mut first = allowed.room(u8::MAX);
        assert_eq!(first.files(), usize::from(AHEAD));
        assert_eq!(allowed.room(AHEAD).files(), 9);
        first.keep(11);
        let (mut one, mut other) = (Sent::default(), Sent::default());
        let receipt = one.along(first, &allowed).unwrap();
        let rest = allowed.room(AHEAD);
        assert_eq!(rest.files(), 29);
        drop(other.along(rest, &allowed).unwrap());
        assert_eq!(allowed.room(AHEAD).files(), 0);
        other.wait().unwrap();
        assert_eq!(allowed.room(AHEAD).files(), 29);
        // A connection that has ended.
        drop((one, receipt));
        assert_eq!(allowed.ahead.load(Ordering::Relaxed), 40);
    }

    #[test]
    fn all_connections_together_have_no_more_than_there_may_be() {
        for descriptors in [64, 256, 512, 1024, 4096, 1 << 40] {
            let Allowance { without, ahead } = Allowance::of(descriptors);
            let shares = (without as u64 + 2) * MOST_CONNECTIONS as u64;
            let all = shares + ahead.load(Ordering::Relaxed) as u64;
            assert!(all <= descriptors.clamp(128, MOST), "{descriptors}: {all}");
        }
        let allowed = Allowance::of(4096);
        assert!(allowed.without > 0 && allowed.room(AHEAD).files() == usize::from(AHEAD));
    }
}
