//! On a terminal: the interrupt character, and a terminal that goes away.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command},
    ptr,
    sync::mpsc,
    thread,
};

use super::host::at_both_levels;
use crate::deadline::DEADLINE;

/// A pseudo-terminal: the side of the user, and the side of the program.
fn terminal() -> (File, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: the kernel writes two descriptors; name, settings and size are not asked for.
    let answer = unsafe {
        libc::openpty(&raw mut master, &raw mut slave, ptr::null_mut(), ptr::null(), ptr::null())
    };
    assert_eq!(answer, 0, "{}", io::Error::last_os_error());
    for descriptor in [master, slave] {
        // SAFETY: takes integers; the descriptors were just opened.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    // SAFETY: the descriptors were just opened, and nothing else knows of them.
    unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

/// Starts a command as the leader of a session on a terminal, and waits until it says `ready`.
fn start(command: &mut Command) -> (Child, File) {
    let (mut master, slave) = terminal();
    command.stdin(slave.try_clone().unwrap());
    command.stdout(slave.try_clone().unwrap());
    command.stderr(slave);
    // SAFETY: two system calls, which take integers.
    unsafe {
        command.pre_exec(|| {
            if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let child = command.spawn().unwrap();
    // The command keeps its ends of the terminal open, and it is about to go.
    command.stdin(io::stderr()).stdout(io::stderr()).stderr(io::stderr());
    until(&mut master, "ready");
    (child, master)
}

fn until(master: &mut File, word: &str) {
    let mut text = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&text).contains(word) {
        assert_eq!(master.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&text));
        text.push(byte[0]);
    }
}

fn exit_code(mut child: Child) -> Option<i32> {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait()));
    if let Ok(status) = receiver.recv_timeout(DEADLINE) {
        return status.unwrap().code();
    }
    // SAFETY: takes no pointer; the child is not reaped.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    panic!("the child had not ended after {DEADLINE:?}");
}

#[test]
fn the_interrupt_character_reaches_the_program_once() {
    at_both_levels(|host| {
        let script = "trap 'echo interrupted; n=$((n + 1))' INT; echo ready; read x; \
                      read x; exit $n";
        let (child, mut master) = start(&mut host.shell(&[], script));
        master.write_all(b"\x03").unwrap();
        until(&mut master, "interrupted");
        master.write_all(b"\n\n").unwrap();
        assert_eq!(exit_code(child), Some(1));
    });
}

#[test]
fn a_terminal_that_goes_away_ends_the_program_even_in_a_session_of_its_own() {
    at_both_levels(|host| {
        for script in ["echo ready; exec sleep 1000", "echo ready; exec setsid -w sleep 1000"] {
            let (child, master) = start(&mut host.shell(&[], script));
            drop(master);
            assert_eq!(exit_code(child), Some(128 + libc::SIGHUP), "{script}");
        }
    });
}
