//! What a hostile program tries on its supervisor. Nothing of what is not granted may become known
//! or changed, by the effect and not by the error alone.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{
        host::{Offers, on_each},
        lifetime::{start, until_all_have_ended},
    },
    SECRET_SIZE, as_expected, mode, within,
    within::{CWD, EMPTY, NOFOLLOW, PATH, open, say, size, status, string, sys, tell, with},
};

use crate::deadline::finish;

/// How long each race is run.
const RACE: Duration = Duration::from_millis(700);

#[allow(clippy::too_many_lines)] // A list.
fn lookups(base: &Path) {
    let [read, write] = ["in", "out"].map(|name| base.join(name));
    let secret = base.join("secret");
    let mut room = [0_u8; 4096];
    let to = room.as_mut_ptr().addr();
    tell("its path", size(CWD, &secret, 0));
    tell("dots", size(CWD, read.join("../secret"), 0));
    tell(
        "dots above the root",
        size(CWD, read.join("../".repeat(40)).join(secret.strip_prefix("/").unwrap()), 0),
    );
    tell("a link", size(CWD, read.join("up"), 0));
    tell("an absolute link", size(CWD, read.join("away"), 0));
    tell("beneath a link", size(CWD, read.join("hidden/secret"), 0));
    let link = string(write.join("planted"));
    let target = string(&secret);
    tell(
        "planting a link",
        sys(libc::SYS_symlinkat, &[target.as_ptr().addr(), CWD, link.as_ptr().addr()]),
    );
    tell("a planted link", size(CWD, write.join("planted"), 0));
    let directory = open(&read, libc::O_RDONLY).unwrap();
    tell("from a directory", size(directory, "../secret", 0));
    tell("from a directory, absolute", size(directory, &secret, 0));
    tell("statx", with(libc::SYS_statx, &secret, &[CWD, PATH, 0, 0x7ff, to]));
    tell("access", with(libc::SYS_faccessat, &secret, &[CWD, PATH, 0]));
    tell("access of nothing", with(libc::SYS_faccessat, base.join("none"), &[CWD, PATH, 0]));
    tell("readlink", with(libc::SYS_readlinkat, base.join("hidden"), &[CWD, PATH, to, 99]));
    tell("statfs", with(libc::SYS_statfs, &secret, &[PATH, to]));
    tell("listxattr", with(libc::SYS_listxattr, &secret, &[PATH, to, 99]));
    tell("O_PATH", open(&secret, libc::O_PATH).map(|_| 0));
    tell("O_PATH of a directory", open(base.join("hidden"), libc::O_PATH).map(|_| 0));
    let how = [libc::O_PATH as u64, 0, 0];
    let how = how.as_ptr().addr();
    tell("openat2", with(libc::SYS_openat2, "../secret", &[directory, PATH, how, 24]));
    let how = [libc::O_PATH as u64, 0, libc::RESOLVE_IN_ROOT];
    let how = how.as_ptr().addr();
    let in_root = || with(libc::SYS_openat2, "/../secret", &[directory, PATH, how, 24]);
    // While anything is renamed or mounted on the host `..` is not followed: openat2(2).
    let last = (0..1000).map(|_| in_root()).find(|found| *found != Err(libc::EAGAIN));
    tell("openat2 in a root", last.unwrap_or(Err(libc::EAGAIN)));
    // Even what is done to a directory that chdir(2) finds is held.
    say("chdir", format!("{:?}", with(libc::SYS_chdir, base.join("hidden"), &[PATH])));
    tell("from there", size(CWD, "secret", 0));
    tell("there", size(CWD, ".", 0));
    tell("there, without a path", size(CWD, "", EMPTY));
    tell("where it is", sys(libc::SYS_getcwd, &[to, 4096]));
    tell("opening there", with(libc::SYS_openat, "secret", &[CWD, PATH, 0]));
    tell("O_PATH there", with(libc::SYS_openat, ".", &[CWD, PATH, libc::O_PATH as usize]));
    tell("chmod there", with(libc::SYS_fchmodat, "secret", &[CWD, PATH, 0o777]));
    // procfs, which would be the supervisor's.
    let mut through = std::path::PathBuf::from("/proc/self/root");
    through.push(secret.strip_prefix("/").unwrap());
    tell("/proc/self/root", size(CWD, &through, 0));
    tell("/proc/self/cwd", size(CWD, "/proc/self/cwd/secret", 0));
    tell("/proc/self/fd", size(CWD, "/proc/self/fd/3", 0));
    tell("/proc/self/exe", with(libc::SYS_readlinkat, "/proc/self/exe", &[CWD, PATH, to, 99]));
    tell(
        "the supervisor's memory",
        open(format!("/proc/{}/mem", std::os::unix::process::parent_id()), libc::O_PATH).map(|_| 0),
    );
    // A link with a text as long as a path, and a path of links.
    let long = string("x/".repeat(2040));
    let name = string(write.join("long"));
    sys(libc::SYS_symlinkat, &[long.as_ptr().addr(), CWD, name.as_ptr().addr()]).unwrap();
    tell("a long link", size(CWD, write.join("long"), 0));
    tell("dots and dots", size(CWD, read.join("dir/../".repeat(500)).join("../secret"), 0));
    tell(
        "from grant to grant",
        size(CWD, read.join("../out/../in/".repeat(250)).join("../secret"), 0),
    );
    tell("still there", size(CWD, read.join("file"), 0));
}

#[test]
fn nothing_that_is_not_granted_is_found() {
    let test = "linux::supervised::attacks::nothing_that_is_not_granted_is_found";
    within(test, lookups, |host, said| {
        let chdir = said.get("chdir").map(String::as_str).unwrap_or_default();
        as_expected(
            said,
            &[
                ("its path", "ENOENT"),
                ("dots", "ENOENT"),
                ("dots above the root", "ENOENT"),
                ("a link", "ENOENT"),
                ("an absolute link", "ENOENT"),
                ("beneath a link", "ENOENT"),
                ("planting a link", "0"),
                ("a planted link", "ENOENT"),
                ("from a directory", "ENOENT"),
                ("from a directory, absolute", "ENOENT"),
                ("statx", "ENOENT"),
                ("access", "ENOENT"),
                ("access of nothing", "ENOENT"),
                ("readlink", "ENOENT"),
                ("statfs", "ENOENT"),
                ("listxattr", "ENOENT"),
                ("O_PATH", "ENOENT"),
                ("O_PATH of a directory", "ENOENT"),
                ("openat2", "ENOENT"),
                ("openat2 in a root", "ENOENT"),
                // It passes, or not: what counts is what can be done from there.
                ("chdir", chdir),
                ("from there", "ENOENT"),
                ("there", "ENOENT"),
                ("there, without a path", "ENOENT"),
                ("where it is", "ENOENT"),
                ("opening there", "EACCES"),
                ("O_PATH there", "ENOENT"),
                ("chmod there", "ENOENT"),
                ("/proc/self/root", "ENOENT"),
                ("/proc/self/cwd", "ENOENT"),
                ("/proc/self/fd", "ENOENT"),
                ("/proc/self/exe", "ENOENT"),
                ("the supervisor's memory", "ENOENT"),
                ("a long link", "ENOENT"),
                ("dots and dots", "ENOENT"),
                ("from grant to grant", "ENOENT"),
                ("still there", "10"),
            ],
        );
        assert_eq!(mode(&host.path("hidden/secret")), 0o644);
    });
}

fn changes(base: &Path) {
    let [read, write] = ["in", "out"].map(|name| base.join(name));
    let secret = base.join("secret");
    let times: [[i64; 2]; 2] = [[11, 0], [22, 0]];
    let at = times.as_ptr().addr();
    let attribute = string("user.test");
    let attribute = attribute.as_ptr().addr();
    for (what, path) in [
        ("secret", secret.clone()),
        ("link", read.join("away")),
        ("read-only", read.join("file")),
        ("dots", write.join("../in/file")),
        ("above", Path::new("/").to_owned()),
    ] {
        let tell = |call: &str, result| tell(&format!("{what}: {call}"), result);
        tell("chmod", with(libc::SYS_fchmodat, &path, &[CWD, PATH, 0o777]));
        // SAFETY: always succeed.
        let own = unsafe { [libc::getuid(), libc::getgid()] }.map(|id| id as usize);
        tell("chown", with(libc::SYS_fchownat, &path, &[CWD, PATH, own[0], own[1], 0]));
        tell("utimes", with(libc::SYS_utimensat, &path, &[CWD, PATH, at, 0]));
        tell("setxattr", with(libc::SYS_setxattr, &path, &[PATH, attribute, at, 4, 0]));
        tell("removexattr", with(libc::SYS_removexattr, &path, &[PATH, attribute]));
    }
    // By descriptor.
    let opened = open(read.join("file"), libc::O_RDONLY).unwrap();
    tell("fchmod", sys(libc::SYS_fchmod, &[opened, 0o777]));
    tell("fchown", sys(libc::SYS_fchown, &[opened, 0, 0]));
    tell("futimens", sys(libc::SYS_utimensat, &[opened, 0, at, 0]));
    tell("fsetxattr", sys(libc::SYS_fsetxattr, &[opened, attribute, at, 4, 0]));
    tell("fremovexattr", sys(libc::SYS_fremovexattr, &[opened, attribute]));
    tell("by an empty path", with(libc::SYS_utimensat, "", &[opened, PATH, at, EMPTY]));
    tell("flags of the inode", sys(libc::SYS_ioctl, &[opened, 0x4008_6602, at]));
    // Standard input is a file of the host's.
    tell("standard input", sys(libc::SYS_fchmod, &[0, 0o777]));
    tell("its times", sys(libc::SYS_utimensat, &[0, 0, at, 0]));
    // What takes on ids.
    let file = write.join("file");
    for bits in [0o4755, 0o2755, 0o6777] {
        tell(&format!("chmod {bits:o}"), with(libc::SYS_fchmodat, &file, &[CWD, PATH, bits]));
        let made = write.join(format!("made{bits:o}"));
        tell(&format!("open {bits:o}"), with(libc::SYS_openat, &made, &[CWD, PATH, 0o101, bits]));
    }
    let opened = open(&file, libc::O_RDWR).unwrap();
    tell("fchmod 4755", sys(libc::SYS_fchmod, &[opened, 0o4755]));
    tell("of a directory", with(libc::SYS_fchmodat, &write, &[CWD, PATH, 0o2755]));
    // A second name for what may only be read, and one for what is not granted.
    for (what, path) in [("read-only", read.join("file")), ("secret", secret)] {
        let (old, new) = (string(&path), string(write.join(format!("linked {what}"))));
        let linked =
            sys(libc::SYS_linkat, &[CWD, old.as_ptr().addr(), CWD, new.as_ptr().addr(), 0]);
        say(&format!("linked: {what}"), if linked.is_ok() { "yes" } else { "no" });
        let name = write.join(format!("linked {what}"));
        tell(&format!("chmod of it: {what}"), with(libc::SYS_fchmodat, name, &[CWD, PATH, 0o777]));
    }
    // What has lost its name.
    let name = string(write.join("other"));
    let nameless = open(write.join("other"), libc::O_RDWR).unwrap();
    sys(libc::SYS_unlinkat, &[CWD, name.as_ptr().addr(), 0]).unwrap();
    // As the kernel would call it.
    std::fs::write(write.join("other (deleted)"), "").unwrap();
    tell("nameless", sys(libc::SYS_fchmod, &[nameless, 0o777]));
    let mut ends = [0_i32; 2];
    sys(libc::SYS_pipe2, &[ends.as_mut_ptr().addr(), 0]).unwrap();
    tell("a pipe", sys(libc::SYS_fchmod, &[ends[0] as usize, 0o777]));
    // A directory that is gone, and one by its name.
    with(libc::SYS_mkdirat, write.join("gone"), &[CWD, PATH, 0o755]).unwrap();
    with(libc::SYS_chdir, write.join("gone"), &[PATH]).unwrap();
    with(libc::SYS_unlinkat, write.join("gone"), &[CWD, PATH, libc::AT_REMOVEDIR as usize])
        .unwrap();
    with(libc::SYS_mkdirat, write.join("gone (deleted)"), &[CWD, PATH, 0o755]).unwrap();
    std::fs::write(write.join("gone (deleted)/file"), "").unwrap();
    tell("gone", size(CWD, "file", 0));
}

#[test]
fn nothing_but_what_may_be_written_is_altered() {
    let test = "linux::supervised::attacks::nothing_but_what_may_be_written_is_altered";
    within(test, changes, |host, said| {
        let mut expected = vec![
            ("fchmod", "EROFS"),
            ("fchown", "EROFS"),
            ("futimens", "EROFS"),
            ("fsetxattr", "EROFS"),
            ("fremovexattr", "EROFS"),
            ("by an empty path", "EROFS"),
            ("flags of the inode", "EPERM"),
            ("standard input", "EPERM"),
            ("its times", "EPERM"),
            ("fchmod 4755", "EPERM"),
            ("of a directory", "0"),
            ("linked: read-only", "no"),
            ("linked: secret", "no"),
            ("chmod of it: read-only", "ENOENT"),
            ("chmod of it: secret", "ENOENT"),
            ("nameless", "EPERM"),
            ("a pipe", "EPERM"),
            ("gone", "ENOENT"),
        ];
        let mut names = Vec::new();
        for (what, errno) in [
            ("secret", "ENOENT"),
            ("link", "ENOENT"),
            ("read-only", "EROFS"),
            ("dots", "EROFS"),
            ("above", "EROFS"),
        ] {
            for call in ["chmod", "chown", "utimes", "setxattr", "removexattr"] {
                names.push((format!("{what}: {call}"), errno));
            }
        }
        for bits in ["4755", "2755", "6777"] {
            names.push((format!("chmod {bits}"), "EPERM"));
            names.push((format!("open {bits}"), "EPERM"));
        }
        expected.extend(names.iter().map(|(name, errno)| (name.as_str(), *errno)));
        as_expected(said, &expected);
        for file in ["secret", "in/file"] {
            assert_eq!(mode(&host.path(file)), 0o644, "{file}");
            let modified = fs::metadata(host.path(file)).unwrap().modified().unwrap();
            assert!(modified.elapsed().unwrap() < Duration::from_secs(600), "{file}");
        }
        assert_eq!(mode(&host.path("out/file")) & 0o6000, 0);
    });
}

/// Does one thing over and over while another one is done, until the time is over.
fn race(change: impl Fn() + Send + Sync, mut attempt: impl FnMut()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                change();
            }
        });
        let end = Instant::now() + RACE;
        while Instant::now() < end {
            attempt();
        }
        over.store(true, Ordering::Relaxed);
    });
}

fn races(base: &Path) {
    let [read, write] = ["in", "out"].map(|name| base.join(name));
    // A directory that is a link to another one at times.
    let [turning, real, link] = ["turning", "real", "link"].map(|name| write.join(name));
    with(libc::SYS_mkdirat, &turning, &[CWD, PATH, 0o755]).unwrap();
    std::fs::write(turning.join("secret"), "").unwrap();
    std::os::unix::fs::symlink(base.join("hidden"), &link).unwrap();
    let swap = |from: &Path, to: &Path, flags: usize| {
        let (from, to) = (string(from), string(to));
        sys(libc::SYS_renameat2, &[CWD, from.as_ptr().addr(), CWD, to.as_ptr().addr(), flags])
    };
    let _ = real;
    let (tried, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let secret = SECRET_SIZE as i64;
    race(
        || {
            let _ = swap(&turning, &link, 2);
        },
        || {
            let file = turning.join("secret");
            tried.fetch_add(1, Ordering::Relaxed);
            if size(CWD, &file, 0) == Ok(secret) {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            let _ = with(libc::SYS_fchmodat, &file, &[CWD, PATH, 0o600]);
            if let Ok(number) = open(&file, libc::O_PATH) {
                if size(number, "", EMPTY) == Ok(secret) {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                let _ = sys(libc::SYS_close, &[number]);
            }
        },
    );
    say("swapped", (seen.load(Ordering::Relaxed)).to_string());
    // A path that changes while it is looked at: from a file that may be read to one that is not
    // granted, and from one that may be written to one that may be read.
    let paths =
        [string(read.join("file")), string(base.join("secret")), string(write.join("file"))];
    let long = paths.iter().map(|path| path.as_bytes().len()).max().unwrap() + 1;
    let shared: Vec<std::sync::atomic::AtomicU8> =
        (0..long).map(|_| std::sync::atomic::AtomicU8::new(0)).collect();
    let put = |path: &std::ffi::CStr| {
        for (at, byte) in shared.iter().zip(path.to_bytes_with_nul()) {
            at.store(*byte, Ordering::Relaxed);
        }
    };
    put(&paths[0]);
    // SAFETY: it is made of numbers.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    let seen = AtomicUsize::new(0);
    race(
        || paths.iter().for_each(|path| put(path)),
        || {
            tried.fetch_add(1, Ordering::Relaxed);
            let (path, to) = (shared.as_ptr().addr(), (&raw mut status).addr());
            let _ = sys(libc::SYS_newfstatat, &[CWD, path, to, 0]);
            if status.st_size == secret {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            let _ = sys(libc::SYS_fchmodat, &[CWD, path, 0o600]);
        },
    );
    say("path changed", seen.load(Ordering::Relaxed).to_string());
    // A number that names another object at times.
    let (granted, other) = (open(&read, libc::O_RDONLY).unwrap(), open(&write, libc::O_RDONLY));
    let other = other.unwrap();
    let turning = 100;
    sys(libc::SYS_dup3, &[granted, turning, 0]).unwrap();
    race(
        || {
            let _ = sys(libc::SYS_dup3, &[granted, turning, 0]);
            let _ = sys(libc::SYS_dup3, &[other, turning, 0]);
        },
        || {
            tried.fetch_add(1, Ordering::Relaxed);
            let _ = with(libc::SYS_fchmodat, "file", &[turning, PATH, 0o600]);
        },
    );
    say("enough tries", format!("{}", tried.load(Ordering::Relaxed) > 100));
    tell("still there", size(CWD, read.join("link"), NOFOLLOW));
}

#[test]
fn no_race_is_won() {
    within("linux::supervised::attacks::no_race_is_won", races, |host, said| {
        as_expected(
            said,
            &[
                ("swapped", "0"),
                ("path changed", "0"),
                ("enough tries", "true"),
                ("still there", "4"),
            ],
        );
        for file in ["secret", "hidden/secret", "in/file"] {
            assert_eq!(mode(&host.path(file)), 0o644, "{file}");
        }
        assert_eq!(mode(&host.path("out/file")), 0o600, "the race was run");
    });
}

fn upon_the_supervisor(_: &Path) {
    let supervisor = std::os::unix::process::parent_id() as usize;
    // SAFETY: always succeeds.
    let own = unsafe { libc::getpid() } as usize;
    for signal in [libc::SIGKILL, libc::SIGSTOP, libc::SIGTERM] {
        tell(&format!("signal {signal}"), sys(libc::SYS_kill, &[supervisor, signal as usize]));
    }
    tell("ptrace", sys(libc::SYS_ptrace, &[16, supervisor, 0, 0]));
    let mut room = [0_u8; 16];
    let local = [room.as_mut_ptr().addr(), 16];
    let memory = [supervisor, local.as_ptr().addr(), 1, local.as_ptr().addr(), 1, 0];
    tell("its memory", sys(libc::SYS_process_vm_readv, &memory));
    tell("a pidfd", sys(libc::SYS_pidfd_open, &[supervisor, 0]));
    let seccomp = [libc::SECCOMP_SET_MODE_FILTER as usize, 8, room.as_ptr().addr()];
    tell("a listener", sys(libc::SYS_seccomp, &seccomp));
    // Its own was closed by execution: nothing is open that the program was not given.
    let open: Vec<usize> = (3..1000)
        .filter(|number| sys(libc::SYS_fcntl, &[*number, libc::F_GETFD as usize]).is_ok())
        .collect();
    tell("descriptors", Ok(open.len() as i64));
    tell("own id", Ok(i64::from(own != supervisor)));
}

#[test]
fn the_supervisor_is_out_of_reach() {
    let test = "linux::supervised::attacks::the_supervisor_is_out_of_reach";
    within(test, upon_the_supervisor, |_, said| {
        as_expected(
            said,
            &[
                ("signal 9", "EPERM"),
                ("signal 19", "EPERM"),
                ("signal 15", "EPERM"),
                ("ptrace", "EPERM"),
                ("its memory", "EPERM"),
                ("a pidfd", "EPERM"),
                ("a listener", "EPERM"),
                ("descriptors", "0"),
                ("own id", "1"),
            ],
        );
    });
}

/// Calls by many threads and by processes that are killed in the middle of them.
fn storm(base: &Path) {
    let file = base.join("in/file");
    let path = string(&file);
    let wrong = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    if status(CWD, &file, 0).map(|status| status.st_size) != Ok(10) {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for round in 0..50_u64 {
            // SAFETY: the child makes system calls alone.
            let child = unsafe { libc::fork() };
            if child == 0 {
                loop {
                    let mut room = [0_u8; 256];
                    let to = room.as_mut_ptr().addr();
                    let _ = sys(libc::SYS_newfstatat, &[CWD, path.as_ptr().addr(), to, 0]);
                }
            }
            thread::sleep(Duration::from_micros(round * 20));
            // SAFETY: the child is not reaped, and the status is not asked for.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
        }
    });
    tell("wrong answers", Ok(wrong.load(Ordering::Relaxed) as i64));
    tell("afterwards", size(CWD, &file, 0));
}

#[test]
fn many_callers_get_their_own_answers_and_dead_ones_hold_nobody_up() {
    let test = "linux::supervised::attacks::many_callers_get_their_own_answers_and_dead_ones_hold_nobody_up";
    within(test, storm, |_, said| {
        as_expected(said, &[("wrong answers", "0"), ("afterwards", "10")]);
    });
}

/// The supervisor is the wrapper's one child.
#[test]
fn the_program_ends_with_its_supervisor() {
    on_each(&[Offers::All, Offers::NoNamespaces], |host| {
        let script = "trap '' HUP TERM INT; (setsid sleep 1000 &); echo ready; \
                      while :; do test -e /usr; done";
        let (child, reader) = start(&mut host.shell(&["--level", "landlock"], script));
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        let supervisor = fs::read_to_string(children).unwrap();
        let supervisor: libc::pid_t = supervisor.trim().parse().unwrap();
        // SAFETY: takes no pointer; the wrapper, its parent, has not reaped it.
        assert_eq!(unsafe { libc::kill(supervisor, libc::SIGKILL) }, 0);
        until_all_have_ended(reader);
        assert_eq!(finish(child).status.code(), Some(128 + libc::SIGKILL));
    });
}
