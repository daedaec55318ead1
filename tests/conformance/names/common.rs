//! Names that both systems have.

use libc::AT_FDCWD;

use super::Attempt;
use crate::{level::FREEBSD, raw, scene::OUTSIDE};

/// Where Landlock holds signals, it answers `EPERM`.
const SIGNALS: &[i32] = if FREEBSD { &[raw::ECAPMODE] } else { &[raw::ECAPMODE, libc::EPERM] };

pub(super) fn attempts() -> Vec<Attempt> {
    let mut all = paths();
    all.extend(changes());
    all.extend(others());
    all
}

fn paths() -> Vec<Attempt> {
    vec![
        Attempt::new("opening a path", |w| raw::openat(AT_FDCWD, &w.file, libc::O_RDONLY)),
        Attempt::new("opening a path of the system", |_| {
            raw::openat(AT_FDCWD, OUTSIDE, libc::O_RDONLY)
        }),
        Attempt::new("opening a relative path", |_| raw::openat(AT_FDCWD, c".", libc::O_RDONLY)),
        Attempt::new("creating a file by path", |w| {
            raw::openat(AT_FDCWD, &w.new, libc::O_WRONLY | libc::O_CREAT)
        }),
        Attempt::new("stat by path", |w| raw::fstatat(AT_FDCWD, &w.file)),
        Attempt::new("access by path", |w| raw::access(&w.file, libc::R_OK)),
        Attempt::new("faccessat by path", |w| raw::faccessat(AT_FDCWD, &w.file, libc::R_OK, 0)),
        Attempt::new("readlink by path", |w| raw::readlinkat(AT_FDCWD, &w.file)),
        Attempt::new("chdir", |w| raw::chdir(&w.directory)),
        Attempt::new("chroot", |w| raw::chroot(&w.directory)),
        Attempt::new("execution by path", |w| Err::<(), _>(raw::execve(&w.file))),
    ]
}

fn changes() -> Vec<Attempt> {
    vec![
        Attempt::new("chmod by path", |w| raw::chmod(&w.file, 0o777)),
        Attempt::new("fchmodat by path", |w| raw::fchmodat(AT_FDCWD, &w.file, 0o777, 0)),
        Attempt::new("chown by path", |w| raw::chown(&w.file, u32::MAX, u32::MAX)),
        Attempt::new("fchownat by path", |w| {
            raw::fchownat(AT_FDCWD, &w.file, u32::MAX, u32::MAX, 0)
        }),
        Attempt::new("utimensat by path", |w| raw::utimensat(AT_FDCWD, &w.file, 1000)),
        Attempt::new("truncate by path", |w| raw::truncate(&w.file, 0)),
        Attempt::new("mkdir", |w| raw::mkdir(&w.new, 0o700)),
        Attempt::new("mkdirat of a path", |w| raw::mkdirat(AT_FDCWD, &w.new, 0o700)),
        Attempt::new("rmdir", |w| raw::rmdir(&w.directory)),
        Attempt::new("unlink", |w| raw::unlink(&w.file)),
        Attempt::new("unlinkat of a path", |w| raw::unlinkat(AT_FDCWD, &w.file, 0)),
        Attempt::new("rename", |w| raw::rename(&w.file, &w.new)),
        Attempt::new("renameat of paths", |w| raw::renameat(AT_FDCWD, &w.file, AT_FDCWD, &w.new)),
        Attempt::new("link", |w| raw::link(&w.file, &w.new)),
        Attempt::new("linkat of paths", |w| raw::linkat(AT_FDCWD, &w.file, AT_FDCWD, &w.new, 0)),
        Attempt::new("symlink", |w| raw::symlink(&w.file, &w.new)),
        Attempt::new("symlinkat of a path", |w| raw::symlinkat(&w.file, AT_FDCWD, &w.new)),
        Attempt::new("mkfifo", |w| raw::mkfifo(&w.new, 0o600)),
        Attempt::new("mkfifoat of a path", |w| raw::mkfifoat(AT_FDCWD, &w.new, 0o600)),
        Attempt::new("mknodat of a path", |w| {
            raw::mknodat(AT_FDCWD, &w.new, libc::S_IFCHR | 0o600, 0)
        }),
    ]
}

fn others() -> Vec<Attempt> {
    vec![
        Attempt::new("a signal to another process", |w| raw::kill(w.victim, libc::SIGUSR1))
            .refused_with(SIGNALS),
        Attempt::new("a signal to a process group", |w| raw::killpg(w.victim, libc::SIGUSR1))
            .refused_with(SIGNALS),
        Attempt::new("asking whether the parent lives", |_| {
            raw::kill(std::os::unix::process::parent_id().cast_signed(), 0)
        })
        .refused_with(SIGNALS),
        // Signal 0: where this is not refused, it must do no harm.
        Attempt::new("a signal to every process", |_| raw::kill(-1, 0)).refused_with(SIGNALS),
        Attempt::new("connect", |w| raw::connect(&w.stream, &w.address))
            .refused_with(&[raw::ECAPMODE, raw::ENOTCAPABLE]),
        Attempt::new("connect of a datagram socket", |w| raw::connect(&w.datagram, &w.address))
            .refused_with(&[raw::ECAPMODE, raw::ENOTCAPABLE]),
        Attempt::new("bind", |w| raw::bind(&w.stream, &raw::loopback(0)))
            .refused_with(&[raw::ECAPMODE, raw::ENOTCAPABLE]),
        Attempt::new("sendto with an address", |w| raw::sendto(&w.datagram, b"x", &w.address))
            .refused_with(&[raw::ECAPMODE, raw::ENOTCAPABLE]),
        Attempt::new("tracing another process", |w| raw::trace(w.victim)),
    ]
}
