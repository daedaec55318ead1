//! What is known of files without opening them, and what is changed so.

use super::tools::{AT_FDCWD, FCHMODAT2, bytes_of, did, done, read_fd};
use crate::{
    attempt::{Attempt, Family, Got, Known, Stop, at, at_mut, call, numbered, open, program},
    raw::{number, text},
    stage::{SECRET, Scene},
};

/// Landlock sees none of these.
const SEEN: &[Known] = &[Known {
    place: "sandbox-spawn, landlock",
    sentence: "At `landlock` the names and the metadata of other files can be seen.",
}];

pub(crate) const FAMILY: Family = Family {
    name: "metadata",
    attacks: &[
        #[cfg(target_arch = "x86_64")]
        program("stat(2)", |s| {
            s.enter()?;
            let mut stat = [0_u64; 18];
            call!(SYS_stat, s.secret(), at_mut(&mut stat))?;
            size(stat[6])
        })
        .known(SEEN),
        program("fstatat of `..`", |s| {
            s.enter()?;
            let mut stat = [0_u64; 18];
            let path = c"../outside/secret";
            call!(SYS_newfstatat, s.out, path, at_mut(&mut stat), 0)?;
            size(stat[6])
        })
        .known(SEEN),
        program("statx", |s| {
            s.enter()?;
            let mut stat = [0_u64; 32];
            call!(SYS_statx, AT_FDCWD, s.secret(), 0, 0x7ff, at_mut(&mut stat))?;
            size(stat[5])
        })
        .known(SEEN),
        program("access", |s| {
            s.enter()?;
            did("it asked whether a file is there", call!(SYS_faccessat, AT_FDCWD, s.secret(), 0))
        })
        .known(SEEN),
        program("faccessat2", |s| {
            s.enter()?;
            let asked = call!(SYS_faccessat2, s.out, c"../outside/secret", 4, 0);
            did("it asked whether a file can be read", asked)
        })
        .known(SEEN),
        program("readlink", |s| {
            s.enter()?;
            let mut bytes = [0_u8; 64];
            call!(SYS_readlinkat, s.out, c"../outside/link", at_mut(&mut bytes), 64)?;
            bytes_of(&bytes)
        })
        .known(SEEN),
        program("getxattr", |s| {
            s.enter()?;
            let mut bytes = [0_u8; 64];
            call!(SYS_getxattr, s.secret(), c"user.secret", at_mut(&mut bytes), 64)?;
            bytes_of(&bytes)
        })
        .known(SEEN),
        program("listxattr", |s| {
            s.enter()?;
            let mut bytes = [0_u8; 64];
            call!(SYS_listxattr, s.secret(), at_mut(&mut bytes), 64)?;
            if bytes.starts_with(b"user.secret") {
                Ok(Got::Did("it listed attributes"))
            } else {
                Err(Stop::Nothing("no attributes"))
            }
        })
        .known(SEEN),
        program("statfs", |s| {
            s.enter()?;
            let mut about = [0_u64; 32];
            did("it asked a file system", call!(SYS_statfs, s.secret(), at_mut(&mut about)))
        })
        .known(SEEN),
        program("changing a mode by path", |s| {
            s.enter()?;
            done(call!(SYS_fchmodat, AT_FDCWD, s.victim(), 0o666))
        }),
        program("fchmodat2", |s| {
            s.enter()?;
            let path = c"../outside/victim";
            done(numbered("fchmodat2", FCHMODAT2, &[number(s.out), text(path), 0o666, 0]))
        }),
        program("changing an owner", |s| {
            s.enter()?;
            done(call!(SYS_fchownat, AT_FDCWD, s.victim(), 12345, 12345, 0))
        }),
        program("changing times", |s| {
            s.enter()?;
            done(call!(SYS_utimensat, AT_FDCWD, s.victim(), at(&[1_u64; 4]), 0))
        }),
        program("setting an attribute", |s| {
            s.enter()?;
            done(call!(SYS_setxattr, s.victim(), c"user.x", b"x", 1, 0))
        }),
        program("removing an attribute", |s| {
            s.enter()?;
            done(call!(SYS_removexattr, s.secret(), c"user.secret"))
        }),
        program("watching a file with inotify", watched).known(SEEN),
        program("watching a file with fanotify", |s| {
            s.enter()?;
            let group = open!(SYS_fanotify_init, 0x200, 0)?;
            let marked = call!(SYS_fanotify_mark, group, 1, 0x20, AT_FDCWD, s.secret());
            did("it watches a file", marked)
        }),
        program("a file handle", |s| {
            s.enter()?;
            // struct file_handle: room, kind, then the handle
            let mut handle = [0_u64; 17];
            handle[0] = 128;
            let (mut mount, path) = (0_u64, c"../outside/secret");
            let (handle_at, mount_at) = (at_mut(&mut handle), at_mut(&mut mount));
            call!(SYS_name_to_handle_at, s.out, path, handle_at, mount_at, 0)?;
            read_fd(open!(SYS_open_by_handle_at, s.out, handle_at, 0)?)
        }),
    ],
};

/// Whether it is the secret's.
fn size(size: u64) -> Attempt {
    if std::hint::black_box(size) == SECRET.len() as u64 {
        Ok(Got::Did("it learnt a size"))
    } else {
        Err(Stop::Nothing("that is not the size"))
    }
}

/// Whoever may open the file in the meantime is seen.
fn watched(s: &Scene) -> Attempt {
    s.enter()?;
    let queue = open!(SYS_inotify_init1, libc::O_NONBLOCK)?;
    did("it watches a file", call!(SYS_inotify_add_watch, queue, s.secret(), 0xfff))
}
