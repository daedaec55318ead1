//! The rules of identity (`capsicum-rs/src/sys/linux/policy.rs`): a narrow descriptor gets no
//! second number, and no other object takes the number of a pinned one.
//!
//! The object is the file outside, open for both. *Narrow*: it is granted `READ`, and the ceiling
//! has `WRITE`. *Pinned*: one number of another file is granted `WRITE`, the ceiling has not, and
//! the file outside is open at another number.

use capsicum_rs::{Limits, Rights, Sandbox};

use super::tools::{AT_FDCWD, child, did, done, through_procfs, write_fd};
use crate::{
    attempt::{Family, Got, Stop, at, at_mut, call, holder, open},
    stage::{Scene, borrowed},
};

pub(crate) const FAMILY: Family = Family {
    name: "descriptor numbers",
    attacks: &[
        holder("narrow: dup", |s| write_fd(open!(SYS_dup, narrow(s)?)?)),
        #[cfg(target_arch = "x86_64")]
        holder("narrow: dup2 onto a free number", |s| write_fd(open!(SYS_dup2, narrow(s)?, 50)?)),
        #[cfg(target_arch = "x86_64")]
        holder("narrow: dup2 onto a granted number", |s| {
            write_fd(open!(SYS_dup2, narrow(s)?, s.out)?)
        }),
        holder("narrow: dup3", |s| write_fd(open!(SYS_dup3, narrow(s)?, 50, 0)?)),
        holder("narrow: F_DUPFD", |s| write_fd(open!(SYS_fcntl, narrow(s)?, libc::F_DUPFD, 50)?)),
        holder("narrow: F_DUPFD_CLOEXEC", |s| {
            write_fd(open!(SYS_fcntl, narrow(s)?, libc::F_DUPFD_CLOEXEC, 50)?)
        }),
        holder("narrow: dup, with bits above the number", |s| {
            let high = crate::raw::number(narrow(s)?) | 1 << 32;
            write_fd(open!(SYS_dup, high)?)
        }),
        holder("narrow: written to, with bits above the number", |s| {
            let high = crate::raw::number(narrow(s)?) | 0xffff_ffff << 32;
            done(call!(SYS_write, high, b"changed", 7))
        }),
        holder("narrow: pidfd_getfd of the own process", |s| {
            let pidfd = open!(SYS_pidfd_open, std::process::id(), 0)?;
            let fd = narrow(s)?;
            write_fd(open!(SYS_pidfd_getfd, pidfd, fd, 0)?)
        }),
        holder("narrow: opened again through procfs", |s| {
            let fd = narrow(s)?;
            let path = through_procfs(fd);
            write_fd(
                open!(SYS_openat, s.out, path, libc::O_WRONLY)
                    .or_else(|_| open!(SYS_openat, AT_FDCWD, path, libc::O_WRONLY))?,
            )
        }),
        holder("narrow: given a name, and opened by that", |s| {
            let fd = narrow(s)?;
            call!(SYS_linkat, fd, c"", s.out, c"named", libc::AT_EMPTY_PATH)?;
            write_fd(open!(SYS_openat, s.out, c"named", libc::O_WRONLY)?)
        }),
        holder("narrow: by the limits of a child", |s| {
            let fd = narrow(s)?;
            child(|| {
                let _ = open!(SYS_dup, fd).and_then(write_fd);
                let _ = write_fd(fd);
                0
            })?;
            Ok(Got::Done)
        }),
        holder("narrow: entering again with more", |s| {
            let fd = narrow(s)?;
            let grant = borrowed(fd);
            if s.mode != crate::stage::Mode::Control {
                let entered = Sandbox::new().grant(&grant, Limits::ALL).enter();
                entered.map_err(|error| Stop::NotEntered(error.to_string()))?;
            }
            write_fd(fd)
        }),
        holder("narrow: limited to more", |s| {
            let fd = narrow(s)?;
            if s.mode != crate::stage::Mode::Control {
                let limited = capsicum_rs::limit(&borrowed(fd), Limits::ALL);
                limited.map_err(|error| Stop::NotEntered(error.to_string()))?;
            }
            write_fd(fd)
        }),
        holder("narrow: a mapping of memory, doubled by mremap", |s| {
            let fd = narrow(s)?;
            let map = call!(SYS_mmap, 0, 4096, 3, 1, fd, 0)?;
            let second = call!(SYS_mremap, map, 0, 4096, 1)?;
            crate::native::poke(second, b"changed");
            Ok(Got::Done)
        }),
        holder("pinned: closed, and another object in its place", |s| {
            let (pinned, other) = pinned(s)?;
            call!(SYS_close, pinned)?;
            write_fd(open!(SYS_fcntl, other, libc::F_DUPFD, pinned)?)
        }),
        holder("pinned: closed with bits above the number", |s| {
            let (pinned, other) = pinned(s)?;
            call!(SYS_close, crate::raw::number(pinned) | 7 << 32)?;
            write_fd(open!(SYS_fcntl, other, libc::F_DUPFD, pinned)?)
        }),
        #[cfg(target_arch = "x86_64")]
        holder("pinned: dup2 onto it", |s| {
            let (pinned, other) = pinned(s)?;
            write_fd(open!(SYS_dup2, other, pinned)?)
        }),
        holder("pinned: dup3 onto it", |s| {
            let (pinned, other) = pinned(s)?;
            write_fd(open!(SYS_dup3, other, pinned, 0)?)
        }),
        holder("pinned: dup3 with bits above the number", |s| {
            let (pinned, other) = pinned(s)?;
            call!(SYS_dup3, other, crate::raw::number(pinned) | 1 << 32, 0)?;
            write_fd(pinned)
        }),
        holder("pinned: close_range of the one number", |s| {
            let (pinned, other) = pinned(s)?;
            call!(SYS_close_range, pinned, pinned, 0)?;
            write_fd(open!(SYS_fcntl, other, libc::F_DUPFD, pinned)?)
        }),
        holder("pinned: close_range of numbers around it", |s| {
            let (pinned, other) = pinned(s)?;
            call!(SYS_close_range, pinned - 1, pinned, 0)?;
            write_fd(open!(SYS_fcntl, other, libc::F_DUPFD, pinned)?)
        }),
        holder("pinned: close_range with bits above the numbers", |s| {
            let (pinned, other) = pinned(s)?;
            let number = crate::raw::number(pinned);
            call!(SYS_close_range, number | 1 << 32, number | 1 << 32, 0)?;
            write_fd(open!(SYS_fcntl, other, libc::F_DUPFD, pinned)?)
        }),
        holder("pinned: close_range in a table of its own", |s| {
            let (pinned, other) = pinned(s)?;
            call!(SYS_close_range, pinned, pinned, 2)?;
            write_fd(open!(SYS_fcntl, other, libc::F_DUPFD, pinned)?)
        }),
        holder("pinned: closed by a child that shares the table", |s| {
            let (pinned, other) = pinned(s)?;
            let flags = libc::CLONE_FILES | libc::SIGCHLD;
            let pid = call!(SYS_clone, flags, 0, 0, 0, 0)?;
            if pid == 0 {
                let closed = call!(SYS_close, pinned);
                crate::raw::exit(i32::from(closed.is_err()));
            }
            crate::raw::wait(i32::try_from(pid).unwrap_or(-1));
            write_fd(open!(SYS_fcntl, other, libc::F_DUPFD, pinned)?).and_then(|_| write_fd(pinned))
        }),
        holder("pinned: made close-on-exec (F_SETFD) where programs are executed", |s| {
            let (pinned, _) = pinned_executing(s)?;
            did("its number is freed by exec", call!(SYS_fcntl, pinned, libc::F_SETFD, 1))
        }),
        holder("pinned: made close-on-exec (FIOCLEX) where programs are executed", |s| {
            let (pinned, _) = pinned_executing(s)?;
            did("its number is freed by exec", call!(SYS_ioctl, pinned, 0x5451, 0))
        }),
        holder("pinned: made close-on-exec (close_range) where programs are executed", |s| {
            let (pinned, _) = pinned_executing(s)?;
            did("its number is freed by exec", call!(SYS_close_range, pinned, pinned, 4))
        }),
        holder("pinned: was close-on-exec before", |s| {
            let (pinned, other) = files(s)?;
            call!(SYS_fcntl, pinned, libc::F_SETFD, 1)?;
            enter_pinned(s, pinned, other, Rights::FEXECVE)?;
            Ok(Got::Did("its number is freed by exec"))
        }),
        holder("pinned: replaced by a listener of a filter of its own", |s| {
            let (..) = pinned(s)?;
            // return ALLOW; the listener may put descriptors at any number.
            let program = [0x7fff_0000_0000_0006_u64];
            let filter = [1, at(&program)];
            call!(SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)?;
            did("it has a listener", call!(SYS_seccomp, 1, 8, at(&filter)))
        }),
        holder("the ceiling: a new descriptor of what may not be written", |s| {
            let (_, other) = pinned(s)?;
            write_fd(open!(SYS_dup, other)?)
        }),
        holder("the ceiling: a number beyond all that are known", |s| {
            let (_, other) = pinned(s)?;
            write_fd(open!(SYS_fcntl, other, libc::F_DUPFD, 900)?)
        }),
        holder("the ceiling: what a descriptor table's copy gives a child", |s| {
            let (_, other) = pinned(s)?;
            child(|| {
                let _ = write_fd(other);
                0
            })?;
            Ok(Got::Done)
        }),
        holder("accepting from a listening socket with less than the ceiling", |s| {
            let listener = open!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)?;
            call!(SYS_listen, listener, 1)?;
            let mut name = [0_u64; 2];
            let mut len = 16_u32;
            call!(SYS_getsockname, listener, at_mut(&mut name), at_mut(&mut len))?;
            let client = open!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0)?;
            call!(SYS_connect, client, at(&name), 16)?;
            let grant = borrowed(listener);
            s.enter_with(Sandbox::new().grant(&grant, Rights::ACCEPT).ceiling(Rights::WRITE))?;
            let accepted = open!(SYS_accept4, listener, 0, 0, 0)?;
            did("it writes to what it accepted", call!(SYS_write, accepted, b"x", 1))
        }),
    ],
};

/// The file outside, granted for reading, where the ceiling writes; another one is at `out`.
fn narrow(s: &Scene) -> Result<i32, Stop> {
    let fd = open!(SYS_openat, AT_FDCWD, s.victim(), libc::O_RDWR)?;
    let grant = borrowed(fd);
    let ceiling = Rights::READ | Rights::WRITE | Rights::SEEK | Rights::FCNTL | Rights::MMAP_RW;
    let directories = (borrowed(s.inside), borrowed(s.out));
    s.enter_with(
        Sandbox::new()
            .grant(&grant, Rights::READ)
            .grant(&directories.0, ceiling)
            .grant(&directories.1, ceiling)
            .ceiling(ceiling),
    )?;
    Ok(fd)
}

/// A file that may be written to, and the file outside, which may not.
fn files(s: &Scene) -> Result<(i32, i32), Stop> {
    let pinned = open!(SYS_openat, s.out, c"plain", libc::O_RDWR)?;
    let other = open!(SYS_openat, AT_FDCWD, s.victim(), libc::O_RDWR)?;
    Ok((pinned, other))
}

fn enter_pinned(s: &Scene, pinned: i32, other: i32, more: Rights) -> Result<(), Stop> {
    let (pinned, other) = (borrowed(pinned), borrowed(other));
    let sandbox = Sandbox::new()
        .grant(&pinned, Rights::READ | Rights::WRITE | more)
        .grant(&other, Rights::READ)
        .ceiling(Rights::READ);
    // Execution is nothing that the lowest level has, and what is said of it there is no matter.
    s.enter_with(if more.is_empty() { sandbox } else { sandbox.best_effort() })
}

fn pinned(s: &Scene) -> Result<(i32, i32), Stop> {
    let (pinned, other) = files(s)?;
    enter_pinned(s, pinned, other, Rights::empty())?;
    Ok((pinned, other))
}

fn pinned_executing(s: &Scene) -> Result<(i32, i32), Stop> {
    let (pinned, other) = files(s)?;
    enter_pinned(s, pinned, other, Rights::FEXECVE)?;
    Ok((pinned, other))
}
