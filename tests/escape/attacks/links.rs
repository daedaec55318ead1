//! Links that are planted, names that are moved, and races between the two.

use super::tools::{AT_FDCWD, done, read, through_procfs, write_fd};
use crate::{
    attempt::{Attempt, Family, Got, Stop, call, open, program},
    raw,
    stage::Scene,
};

pub(crate) const FAMILY: Family = Family {
    name: "links and names",
    attacks: &[
        program("a planted absolute link", |s| {
            s.enter()?;
            call!(SYS_symlinkat, s.secret(), s.out, c"planted")?;
            read(s.out, c"planted")
        }),
        program("a planted relative link", |s| {
            s.enter()?;
            call!(SYS_symlinkat, c"../outside/secret", s.out, c"planted")?;
            read(s.out, c"planted")
        }),
        program("a planted link to the directory above", |s| {
            s.enter()?;
            call!(SYS_symlinkat, c"../outside", s.out, c"planted")?;
            read(s.out, c"planted/secret")
        }),
        program("a planted link to the root", |s| {
            s.enter()?;
            call!(SYS_symlinkat, c"/", s.out, c"planted")?;
            let path = s.secret();
            let mut through = b"planted".to_vec();
            through.extend(path.as_bytes());
            read(s.out, &std::ffi::CString::new(through).unwrap_or_default())
        }),
        program("a link that was there before", |s| {
            call!(SYS_symlinkat, s.secret(), AT_FDCWD, s.path("out/planted"))?;
            s.enter()?;
            read(s.out, c"planted")
        }),
        program("writing through a planted link", |s| {
            s.enter_plain()?;
            call!(SYS_symlinkat, c"../outside/victim", s.out, c"planted")?;
            write_fd(open!(SYS_openat, s.out, c"planted", libc::O_WRONLY)?)
        }),
        program("creating through a dangling link", |s| {
            s.enter_plain()?;
            call!(SYS_symlinkat, c"../outside/made", s.out, c"planted")?;
            let flags = libc::O_CREAT | libc::O_WRONLY;
            done(open!(SYS_openat, s.out, c"planted", flags, 0o600))
        }),
        program("a hard link to a file outside", |s| {
            s.enter()?;
            call!(SYS_linkat, s.out, c"../outside/secret", s.out, c"linked", 0)?;
            read(s.out, c"linked")
        }),
        #[cfg(target_arch = "x86_64")]
        program("link(2)", |s| {
            s.enter()?;
            call!(SYS_link, s.secret(), s.path("out/linked"))?;
            read(s.out, c"linked")
        }),
        program("a hard link that follows a planted link", |s| {
            s.enter()?;
            call!(SYS_symlinkat, c"../outside/secret", s.out, c"planted")?;
            let follow = libc::AT_SYMLINK_FOLLOW;
            call!(SYS_linkat, s.out, c"planted", s.out, c"linked", follow)?;
            read(s.out, c"linked")
        }),
        program("a hard link to a descriptor of a file outside", |s| {
            let held = open!(SYS_openat, AT_FDCWD, s.victim(), libc::O_PATH)?;
            s.enter()?;
            let through = through_procfs(held);
            let follow = libc::AT_SYMLINK_FOLLOW;
            call!(SYS_linkat, AT_FDCWD, through, s.out, c"linked", follow)?;
            write_fd(open!(SYS_openat, s.out, c"linked", libc::O_WRONLY)?)
        }),
        program("moving a file in from outside", |s| {
            s.enter()?;
            call!(SYS_renameat, s.out, c"../outside/secret", s.out, c"moved")?;
            read(s.out, c"moved")
        }),
        #[cfg(target_arch = "x86_64")]
        program("rename(2)", |s| {
            s.enter()?;
            call!(SYS_rename, s.secret(), s.path("out/moved"))?;
            read(s.out, c"moved")
        }),
        program("exchanging two names", |s| {
            s.enter()?;
            let (here, there) = (c"plain", c"../outside/secret");
            call!(SYS_renameat2, s.out, here, s.out, there, libc::RENAME_EXCHANGE)?;
            read(s.out, c"plain")
        }),
        program("moving a file over one outside", |s| {
            s.enter()?;
            done(call!(SYS_renameat, s.out, c"plain", s.out, c"../outside/victim"))
        }),
        program("moving the granted directory itself away", |s| {
            s.enter()?;
            done(call!(SYS_renameat, s.out, c"../out", s.out, c"../outside/out"))
        }),
        program("race: a directory becomes a link during the lookup", swapped),
        program("race: exchanged during the lookup", exchanged),
        program("race: `..` from a directory that is moved up", moved_up),
    ],
};

const ROUNDS: u32 = 400;

/// Tries one thing again and again, while a child does another until it is killed.
fn race(
    s: &Scene,
    meanwhile: impl Fn(),
    mut tried: impl FnMut() -> Attempt,
    alone: impl FnOnce() -> Attempt,
) -> Attempt {
    if s.mode == crate::stage::Mode::Control {
        // Who wins must not decide whether the attack shows anything.
        return alone();
    }
    let pid = raw::fork().map_err(|error| Stop::At("fork", error))?;
    if pid == 0 {
        loop {
            meanwhile();
        }
    }
    let mut last = Err(Stop::Nothing("the race was not won"));
    for _ in 0..ROUNDS {
        last = tried();
        if let Ok(Got::Read(bytes)) = &last
            && bytes.starts_with(crate::stage::SECRET)
        {
            break;
        }
    }
    raw::kill(pid, libc::SIGKILL);
    // Where signals are refused it ends with its group.
    if matches!(&last, Ok(Got::Read(bytes)) if bytes.starts_with(crate::stage::SECRET)) {
        return last;
    }
    Err(Stop::Nothing("the race was not won"))
}

/// `out/turn` is a directory with a harmless `secret`, or a link to `outside`.
fn swapped(s: &Scene) -> Attempt {
    s.enter()?;
    call!(SYS_mkdirat, s.out, c"real", 0o700).ok();
    let flags = libc::O_CREAT | libc::O_WRONLY;
    open!(SYS_openat, s.out, c"real/secret", flags, 0o600).ok();
    call!(SYS_symlinkat, c"../outside", s.out, c"link").ok();
    race(
        s,
        || {
            let _ = call!(SYS_renameat, s.out, c"real", s.out, c"turn");
            let _ = call!(SYS_renameat, s.out, c"turn", s.out, c"real");
            let _ = call!(SYS_renameat, s.out, c"link", s.out, c"turn");
            let _ = call!(SYS_renameat, s.out, c"turn", s.out, c"link");
        },
        || read(s.out, c"turn/secret"),
        || read(s.out, c"link/secret"),
    )
}

fn exchanged(s: &Scene) -> Attempt {
    s.enter()?;
    let flags = libc::O_CREAT | libc::O_WRONLY;
    open!(SYS_openat, s.out, c"turn", flags, 0o600).ok();
    call!(SYS_symlinkat, c"../outside/secret", s.out, c"link").ok();
    let (turn, link) = (c"turn", c"link");
    race(
        s,
        || {
            let _ = call!(SYS_renameat2, s.out, turn, s.out, link, libc::RENAME_EXCHANGE);
            let _ = call!(SYS_unlinkat, s.out, link, 0);
            let _ = call!(SYS_linkat, s.out, turn, s.out, link, 0);
        },
        || read(s.out, turn),
        || read(s.out, link),
    )
}

/// `out/a/b` becomes `out/b` while `b` looks above itself, which leads out one step earlier.
fn moved_up(s: &Scene) -> Attempt {
    s.enter()?;
    call!(SYS_mkdirat, s.out, c"a", 0o700).ok();
    call!(SYS_mkdirat, s.out, c"a/b", 0o700).ok();
    let path = c"../../outside/secret";
    let b = open!(SYS_openat, s.out, c"a/b", libc::O_DIRECTORY).unwrap_or(s.out);
    race(
        s,
        || {
            let _ = call!(SYS_renameat, s.out, c"a/b", s.out, c"b");
            let _ = call!(SYS_renameat, s.out, c"b", s.out, c"a/b");
        },
        || read(b, path).or_else(|_| read(b, c"../../../outside/secret")),
        || read(b, c"../../../outside/secret"),
    )
}
