//! Calls that both systems have.

use std::{
    ffi::OsStr,
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt, process::ExitStatusExt},
    },
    process::ExitStatus,
    ptr,
    sync::OnceLock,
    time::Duration,
};

use libc::c_int;

use super::{become_reaper, close_from, die_with, watch_end};
use crate::Resource;

pub(super) fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Takes over a descriptor that a call has just made.
pub(super) fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: callers pass what the kernel has just made, so that nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// The descriptor that was left for this program at this number.
pub(crate) fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the command takes no argument.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    // It is this program's alone: it is called once, before anything else has opened anything.
    let fd = owned(fd);
    // SAFETY: the command takes an integer.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) })?;
    Ok(fd)
}

/// getppid(2)
pub(crate) fn parent() -> u32 {
    // SAFETY: it always succeeds.
    unsafe { libc::getppid() }.cast_unsigned()
}

/// _exit(2)
pub(crate) fn exit(status: u8) -> ! {
    // SAFETY: it returns to nothing.
    unsafe { libc::_exit(status.into()) }
}

/// poll(2), until something has happened to one of them: to which. Numbers below 0 are left out.
pub(crate) fn wait_for(descriptors: &[RawFd]) -> Vec<bool> {
    let entry = |fd: &RawFd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 };
    let mut watched: Vec<_> = descriptors.iter().map(entry).collect();
    loop {
        let count = libc::nfds_t::try_from(watched.len()).unwrap_or(libc::nfds_t::MAX);
        // SAFETY: so many entries are there.
        if check(unsafe { libc::poll(watched.as_mut_ptr(), count, -1) }).is_ok() {
            return watched.iter().map(|entry| entry.revents != 0).collect();
        }
    }
}

/// nanosleep(2), or less. Not `std::thread::sleep`: that is clock_nanosleep(2), which FreeBSD's capability
/// mode does not have (sys/kern/syscalls.master), so that it would panic.
pub(crate) fn rest(time: Duration) {
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: the time is only read, and nothing is written where the pointer to it is null.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}

/// A copy of the descriptor at this number or above.
pub(super) fn copy_above(fd: RawFd, least: RawFd) -> io::Result<RawFd> {
    // SAFETY: the command takes an integer.
    check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) })
}

/// The same descriptor at this number or above; where it is if there is no room.
pub(crate) fn above(fd: OwnedFd, least: RawFd) -> OwnedFd {
    copy_above(fd.as_raw_fd(), least).map_or(fd, owned)
}

/// dup2(2)
pub(super) fn copy_to(fd: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: dup2 takes no pointers. Who calls this owns the whole table of descriptors.
    check(unsafe { libc::dup2(fd, number) }).map(drop)
}

/// Puts these descriptors at the numbers from `first` on, /dev/null at those of the standard streams
/// (but for the standard error, where one is given), and closes every other.
///
/// No value that owns a descriptor may be used or dropped afterwards, but for those that come back.
pub(crate) fn arrange(
    descriptors: Vec<OwnedFd>,
    first: RawFd,
    stderr: Option<OwnedFd>,
) -> io::Result<Vec<OwnedFd>> {
    let count = RawFd::try_from(descriptors.len()).unwrap_or(RawFd::MAX);
    let above = first.saturating_add(count);
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    // Out of the way, wherever they are; whatever stays where it was is closed with the rest.
    let moved: Vec<RawFd> = descriptors
        .into_iter()
        .map(|fd| copy_above(fd.into_raw_fd(), above))
        .collect::<io::Result<_>>()?;
    let null = copy_above(null.into_raw_fd(), above)?;
    let stderr = stderr.map_or(Ok(null), |fd| copy_above(fd.into_raw_fd(), above))?;
    copy_to(null, 0)?;
    copy_to(null, 1)?;
    copy_to(stderr, 2)?;
    let mut arranged = Vec::new();
    for (fd, number) in moved.into_iter().zip(first..) {
        copy_to(fd, number)?;
        // SAFETY: the command takes an integer.
        check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        arranged.push(number);
    }
    close_from(above)?;
    Ok(arranged.into_iter().map(owned).collect())
}

/// How many descriptors the program may have, which the keeper may exceed and a worker not.
static FILES: OnceLock<libc::rlimit> = OnceLock::new();

fn files() -> io::Result<libc::rlimit> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: the kernel writes a `struct rlimit`.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) })?;
    // SAFETY: zeroed before and filled by the kernel; it is made of integers.
    Ok(unsafe { limit.assume_init() })
}

/// How many descriptors this process may have.
pub(crate) fn most_descriptors() -> usize {
    files().map_or(0, |limit| usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

fn set_files(limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: the kernel reads the structure.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// How many descriptors fewer than the program a worker may have.
const LEFT: libc::rlim_t = 512;

/// Holds a worker, for ever, to fewer descriptors than the program may have.
///
/// Linux counts descriptors that are in flight for each user, and who has more of them there than it may
/// have open sends no more. So a worker that sends what nobody receives could keep the program, and all
/// other workers, from sending any. One message more than its limit is what it can get to.
pub(crate) fn leave_descriptors() -> io::Result<()> {
    let soft = files()?.rlim_cur;
    let most = soft - LEFT.min(soft / 2);
    set_files(libc::rlimit { rlim_cur: most, rlim_max: most })
}

/// Makes the process, a fork of the program, a keeper: in a session of its own, deaf to what ends
/// programs, with `/` as its working directory, without environment, with the descriptors that are
/// given and no others, from 3 on. Besides them comes one that is readable once the program has
/// ended.
pub(crate) fn become_keeper(
    descriptors: Vec<OwnedFd>,
    program: u32,
) -> io::Result<(Vec<OwnedFd>, OwnedFd)> {
    // SAFETY: setsid takes no pointers.
    check(unsafe { libc::setsid() })?;
    // It ends with the program, after having ended its workers; and not before, when a terminal or
    // a service manager signals all processes at once.
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: SIG_IGN is a disposition like another.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: a null set with no change asks for nothing but is harmless; the path is a C string.
    check(unsafe { libc::chdir(c"/".as_ptr()) })?;
    become_reaper()?;
    wipe_environment();
    // SAFETY: 2 is the standard error, which the standard library has seen to be open.
    let stderr = copy_above(2, 3).map(owned).ok();
    let descriptors = arrange(descriptors, 3, stderr)?;
    let limit = files()?;
    let _ = FILES.set(limit);
    // One that the host does not grant is as well.
    let _ = set_files(libc::rlimit { rlim_cur: limit.rlim_max, ..limit });
    let end = watch_end(program)?;
    if parent() != program {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok((descriptors, end))
}

/// Makes the process, a fork of the keeper, the guard of a worker: with a session and a group of its
/// own. What comes back is readable once the keeper has ended.
pub(crate) fn become_guard(keeper: u32) -> io::Result<OwnedFd> {
    // SAFETY: setsid takes no pointers.
    check(unsafe { libc::setsid() })?;
    become_reaper()?;
    let end = watch_end(keeper)?;
    if parent() == keeper { Ok(end) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
}

/// Ends the process as another one has ended: by the same signal, or the status that comes back.
pub(crate) fn end_like(status: ExitStatus) -> Option<u8> {
    if let Some(signal) = status.signal() {
        // The worker's core is enough.
        let _ = no_cores();
        // SAFETY: SIG_DFL is a disposition; it is the process's own id.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::kill(libc::getpid(), signal);
        }
    }
    status.code().and_then(|code| u8::try_from(code).ok())
}

/// Makes the process, a fork of its keeper or guard, one of its own: with default signals, the
/// program's limit of descriptors, and a session, unless it stays in that of its guard. From here on
/// it ends with its parent.
pub(crate) fn leave_keeper(parent: u32, guarded: bool) -> io::Result<()> {
    leave_parent(parent, guarded)?;
    for signal in 1..=LAST_SIGNAL {
        // A broken pipe stays an error, as in every Rust program.
        let action = if signal == libc::SIGPIPE { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: both are dispositions; those that cannot be changed are errors.
        unsafe { libc::signal(signal, action) };
    }
    let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigemptyset fills the set that sigprocmask then reads; no old one is asked for.
    check(unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut())
    })?;
    Ok(())
}

/// The same without the signals, by async-signal-safe calls only.
pub(super) fn leave_parent(parent: u32, guarded: bool) -> io::Result<()> {
    die_with(parent)?;
    // SAFETY: none takes a pointer.
    unsafe {
        // It leads its session already where it was executed anew.
        if !guarded && libc::getsid(0) != libc::getpid() {
            check(libc::setsid())?;
        }
    }
    if let Some(before) = FILES.get() {
        let limit = files()?;
        set_files(libc::rlimit { rlim_cur: before.rlim_cur.min(limit.rlim_max), ..limit })?;
    }
    Ok(())
}

/// The highest signal of either system.
const LAST_SIGNAL: c_int = 64;

unsafe extern "C" {
    /// environ(7)
    static mut environ: *mut *mut libc::c_char;
}

/// Removes every variable, and overwrites what they were: it is in the memory of every fork. Not by unsetenv(3),
/// which copies all of them to the heap first, on FreeBSD (`__build_env` in lib/libc/stdlib/getenv.c).
fn wipe_environment() {
    let mut strings = Vec::new();
    // SAFETY: the process has one thread, and nothing has kept a reference to the environment;
    // `environ` is null or a list of C strings that ends with a null.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            strings.push((*entry, libc::strlen(*entry)));
            entry = entry.add(1);
        }
        // As clearenv(3) does.
        environ = ptr::null_mut();
    }
    for (string, length) in strings {
        // SAFETY: the strings are where the kernel or setenv(3) has put them, in memory that can be
        // written to and that is never given back; nothing refers to them any more.
        unsafe {
            for place in 0..length {
                string.add(place).write_volatile(0);
            }
        }
    }
}

/// Makes these the only variables: `NAME=VALUE`, each with a 0 behind it.
pub(crate) fn set_environment(variables: &[u8]) {
    for (name, _) in std::env::vars_os() {
        // SAFETY: the process has one thread.
        unsafe { std::env::remove_var(name) };
    }
    for variable in variables.split(|byte| *byte == 0) {
        let Some(end) = variable.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = (&variable[..end], &variable[end + 1..]);
        // SAFETY: the process has one thread; the builder has checked the name, which is not empty.
        unsafe { std::env::set_var(OsStr::from_bytes(name), OsStr::from_bytes(value)) };
    }
}

/// fchdir(2), or chdir(2) to the root.
pub(crate) fn change_directory(directory: Option<&OwnedFd>) -> io::Result<()> {
    match directory {
        // SAFETY: fchdir takes no pointers.
        Some(directory) => check(unsafe { libc::fchdir(directory.as_raw_fd()) }),
        // SAFETY: the path is a C string.
        None => check(unsafe { libc::chdir(c"/".as_ptr()) }),
    }
    .map(drop)
}

/// setgroups(2), setresgid(2), setresuid(2), and whether it cannot be taken back.
pub(crate) fn become_user(user: u32, group: u32) -> io::Result<()> {
    // SAFETY: setgroups reads the one group; the others take integers.
    unsafe {
        check(libc::setgroups(1, &raw const group))?;
        check(libc::setresgid(group, group, group))?;
        check(libc::setresuid(user, user, user))?;
        if libc::geteuid() != user || libc::getegid() != group {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
        if user != 0 && (libc::setuid(0) == 0 || libc::seteuid(0) == 0) {
            return Err(io::Error::other("root could be had again"));
        }
    }
    Ok(())
}

/// setrlimit(2), soft and hard.
pub(crate) fn limit_resource(resource: Resource, most: u64) -> io::Result<()> {
    let number = match resource {
        Resource::AddressSpace => libc::RLIMIT_AS,
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::Descriptors => libc::RLIMIT_NOFILE,
        Resource::FileSize => libc::RLIMIT_FSIZE,
        Resource::Processes => libc::RLIMIT_NPROC,
        Resource::Stack => libc::RLIMIT_STACK,
    };
    let most = libc::rlim_t::try_from(most).unwrap_or(libc::RLIM_INFINITY);
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the kernel reads the structure.
    check(unsafe { libc::setrlimit(number, &raw const limit) }).map(drop)
}

/// `RLIMIT_CORE` of 0, soft and hard.
pub(super) fn no_cores() -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel reads the structure.
    check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) }).map(drop)
}
