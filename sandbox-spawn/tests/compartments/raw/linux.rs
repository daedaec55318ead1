//! What is Linux's own.

use std::{
    fs, io,
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use capsicum_rs::Containment;
use serde::{Deserialize, Serialize};

use super::errno;

pub(super) type Resource = libc::__rlimit_resource_t;

pub(super) fn number(limit: libc::rlim_t) -> u64 {
    limit
}

/// What fork(2) in a worker fails with.
pub(crate) const LIMIT_OF_FORKS: i32 = libc::EPERM;

/// What capability mode answers where a right is missing.
pub(crate) const NOT_CAPABLE: i32 = 135;

/// What else the kernel says of a worker.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct More {
    no_new_privileges: bool,
    dumpable: bool,
    /// What fails with what: leaving the session, the group, the parent's death, and being dumped.
    setsid: i32,
    setpgid: i32,
    unleash: i32,
    undump: i32,
    vfork: i32,
    /// Whether becoming another user, which root could, fails.
    stays: bool,
}

impl More {
    /// What a worker should find.
    pub(crate) fn expected() -> Self {
        Self {
            no_new_privileges: true,
            dumpable: false,
            setsid: libc::EPERM,
            setpgid: libc::EPERM,
            unleash: libc::EPERM,
            undump: libc::EPERM,
            vfork: libc::EPERM,
            stays: true,
        }
    }
}

fn failed(result: libc::c_long) -> i32 {
    if result < 0 { errno() } else { 0 }
}

pub(super) fn more(no_fork: bool) -> More {
    let clone = libc::CLONE_VM | libc::SIGCHLD;
    // SAFETY: all take numbers. The clone has no stack of its own, and is tried only where it is
    // refused.
    unsafe {
        let flags = clone | libc::CLONE_VFORK;
        let vfork = if no_fork { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } else { 0 };
        More {
            no_new_privileges: libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
            dumpable: libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) == 1,
            setsid: failed(libc::setsid().into()),
            setpgid: failed(libc::setpgid(0, 0).into()),
            unleash: failed(libc::prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0).into()),
            undump: failed(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0).into()),
            vfork: failed(vfork),
            stays: failed(libc::syscall(libc::SYS_setuid, 12_345)) != 0,
        }
    }
}

/// What a refusal raises.
pub(crate) const REFUSAL: libc::c_int = libc::SIGSYS;
/// Numbers of calls.
pub(crate) const OPENAT: i64 = libc::SYS_openat;
pub(crate) const WRITE: i64 = libc::SYS_write;

/// Makes a call of another table than the native one.
pub(crate) fn forbidden_call() {
    // SAFETY: getpid by its x32 number; the filter ends the process.
    unsafe { libc::syscall(0x4000_0000 | libc::SYS_getpid) };
}

/// Makes the kernel look like one that offers this level and no better one.
pub(crate) fn hide_better_than(level: Containment) -> io::Result<()> {
    match level {
        Containment::Descriptors => without(libc::SYS_landlock_create_ruleset),
        Containment::Landlock => without(libc::SYS_pivot_root),
        _ => Ok(()),
    }
}

/// Installs a filter under which this system call does not exist.
fn without(number: libc::c_long) -> io::Result<()> {
    let number = u32::try_from(number).map_err(io::Error::other)?;
    let missing = 0x0005_0000 | libc::ENOSYS.cast_unsigned();
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    // Load the number, compare, refuse, allow.
    let mut program = [
        step(0x20, 0, 0),
        step(0x15, 1, number),
        step(0x06, 0, missing),
        step(0x06, 0, 0x7fff_0000),
    ];
    let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    // SAFETY: the option takes numbers, and the program outlives the call.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn children(pid: &str) -> Vec<String> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists =
        tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Sets how many descriptors the children of this process may have.
pub(crate) fn limit_descriptors_of_keepers(most: u64) -> Result<(), String> {
    for child in children("self") {
        let pid = child.parse().map_err(|_| format!("the process {child}"))?;
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: the kernel reads the structure, and writes none.
        let set = unsafe {
            libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limit, std::ptr::null_mut())
        };
        if set < 0 {
            return Err(io::Error::last_os_error().to_string());
        }
    }
    Ok(())
}

/// What execve(2) and execveat(2) of a descriptor fail with, where the arguments are none.
pub(crate) fn execute(fd: i32) -> [i32; 2] {
    let (nothing, nowhere) = (c"".as_ptr(), 8_usize);
    // SAFETY: the kernel finds that there is nothing at the place of the arguments, or refuses.
    unsafe {
        [
            failed(libc::syscall(libc::SYS_execve, c"/".as_ptr(), nowhere, nowhere)),
            failed(libc::syscall(
                libc::SYS_execveat,
                fd,
                nothing,
                nowhere,
                nowhere,
                libc::AT_EMPTY_PATH,
            )),
        ]
    }
}

/// How many bytes of the heap were searched, and how often this was there, each byte of which is
/// turned over so that it is not found itself.
pub(crate) fn search(needle: &[u8]) -> (usize, usize) {
    let Ok((_reader, writer)) = io::pipe() else { return (0, 0) };
    // SAFETY: without a change it tells where the heap ends.
    let end = unsafe { libc::sbrk(0) }.addr();
    let mut begin = end & !4095;
    loop {
        let below = std::ptr::with_exposed_provenance::<libc::c_void>(begin - 4096);
        // SAFETY: the kernel reads a byte there, or says that there is nothing.
        if unsafe { libc::write(writer.as_raw_fd(), below, 1) } != 1 {
            break;
        }
        begin -= 4096;
    }
    let at = std::ptr::with_exposed_provenance::<u8>(begin);
    // SAFETY: the kernel has read of each page; what is not initialised is read as it is.
    let byte = |offset: usize| unsafe { at.add(offset).read_volatile() };
    let places = (0..(end - begin).saturating_sub(needle.len()))
        .filter(|place| (0..needle.len()).all(|next| byte(place + next) == !needle[next]))
        .count();
    (end - begin, places)
}

/// Nothing is left but the zygote, and of it nothing.
pub(crate) fn no_grandchildren() -> Result<(), String> {
    let own = children("self");
    if own.len() > 1 {
        return Err(format!("the children {own:?} are left"));
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left: Vec<String> = own.iter().flat_map(|child| children(child)).collect();
        match left.is_empty() {
            true => return Ok(()),
            false if Instant::now() > deadline => return Err(format!("{left:?} are left")),
            false => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// The workers that run have no capability in any set but the bounding one.
pub(crate) fn workers_have_no_capabilities() -> Result<(), String> {
    let workers: Vec<String> = children("self").iter().flat_map(|child| children(child)).collect();
    if workers.is_empty() {
        return Err("no worker runs".to_owned());
    }
    for worker in workers {
        let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap_or_default();
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            let value = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(":\t"));
            if value != Some("0000000000000000") {
                return Err(format!("{set} of {worker} is {value:?}"));
            }
        }
    }
    Ok(())
}

/// The descendants that have so many children.
pub(crate) fn parents_of(count: usize) -> Vec<i32> {
    let (mut found, mut next) = (Vec::new(), children("self"));
    while let Some(pid) = next.pop() {
        let own = children(&pid);
        if own.len() == count {
            found.extend(pid.parse::<i32>());
        }
        next.extend(own);
    }
    found
}

/// How many processes the guards have as children, zombies among them.
pub(crate) fn processes_of_guards() -> usize {
    let guards: Vec<String> = children("self").iter().flat_map(|keeper| children(keeper)).collect();
    guards.iter().map(|guard| children(guard).len()).sum()
}

/// Kills every child of this process: the keepers.
pub(crate) fn kill_keepers() {
    for child in children("self") {
        if let Ok(pid) = child.parse() {
            super::kill(pid, libc::SIGKILL);
        }
    }
}
