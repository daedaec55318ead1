//! Explaining what entering would do.

use std::os::fd::AsRawFd;

use capsicum_rs::{Mode, Rights, mode};

use crate::{
    harness::{Case, Done, ensure, refused, works},
    level,
    raw::{self, ENOTCAPABLE},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("an explanation changes nothing, and says what entering then does", |scene| {
        let file = works("file", scene.file("file"))?;
        let free = works("open", scene.open("file", libc::O_RDWR))?.as_raw_fd();
        let sandbox = level::sandbox().grant(&file, Rights::READ);

        let explained = works("explain", sandbox.explain())?;
        ensure(mode().is_ok_and(|mode| mode == Mode::Ambient), "in capability mode")?;
        let again = works("open", scene.open("file", libc::O_RDWR))?;
        ensure(again.as_raw_fd() == free, "it leaves a descriptor open")?;
        works("write", raw::write(&file, b"W"))?;
        let number = file.as_raw_fd();
        let grant = explained.grants.iter().find(|grant| grant.descriptor == number);
        ensure(
            grant.is_some_and(|grant| grant.limits == Rights::READ.into()),
            format!("descriptor {number} is not granted READ: {:?}", explained.grants),
        )?;
        let read = explained.call("read").map(ToString::to_string).unwrap_or_default();
        ensure(read.contains(&format!(" {number}")), format!("it does not name {number}: {read}"))?;

        let entered = works("enter", sandbox.enter())?;
        ensure(entered.containment == explained.containment, format!("{entered:?}"))?;
        ensure(entered.missing == explained.missing, format!("{entered:?}"))?;
        refused("write", raw::write(&file, b"W"), &[ENOTCAPABLE])?;
        Ok(Done::Held)
    })]
}
