//! `cargo xtask mutate`: the table of system calls with one rule less, again and again.
//!
//! capsicum-rs is built once with `--cfg capsicum_mutate`; a variable of the environment then
//! names the row, the step or the condition that is left out. A mutant that no test notices is a
//! rule that nothing holds. First the unit tests are asked, which need no process of their own
//! for each case; for those that survive, the conformance suite.

use std::{
    collections::VecDeque,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use run_tests::manifest::Kind;

use crate::{cargo, command, workspace::Workspace};

/// What to take away.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Only mutants whose name begins so: `openat`, `openat/3`
    #[arg(value_name = "MUTANT")]
    only: Option<String>,
    /// The least share of mutants, in percent, that the tests must notice
    #[arg(long, value_name = "PERCENT", default_value_t = 95.0)]
    least: f64,
}

/// How long the tests of one mutant may take; one that hangs is noticed.
const DEADLINE: Duration = Duration::from_secs(120);

/// A test executable, and the arguments that leave out what cannot notice anything.
struct Judge {
    path: PathBuf,
    arguments: &'static [&'static str],
}

impl Judge {
    /// Whether the tests pass: without a mutant they must, with one they must not.
    fn passes(&self, mutant: Option<&str>) -> Result<bool> {
        let mut command = Command::new(&self.path);
        command.args(self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(mutant) = mutant {
            command.env("CAPSICUM_MUTANT", mutant);
        }
        let mut child = command.spawn().context("starting the tests")?;
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            if started.elapsed() > DEADLINE {
                child.kill()?;
                child.wait()?;
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Those of the mutants that the tests do not notice.
    fn survivors(&self, mutants: Vec<String>) -> Result<Vec<String>> {
        if !self.passes(None)? {
            bail!("{} fails without any mutant", self.path.display());
        }
        let queue = Mutex::new(VecDeque::from(mutants));
        let survivors = Mutex::new(Vec::new());
        let next = || queue.lock().ok()?.pop_front();
        let work = || -> Result<()> {
            while let Some(mutant) = next() {
                if self.passes(Some(&mutant))?
                    && let Ok(mut survivors) = survivors.lock()
                {
                    survivors.push(mutant);
                }
            }
            Ok(())
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| match worker.join() {
                Ok(result) => result,
                Err(_) => bail!("a worker panicked"),
            })
        })?;
        let mut survivors = survivors.into_inner().unwrap_or_default();
        survivors.sort();
        Ok(survivors)
    }
}

/// The command: every mutant, the score, and whether it suffices.
pub(crate) fn command(workspace: &Workspace, options: &Options) -> Result<bool> {
    let mut cargo = workspace.cargo();
    cargo.env("RUSTFLAGS", "--cfg capsicum_mutate");
    cargo.env("CARGO_TARGET_DIR", workspace.target.join("mutate"));
    cargo.args(["test", "--no-run", "--release", "--all-features"]);
    cargo.args(["--package=capsicum-rs", "--package=sandbox-tests"]);
    let executables = cargo::build(workspace, &mut cargo)?;
    let find = |package: &str, kind: Kind, target: &str| {
        let found = executables.iter().find(|executable| {
            executable.package.name == package
                && executable.kind == kind
                && (target.is_empty() || executable.target == target)
        });
        found.map(|found| found.path.clone()).with_context(|| format!("no tests of {package}"))
    };
    let unit = find("capsicum-rs", Kind::Unit, "capsicum_rs")?;
    let listed =
        command::output(Command::new(&unit).args(["every_mutant_is_listed", "--nocapture"]))?;
    let mutants: Vec<String> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("mutant "))
        .filter(|name| options.only.as_ref().is_none_or(|only| name.starts_with(only.as_str())))
        .map(str::to_owned)
        .collect();
    if mutants.is_empty() {
        bail!("no mutant has such a name");
    }
    let count = mutants.len();
    println!("{count} mutants; the unit tests first");
    // Compiler and model both read the table, so that their agreement notices nothing; nor should
    // what a program costs.
    let arguments =
        &["sys::linux::tests", "--skip", "agree", "--skip", "jumps", "--skip", "tests::cost"];
    let survivors = Judge { path: unit, arguments }.survivors(mutants)?;
    println!("{} left; now the conformance suite", survivors.len());
    let conformance = find("sandbox-tests", Kind::Test, "conformance")?;
    let survivors = if survivors.is_empty() {
        survivors
    } else {
        Judge { path: conformance, arguments: &[] }.survivors(survivors)?
    };
    for survivor in &survivors {
        println!("survives: {survivor}");
    }
    let noticed = count - survivors.len();
    #[allow(clippy::cast_precision_loss)] // A few thousand.
    let score = 100.0 * noticed as f64 / count as f64;
    println!("score: {noticed} of {count} mutants noticed ({score:.1} %)");
    Ok(score >= options.least)
}
