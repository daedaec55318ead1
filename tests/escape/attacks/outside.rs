//! Paths that lead out of the granted directories.

use super::tools::{AT_FDCWD, by_path, done, read, read_fd};
use crate::attempt::{Family, Got, Stop, at, at_mut, call, open, program};

pub(crate) const FAMILY: Family = Family {
    name: "paths",
    attacks: &[
        program("open an absolute path", |s| {
            s.enter()?;
            by_path(&s.secret())
        }),
        #[cfg(target_arch = "x86_64")]
        program("open(2), as older programs call it", |s| {
            s.enter()?;
            read_fd(open!(SYS_open, s.secret(), 0)?)
        }),
        program("an absolute path from a granted directory", |s| {
            s.enter()?;
            read(s.out, &s.secret())
        }),
        program("an absolute path from a number that names nothing", |s| {
            s.enter()?;
            read(-1, &s.secret()).or_else(|_| read(77, &s.secret()))
        }),
        program("`..` from a granted directory", |s| {
            s.enter()?;
            read(s.inside, c"../outside/secret")
        }),
        program("`..` beyond a directory beneath a granted one", |s| {
            s.enter()?;
            let sub = open!(SYS_openat, s.inside, c"sub", libc::O_DIRECTORY)?;
            read(sub, c"../../outside/secret")
        }),
        program("`..` in the middle of a path", |s| {
            s.enter_plain()?;
            read(s.inside, c"sub/../../outside/secret")
        }),
        program("openat2 that resolves anything", |s| {
            s.enter()?;
            let how = [0_u64; 3];
            read_fd(open!(SYS_openat2, s.inside, c"../outside/secret", at(&how), 24)?)
        }),
        program("O_PATH of the directory above", |s| {
            s.enter()?;
            let above = open!(SYS_openat, s.inside, c"..", libc::O_PATH)?;
            read(above, c"outside/secret")
        }),
        program("the working directory of before", |s| {
            call!(SYS_chdir, s.path("outside"))?;
            s.enter()?;
            read(AT_FDCWD, c"secret")
        }),
        program("changing the working directory", |s| {
            s.enter()?;
            call!(SYS_chdir, s.path("outside"))?;
            read(AT_FDCWD, c"secret")
        }),
        program("fchdir to a granted directory, and up", |s| {
            s.enter_plain()?;
            call!(SYS_fchdir, s.inside)?;
            read(AT_FDCWD, c"../outside/secret")
        }),
        program("listing the directory above", |s| {
            s.enter()?;
            let above = open!(SYS_openat, s.out, c"../outside", libc::O_DIRECTORY)?;
            let mut names = [0_u8; 1024];
            let len = call!(SYS_getdents64, above, at_mut(&mut names), 1024)?;
            let listed = names[..len].windows(6).any(|name| name == b"victim");
            if listed { Ok(Got::Did("it listed what is outside")) } else { Err(Stop::Nothing("")) }
        }),
        program("creating a file outside", |s| {
            s.enter_plain()?;
            done(open!(
                SYS_openat,
                s.out,
                c"../outside/made",
                libc::O_CREAT | libc::O_WRONLY,
                0o600
            ))
        }),
        #[cfg(target_arch = "x86_64")]
        program("creat(2)", |s| {
            s.enter()?;
            done(open!(SYS_creat, s.path("outside/made"), 0o600))
        }),
        program("a nameless file outside, given a name", |s| {
            s.enter()?;
            let flags = libc::O_TMPFILE | libc::O_RDWR;
            let file = open!(SYS_openat, s.out, c"../outside", flags, 0o600)?;
            let through = super::tools::through_procfs(file);
            let follow = libc::AT_SYMLINK_FOLLOW;
            call!(SYS_linkat, AT_FDCWD, through, s.out, c"../outside/made", follow)?;
            Ok(Got::Done)
        }),
        program("a directory outside", |s| {
            s.enter_plain()?;
            done(call!(SYS_mkdirat, s.out, c"../outside/made", 0o700))
        }),
        program("a link outside", |s| {
            s.enter_plain()?;
            done(call!(SYS_symlinkat, c"x", s.out, c"../outside/made"))
        }),
        program("a fifo outside", |s| {
            s.enter_plain()?;
            done(call!(SYS_mknodat, s.out, c"../outside/made", libc::S_IFIFO | 0o600, 0))
        }),
        program("writing to a file outside", |s| {
            s.enter_plain()?;
            let file = open!(SYS_openat, s.out, c"../outside/victim", libc::O_WRONLY)?;
            done(call!(SYS_write, file, b"changed", 7))
        }),
        program("truncating by a path", |s| {
            s.enter()?;
            done(call!(SYS_truncate, s.victim(), 1))
        }),
        program("truncating by opening", |s| {
            s.enter_plain()?;
            let flags = libc::O_RDONLY | libc::O_TRUNC;
            done(open!(SYS_openat, s.out, c"../outside/victim", flags))
        }),
        program("removing a file outside", |s| {
            s.enter_plain()?;
            done(call!(SYS_unlinkat, s.out, c"../outside/victim", 0))
        }),
        program("removing a directory outside", |s| {
            s.enter_plain()?;
            done(call!(SYS_unlinkat, s.out, c"../outside/sub", libc::AT_REMOVEDIR))
        }),
    ],
};
