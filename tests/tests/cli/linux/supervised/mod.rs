//! What the supervisor answers at the level `landlock`, and to whom it does not. A test here runs
//! itself within the sandbox: there, it makes the calls and tells what they came to.

// Arguments of system calls are words, whatever the kernel takes them for.
#![allow(clippy::cast_sign_loss, clippy::cast_possible_wrap)]

mod answers;
mod attacks;
mod programs;
mod within;

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path};

use super::host::{Host, Offers, on_each};
use crate::deadline::{errors, output, text};

/// Where the test within the sandbox finds what it is about.
const BASE: &str = "SUPERVISED_BASE";

/// What no probe may come to know: the size of files that are not granted.
const SECRET_SIZE: usize = 4321;

/// Makes what the tests are about: `in`, which may be read, `out`, which may be written, and the
/// rest, which is not granted.
fn furnish(host: &Host) {
    for name in ["in", "in/dir", "in/dir/sub", "out", "hidden"] {
        host.make_dir(name);
    }
    host.make_file("in/file", "0123456789");
    host.make_file("out/file", "01234");
    host.make_file("out/other", "");
    for name in ["secret", "hidden/secret"] {
        host.make_file(name, &"s".repeat(SECRET_SIZE));
    }
    let base = host.path("");
    for (name, text) in [
        ("in/link", Path::new("file")),
        ("in/absolute", &base.join("in/file")),
        ("in/across", &base.join("out/file")),
        ("in/loop", Path::new("loop")),
        ("in/circle", &base.join("in/circle")),
        ("in/up", Path::new("../secret")),
        ("in/away", &base.join("secret")),
        ("in/hidden", &base.join("hidden")),
    ] {
        symlink(text, host.path(name)).unwrap();
    }
}

/// What a test's probes said, by name.
type Said = BTreeMap<String, String>;

/// Runs a test of this binary within the sandbox.
fn run(host: &Host, test: &str) -> Said {
    let own = std::env::current_exe().unwrap();
    let probe = host.path("probe");
    super::host::copy(&own, &probe);
    let [base, read, write] = ["", "in", "out"].map(|name| host.path(name));
    let base = base.to_str().unwrap().trim_end_matches('/').to_owned();
    let words = [
        "run",
        "--level",
        "landlock",
        "--read",
        read.to_str().unwrap(),
        "--write",
        write.to_str().unwrap(),
        "--env",
        &format!("{BASE}={base}"),
        "--",
        probe.to_str().unwrap(),
        "--exact",
        test,
        "--nocapture",
    ];
    let mut command = host.command(words);
    command.stdin(fs::File::open(host.path("secret")).unwrap());
    let output = output(&mut command);
    let text = text(&output);
    // Otherwise nothing here is about the supervisor.
    assert!(errors(&output).contains("with a supervisor"), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(0), "{text}{}", errors(&output));
    let said: Said = text
        .lines()
        .filter_map(|line| line.split_once("probe\t")?.1.split_once('\t'))
        .map(|(name, said)| (name.to_owned(), said.to_owned()))
        .collect();
    assert!(!said.is_empty(), "the test did not run within: {text}{}", errors(&output));
    said
}

/// Makes the calls if this is within the sandbox; otherwise runs itself there on each host, and
/// judges.
fn within(test: &str, probes: fn(&Path), judge: impl Fn(&Host, &Said)) {
    if let Some(base) = std::env::var_os(BASE) {
        println!();
        probes(Path::new(&base));
        return;
    }
    on_each(&[Offers::All, Offers::NoNamespaces], |host| {
        furnish(host);
        judge(host, &run(host, test));
    });
}

/// Judges by a list of what each probe must say.
fn as_expected(said: &Said, expected: &[(&str, &str)]) {
    for (name, expected) in expected {
        let said = said.get(*name).map(String::as_str);
        assert_eq!(said, Some(*expected), "{name}");
    }
    let known: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let others: Vec<&String> = said.keys().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "nobody judges {others:?}");
}

/// The mode of a file on the host, without its type.
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;

    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}
