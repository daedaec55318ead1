//! Which level is reached, what is said about it, and what is refused for want of one.

use std::{fs, os::unix::process::CommandExt, process::Command};

use super::host::{Offers, at_both_levels, on_each};
use crate::deadline::{errors, output, text};

#[test]
fn the_best_level_is_silent_and_the_lesser_one_says_what_it_does_not_hide() {
    at_both_levels(|host| {
        let output = output(&mut host.command(["run", "--", "/bin/echo", "was run"]));
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(0), "{errors}");
        assert_eq!(text(&output), "was run\n");
        if host.has_root() {
            assert_eq!(errors, "");
        } else {
            assert_eq!(errors.lines().count(), 1, "{errors}");
            let said: &[&str] = if host.offers == Offers::NoSupervisor {
                // Why, too.
                &["landlock", "names and metadata", "can be seen", "chmod", "supervis"]
            } else {
                &["landlock", "with a supervisor", "whether a name is taken", "can be seen"]
            };
            for expected in said {
                assert!(errors.contains(expected), "{errors}");
            }
        }
    });
}

#[test]
fn quiet_says_nothing_about_the_level() {
    at_both_levels(|host| {
        assert_eq!(errors(&host.run(&[], "true")), "");
    });
}

#[test]
fn without_namespaces_and_landlock_nothing_is_run_and_the_reason_is_given() {
    on_each(&[Offers::Neither], |host| {
        for level in [&[][..], &["--level", "landlock"], &["--level", "directories"]] {
            let words = [&["run"], level, &["--", "/bin/echo", "was run"]].concat();
            let output = output(&mut host.command(words));
            let errors = errors(&output);
            assert_eq!(output.status.code(), Some(125), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
            assert!(output.stdout.is_empty());
            if level != ["--level", "landlock"] {
                assert!(errors.contains("namespaces: clone: Operation not permitted"), "{errors}");
            }
            if level != ["--level", "directories"] {
                assert!(errors.to_lowercase().contains("landlock"), "{errors}");
            }
        }
    });
}

#[test]
fn a_level_that_is_asked_for_is_reached_or_nothing_is_run() {
    on_each(&[Offers::NoNamespaces], |host| {
        let words = ["run", "--level", "directories", "--", "/bin/echo", "was run"];
        let output = output(&mut host.command(words));
        assert_eq!(output.status.code(), Some(125), "{}", errors(&output));
        assert!(output.stdout.is_empty());
    });
    on_each(&[Offers::All, Offers::NoUserNamespaces], |host| {
        let script = "test -e /etc/passwd || (cat < /etc/passwd) 2>&1";
        let seen = host.run(&["--level", "landlock"], script);
        // Landlock tells that a file is there which it does not open.
        assert!(text(&seen).contains("Permission denied"), "{}", text(&seen));
        let seen = host.run(&["--level", "directories"], "test -e /etc/passwd");
        assert_eq!(seen.status.code(), Some(1), "there is no such file in a private root");
    });
}

#[test]
fn what_landlock_alone_cannot_hold_is_refused() {
    on_each(&[Offers::NoNamespaces], |host| {
        let above = host.make_dir("above");
        let below = host.make_dir("above/below");
        let (above, below) = (above.to_str().unwrap(), below.to_str().unwrap());
        let nested = host.run(&["--write", above, "--read", below], "echo was run");
        assert_eq!(nested.status.code(), Some(125));
        assert!(errors(&nested).contains("cannot be held read-only"), "{}", errors(&nested));
        assert!(nested.stdout.is_empty());
        let proc = host.run(&["--proc"], "echo was run");
        assert_eq!(proc.status.code(), Some(125));
        assert!(errors(&proc).contains("--proc needs"), "{}", errors(&proc));
        assert!(proc.stdout.is_empty());
    });
}

#[test]
fn nothing_is_run_where_ids_are_those_of_other_processes() {
    let around = ["--map-root-user", "--pid", "--fork", "--kill-child"];
    if !output(Command::new("unshare").args(around).arg("true")).status.success() {
        println!("SKIPPED: there are no user namespaces here");
        return;
    }
    on_each(&[Offers::All], |host| {
        // /proc is still the one of the namespace around.
        let run = |level: &str, more: &[&str]| {
            let wrapper = host.command([""]);
            let mut command = Command::new("unshare");
            command.args(around).args(more).arg(wrapper.get_program());
            command.args(["run", "--level", level, "--", "/bin/echo", "was run"]);
            if let Some(user) = host.user {
                command.uid(user).gid(user);
            }
            output(command.current_dir("/"))
        };
        let refused = run("landlock", &[]);
        let said = errors(&refused);
        assert_eq!(refused.status.code(), Some(125), "{said}");
        assert!(said.contains("another process namespace"), "{said}");
        assert!(refused.stdout.is_empty());
        for (level, more) in [("landlock", &["--mount-proc"][..]), ("directories", &[])] {
            let ran = run(level, more);
            assert_eq!(text(&ran), "was run\n", "{}", errors(&ran));
        }
    });
}

#[test]
fn metadata_cannot_be_changed_by_path_where_landlock_is_all_there_is() {
    on_each(&[Offers::NoSupervisor], |host| {
        let out = host.make_dir("out");
        let file = host.make_file("out/file", "");
        let script = format!("chmod 777 {}", file.display());
        let changed = host.run(&["--write", out.to_str().unwrap()], &script);
        assert_ne!(changed.status.code(), Some(0));
        assert!(errors(&changed).contains("Operation not permitted"), "{}", errors(&changed));
    });
    on_each(&[Offers::All, Offers::NoUserNamespaces, Offers::NoNamespaces], |host| {
        let out = host.make_dir("out");
        let file = host.make_file("out/file", "");
        let script = format!("chmod 777 {}", file.display());
        let changed = host.run(&["--write", out.to_str().unwrap()], &script);
        assert_eq!(changed.status.code(), Some(0), "{}", errors(&changed));
    });
}

#[test]
fn what_may_only_be_read_keeps_its_metadata_though_it_can_be_opened() {
    at_both_levels(|host| {
        let directory = host.make_dir("in");
        let file = host.make_file("in/file", "");
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        // futimens(3) of a descriptor that is open for reading.
        let script = format!("touch -d @1 - 1<{}", file.display());
        let changed = host.run(&["--read", directory.to_str().unwrap()], &script);
        assert_ne!(changed.status.code(), Some(0));
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
    });
}

#[test]
fn the_doctor_knows_the_levels_and_what_to_change() {
    let exits = |offers, code| {
        on_each(&[offers], |host| {
            let output = output(&mut host.command(["doctor"]));
            let text = text(&output);
            assert_eq!(output.status.code(), Some(code), "{text}{}", errors(&output));
            let directories =
                if offers == Offers::All { "yes  directories" } else { "no   directories" };
            let landlock =
                if offers == Offers::Neither { "no   landlock" } else { "yes  landlock" };
            assert!(text.contains(directories), "{text}");
            assert!(text.contains(landlock), "{text}");
            assert_eq!(
                text.contains("without a supervisor"),
                offers == Offers::NoSupervisor,
                "{text}"
            );
        });
    };
    exits(Offers::All, 0);
    exits(Offers::NoNamespaces, 0);
    exits(Offers::NoSupervisor, 0);
    exits(Offers::Neither, 1);
}
