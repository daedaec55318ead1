//! FreeBSD: a program that uses paths cannot be confined yet, and nothing pretends that it is.

use std::process::{Command, Stdio};

use crate::{
    binary::sandbox_spawn,
    deadline::{errors, output},
};

fn refused(words: &[&str]) {
    let output = output(Command::new(sandbox_spawn()).args(words).stdin(Stdio::null()));
    let errors = errors(&output);
    assert_eq!(output.status.code(), Some(125), "{words:?}: {errors}");
    assert!(errors.starts_with("sandbox-spawn: "), "{errors}");
    assert!(errors.contains("cannot be enforced"), "{errors}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("was run"), "{words:?}");
}

#[test]
fn run_refuses_and_runs_nothing() {
    refused(&["run", "--", "/bin/echo", "was run"]);
    refused(&["run", "--level", "landlock", "--", "/bin/echo", "was run"]);
}

#[test]
fn the_demo_refuses() {
    refused(&["demo"]);
}

#[test]
fn the_doctor_says_that_there_is_no_level() {
    let output = output(Command::new(sandbox_spawn()).arg("doctor").stdin(Stdio::null()));
    assert_eq!(output.status.code(), Some(1));
}
