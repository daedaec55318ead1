//! Signals go to the program, and nothing of it outlives the wrapper.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
};

use super::host::at_both_levels;
use crate::deadline::{DEADLINE, finish};

/// Starts a command and waits for its first line.
pub(super) fn start(command: &mut Command) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, reader)
}

fn signal(child: &Child, signal: i32) {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: takes no pointer; the child is not reaped.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// Reads until everybody who could write has ended.
pub(super) fn until_all_have_ended(mut reader: BufReader<ChildStdout>) -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let _ = reader.read_to_string(&mut text);
        sender.send(text)
    });
    receiver.recv_timeout(DEADLINE).expect("a process still has the other end")
}

#[test]
fn signals_are_forwarded() {
    let signals = [
        ("HUP", libc::SIGHUP),
        ("INT", libc::SIGINT),
        ("QUIT", libc::SIGQUIT),
        ("TERM", libc::SIGTERM),
        ("USR1", libc::SIGUSR1),
        ("USR2", libc::SIGUSR2),
        ("ALRM", libc::SIGALRM),
        ("WINCH", libc::SIGWINCH),
        ("CONT", libc::SIGCONT),
    ];
    at_both_levels(|host| {
        for (name, number) in signals {
            let script = format!(
                "trap 'echo got {name}; exit 9' {name}; echo ready; sleep 1000 & \
                 while :; do wait; done"
            );
            let (child, reader) = start(&mut host.shell(&[], &script));
            signal(&child, number);
            assert_eq!(until_all_have_ended(reader), format!("got {name}\n"));
            assert_eq!(finish(child).status.code(), Some(9), "{name}");
        }
    });
}

#[test]
fn a_signal_that_kills_the_program_is_in_the_exit_code() {
    at_both_levels(|host| {
        let (child, reader) = start(&mut host.shell(&[], "echo ready; exec sleep 1000"));
        signal(&child, libc::SIGTERM);
        until_all_have_ended(reader);
        assert_eq!(finish(child).status.code(), Some(128 + libc::SIGTERM));
    });
}

#[test]
fn stopping_stops_both_and_continuing_continues_both() {
    at_both_levels(|host| {
        let (child, mut reader) = start(&mut host.shell(
            &[],
            "trap 'echo continued; exit 3' CONT; echo ready; \
                                        sleep 1000 & while :; do wait; done",
        ));
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        signal(&child, libc::SIGTSTP);
        let mut status = 0;
        // SAFETY: the kernel writes one int; a stopped child stays to be reaped.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, libc::WUNTRACED) }, pid);
        assert!(libc::WIFSTOPPED(status));
        signal(&child, libc::SIGCONT);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "continued\n");
        assert_eq!(finish(child).status.code(), Some(3));
    });
}

#[test]
fn when_the_wrapper_is_killed_nothing_is_left() {
    at_both_levels(|host| {
        let script = "trap '' HUP TERM INT; (setsid sleep 1000 &) ; sleep 1000 & echo ready; \
                      exec sleep 1000";
        let (mut child, reader) = start(&mut host.shell(&[], script));
        child.kill().unwrap();
        until_all_have_ended(reader);
        child.wait().unwrap();
    });
}

#[test]
fn when_the_program_ends_its_descendants_are_ended() {
    at_both_levels(|host| {
        let script = "(setsid sleep 1000 &); sleep 1000 & echo ready; exit 5";
        let (child, reader) = start(&mut host.shell(&[], script));
        until_all_have_ended(reader);
        assert_eq!(finish(child).status.code(), Some(5));
    });
}

#[test]
fn a_program_cannot_signal_the_wrapper() {
    at_both_levels(|host| {
        let mut command = host.shell(&[], "echo ready; read x; kill -9 $x 2> /dev/null; exit 4");
        let (mut child, reader) = start(command.stdin(Stdio::piped()));
        let pid = child.id();
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, format!("{pid}\n").as_bytes()).unwrap();
        until_all_have_ended(reader);
        assert_eq!(finish(child).status.code(), Some(4));
    });
}
