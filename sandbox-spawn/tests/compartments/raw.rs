//! System calls as a worker that means harm makes them, and what only the kernel can tell.

#[cfg_attr(target_os = "linux", path = "raw/linux.rs")]
#[cfg_attr(target_os = "freebsd", path = "raw/freebsd.rs")]
mod system;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use serde::{Deserialize, Serialize};

pub(crate) use system::{
    LIMIT_OF_FORKS, More, NOT_CAPABLE, OPENAT, REFUSAL, WRITE, execute, forbidden_call,
    hide_better_than, kill_keepers, limit_descriptors_of_keepers, no_grandchildren, parents_of,
    processes_of_guards, search, workers_have_no_capabilities,
};

/// What the kernel says of a process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) user: u32,
    pub(crate) group: u32,
    /// `RLIMIT_CORE`, soft and hard.
    pub(crate) cores: (u64, u64),
    /// `RLIMIT_FSIZE`, soft.
    pub(crate) file_size: u64,
    /// Whether it leads a session of its own.
    pub(crate) session: bool,
    /// What fork(2) fails with, 0 where it works.
    pub(crate) fork: i32,
    /// Whether a thread can be started.
    pub(crate) thread: bool,
    /// Signals that are not at their default, but for SIGPIPE.
    pub(crate) handled: Vec<i32>,
    /// Signals that are blocked.
    pub(crate) blocked: Vec<i32>,
    pub(crate) more: More,
}

pub(crate) fn facts() -> Facts {
    // SAFETY: these take no pointers and always succeed.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let fork = fork_and_exit();
    Facts {
        user,
        group,
        cores: limit(libc::RLIMIT_CORE),
        file_size: limit(libc::RLIMIT_FSIZE).0,
        session: leads_session(),
        fork,
        thread: std::thread::Builder::new().spawn(|| ()).is_ok_and(|thread| thread.join().is_ok()),
        handled: (1..=64).filter(|signal| handled(*signal)).collect(),
        blocked: blocked(),
        more: system::more(fork != 0),
    }
}

fn limit(resource: system::Resource) -> (u64, u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the structure.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    (system::number(limit.rlim_cur), system::number(limit.rlim_max))
}

fn handled(signal: i32) -> bool {
    // SAFETY: zeros are a valid sigaction, and the kernel writes one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction != libc::SIG_DFL
            && signal != libc::SIGPIPE
    }
}

fn blocked() -> Vec<i32> {
    // SAFETY: zeros are a valid set, and the kernel writes one, of which sigismember reads.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut set);
        (1..=64).filter(|signal| libc::sigismember(&raw const set, *signal) == 1).collect()
    }
}

/// Whether the process leads a session of its own.
pub(crate) fn leads_session() -> bool {
    // SAFETY: these take no pointers.
    unsafe { libc::getsid(0) == libc::getpid() }
}

pub(crate) fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// fork(2): the error, or 0. The process has one thread.
fn fork_and_exit() -> i32 {
    // SAFETY: the child ends at once.
    match unsafe { libc::fork() } {
        -1 => errno(),
        0 => exit(),
        _ => 0,
    }
}

fn exit() -> ! {
    // SAFETY: it returns to nothing.
    unsafe { libc::_exit(0) }
}

/// The numbers that are open, by trying each: in capability mode there is no list of them.
pub(crate) fn open_descriptors() -> Vec<RawFd> {
    // SAFETY: the command takes no argument.
    (0..2048).filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0).collect()
}

/// Where the value of a variable is, and how long it is.
pub(crate) fn place_of_variable(name: &str) -> (usize, usize) {
    let name = std::ffi::CString::new(name).unwrap_or_default();
    // SAFETY: the name is a C string; what comes back is null or one.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        if value.is_null() { (0, 0) } else { (value.addr(), libc::strlen(value)) }
    }
}

/// The bytes that are there.
pub(crate) fn bytes_at(place: usize, length: usize) -> Vec<u8> {
    let at = std::ptr::with_exposed_provenance::<u8>(place);
    // SAFETY: the place is where the kernel has put the environment, which stays mapped.
    (0..length).map(|offset| unsafe { at.add(offset).read_volatile() }).collect()
}

/// Ignores every signal that can be.
pub(crate) fn ignore_everything() {
    for signal in 1..=64 {
        // SAFETY: SIG_IGN is a disposition like another.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Blocks every signal that can be blocked.
pub(crate) fn block_everything() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigfillset fills the set, which the other reads; no old one is asked for.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut());
    }
}

/// write(2) to a number.
pub(crate) fn write_to(number: RawFd, bytes: &[u8]) {
    // SAFETY: so many bytes are there.
    unsafe { libc::write(number, bytes.as_ptr().cast(), bytes.len()) };
}

/// Touches memory that is not there.
pub(crate) fn crash() {
    let nowhere = std::ptr::with_exposed_provenance::<u8>(8);
    // SAFETY: it is not safe, which is the point: the process ends here.
    unsafe { nowhere.read_volatile() };
}

/// Starts a child, which starts another and ends; that one tries to leave the session, and does
/// `stay` as "left" or "kept"; then a child that does `stay` as "child". What fork(2) said.
pub(crate) fn descendants(stay: &mut dyn FnMut(&str)) -> i32 {
    // SAFETY: the process has one thread, so that its copies can go on as it would.
    unsafe {
        match libc::fork() {
            -1 => return errno(),
            0 => {
                if libc::fork() == 0 {
                    let left = libc::setsid() > 0;
                    stay(if left { "left" } else { "kept" });
                }
                exit();
            }
            _ => {}
        }
        match libc::fork() {
            -1 => errno(),
            0 => {
                stay("child");
                exit()
            }
            _ => 0,
        }
    }
}

/// FreeBSD tells the end of a datagram by `MSG_EOR`.
const WHOLE: i32 = libc::MSG_NOSIGNAL | libc::MSG_EOR;

/// Sends a datagram, if there is room.
pub(crate) fn send(fd: RawFd, bytes: &[u8]) {
    // SAFETY: the kernel reads as many bytes as there are.
    unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT | WHOLE) };
}

/// Sends one with a descriptor: the error, or 0.
pub(crate) fn send_descriptor(fd: RawFd, bytes: &[u8], passed: RawFd) -> i32 {
    let mut control = [0_u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the control buffer is aligned and has room for one header and one descriptor; the kernel
    // reads both buffers.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<[u8; 4]>().write(passed.to_ne_bytes());
        if libc::sendmsg(fd, &raw const message, WHOLE) < 0 { errno() } else { 0 }
    }
}

/// setsockopt(2) of the socket itself: the error, or 0.
fn set_option<T>(fd: RawFd, name: i32, value: &T) -> i32 {
    let size = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let at = std::ptr::from_ref(value).cast();
    // SAFETY: the kernel reads the value, whose size it is told.
    let set = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, at, size) };
    if set < 0 { errno() } else { 0 }
}

/// Has the last close of a socket wait for so many seconds, until everything is sent.
pub(crate) fn linger(fd: RawFd, seconds: i32) -> i32 {
    set_option(fd, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: seconds })
}

/// An option that does no harm.
pub(crate) fn keep_alive(fd: RawFd) -> i32 {
    set_option(fd, libc::SO_KEEPALIVE, &1_i32)
}

/// Kills a process.
pub(crate) fn kill(pid: i32, signal: i32) {
    // SAFETY: takes no pointers.
    unsafe { libc::kill(pid, signal) };
}

pub(crate) fn is_root() -> bool {
    // SAFETY: it always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// Another descriptor of /dev/null.
pub(crate) fn copy_of_input() -> Option<OwnedFd> {
    std::io::stdin().as_fd().try_clone_to_owned().ok()
}

/// What most systems allow an ordinary program: `RLIMIT_NOFILE`, soft.
pub(crate) fn limit_descriptors(most: u64) -> Result<(), String> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the structure, and then reads it.
    let set = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = libc::rlim_t::try_from(most).unwrap_or(limit.rlim_cur).min(limit.rlim_max);
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    };
    if set < 0 { Err(io::Error::last_os_error().to_string()) } else { Ok(()) }
}

/// Starts a child that starts another one and ends; so does that. What fork(2) said.
pub(crate) fn orphan() -> i32 {
    // SAFETY: the process has one thread; the copies end at once.
    unsafe {
        match libc::fork() {
            -1 => errno(),
            0 => {
                libc::fork();
                exit()
            }
            child => {
                libc::waitpid(child, std::ptr::null_mut(), 0);
                0
            }
        }
    }
}

/// Whether the other end of a socket is closed, within 20 seconds.
pub(crate) fn hangs_up(socket: &impl AsFd) -> bool {
    let mut watched =
        libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while watched.revents & libc::POLLHUP == 0 && std::time::Instant::now() < deadline {
        // SAFETY: one entry is there.
        unsafe { libc::poll(&raw mut watched, 1, 1000) };
    }
    watched.revents & libc::POLLHUP != 0
}
