//! The example with two servers and a syslogd of the test's own.

use std::{
    env,
    ffi::OsString,
    io::Write,
    net::{Ipv4Addr, TcpListener, ToSocketAddrs},
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const DEADLINE: Duration = Duration::from_secs(60);

/// The program; where the tests are run from another directory, whoever runs them says where it is.
fn program() -> OsString {
    env::var_os("CARGO_BIN_EXE_example-services")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_example-services").into())
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Runs it, until its end or the deadline. What it prints fits into pipes.
fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, started) = (command.spawn().unwrap(), Instant::now());
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("it did not end: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// A name of the address, where the host has one.
fn name() -> &'static str {
    let named = ("localhost", 0).to_socket_addrs();
    let known = named.is_ok_and(|mut found| found.any(|it| it.ip() == Ipv4Addr::LOCALHOST));
    if known { "localhost" } else { "127.0.0.1" }
}

/// Why there is no user to be found: FreeBSD's C library looks in a database that pwd_mkdb(8) writes.
fn no_users() -> bool {
    let missing = cfg!(target_os = "freebsd") && !Path::new("/etc/pwd.db").exists();
    if missing {
        println!("SKIPPED: the example looks up root: this host has no /etc/pwd.db");
    }
    missing
}

/// Runs it with two servers, looks at what it has printed and at the other server, and returns the former.
fn uses_names(provider: &[&str], log: Option<&str>) -> String {
    let (server, address) = listener();
    let address = address.replace("127.0.0.1", name());
    let (other, other_address) = listener();
    other.set_nonblocking(true).unwrap();
    // Nobody waits for this thread: if the example does not connect, the test fails by what it prints.
    thread::spawn(move || {
        if let Ok((mut stream, _)) = server.accept() {
            let _ = stream.write_all(b"hello");
        }
    });

    let output = run(&[provider, &[&address, &other_address], log.as_slice()].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    for line in [
        "in capability mode, at the level ".to_owned(),
        format!("{} is [", name()),
        format!("{address} says \"hello\""),
        format!("{other_address}: "),
        "root is Some(0), with the shell Some(".to_owned(),
        format!("this is {}", if cfg!(target_os = "freebsd") { "FreeBSD" } else { "Linux" }),
    ] {
        assert!(text.lines().any(|printed| printed.starts_with(&line)), "no `{line}`: {text}");
    }
    // Nobody has tried to connect to the other one.
    let kind = other.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(kind, Err(std::io::ErrorKind::WouldBlock));
    text
}

#[test]
fn names_are_used_within_limits() {
    if no_users() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("log");
    let syslogd = UnixDatagram::bind(&socket).unwrap();
    syslogd.set_read_timeout(Some(DEADLINE)).unwrap();
    // The log is written by an ordinary user, where the test is root's.
    for path in [directory.path(), &socket] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, mode).unwrap();
    }
    let printed = uses_names(&["--provider", "portable"], socket.to_str());
    assert!(!printed.contains("not held"), "{printed}");

    let mut line = [0; 1024];
    let length = syslogd.recv(&mut line).unwrap();
    let line = String::from_utf8_lossy(&line[..length]);
    assert!(line.starts_with("<29>") && line.ends_with("]: all of it done"), "{line}");
}

#[test]
fn without_servers_it_says_how_it_is_used() {
    let output = run(&[]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: example-services"));
}

/// Whether there can be a libcasper.
const NATIVE: bool = cfg!(all(target_os = "freebsd", feature = "native"));

/// The same with libcasper's services. The line is in the system's log, since libcasper writes nowhere else.
#[test]
fn names_are_used_with_libcasper() {
    let ends = run(&["--provider", "native", "localhost:1", "127.0.0.1:2", "/no/log"]);
    let said = String::from_utf8_lossy(&ends.stderr);
    assert!(!ends.status.success());
    let missing = said.contains(".so.") && said.contains(" has no lib");
    if !NATIVE {
        assert!(missing, "{said}");
        // The program may be of another build than this test, and with other features.
        let reasons = ["it is FreeBSD's", "feature `native`"];
        assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
    }
    if missing {
        println!("SKIPPED: the example with libcasper: {said}");
        return;
    }
    assert!(said.contains("has no socket of the caller's choice"), "{said}");
    if no_users() {
        return;
    }
    let printed = uses_names(&["--provider", "native"], None);
    assert!(printed.contains("not held: the service `system.syslog` has no limit"), "{printed}");
}
