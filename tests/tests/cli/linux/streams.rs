//! What passes through: standard streams, the environment that was asked for, and nothing else.

use std::{
    fs::File,
    io::Write,
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::Stdio,
};

use super::host::at_both_levels;
use crate::deadline::{errors, finish, output, text};

#[test]
fn the_metadata_of_the_hosts_null_device_is_out_of_reach() {
    at_both_levels(|host| {
        // futimens(3) of standard input, which the caller opened on the host.
        let touched = host.run(&[], "touch -d @1 - 1<&0");
        assert_ne!(touched.status.code(), Some(0));
        let still = host.run(&[], "cat && echo end");
        assert_eq!(text(&still), "end\n", "it is read as before");
    });
}

#[test]
fn standard_streams_pass_through() {
    at_both_levels(|host| {
        let mut command = host.shell(&[], "cat; echo err >&2");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = vec![b'x'; 1 << 20];
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = finish(child);
        writer.join().unwrap().unwrap();
        assert_eq!(output.stdout.len(), 1 << 20);
        assert_eq!(errors(&output), "err\n");
    });
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    at_both_levels(|host| {
        let mut command = host.shell(&[], "while echo y; do :; done 2> /dev/null; kill -PIPE $$");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(finish(child).status.code(), Some(128 + libc::SIGPIPE));
    });
}

#[test]
fn the_environment_is_minimal_and_what_was_asked_for() {
    at_both_levels(|host| {
        let mut command = host.command([
            "run",
            "--quiet",
            "--env",
            "GIVEN=a b=c",
            "--env",
            "PASSED",
            "--",
            "/usr/bin/env",
        ]);
        let output = output(command.env("PASSED", "on").env("SECRET", "secret"));
        let text = text(&output);
        let mut lines: Vec<_> = text.lines().filter(|line| !line.starts_with("TERM=")).collect();
        lines.sort_unstable();
        let expected = ["GIVEN=a b=c", "HOME=/", "PASSED=on", "PATH=/usr/local/bin:/usr/bin:/bin"];
        assert_eq!(lines, expected, "{}", errors(&output));
    });
}

#[test]
fn no_descriptor_but_the_standard_streams_is_inherited() {
    at_both_levels(|host| {
        let secret = host.make_file("secret", "secret\n");
        let file = File::open(secret).unwrap();
        let number = file.as_raw_fd();
        let script = "for n in 3 4 5 6 7 8 9; do (cat <&$n) 2> /dev/null; done; true";
        let mut command = host.shell(&[], script);
        // SAFETY: dup2 is async-signal-safe; the file is open as long as the command.
        unsafe {
            command.pre_exec(move || {
                for copy in 5..10 {
                    if copy != number && libc::dup2(number, copy) < 0 {
                        return Err(std::io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        let output = output(&mut command);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        assert_eq!(text(&output), "");
    });
}

#[test]
fn there_is_nothing_to_connect_to() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        println!("SKIPPED: /usr/bin/python3 is not here");
        return;
    }
    at_both_levels(|host| {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!(
            "import socket, sys\nprint('started')\nsocket.create_connection(('127.0.0.1', {port}))\n\
             print('connected')"
        );
        let words =
            ["run", "--quiet", "--read", "/usr", "--", "/usr/bin/python3", "-I", "-c", &script];
        let output = output(&mut host.command(words));
        assert_eq!(text(&output), "started\n", "{}", errors(&output));
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    });
}
