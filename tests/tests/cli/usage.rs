//! Bad input, help and the manual: the same on every system.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    binary::sandbox_spawn,
    deadline::{errors, output},
};

/// Checks for one line on standard error, exit code 125, and that nothing was run.
fn refused(words: &[&str], expected: &str) {
    let mut command = Command::new(sandbox_spawn());
    let output = output(command.args(words).stdin(Stdio::null()));
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(125), "{words:?}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{words:?}: {errors}");
    assert!(errors.starts_with("sandbox-spawn: "), "{words:?}: {errors}");
    assert!(errors.contains(expected), "{words:?}: {errors}");
    assert!(output.stdout.is_empty(), "{words:?}");
}

#[test]
fn bad_input_is_one_clear_line_and_nothing_is_run() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let missing = dir.path().join("missing");
    let missing = missing.to_str().unwrap();
    let beneath = format!("{file}/beneath");
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let socket = socket.to_str().unwrap();
    let outside = dir.path().to_str().unwrap();
    let echo = ["--", "/bin/echo", "was run"];
    let cases: &[(&[&str], &str)] = &[
        (&[], "a command is missing"),
        (&["nonsense"], "nonsense"),
        (&["run"], "no command"),
        (&["run", "--"], "no command"),
        (&["run", "--", ""], "no command"),
        (&["run", "echo"], "echo"),
        (&["run", "--nonsense", "--", "echo"], "--nonsense"),
        (&["run", "--read"], "--read"),
        (&["run", "--level", "best", "--", "echo"], "directories, landlock"),
    ];
    for (words, expected) in cases {
        refused(words, expected);
    }
    let options: &[(&[&str], &str)] = &[
        (&["--read", ""], "--read"),
        (&["--read", missing], missing),
        (&["--write", missing], "No such file"),
        (&["--read", &beneath], "Not a directory"),
        (&["--read", "/dev/null"], "is a device"),
        (&["--read", socket], "neither a directory nor a regular file"),
        (&["--read", "/"], "the whole file system"),
        (&["--chdir", file], "Not a directory"),
        (&["--chdir", missing], missing),
        (&["--chdir", outside], "is not granted"),
        (&["--env", ""], "the name is empty"),
        (&["--env", "=x"], "the name is empty"),
        (&["--env", "NOT_SET_BY_ANYBODY"], "no such variable"),
    ];
    for (options, expected) in options {
        let words = [&["run"], *options, &echo].concat();
        refused(&words, expected);
    }
}

#[test]
fn a_path_that_the_caller_may_not_use_is_named() {
    // SAFETY: always succeeds.
    if unsafe { libc::geteuid() } == 0 {
        println!("SKIPPED: root may use every path");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let file = file.to_str().unwrap();
    refused(&["run", "--read", file, "--", "/bin/echo"], "Permission denied");
}

#[test]
fn a_directory_as_standard_input_is_refused() {
    let mut command = Command::new(sandbox_spawn());
    let directory = fs::File::open("/").unwrap();
    let output = output(command.args(["run", "--", "/bin/echo", "was run"]).stdin(directory));
    assert_eq!(output.status.code(), Some(125));
    assert!(errors(&output).contains("standard input is a directory"), "{}", errors(&output));
    assert!(output.stdout.is_empty());
}

fn help(words: &[&str]) -> String {
    let output = output(Command::new(sandbox_spawn()).args(words).stdin(Stdio::null()));
    assert_eq!(output.status.code(), Some(0), "{words:?}");
    assert!(output.stderr.is_empty(), "{words:?}: {}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_teaches_options_exit_codes_and_examples() {
    let text = help(&["run", "--help"]);
    for expected in ["--read", "--write", "Exit codes", "125", "126", "127", "Examples"] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(help(&["--version"]).starts_with("sandbox-spawn "));
}

#[test]
fn every_option_of_the_help_is_in_the_manual() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !sources.exists() {
        println!("SKIPPED: the sources are not here: {}", sources.display());
        return;
    }
    let page = sources.join("../sandbox-spawn/cli/man/sandbox-spawn.1");
    let page = fs::read_to_string(&page).unwrap();
    // As the page has them: `Fl Fl read`.
    let page = page.replace("Fl Fl ", "--").replace("\\-", "-");
    let mut options = 0;
    for words in [&["--help"][..], &["run", "--help"], &["demo", "--help"], &["doctor", "--help"]] {
        for word in help(words).split(|c: char| c.is_whitespace() || "[],.;()`".contains(c)) {
            if word.len() > 2 && word.starts_with("--") {
                options += 1;
                let documented = page.split_whitespace().any(|part| part == word);
                assert!(documented, "{word} of {words:?} is not in the manual");
            }
        }
    }
    assert!(options > 10, "the help has options");
    for command in ["run", "demo", "doctor"] {
        assert!(page.contains(&format!(".It Cm {command}")), "{command} is not in the manual");
    }
}
