//! `cargo xtask ci`: the stages that every change must pass, each timed.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::ValueEnum;
use run_tests::Tally;

use crate::{casper, command, deny, escapes, freebsd, matrix, test, workspace::Workspace};

/// Which stages to run.
#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// The stages to run; all of them when none is named
    #[arg(value_name = "STAGE")]
    stages: Vec<Stage>,
    /// Leave out this stage
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    skip: Vec<Stage>,
    /// Print the stages and what each does
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The sources are formatted
    Fmt,
    /// clippy has nothing to say about any target
    Clippy,
    /// Every test that runs on this host
    Test,
    /// Tests with frames in parts, as FreeBSD 15 takes them
    Parts,
    /// docs/SUPPORT.md is what the conformance suite shows
    Matrix,
    /// docs/ESCAPES.md is what the escape suite shows
    Escapes,
    /// The examples in the documentation
    Doctests,
    /// The documentation builds without a warning
    Docs,
    /// Licenses, sources and duplicates of the dependencies
    Deny,
    /// The bindings of libcasper are those of its headers
    CasperBindings,
    /// What the FreeBSD build needs is installed
    FreebsdSetup,
    /// Our constants and prototypes are those of FreeBSD's headers
    FreebsdHeaders,
    /// clippy has nothing to say about any target for FreeBSD
    FreebsdCheck,
    /// Everything compiles and links for FreeBSD
    FreebsdBuild,
    /// clippy has nothing to say about any target for Linux on aarch64
    Aarch64Check,
}

/// How a stage ended.
enum End {
    Passed(Option<Tally>),
    Failed(String, Option<Tally>),
    NotRun(&'static str),
}

impl Stage {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn what(self) -> String {
        let help = self.to_possible_value().and_then(|value| Some(value.get_help()?.to_string()));
        help.unwrap_or_default()
    }

    /// Whether it cannot run where [`FreebsdSetup`](Self::FreebsdSetup) has failed.
    fn needs_setup(self) -> bool {
        matches!(
            self,
            Self::FreebsdHeaders | Self::FreebsdCheck | Self::FreebsdBuild | Self::Aarch64Check
        )
    }

    fn run(self, workspace: &Workspace) -> Result<Option<Tally>> {
        match self {
            Self::Fmt => {
                command::run(workspace.cargo().args(["fmt", "--all", "--", "--check"]))?;
            }
            Self::Clippy => {
                let mut cargo = workspace.cargo();
                cargo.args(["clippy", "--workspace", "--all-targets", "--all-features"]);
                command::run(cargo.args(["--", "-D", "warnings"]))?;
                // A workspace of its own, with a lock file that nothing else keeps up.
                let mut bench = workspace.cargo();
                bench.current_dir(workspace.root.join("bench"));
                bench.env("CARGO_TARGET_DIR", workspace.target.join("bench"));
                bench.args(["clippy", "--all-targets", "--locked", "--", "-D", "warnings"]);
                command::run(&mut bench)?;
            }
            Self::Test => return test::stage(workspace).map(Some),
            Self::Parts => return Ok(Some(test::parts_stage(workspace))),
            Self::Matrix => matrix::check(workspace)?,
            Self::Escapes => escapes::check(workspace)?,
            Self::Doctests => return Ok(Some(test::doctest_stage(workspace))),
            Self::Docs => {
                let mut cargo = workspace.cargo();
                cargo.env("RUSTDOCFLAGS", "-D warnings");
                cargo.args(["doc", "--workspace", "--all-features", "--no-deps"]);
                command::run_without_warning(&mut cargo)?;
            }
            Self::Deny => deny::check(workspace)?,
            Self::CasperBindings => casper::check(workspace)?,
            Self::FreebsdSetup => freebsd::setup(workspace)?,
            Self::FreebsdHeaders => {
                freebsd::headers(workspace)?;
                casper::prototypes(workspace)?;
            }
            Self::FreebsdCheck => freebsd::check(workspace, freebsd::TARGET)?,
            Self::Aarch64Check => freebsd::check(workspace, "aarch64-unknown-linux-gnu")?,
            Self::FreebsdBuild => {
                freebsd::build(workspace, &workspace.target.join("freebsd/out"))?;
            }
        }
        Ok(None)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(None) => write!(f, "passed"),
            Self::Passed(Some(tally)) => write!(f, "passed: {tally}"),
            Self::Failed(why, _) => write!(f, "FAILED: {why}"),
            Self::NotRun(why) => write!(f, "NOT RUN: {why}"),
        }
    }
}

/// The command: the stages, a line for each at the end, and whether all is well.
pub(crate) fn command(workspace: &Workspace, options: &Options) -> Result<bool> {
    if options.list {
        for stage in Stage::value_variants() {
            println!("{:<16} {}", stage.name(), stage.what());
        }
        return Ok(true);
    }
    let stages = selected(options)?;
    let mut ends: Vec<(Stage, End, Duration)> = Vec::new();
    for stage in stages {
        println!("\n#### {}: {}", stage.name(), stage.what());
        let started = Instant::now();
        let unset = ends.iter().any(|(before, end, _)| {
            *before == Stage::FreebsdSetup && !matches!(end, End::Passed(_))
        });
        let end = if stage.needs_setup() && unset {
            End::NotRun("freebsd-setup has failed")
        } else {
            end(stage.run(workspace))
        };
        println!("#### {}: {end}", stage.name());
        ends.push((stage, end, started.elapsed()));
    }
    println!("\n#### stages");
    for (stage, end, took) in &ends {
        println!("{:<16} {:>7.1} s  {end}", stage.name(), took.as_secs_f32());
    }
    let tally = |end: &End| match end {
        End::Passed(tally) | End::Failed(_, tally) => *tally,
        End::NotRun(_) => None,
    };
    let tallies: Vec<Tally> = ends.iter().filter_map(|(_, end, _)| tally(end)).collect();
    if !tallies.is_empty() {
        println!("{}", tallies.into_iter().sum::<Tally>());
    }
    Ok(ends.iter().all(|(_, end, _)| matches!(end, End::Passed(_))))
}

fn selected(options: &Options) -> Result<Vec<Stage>> {
    let named = |stage: &Stage| options.stages.is_empty() || options.stages.contains(stage);
    let all = Stage::value_variants().iter().copied();
    let stages: Vec<Stage> =
        all.filter(|stage| named(stage) && !options.skip.contains(stage)).collect();
    if stages.is_empty() {
        bail!("no stage is left to run");
    }
    Ok(stages)
}

fn end(result: Result<Option<Tally>>) -> End {
    match result {
        Ok(Some(tally)) if tally.failed > 0 => End::Failed(format!("{tally}"), Some(tally)),
        Ok(Some(tally)) if tally.passed == 0 => {
            End::Failed("no test passed".to_owned(), Some(tally))
        }
        Ok(tally) => End::Passed(tally),
        Err(error) => End::Failed(format!("{error:#}"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(stages: &[Stage], skip: &[Stage]) -> Options {
        Options { stages: stages.to_vec(), skip: skip.to_vec(), list: false }
    }

    #[test]
    fn without_names_all_stages_run_but_for_those_left_out() {
        let all = selected(&options(&[], &[])).expect("stages");
        assert_eq!(all, Stage::value_variants());
        let some = selected(&options(&[], &[Stage::Test, Stage::Doctests])).expect("stages");
        assert_eq!(some.len(), all.len() - 2);
        assert!(!some.contains(&Stage::Test));
    }

    #[test]
    fn named_stages_run_in_the_order_of_the_list() {
        let stages = selected(&options(&[Stage::FreebsdCheck, Stage::Fmt], &[])).expect("stages");
        assert_eq!(stages, [Stage::Fmt, Stage::FreebsdCheck]);
        assert!(selected(&options(&[Stage::Fmt], &[Stage::Fmt])).is_err());
    }

    #[test]
    fn a_test_stage_without_a_passing_test_has_failed() {
        let tally = Tally { passed: 0, failed: 0, skipped: 3 };
        assert!(matches!(end(Ok(Some(tally))), End::Failed(..)));
        let tally = Tally { passed: 1, failed: 0, skipped: 3 };
        assert!(matches!(end(Ok(Some(tally))), End::Passed(_)));
        assert!(matches!(end(Ok(None)), End::Passed(None)));
    }
}
