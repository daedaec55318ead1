//! The example as the README shows it, on a picture, on what kills its worker, and on a picture again.

use std::{env, ffi::OsString, fs, process::Command};

const PICTURE: &[u8] = include_bytes!("../picture.png");
const BOMB: &[u8] = include_bytes!("../bomb.png");

/// The program; where the tests are run from another directory, whoever runs them says where it is.
fn program() -> OsString {
    env::var_os("CARGO_BIN_EXE_example-png")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_example-png").into())
}

#[test]
fn survives_a_worker_that_is_made_to_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (picture, bomb) = (directory.path().join("picture.png"), directory.path().join("bomb.png"));
    fs::write(&picture, PICTURE).unwrap();
    fs::write(&bomb, BOMB).unwrap();
    let output = Command::new(program()).args([&picture, &bomb, &picture]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));

    let (decoded, died) = ("240x160, 153600 bytes", "the worker `decoder` has died: signal 6");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, path, expected) in
        [(lines[0], &picture, decoded), (lines[1], &bomb, died), (lines[2], &picture, decoded)]
    {
        assert!(line.starts_with(&format!("{}: {expected}", path.display())), "{text}");
    }
}

#[test]
fn the_readme_shows_it_as_it_is() {
    let source = include_str!("../src/main.rs");
    let code = source.split_once("\n\n").map_or("", |(_documentation, code)| code);
    assert!(code.lines().filter(|line| !line.is_empty()).count() < 40 && code.contains("fn main"));
    assert!(include_str!("../../../README.md").contains(code));
}
