//! `cargo xtask matrix`: the support matrix, from a run of the conformance suite.
//!
//! The suite is run here, as whoever runs this, at each level that the kernel offers. The column
//! of a system that is not this one comes from what the suite printed there, which is checked in.

mod document;
mod lines;
mod reasons;
mod tables;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use document::Document;
use lines::Results;

use crate::{cargo, command, workspace::Workspace};

/// What is generated.
const DOCUMENT: &str = "docs/SUPPORT.md";
/// What the suite printed on FreeBSD, if somebody ran it there.
const FREEBSD: &str = "docs/support-freebsd.tsv";

/// How to come by it.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Write nothing, and fail if docs/SUPPORT.md is not what the suite shows
    #[arg(long)]
    check: bool,
    /// What `conformance --matrix` printed on FreeBSD: kept for the next time
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    results: Option<PathBuf>,
}

/// What became of a check.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    /// This host cannot tell, for this reason.
    Skipped(String),
    /// The first line that differs: what is there, and what would be.
    Different(String, String),
}

/// The command: writes the matrix, or says whether it is as it should be.
pub(crate) fn command(workspace: &Workspace, options: &Options) -> Result<bool> {
    if options.check {
        return check(workspace).map(|()| true);
    }
    if let Some(file) = &options.results {
        let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        of_freebsd(&text).with_context(|| format!("{}", file.display()))?;
        fs::write(workspace.root.join(FREEBSD), text)?;
    }
    let linux = run(workspace)?;
    if let Some((level, reason)) = linux.lacking().next() {
        bail!("{DOCUMENT} would lose the level {level}, which this host lacks: {reason}");
    }
    let document = Document::new(&linux, freebsd(&workspace.root)?.as_ref());
    fs::write(workspace.root.join(DOCUMENT), document.to_string())?;
    println!("{DOCUMENT} is written");
    Ok(true)
}

/// A stage of `cargo xtask ci`.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    if env::consts::OS != "linux" {
        println!("SKIPPED: the columns of Linux come from a run on Linux");
        return Ok(());
    }
    let there = fs::read_to_string(workspace.root.join(DOCUMENT)).context(DOCUMENT)?;
    let linux = run(workspace)?;
    match compare(&there, &linux, freebsd(&workspace.root)?.as_ref()) {
        Verdict::Same => println!("{DOCUMENT} is what the suite shows"),
        Verdict::Skipped(reason) => println!("SKIPPED: {reason}"),
        Verdict::Different(there, here) => bail!(
            "{DOCUMENT} is not what the suite shows (`cargo xtask matrix` writes it)\n\
             - {there}\n+ {here}"
        ),
    }
    Ok(())
}

/// The head names the host, and need not be the same.
fn compare(there: &str, linux: &Results, freebsd: Option<&Results>) -> Verdict {
    if let Some((level, reason)) = linux.lacking().next() {
        return Verdict::Skipped(format!("this host lacks the level {level}: {reason}"));
    }
    let new = Document::new(linux, freebsd);
    let old = Document::parse(there);
    if old.body == new.body {
        return Verdict::Same;
    }
    let landlock = linux.mechanism("landlock(7)").unwrap_or_default();
    if !old.has("landlock(7)", landlock) {
        let reason = format!("{DOCUMENT} was written with another Landlock than {landlock}");
        return Verdict::Skipped(reason);
    }
    if let Some(reason) = linux.skipped() {
        return Verdict::Skipped(format!("this host cannot run every case: {reason}"));
    }
    let (mut old, mut new) = (old.body.lines(), new.body.lines());
    loop {
        match (old.next(), new.next()) {
            (Some(old), Some(new)) if old == new => {}
            (old, new) => {
                let said = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return Verdict::Different(said(old), said(new));
            }
        }
    }
}

/// Builds the suite, as the stage of the tests does, and runs it.
fn run(workspace: &Workspace) -> Result<Results> {
    if env::consts::OS != "linux" {
        bail!("run this on Linux; what `conformance --matrix` prints here is for --results");
    }
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--no-run", "--workspace", "--all-features", "--test=conformance"]);
    let executables = cargo::build(workspace, &mut cargo)?;
    let suite = executables.iter().find(|executable| executable.target == "conformance");
    let suite = suite.context("there is no conformance suite")?;
    let mut suite_command = Command::new(&suite.path);
    suite_command.arg("--matrix").current_dir(suite.package.directory());
    command::say(&suite_command);
    // Its end says what its status does, and which cases have failed.
    let output = suite_command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Results::parse(&String::from_utf8_lossy(&output.stdout)).context("the conformance suite")
}

fn freebsd(root: &Path) -> Result<Option<Results>> {
    let file = root.join(FREEBSD);
    if !file.exists() {
        return Ok(None);
    }
    of_freebsd(&fs::read_to_string(file)?).context(FREEBSD).map(Some)
}

fn of_freebsd(text: &str) -> Result<Results> {
    let results = Results::parse(text)?;
    if !results.system.starts_with("FreeBSD") {
        bail!("it is from {}, not from FreeBSD", results.system);
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lines::tests::{LINUX, results};

    fn document(lines: &str) -> String {
        Document::new(&results(lines), None).to_string()
    }

    #[test]
    fn the_head_may_differ_and_the_body_may_not() {
        let there = document(LINUX);
        let newer = LINUX.replace("6.18.44-x", "7.0");
        assert_eq!(compare(&there, &results(&newer), None), Verdict::Same);
        let other = LINUX.replace("ECAPMODE", "EPERM");
        let Verdict::Different(old, new) = compare(&there, &results(&other), None) else {
            panic!("a difference is not seen");
        };
        assert!(old.contains("ECAPMODE") && new.contains("EPERM"), "{old} {new}");
    }

    #[test]
    fn what_another_host_shows_is_no_failure() {
        let there = document(LINUX);
        let skipped =
            |lines: &str| matches!(compare(&there, &results(lines), None), Verdict::Skipped(_));
        assert!(skipped(&LINUX.replace("level\tLandlock\toffered", "level\tLandlock\ttoo old")));
        assert!(skipped(&LINUX.replace("ABI 7", "ABI 3").replace("ECAPMODE", "EPERM")));
        assert!(skipped(&LINUX.replace("held\tECAPMODE", "skipped\tno loopback")));
        // Another Landlock that shows the same is no reason to skip anything.
        assert_eq!(
            compare(&there, &results(&LINUX.replace("ABI 7", "ABI 3")), None),
            Verdict::Same
        );
    }

    #[test]
    fn results_of_freebsd_are_not_taken_from_another_system() {
        assert!(of_freebsd(LINUX).is_err());
        assert!(of_freebsd(&LINUX.replace("Linux 6.18.44-x", "FreeBSD 15.0-RELEASE")).is_ok());
    }
}
