//! Signals to processes outside, by whatever sends them.

use capsicum_rs::{Rights, Sandbox};

use super::tools::{AT_FDCWD, done};
use crate::{
    attempt::{Family, Got, Stop, at, at_mut, call, holder, open, program},
    raw,
    stage::borrowed,
};

const SIGNAL: i32 = libc::SIGUSR1;

pub(crate) const FAMILY: Family = Family {
    name: "signals",
    attacks: &[
        program("kill", |s| {
            s.enter()?;
            done(call!(SYS_kill, s.other.pid, SIGNAL))
        }),
        program("kill of its group", |s| {
            s.enter()?;
            done(call!(SYS_kill, -s.other.pid, SIGNAL))
        }),
        program("kill of the parent", |s| {
            let parent = std::os::unix::process::parent_id();
            s.enter()?;
            done(call!(SYS_kill, parent, SIGNAL))
        }),
        program("tkill", |s| {
            s.enter()?;
            done(call!(SYS_tkill, s.other.pid, SIGNAL))
        }),
        program("tgkill", |s| {
            s.enter()?;
            done(call!(SYS_tgkill, s.other.pid, s.other.pid, SIGNAL))
        }),
        program("rt_sigqueueinfo", |s| {
            s.enter()?;
            done(call!(SYS_rt_sigqueueinfo, s.other.pid, SIGNAL, at(&information())))
        }),
        program("rt_tgsigqueueinfo", |s| {
            s.enter()?;
            let pid = s.other.pid;
            done(call!(SYS_rt_tgsigqueueinfo, pid, pid, SIGNAL, at(&information())))
        }),
        program("pidfd_open and pidfd_send_signal", |s| {
            s.enter()?;
            let process = open!(SYS_pidfd_open, s.other.pid, 0)?;
            done(call!(SYS_pidfd_send_signal, process, SIGNAL, 0, 0))
        }),
        holder("pidfd_send_signal without PDKILL", |s| {
            let process = open!(SYS_pidfd_open, s.other.pid, 0)?;
            let grant = borrowed(process);
            s.enter_with(Sandbox::new().grant(&grant, Rights::PDWAIT))?;
            done(call!(SYS_pidfd_send_signal, process, SIGNAL, 0, 0))
        }),
        holder("pidfd_send_signal to the group of a process that may be killed", |s| {
            let process = open!(SYS_pidfd_open, s.other.pid, 0)?;
            let grant = borrowed(process);
            s.enter_with(Sandbox::new().grant(&grant, Rights::PDKILL))?;
            // PIDFD_SIGNAL_PROCESS_GROUP
            done(call!(SYS_pidfd_send_signal, process, SIGNAL, 0, 4))
        }),
        holder("kill, where a process may be killed by descriptor", |s| {
            let own = open!(SYS_pidfd_open, std::process::id(), 0)?;
            let grant = borrowed(own);
            s.enter_with(Sandbox::new().grant(&grant, Rights::PDKILL))?;
            done(call!(SYS_kill, s.other.pid, SIGNAL))
        }),
        holder("a directory of procfs as a process descriptor", |s| {
            let process = open!(SYS_openat, AT_FDCWD, s.proc(""), libc::O_DIRECTORY)?;
            let grant = borrowed(process);
            s.enter_with(Sandbox::new().grant(&grant, Rights::READ | Rights::FSTAT))?;
            done(call!(SYS_pidfd_send_signal, process, SIGNAL, 0, 0))
        }),
        program("the owner of a socket (F_SETOWN, F_SETSIG)", |s| {
            s.enter()?;
            let ends = pair()?;
            call!(SYS_fcntl, ends[0], libc::F_SETOWN, s.other.pid)?;
            call!(SYS_fcntl, ends[0], 10, SIGNAL)?;
            call!(SYS_fcntl, ends[0], libc::F_SETFL, libc::O_ASYNC)?;
            done(call!(SYS_write, ends[1], b"x", 1))
        }),
        program("the owner of a pipe (F_SETOWN_EX)", |s| {
            s.enter()?;
            let mut ends = [0_i32; 2];
            call!(SYS_pipe2, at_mut(&mut ends), 0)?;
            call!(SYS_fcntl, ends[0], 15, at(&[1, s.other.pid]))?;
            call!(SYS_fcntl, ends[0], libc::F_SETFL, libc::O_ASYNC)?;
            done(call!(SYS_write, ends[1], b"x", 1))
        }),
        program("the owner of a socket (FIOSETOWN, FIOASYNC)", |s| {
            s.enter()?;
            let ends = pair()?;
            call!(SYS_ioctl, ends[0], 0x8901, at(&s.other.pid))?;
            call!(SYS_ioctl, ends[0], 0x5452, at(&1_i32))?;
            done(call!(SYS_write, ends[1], b"x", 1))
        }),
        holder("an owner that was set before", |s| {
            let ends = pair()?;
            call!(SYS_fcntl, ends[0], libc::F_SETOWN, s.other.pid)?;
            s.enter()?;
            call!(SYS_fcntl, ends[0], libc::F_SETFL, libc::O_ASYNC)?;
            done(call!(SYS_write, ends[1], b"x", 1))
        }),
        program("out-of-band data to an owner", |s| {
            s.enter()?;
            let ends = pair()?;
            call!(SYS_ioctl, ends[0], 0x8902, at(&s.other.pid))?;
            done(call!(SYS_sendto, ends[1], b"x", 1, libc::MSG_OOB, 0, 0))
        }),
        program("a child of its parent's (CLONE_PARENT)", |s| {
            s.enter()?;
            let flags = libc::CLONE_PARENT | libc::CLONE_VFORK | SIGNAL;
            if call!(SYS_clone, flags, 0, 0, 0, 0)? == 0 {
                // Out of the group that is ended with this attack.
                let _ = call!(SYS_setsid);
                raw::exit(0);
            }
            Ok(Got::Done)
        }),
        program("a message queue's notification", |s| {
            s.enter()?;
            let name = s.objects.name();
            let queue = open!(SYS_mq_open, name, libc::O_RDONLY, 0, 0)?;
            // struct sigevent: SIGEV_SIGNAL
            let event = [0_i32, 0, SIGNAL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            super::tools::did(
                "it is told of others' messages",
                call!(SYS_mq_notify, queue, at(&event)),
            )
        }),
    ],
};

/// siginfo_t of sigqueue(3)
fn information() -> [i32; 32] {
    let mut information = [0; 32];
    information[0] = SIGNAL;
    information[2] = -1;
    information
}

fn pair() -> Result<[i32; 2], Stop> {
    let mut ends = [0_i32; 2];
    call!(SYS_socketpair, libc::AF_UNIX, libc::SOCK_STREAM, 0, at_mut(&mut ends))?;
    Ok(ends)
}
