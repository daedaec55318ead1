//! `cargo xtask escapes`: what becomes of each attack of the escape suite, here and elsewhere.
//!
//! The suite is run here, as root and as an ordinary user, at each level of the library and under
//! `sandbox-spawn run`. The columns of other confinements come from a run that is checked in, so
//! that whoever checks the table needs none of them; `--peers` measures them again.

mod document;
mod lines;

use std::{
    env, fs,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use document::Document;
use lines::Results;

use crate::{cargo, command, workspace::Workspace};

/// What is generated.
const DOCUMENT: &str = "docs/ESCAPES.md";
/// What the suite printed under other confinements.
const PEERS: &str = "docs/escapes-peers.tsv";

/// How to come by it.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Write nothing, and fail if docs/ESCAPES.md is not what the suite shows
    #[arg(long)]
    check: bool,
    /// Attack under bubblewrap and firejail too, which must be installed, and keep the result
    #[arg(long, conflicts_with = "check")]
    peers: bool,
    /// The id of an ordinary user for that: firejail serves only those that can log in
    #[arg(long = "as", value_name = "UID", requires = "peers", default_value_t = 1000)]
    user: u32,
}

/// The command: writes the table, or says whether it is as it should be.
pub(crate) fn command(workspace: &Workspace, options: &Options) -> Result<bool> {
    if options.check {
        return check(workspace).map(|()| true);
    }
    if !command::is_root()? {
        bail!("run this as root: half of the attacks need it, and the other half is run without");
    }
    if options.peers {
        let user = options.user.to_string();
        let text = run(workspace, &["--peers", "bwrap,firejail", "--as", &user])?;
        let results = Results::parse(&text)?;
        for peer in ["bwrap", "firejail"] {
            if !results.peers.iter().any(|(name, ..)| name == peer) {
                bail!("{peer} is not installed");
            }
        }
        fs::write(workspace.root.join(PEERS), results.of_peers(&text))?;
    }
    let own = Results::parse(&run(workspace, &["--peers", "sandbox-spawn"])?)?;
    own.complete()?;
    fs::write(workspace.root.join(DOCUMENT), Document::new(&own, &peers(workspace)?).to_string())?;
    println!("{DOCUMENT} is written");
    Ok(true)
}

/// A stage of `cargo xtask ci`.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    if env::consts::OS != "linux" || !command::is_root()? {
        println!("SKIPPED: the attacks are made on Linux, as root");
        return Ok(());
    }
    let there = fs::read_to_string(workspace.root.join(DOCUMENT)).context(DOCUMENT)?;
    let own = Results::parse(&run(workspace, &["--peers", "sandbox-spawn"])?)?;
    if let Err(lacks) = own.complete() {
        println!("SKIPPED: {lacks:#}");
        return Ok(());
    }
    let new = Document::new(&own, &peers(workspace)?);
    let old = Document::parse(&there);
    match new.difference(&old) {
        None => println!("{DOCUMENT} is what the suite shows"),
        // Another kernel refuses for other reasons; what gets through is seen by the run itself.
        Some(_) if !old.same_kernel(&new) => {
            println!("SKIPPED: {DOCUMENT} was written on another kernel");
        }
        Some((there, here)) => bail!(
            "{DOCUMENT} is not what the suite shows (`cargo xtask escapes` writes it)\n\
             - {there}\n+ {here}"
        ),
    }
    Ok(())
}

fn peers(workspace: &Workspace) -> Result<Results> {
    let text = fs::read_to_string(workspace.root.join(PEERS)).context(PEERS)?;
    Results::parse(&text).context(PEERS)
}

/// Builds the suite and the wrapper, and runs the one with the other.
fn run(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--no-run", "--workspace", "--all-features", "--test=escape"]);
    let executables = cargo::build(workspace, &mut cargo)?;
    let suite = executables.iter().find(|executable| executable.target == "escape");
    let suite = suite.context("there is no escape suite")?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package=sandbox-spawn-cli"]);
    let commands = cargo::build(workspace, &mut cargo)?;
    let mut suite_command = Command::new(&suite.path);
    suite_command.arg("--tsv").args(arguments).current_dir(suite.package.directory());
    for program in &commands {
        suite_command.env(format!("CARGO_BIN_EXE_{}", program.target), &program.path);
    }
    command::say(&suite_command);
    // Its lines say which attacks have failed to fail.
    let output = suite_command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
