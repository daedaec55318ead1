//! Errors, and how the kernel's refusals are told from other errors.

use std::io;

use capsicum_rs::{
    CapabilityError, Containment, Error, Mode, Rights, Sandbox, is_capability_error, mode,
};

use crate::{
    harness::{Case, Done, ensure, works},
    level,
    level::FREEBSD,
    raw::{self, ECAPMODE, ENOTCAPABLE},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("a level that the host lacks is an error that says which it has", |scene| {
            let better = match scene.level {
                Containment::Capsicum | Containment::Directories => Containment::Capsicum,
                _ => Containment::Directories,
            };
            match Sandbox::new().require(better).enter() {
                Ok(entered) if FREEBSD => {
                    ensure(entered.containment == better, "another level")?;
                    Ok(Done::Held)
                }
                Err(Error::Containment { required, offered, reason }) => {
                    ensure(required == better && offered == scene.level, "the wrong levels")?;
                    ensure(!reason.is_empty(), "no reason")?;
                    still_ambient()
                }
                other => Err(format!("{other:?}")),
            }
        }),
        Case::new("the level that is required and offered is the level that holds", |scene| {
            let entered = works("enter", Sandbox::new().require(scene.level).enter())?;
            ensure(entered.containment == scene.level, format!("{entered:?}"))?;
            ensure(entered.missing.is_empty(), format!("{entered:?}"))?;
            ensure(FREEBSD == (entered.filter_len == 0), format!("{entered:?}"))?;
            Ok(Done::Held)
        }),
        Case::new("a level of the other system is an error", |_| {
            let other = if FREEBSD { Containment::Directories } else { Containment::Capsicum };
            match Sandbox::new().require(other).enter() {
                Err(Error::Containment { required, .. }) if required == other => still_ambient(),
                // Capsicum is above all of Linux's.
                Ok(_) if FREEBSD => Ok(Done::Held),
                result => Err(format!("{result:?}")),
            }
        }),
        Case::new("LOOKUP on a directory needs a level that holds lookups", |scene| {
            let dir = works("directory", scene.directory("dir"))?;
            match level::sandbox().grant(&dir, Rights::LOOKUP).enter() {
                Ok(entered) if scene.level != Containment::Descriptors => {
                    ensure(entered.containment == scene.level, format!("{entered:?}"))?;
                    Ok(Done::Held)
                }
                Err(Error::Containment { required: Containment::Landlock, offered, reason })
                    if scene.level == Containment::Descriptors =>
                {
                    ensure(offered == scene.level, format!("{offered}"))?;
                    ensure(
                        reason.contains("LOOKUP"),
                        format!("the reason names no right: {reason}"),
                    )?;
                    still_ambient()?;
                    Ok(Done::Otherwise(reason))
                }
                other => Err(format!("{other:?}")),
            }
        }),
        Case::new("the numbers of refusals are known for what they are", |_| {
            let kind = |number| is_capability_error(&io::Error::from_raw_os_error(number));
            ensure(kind(ECAPMODE) == Some(CapabilityError::CapabilityMode), "ECAPMODE")?;
            ensure(kind(ENOTCAPABLE) == Some(CapabilityError::NotCapable), "ENOTCAPABLE")?;
            for number in [libc::EACCES, libc::EPERM, libc::ENOENT, libc::EBADF, libc::ENOSYS] {
                ensure(kind(number).is_none(), format!("{number} before capability mode"))?;
            }
            works("enter", Sandbox::new().enter())?;
            let expected = (!FREEBSD).then_some(CapabilityError::NotCapable);
            ensure(kind(libc::EACCES) == expected, "EACCES in capability mode")?;
            ensure(kind(libc::ENOENT).is_none(), "ENOENT in capability mode")?;
            Ok(Done::Held)
        }),
        Case::new("asking for more than a descriptor has is ENOTCAPABLE as an io::Error", |_| {
            let (reader, _writer) = works("pipe", raw::pipe())?;
            works("limit", capsicum_rs::limit(&reader, Rights::READ))?;
            let Err(error) = capsicum_rs::limit(&reader, Rights::READ | Rights::WRITE) else {
                return Err("it was not refused".to_owned());
            };
            ensure(error.raw_os_error() == Some(ENOTCAPABLE), format!("{error:?}"))?;
            let error = io::Error::from(error);
            ensure(is_capability_error(&error) == Some(CapabilityError::NotCapable), "as io")?;
            Ok(Done::Held)
        }),
    ]
}

/// An error has changed nothing.
fn still_ambient() -> crate::harness::Outcome {
    ensure(works("mode", mode())? == Mode::Ambient, "in capability mode after an error")?;
    works("opening by path", std::fs::File::open("/")).map(|_| Done::Held)
}
