//! `cargo xtask bench`: what the sandbox and channels cost, from the package `bench`, which is a
//! workspace of its own. Timings decide nothing: the command fails only where something could not be measured.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{command, workspace::Workspace};

mod page;

/// What to measure.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// What to measure; all of the sandbox when nothing is named
    #[arg(value_name = "FIGURES")]
    sections: Vec<Section>,
    /// How often each child is run
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    rounds: u32,
    /// Put the result into docs/src/figures.md, or that of `channel`, `starts` or `casper` into
    /// its part of docs/BENCHMARKS.md
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Calls inside the sandbox
    Calls,
    /// Entering capability mode
    Enter,
    /// The programs
    Filter,
    /// Calls that a supervisor answers, and `git status`
    Supervisor,
    /// Channels, beside the bare socket and another library; only where it is named
    Channel,
    /// Starting workers, beside what else starts processes; only where it is named
    Starts,
    /// Casper services, beside the same call without one; only where it is named
    Casper,
}

impl Section {
    /// Its part of docs/BENCHMARKS.md, for those that have one.
    fn part(self) -> Option<page::Part> {
        match self {
            Self::Channel => Some(page::CHANNELS),
            Self::Starts => Some(page::STARTS),
            Self::Casper => Some(page::CASPER),
            _ => None,
        }
    }
}

/// The header by which libseccomp is found.
const HEADER: &str = "/usr/include/seccomp.h";

/// The command: builds, measures, prints.
pub(crate) fn command(workspace: &Workspace, options: &Options) -> Result<bool> {
    let part = match options.sections[..] {
        [section] => section.part(),
        _ => None,
    };
    if options.write && !options.sections.is_empty() && part.is_none() {
        bail!(
            "--write is for all figures of one run: name none, or one of `channel`, `starts`, `casper`"
        );
    }
    let apart = |section: &Section| section.part().is_some();
    let bench = workspace.root.join("bench");
    let target = workspace.target.join("bench");
    let mut build = workspace.cargo();
    build.current_dir(&bench).env("CARGO_TARGET_DIR", &target);
    build.args(["build", "--release", "--locked"]);
    if libseccomp()? {
        build.args(["--features", "libseccomp"]);
    }
    command::run(&mut build)?;

    let printed = target.join("programs");
    if options.sections.is_empty() || !options.sections.iter().all(apart) {
        // What is supervised is run by the command.
        let mut wrapper = workspace.cargo();
        let build = ["build", "--release", "--locked", "--package=sandbox-spawn-cli"];
        command::run(wrapper.args(build))?;
        // The programs come from the library's own tests, which see its compiler.
        let mut cost = workspace.cargo();
        cost.args(["test", "--release", "--package=capsicum-rs", "--lib", "--"]);
        cost.args(["tests::cost", "--nocapture"]);
        command::say(&cost);
        fs::write(&printed, command::output(&mut cost)?).context(printed.display().to_string())?;
    }

    let named = |section: &Section| {
        let all = options.sections.is_empty() && !apart(section);
        all || options.sections.contains(section)
    };
    let mut run = Command::new(target.join("release/capsicum-bench"));
    run.arg(&printed).arg(options.rounds.to_string());
    run.env("CAPSICUM_BENCH_COMMAND", workspace.target.join("release/sandbox-spawn"));
    run.env("CAPSICUM_BENCH_WORKSPACE", &workspace.root);
    for section in Section::value_variants().iter().filter(|section| named(section)) {
        run.arg(section.to_possible_value().context("a hidden section")?.get_name());
    }
    command::say(&run);
    let figures = command::output(&mut run)?;
    print!("{figures}");
    if options.write {
        let name = if part.is_some() { "docs/BENCHMARKS.md" } else { "docs/src/figures.md" };
        let path = workspace.root.join(name);
        let written = match &part {
            Some(part) => {
                // The other parts stay as their own runs have left them.
                let before = fs::read_to_string(&path).unwrap_or_default();
                page::with(&before, part, &figures, options.rounds)?
            }
            None => text(&figures, options.rounds)?,
        };
        fs::write(&path, written).context(path.display().to_string())?;
        println!("written to {}", path.display());
    }
    Ok(true)
}

/// Whether libseccomp is there to build with; root gets it installed.
fn libseccomp() -> Result<bool> {
    if Path::new(HEADER).exists() {
        return Ok(true);
    }
    if command::is_root()? && command::succeeds(Command::new("apt-get").arg("--version")) {
        let mut install = Command::new("apt-get");
        install.args(["install", "--yes", "--no-install-recommends", "libseccomp-dev"]);
        if command::run(&mut install).is_ok() && Path::new(HEADER).exists() {
            return Ok(true);
        }
    }
    println!("libseccomp is left out: there is no {HEADER}; install libseccomp-dev");
    Ok(false)
}

/// The page of the book.
fn text(figures: &str, rounds: u32) -> Result<String> {
    let mut page = String::from(
        "# Figures\n\n<!-- Written by `cargo xtask bench --write`. -->\n\nOne run of\n\n```sh\n",
    );
    writeln!(page, "cargo xtask bench --write --rounds {rounds}\n```\n")?;
    page.push_str(
        "on the machine that it names. *Bare* is the same call without a sandbox, *ours* after\n\
         `Sandbox::enter`. The other columns are the same allowlist with the same checks of\n\
         descriptors, compiled by `seccompiler` and by libseccomp, as it comes and with its search\n\
         tree. Calls whose other arguments we check too, they simply allow: that is in their favour.\n\
         The last two tables are of programs under `sandbox-spawn run`.\n\n",
    );
    writeln!(page, "```text\n{}\n```", figures.trim())?;
    Ok(page)
}
