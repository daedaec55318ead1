//! Linux.
use std::os::fd::BorrowedFd;

use super::{Confinement, Request};
use crate::{Entered, Error, Limits, Mode, Support, program::Confined};

pub(crate) const ECAPMODE: i32 = 134;
pub(crate) const ENOTCAPABLE: i32 = 135;

pub(crate) fn refuses_with(errno: i32) -> bool {
    errno == libc::EACCES
}
pub(crate) fn limit(_: BorrowedFd<'_>, _: &Limits) -> Result<(), Error> {
    unreachable!()
}
pub(crate) fn limits_of(_: BorrowedFd<'_>) -> Result<Limits, Error> {
    unreachable!()
}
pub(crate) fn enter(_: &Request) -> Result<Entered, Error> {
    unreachable!()
}
pub(crate) fn confine(_: &Confinement) -> Result<Confined, Error> {
    unreachable!()
}
pub(crate) fn mode() -> Result<Mode, Error> {
    unreachable!()
}
pub(crate) fn support() -> Support {
    unreachable!()
}
pub(crate) mod process {
    use std::{os::fd::BorrowedFd, process::ExitStatus, time::Instant};

    use crate::Error;

    #[derive(Debug)]
    pub(crate) struct Child;
    pub(crate) fn fork(_: impl FnOnce() -> u8) -> Result<Child, Error> {
        unreachable!()
    }
    impl Child {
        pub(crate) fn pid(&self) -> Result<u32, Error> {
            unreachable!()
        }
        pub(crate) fn kill(&self, _: i32) -> Result<(), Error> {
            unreachable!()
        }
        pub(crate) fn wait_until(&self, _: Instant) -> Result<Option<ExitStatus>, Error> {
            unreachable!()
        }
        pub(crate) fn kill_and_reap(&mut self) {}
        pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
            unreachable!()
        }
    }
}
