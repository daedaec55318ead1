//! Another process of the same user's: it has a secret in its memory and a descriptor of the
//! secret file, leads the session of a terminal, and counts the signals that it gets.

use std::{
    ffi::CString,
    fmt, fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::scene::SECRET;
use crate::{
    native::{self, Shared},
    raw::{self, address, address_mut, call, number},
};

/// What an attack knows of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Other {
    pub(crate) pid: i32,
    /// Where its secret is.
    pub(crate) address: usize,
    /// Its descriptor of the secret file.
    pub(crate) held: i32,
    /// The number of its terminal.
    pub(crate) terminal: u32,
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.pid, self.address, self.held, self.terminal)
    }
}

pub(super) struct Bystander {
    other: Other,
    shared: Shared,
    master: OwnedFd,
    before: Vec<(&'static str, i64)>,
    screen: [u8; 36],
}

const SIGNALS: usize = 0;
const READY: usize = 1;
const HELD: usize = 2;
const ANSWERED: usize = 3;

impl Bystander {
    pub(super) fn start(base: &Path) -> io::Result<(Self, Other)> {
        let shared = Shared::new()?;
        let (master, terminal) = native::terminal()?;
        // Before the process takes it for its terminal: nobody but its owner may open it.
        let page = call(libc::SYS_mmap, &[0, 4096, 3, 0x22, usize::MAX, 0])?;
        let secret =
            CString::new(base.join("outside/secret").into_os_string().into_encoded_bytes())
                .unwrap_or_default();
        let pid = raw::fork()?;
        if pid == 0 {
            stand(shared, terminal, page, &secret);
        }
        let _ = call(libc::SYS_munmap, &[page, 4096]);
        let deadline = Instant::now() + Duration::from_secs(5);
        while shared.word(READY).load(Ordering::SeqCst) == 0 {
            if Instant::now() > deadline || raw::ended(pid).is_some() {
                return Err(io::Error::other("the other process did not start"));
            }
            std::thread::yield_now();
        }
        let held = shared.word(HELD).load(Ordering::SeqCst).cast_signed();
        let other = Other { pid, address: page, held, terminal };
        let screen = screen(&master);
        Ok((Self { other, shared, master, before: look(pid), screen }, other))
    }

    pub(super) fn pid(&self) -> i32 {
        self.other.pid
    }

    pub(super) fn changes(&self) -> Vec<String> {
        let pid = self.other.pid;
        let mut changes = Vec::new();
        if raw::ended(pid).is_some() {
            changes.push("the other process was ended".to_owned());
            return changes;
        }
        // What was sent before this one has been counted when it is answered.
        raw::kill(pid, native::LAST);
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.shared.word(ANSWERED).load(Ordering::SeqCst) == 0 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        if self.shared.word(SIGNALS).load(Ordering::SeqCst) != 0 {
            changes.push("the other process got a signal".to_owned());
        }
        for ((what, before), (_, after)) in self.before.iter().zip(look(pid)) {
            if *before != after {
                changes.push(format!("{what} of the other process: {before} to {after}"));
            }
        }
        let mut bytes = [0_u8; SECRET.len()];
        let (own, its) =
            ([address_mut(&mut bytes), bytes.len()], [self.other.address, SECRET.len()]);
        let read =
            call(libc::SYS_process_vm_readv, &[number(pid), address(&own), 1, address(&its), 1, 0]);
        if read.is_ok() && std::hint::black_box(bytes) != SECRET {
            changes.push("the memory of the other process".to_owned());
        }
        if screen(&self.master) != self.screen {
            changes.push("the terminal's settings".to_owned());
        }
        let mut typed = [0_u8; 64];
        let fd = number(self.master.as_raw_fd());
        let _ = call(libc::SYS_fcntl, &[fd, 4, libc::O_NONBLOCK as usize]);
        if call(libc::SYS_read, &[fd, address_mut(&mut typed), 64]).is_ok_and(|len| len > 0) {
            changes.push("something was typed at the terminal".to_owned());
        }
        changes
    }

    pub(super) fn end(&self) {
        raw::kill(self.other.pid, libc::SIGKILL);
        raw::wait(self.other.pid);
        self.shared.unmap();
    }
}

/// The other process, until it is killed.
fn stand(shared: Shared, terminal: u32, page: usize, secret: &CString) -> ! {
    let _ = call(libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize]);
    for signal in
        (1..native::LAST).filter(|&n| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(&n))
    {
        native::count_signal(signal);
    }
    // Those that the process that it was forked from has got.
    native::SIGNALS.store(0, Ordering::SeqCst);
    native::answer_last();
    let _ = call(libc::SYS_setsid, &[]);
    let path = CString::new(format!("/dev/pts/{terminal}")).unwrap_or_default();
    if let Ok(fd) = call(libc::SYS_openat, &[number(-100), raw::text(&path), 2]) {
        // TIOCSCTTY
        let _ = call(libc::SYS_ioctl, &[fd, 0x540e, 0]);
    }
    let held = call(libc::SYS_openat, &[number(-100), raw::text(secret), 0]).unwrap_or(usize::MAX);
    native::poke(page, SECRET);
    let name = raw::text(c"nobodys-secret");
    let _ = call(libc::SYS_prctl, &[libc::PR_SET_NAME as usize, name]);
    shared.word(HELD).store(u32::try_from(held).unwrap_or(u32::MAX), Ordering::SeqCst);
    shared.word(READY).store(1, Ordering::SeqCst);
    loop {
        let _ = call(libc::SYS_rt_sigsuspend, &[address(&0_u64), 8]);
        let count = native::SIGNALS.load(Ordering::SeqCst);
        shared.word(SIGNALS).store(count, Ordering::SeqCst);
        let asked = native::ASKED.load(Ordering::SeqCst);
        shared.word(ANSWERED).store(asked, Ordering::SeqCst);
    }
}

/// What others might change of a process.
fn look(pid: i32) -> Vec<(&'static str, i64)> {
    let id = number(pid);
    let asked = |result: io::Result<usize>| {
        result.map_or(-1, |number| i64::try_from(number).unwrap_or(i64::MAX))
    };
    let mut limit = [0_u64; 2];
    let mut mask = [0_u64; 16];
    let _ = call(libc::SYS_prlimit64, &[id, 7, 0, address_mut(&mut limit)]);
    let _ = call(libc::SYS_sched_getaffinity, &[id, 128, address_mut(&mut mask)]);
    let mask = mask.iter().fold(0_i64, |sum, word| sum.rotate_left(7) ^ word.cast_signed());
    let adjusted = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap_or_default();
    vec![
        ("the priority", asked(call(libc::SYS_getpriority, &[0, id]))),
        ("the scheduler", asked(call(libc::SYS_sched_getscheduler, &[id]))),
        ("the processors", mask),
        ("the limit of files", limit[0].cast_signed()),
        ("the priority of input and output", asked(call(libc::SYS_ioprio_get, &[1, id]))),
        ("the group", asked(call(libc::SYS_getpgid, &[id]))),
        ("the badness", adjusted.trim().parse().unwrap_or(0)),
    ]
}

/// The settings of a terminal, its line discipline, size and foreground group.
fn screen(master: &OwnedFd) -> [u8; 36] {
    let fd = number(master.as_raw_fd());
    let mut settings = [0_u8; 64];
    let (mut size, mut group, mut exclusive) = ([0_u16; 4], 0_i32, 0_i32);
    let _ = call(libc::SYS_ioctl, &[fd, 0x5401, address_mut(&mut settings)]);
    let _ = call(libc::SYS_ioctl, &[fd, 0x5413, address_mut(&mut size)]);
    let _ = call(libc::SYS_ioctl, &[fd, 0x540f, address_mut(&mut group)]);
    let _ = call(libc::SYS_ioctl, &[fd, 0x8004_5440, address_mut(&mut exclusive)]);
    let mut all = [0; 36];
    all[..17].copy_from_slice(&settings[..17]);
    for (place, word) in all[17..25].chunks_mut(2).zip(size) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    all[25..29].copy_from_slice(&group.to_ne_bytes());
    all[29..33].copy_from_slice(&exclusive.to_ne_bytes());
    all
}
