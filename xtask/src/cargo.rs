//! The executables that a cargo build leaves, from the messages it prints.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use run_tests::manifest::{Entry, Kind};
use serde::Deserialize;

use crate::{
    command,
    workspace::{Package, Workspace},
};

/// An executable of a package of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Executable {
    /// What it is.
    pub(crate) kind: Kind,
    /// The package it is from.
    pub(crate) package: Package,
    /// The name of the target.
    pub(crate) target: String,
    /// What cargo calls the target: `lib`, `bin`, `test`, …
    pub(crate) target_kind: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Executable {
    /// Its line in a manifest. No two executables of a workspace get the same file name.
    pub(crate) fn entry(&self) -> Entry {
        let (package, target) = (&self.package.name, &self.target);
        let file = match self.kind {
            Kind::Bin => target.clone(),
            Kind::Example => format!("{package}.{target}.example"),
            Kind::Unit | Kind::Test => format!("{package}.{target}.{}-test", self.target_kind),
        };
        Entry { kind: self.kind, package: package.clone(), target: target.clone(), file }
    }

    /// Its name in what we print.
    pub(crate) fn title(&self) -> String {
        format!("{}: {} {}", self.package.name, self.target_kind, self.target)
    }
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact(Artifact),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Runs a cargo command that builds, and returns the workspace's executables.
pub(crate) fn build(workspace: &Workspace, cargo: &mut Command) -> Result<Vec<Executable>> {
    cargo.arg("--message-format=json-render-diagnostics");
    command::say(cargo);
    let line = command::line(cargo);
    let child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("could not start `{line}`"))?;
    let stdout = child.stdout.take().context("cargo has no standard output")?;
    let mut executables = Vec::new();
    for message in BufReader::new(stdout).lines() {
        let message = message.context("reading cargo's messages")?;
        executables.extend(executable(workspace, &message)?);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    executables.sort_by_key(Executable::entry);
    Ok(executables)
}

fn executable(workspace: &Workspace, message: &str) -> Result<Option<Executable>> {
    let message: Message = serde_json::from_str(message)
        .with_context(|| format!("cargo's message is not understood: {message}"))?;
    let Message::CompilerArtifact(artifact) = message else { return Ok(None) };
    let package = workspace.packages.get(&artifact.package_id);
    let (Some(package), Some(path)) = (package, artifact.executable) else { return Ok(None) };
    let target_kind = artifact.target.kind.into_iter().next().unwrap_or_default();
    let kind = match (artifact.profile.test, target_kind.as_str()) {
        (true, "test") => Kind::Test,
        (true, _) => Kind::Unit,
        (false, "example") => Kind::Example,
        (false, "bin") => Kind::Bin,
        (false, _) => return Ok(None),
    };
    let (package, target) = (package.clone(), artifact.target.name);
    Ok(Some(Executable { kind, package, target, target_kind, path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str, profile: &str) -> Option<(Kind, String)> {
        let workspace = Workspace::for_tests();
        let id = workspace.packages.keys().next().expect("a package");
        let message = format!(
            r#"{{"reason":"compiler-artifact","package_id":"{id}","target":{target},
                "profile":{profile},"executable":"/target/debug/x","fresh":true}}"#
        );
        let executable = executable(&workspace, &message).expect("the message is understood");
        executable.map(|executable| (executable.kind, executable.entry().file))
    }

    #[test]
    fn executables_are_told_apart_by_target_and_profile() {
        let (test, plain) = (r#"{"test":true}"#, r#"{"test":false}"#);
        let bin = r#"{"name":"x","kind":["bin"]}"#;
        assert_eq!(read(bin, plain), Some((Kind::Bin, "x".into())));
        assert_eq!(read(bin, test), Some((Kind::Unit, "xtask.x.bin-test".into())));
        let suite = r#"{"name":"x","kind":["test"]}"#;
        assert_eq!(read(suite, test), Some((Kind::Test, "xtask.x.test-test".into())));
        let example = r#"{"name":"x","kind":["example"]}"#;
        assert_eq!(read(example, plain), Some((Kind::Example, "xtask.x.example".into())));
        assert_eq!(read(r#"{"name":"x","kind":["custom-build"]}"#, plain), None);
    }

    #[test]
    fn other_messages_are_passed_over() {
        let workspace = Workspace::for_tests();
        let message = r#"{"reason":"build-finished","success":true}"#;
        assert!(executable(&workspace, message).expect("the message is understood").is_none());
    }
}
