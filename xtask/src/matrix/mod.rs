//! `cargo xtask matrix`: the support matrix, from runs of the conformance suite and of the cases of services.
//!
//! They are run here, as whoever runs this, the suite at each level that the kernel offers. The columns
//! of a system that is not this one come from what was printed there, which is checked in.

mod document;
mod lines;
mod reasons;
mod services;
mod tables;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use document::Document;
use lines::Results;
use services::Services;

use crate::{
    cargo::{self, Executable},
    command,
    workspace::Workspace,
};

/// What is generated.
const DOCUMENT: &str = "docs/SUPPORT.md";
/// What the suite printed on FreeBSD, if somebody ran it there.
const FREEBSD: &str = "docs/support-freebsd.tsv";
/// What the cases of services printed there.
const SERVICES: &str = "docs/services-freebsd.tsv";

/// How to come by it.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Write nothing, and fail if docs/SUPPORT.md is not what the suite shows
    #[arg(long)]
    check: bool,
    /// What `conformance --matrix` printed on FreeBSD: kept for the next time
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    results: Option<PathBuf>,
    /// What `services --matrix` of capsicum-casper printed on FreeBSD: kept for the next time
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    services: Option<PathBuf>,
}

/// What was run on this system.
#[derive(Debug)]
struct Runs {
    conformance: Results,
    services: Services,
}

/// What was run on FreeBSD, if it was.
#[derive(Debug, Default)]
struct Elsewhere {
    conformance: Option<Results>,
    services: Option<Services>,
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
    if let Some(file) = &options.services {
        let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        services_of_freebsd(&text).with_context(|| format!("{}", file.display()))?;
        fs::write(workspace.root.join(SERVICES), text)?;
    }
    let linux = run(workspace)?;
    if let Some((level, reason)) = linux.conformance.lacking().next() {
        bail!("{DOCUMENT} would lose the level {level}, which this host lacks: {reason}");
    }
    if let Some(reason) = linux.services.skipped() {
        println!("note: not every case of the services can be run here: {reason}");
    }
    let document = Document::new(&linux, &freebsd(&workspace.root)?);
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
    match compare(&there, &linux, &freebsd(&workspace.root)?) {
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
fn compare(there: &str, runs: &Runs, freebsd: &Elsewhere) -> Verdict {
    let linux = &runs.conformance;
    if let Some((level, reason)) = linux.lacking().next() {
        return Verdict::Skipped(format!("this host lacks the level {level}: {reason}"));
    }
    let new = Document::new(runs, freebsd);
    let old = Document::parse(there);
    if old.body == new.body {
        return Verdict::Same;
    }
    let landlock = linux.mechanism("landlock(7)").unwrap_or_default();
    if !old.has("landlock(7)", landlock) {
        let reason = format!("{DOCUMENT} was written with another Landlock than {landlock}");
        return Verdict::Skipped(reason);
    }
    if let Some(reason) = linux.skipped().or_else(|| runs.services.skipped()) {
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

/// Builds both, as the stage of the tests does, and runs them.
fn run(workspace: &Workspace) -> Result<Runs> {
    if env::consts::OS != "linux" {
        bail!("run this on Linux; what `conformance --matrix` prints here is for --results");
    }
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--no-run", "--workspace", "--all-features"]);
    cargo.args(["--test=conformance", "--test=services"]);
    let executables = cargo::build(workspace, &mut cargo)?;
    let shown = |package: &str, target: &str| -> Result<String> {
        let is = |built: &&Executable| built.target == target && built.package.name == package;
        let suite = executables.iter().find(is).with_context(|| format!("no {target}"))?;
        let mut suite_command = Command::new(&suite.path);
        suite_command.arg("--matrix").current_dir(suite.package.directory());
        command::say(&suite_command);
        // Its end says what its status does, and which cases have failed.
        let output = suite_command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let conformance = Results::parse(&shown("sandbox-tests", "conformance")?);
    let services = Services::parse(&shown("capsicum-casper", "services")?);
    Ok(Runs {
        conformance: conformance.context("the conformance suite")?,
        services: services.context("the cases of services")?,
    })
}

fn freebsd(root: &Path) -> Result<Elsewhere> {
    let read = |name: &str| -> Result<Option<String>> {
        let file = root.join(name);
        if file.exists() { Ok(Some(fs::read_to_string(file)?)) } else { Ok(None) }
    };
    Ok(Elsewhere {
        conformance: read(FREEBSD)?.map(|text| of_freebsd(&text)).transpose().context(FREEBSD)?,
        services: read(SERVICES)?
            .map(|text| services_of_freebsd(&text))
            .transpose()
            .context(SERVICES)?,
    })
}

fn services_of_freebsd(text: &str) -> Result<Services> {
    let services = Services::parse(text)?;
    if !services.system.starts_with("FreeBSD") {
        bail!("it is from {}, not from FreeBSD", services.system);
    }
    Ok(services)
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

    pub(super) fn runs(lines: &str) -> Runs {
        let services = services::tests::services(services::tests::LINUX);
        Runs { conformance: results(lines), services }
    }

    pub(super) fn with(lines: &str) -> Elsewhere {
        let services = services::tests::LINUX.replace("Linux", "FreeBSD");
        let services = Some(services::tests::services(&services));
        Elsewhere { conformance: Some(results(lines)), services }
    }

    fn document(lines: &str) -> String {
        Document::new(&runs(lines), &Elsewhere::default()).to_string()
    }

    fn compared(there: &str, lines: &str) -> Verdict {
        compare(there, &runs(lines), &Elsewhere::default())
    }

    #[test]
    fn the_head_may_differ_and_the_body_may_not() {
        let there = document(LINUX);
        let newer = LINUX.replace("6.18.44-x", "7.0");
        assert_eq!(compared(&there, &newer), Verdict::Same);
        let other = LINUX.replace("ECAPMODE", "EPERM");
        let Verdict::Different(old, new) = compared(&there, &other) else {
            panic!("a difference is not seen");
        };
        assert!(old.contains("ECAPMODE") && new.contains("EPERM"), "{old} {new}");
    }

    #[test]
    fn what_another_host_shows_is_no_failure() {
        let there = document(LINUX);
        let skipped = |lines: &str| matches!(compared(&there, lines), Verdict::Skipped(_));
        assert!(skipped(&LINUX.replace("level\tLandlock\toffered", "level\tLandlock\ttoo old")));
        assert!(skipped(&LINUX.replace("ABI 7", "ABI 3").replace("ECAPMODE", "EPERM")));
        assert!(skipped(&LINUX.replace("held\tECAPMODE", "skipped\tno loopback")));
        let mut other = runs(LINUX);
        let lines = services::tests::LINUX.replacen("held\t", "skipped\tno namespace", 1);
        other.services = services::tests::services(&lines);
        assert!(matches!(compare(&there, &other, &Elsewhere::default()), Verdict::Skipped(_)));
        // Another Landlock that shows the same is no reason to skip anything.
        assert_eq!(compared(&there, &LINUX.replace("ABI 7", "ABI 3")), Verdict::Same);
    }

    #[test]
    fn results_of_freebsd_are_not_taken_from_another_system() {
        assert!(of_freebsd(LINUX).is_err());
        assert!(of_freebsd(&LINUX.replace("Linux 6.18.44-x", "FreeBSD 15.0-RELEASE")).is_ok());
        let services = services::tests::LINUX;
        assert!(services_of_freebsd(services).is_err());
        assert!(services_of_freebsd(&services.replace("Linux", "FreeBSD")).is_ok());
    }
}
