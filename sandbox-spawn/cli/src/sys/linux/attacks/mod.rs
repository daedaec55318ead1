//! The attacker of the demo: attempts to reach what a sandbox must not reach. Each runs in a
//! child of its own under a deadline. What they read is printed, so that the demo, which alone
//! knows the secrets, can tell whether it got out. An attempt that succeeds does no damage.

mod files;
mod kernel;
mod network;
mod processes;
mod programs;

use std::{
    ffi::CStr,
    fs::File,
    io::{Read, Write as _},
    os::fd::AsRawFd,
};

use libc::{c_int, c_long};

use super::calls::{self, Errno, Reaped};
use crate::{
    args::AttackOptions,
    demo::outcome::{Attempted, Outcome},
    error::Error,
};

/// Seconds that an attempt may take.
const DEADLINE: u32 = 10;

/// What an attempt came to: what it read or did, or where it was stopped.
type Attempt = Result<Outcome, Stopped>;

/// How an attempt is made.
type Try = fn(&AttackOptions) -> Attempt;

/// Where an attempt was stopped.
struct Stopped {
    call: &'static str,
    errno: Errno,
}

/// An argument of a system call. A pointer among them is one to memory that is there.
enum Arg<'a> {
    Int(i64),
    Text(&'a CStr),
    In(&'a [u8]),
    Out(&'a mut [u8]),
}

/// A system call with up to six arguments.
fn call(name: &'static str, number: c_long, arguments: &mut [Arg<'_>]) -> Result<i64, Stopped> {
    let mut words = [0_usize; 6];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = match argument {
            Arg::Int(value) => usize::from_ne_bytes(value.to_ne_bytes()),
            Arg::Text(text) => text.as_ptr().addr(),
            Arg::In(bytes) => bytes.as_ptr().addr(),
            Arg::Out(bytes) => bytes.as_mut_ptr().addr(),
        };
    }
    // SAFETY: the attempts pass buffers as large as the call reads or writes, and none of their
    // calls changes mappings that Rust knows of. Each runs in a process of its own.
    let answer = unsafe {
        libc::syscall(number, words[0], words[1], words[2], words[3], words[4], words[5])
    };
    if answer < 0 { Err(Stopped { call: name, errno: calls::errno() }) } else { Ok(answer) }
}

/// An error of the standard library as a place where an attempt was stopped.
fn stopped(call: &'static str) -> impl FnOnce(std::io::Error) -> Stopped {
    move |error| Stopped { call, errno: error.raw_os_error().unwrap_or(0) }
}

/// Every attempt, with what it is called in the table.
const ATTEMPTS: &[(&str, Try)] = &[
    ("read /etc/passwd", files::passwd),
    ("read a secret by its path", files::secret),
    ("read it by `..`", files::dots),
    ("read it by a planted symbolic link", files::planted_link),
    ("read it through /proc/self/root", files::proc_root),
    ("read it through /proc/self/fd", files::proc_fd),
    ("read it by a handle (open_by_handle_at)", files::handle),
    ("link the secret into the output", files::hard_link),
    ("move the secret into the output", files::rename),
    ("chmod the secret", files::chmod_outside),
    ("create a file in the read-only tree", files::create),
    ("write a file of the tree", files::write),
    ("truncate a file of the tree", files::truncate),
    ("chmod a file of the tree", files::chmod_inside),
    ("create a device", files::device),
    ("connect by TCP", network::tcp),
    ("send by UDP", network::udp),
    ("connect to a Unix socket by path", network::unix_path),
    ("connect to an abstract Unix socket", network::unix_abstract),
    ("open a vsock", network::vsock),
    ("send a signal to the demo", processes::signal),
    ("trace the demo (ptrace)", processes::ptrace),
    ("read the demo's memory (process_vm_readv)", processes::memory),
    ("read the demo's memory (/proc/PID/mem)", processes::proc_memory),
    ("take a descriptor of the demo (pidfd_getfd)", processes::descriptor),
    ("read the demo's environment", processes::environment),
    ("read the environment of process 1", processes::environment_of_init),
    ("limit the demo's resources (prlimit)", processes::limits),
    ("join the demo's namespaces (setns)", processes::setns),
    ("read shared memory (System V)", processes::shared_memory),
    ("read a message queue (POSIX)", processes::message_queue),
    ("become another user", programs::become_other),
    ("regain a capability", programs::regain_capability),
    ("execute a file just written", programs::written),
    ("execute anonymous memory (memfd)", programs::memfd),
    ("mount a file system", kernel::mount),
    ("new user namespace (unshare)", kernel::unshare),
    ("new user namespace (clone)", kernel::clone),
    ("new user namespace (clone3)", kernel::clone3),
    ("change the root (chroot)", kernel::chroot),
    ("set up io_uring", kernel::io_uring),
    ("enter the kernel as a 32-bit program", kernel::entry_32),
    ("enter the kernel as an x32 program", kernel::entry_x32),
    ("add a key", kernel::add_key),
    ("search the keyrings", kernel::keyctl),
    ("load a BPF program", kernel::bpf),
    ("watch with perf events", kernel::perf),
    ("handle page faults (userfaultfd)", kernel::userfaultfd),
    ("type into the terminal (TIOCSTI)", kernel::tiocsti),
    ("switch off address randomisation", kernel::personality),
    ("rename the host", kernel::host_name),
    ("load a kernel module", kernel::module),
];

/// Runs every attempt and prints one line for each.
pub(crate) fn attack(options: &AttackOptions) -> Result<u8, Error> {
    for (name, attempt) in ATTEMPTS {
        let outcome = one(options, *attempt)?;
        let line = Attempted { name: (*name).to_owned(), outcome }.to_line();
        std::io::stdout()
            .write_all(line.as_bytes())
            .map_err(|source| Error::system("standard output", source))?;
    }
    Ok(0)
}

fn one(options: &AttackOptions, attempt: Try) -> Result<Outcome, Error> {
    let system = |operation: &'static str| {
        move |errno| Error::system(operation, std::io::Error::from_raw_os_error(errno))
    };
    let (reader, writer) = calls::pipe().map_err(system("pipe"))?;
    let child = calls::fork_into(0).map_err(system("fork"))?;
    if child == 0 {
        // SAFETY: takes no pointer.
        unsafe { libc::alarm(DEADLINE) };
        let outcome = attempt(options).unwrap_or_else(|Stopped { call, errno }| Outcome::Stopped {
            call: call.to_owned(),
            errno,
        });
        calls::say(writer.as_raw_fd(), outcome.to_text().as_bytes());
        calls::exit(0);
    }
    drop(writer);
    let mut text = String::new();
    let _ = File::from(reader).read_to_string(&mut text);
    let code = loop {
        match calls::reap(true) {
            Reaped::Ended(pid, code) if pid == child => break code,
            Reaped::Ended(..) | Reaped::Running => {}
            Reaped::NoChildren => break u8::MAX,
        }
    };
    Ok(match Outcome::from_text(&text) {
        Some(outcome) => outcome,
        // Executing another program closes the pipe without a word.
        None if code < 128 => Outcome::Did("executed".to_owned()),
        None => Outcome::Killed(c_int::from(code) - 128),
    })
}

/// What the attempts are called.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ATTEMPTS.iter().map(|(name, _)| *name)
}
