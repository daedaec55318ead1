//! Changes to mode, owner, times and attributes: of what is in a tree for writing, and of nothing
//! else, be it open or not.

use std::os::fd::OwnedFd;

use super::{
    super::calls::Errno,
    Answer, Supervisor,
    ask::{LONGEST_NAME, Seen},
    caller::Caller,
    kernel,
    request::{Change, Subject, Times},
};

/// The bits of a mode with which a program takes on the file's owner or group: a file of root's
/// making would be root's on the host.
const SET_ID: u32 = libc::S_ISUID | libc::S_ISGID;
/// What chmod(2) looks at.
const MODE: u32 = 0o7777;
/// `XATTR_SIZE_MAX`
const MOST: u64 = 65_536;

impl Supervisor {
    /// Makes a change.
    pub(super) fn alter(
        &self,
        caller: &Caller<'_>,
        subject: Subject,
        change: Change,
    ) -> Result<Answer, Errno> {
        let object = self.alterable(caller, subject)?;
        match change {
            Change::Mode(mode) => {
                // On directories these bits give nobody's ids away.
                if mode & SET_ID != 0 && kernel::kind(&object)? != libc::S_IFDIR {
                    return Err(libc::EPERM);
                }
                kernel::set_mode(&object, mode & MODE)?;
            }
            Change::Owner(user, group) => kernel::set_owner(&object, user, group)?,
            Change::Times(times) => kernel::set_times(&object, read(caller, times)?)?,
            Change::Attribute { name, value, size, flags } => {
                let name = caller.string(name, LONGEST_NAME, libc::ERANGE)?;
                if size > MOST {
                    return Err(libc::E2BIG);
                }
                let mut bytes = vec![0; usize::try_from(size).map_err(|_| libc::E2BIG)?];
                caller.read(value, &mut bytes)?;
                kernel::set_attribute(&object, &name, &bytes, flags)?;
            }
            Change::NoAttribute { name } => {
                let name = caller.string(name, LONGEST_NAME, libc::ERANGE)?;
                kernel::remove_attribute(&object, &name)?;
            }
        }
        Ok(Answer::Value(0))
    }

    /// What a change is about, if it may be changed. What is only open must be found again in a tree:
    /// a descriptor may come from anywhere.
    fn alterable(&self, caller: &Caller<'_>, subject: Subject) -> Result<OwnedFd, Errno> {
        let (object, tree) = match self.find(caller, subject, true)? {
            Seen::Object(object, Some(tree)) => (object, tree),
            Seen::Object(object, None) if is_open(subject) => {
                let (tree, object) = self.trees.locate(&object).ok_or(libc::EPERM)?;
                (object, tree)
            }
            // What is above the trees.
            Seen::Above(_) | Seen::Object(_, None) => return Err(libc::EROFS),
        };
        if self.trees.tree(tree).read_only { Err(libc::EROFS) } else { Ok(object) }
    }
}

/// Whether a call may be about what its caller has open.
fn is_open(subject: Subject) -> bool {
    match subject {
        Subject::Descriptor(_) => true,
        Subject::Path { may_be_empty, .. } => may_be_empty,
    }
}

/// Access and modification; `None` is now.
fn read(caller: &Caller<'_>, times: Times) -> Result<Option<[libc::timespec; 2]>, Errno> {
    let time = |seconds, nanoseconds| libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    Ok(Some(match times {
        Times::Seconds(0) | Times::Microseconds(0) | Times::Nanoseconds(0) => return Ok(None),
        Times::Seconds(from) => caller.numbers::<2>(from)?.map(|seconds| time(seconds, 0)),
        Times::Microseconds(from) => {
            let [a, b, c, d] = caller.numbers(from)?;
            if ![b, d].iter().all(|micros| (0..1_000_000).contains(micros)) {
                return Err(libc::EINVAL);
            }
            [time(a, b * 1000), time(c, d * 1000)]
        }
        Times::Nanoseconds(from) => {
            let [a, b, c, d] = caller.numbers(from)?;
            [time(a, b), time(c, d)]
        }
    }))
}
