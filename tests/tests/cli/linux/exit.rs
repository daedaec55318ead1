//! Exit codes, and where a command is found.

use super::host::{Host, at_both_levels};
use crate::deadline::{errors, output, text};

fn run(host: &Host, words: &[&str]) -> (Option<i32>, String, String) {
    let words = [&["run", "--quiet"], words].concat();
    let output = output(&mut host.command(words));
    (output.status.code(), text(&output), errors(&output))
}

#[test]
fn the_exit_status_is_the_programs() {
    at_both_levels(|host| {
        for code in [0, 1, 7, 125, 255] {
            assert_eq!(host.run(&[], &format!("exit {code}")).status.code(), Some(code));
        }
        for (signal, code) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
            assert_eq!(host.run(&[], &format!("kill -{signal} $$")).status.code(), Some(code));
        }
    });
}

#[test]
fn what_is_not_found_is_127_and_what_cannot_be_executed_is_126() {
    at_both_levels(|host| {
        let plain = host.make_file("plain", "text");
        let plain = plain.to_str().unwrap();
        let directory = host.make_dir("directory");
        let directory = directory.to_str().unwrap();
        let missing = host.path("missing");
        let script = host.make_program("script", "#!/no/such/interpreter\n");
        for (words, expected) in [
            (&["--", "no-such-command"][..], 127),
            (&["--", missing.to_str().unwrap()], 127),
            (&["--", script.to_str().unwrap()], 127),
            (&["--env", "PATH=", "--", "true"], 127),
            (&["--", plain], 126),
            (&["--read", plain, "--", plain], 126),
            (&["--read", directory, "--", directory], 126),
        ] {
            let (code, _, errors) = run(host, words);
            assert_eq!(code, Some(expected), "{words:?}: {errors}");
            assert!(errors.starts_with("sandbox-spawn: "), "{words:?}: {errors}");
            assert_eq!(errors.lines().count(), 1, "{words:?}: {errors}");
        }
    });
}

#[test]
fn commands_are_looked_up_in_the_sandboxs_own_path() {
    at_both_levels(|host| {
        let bin = host.make_dir("bin");
        host.make_program("bin/mine", "#!/bin/sh\necho \"found $0 $1\"\n");
        let path = format!("PATH={}:/usr/bin:/bin", bin.display());
        let (code, text, errors) = run(host, &["--env", &path, "--", "mine", "x"]);
        assert_eq!(code, Some(0), "{errors}");
        assert_eq!(text, format!("found {}/mine x\n", bin.display()));
        let (code, ..) = run(host, &["--", "mine"]);
        assert_eq!(code, Some(127));
    });
}

#[test]
fn a_relative_command_is_the_callers() {
    at_both_levels(|host| {
        host.make_program("mine", "#!/bin/sh\necho found\n");
        let mut command = host.command(["run", "--quiet", "--", "./mine"]);
        let output = output(command.current_dir(host.path("")));
        assert_eq!(text(&output), "found\n", "{}", errors(&output));
    });
}

#[test]
fn without_defaults_a_program_needs_grants_to_start() {
    at_both_levels(|host| {
        let (code, text, _) = run(host, &["--no-defaults", "--", "/bin/echo", "x"]);
        assert!(matches!(code, Some(126 | 127)), "{code:?}");
        assert_eq!(text, "");
        let granted = ["--no-defaults", "--read", "/usr", "--read", "/bin", "--read", "/lib"];
        let words = [&granted[..], &["--", "/bin/echo", "x"]].concat();
        let mut words = words;
        if std::path::Path::new("/lib64").exists() {
            words.splice(0..0, ["--read", "/lib64"]);
        }
        let (code, text, errors) = run(host, &words);
        assert_eq!((code, text.as_str()), (Some(0), "x\n"), "{errors}");
    });
}

#[test]
fn the_program_starts_where_it_is_told() {
    at_both_levels(|host| {
        let dir = host.make_dir("dir");
        let dir = dir.to_str().unwrap();
        let there = host.run(&["--read", dir, "--chdir", dir], "pwd");
        assert_eq!(text(&there), format!("{dir}\n"), "{}", errors(&there));
        let here = output(host.shell(&["--read", dir], "pwd").current_dir(dir));
        assert_eq!(text(&here), format!("{dir}\n"), "{}", errors(&here));
        let nowhere = output(host.shell(&[], "pwd").current_dir(dir));
        assert_eq!(text(&nowhere), "/\n", "{}", errors(&nowhere));
    });
}
