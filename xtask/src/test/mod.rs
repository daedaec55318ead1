//! `cargo xtask test`: every test that runs on this host.
//!
//! The executables are built once by cargo and then run one after another, each under a deadline;
//! by root they are run twice, the second time as an ordinary user, because much of what is
//! tested here is refused to the one for other reasons than to the other. Nothing but Rust is
//! needed.

mod ordinary_user;

use std::{process::Command, time::Duration};

use anyhow::Result;
use run_tests::{Suite, Tally, manifest::Kind};

use crate::{
    cargo::{self, Executable},
    command,
    workspace::Workspace,
};

/// What to test.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Test only these packages, not the whole workspace
    #[arg(long, short, value_name = "NAME")]
    package: Vec<String>,
    /// Seconds after which a test executable is killed and counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    deadline: u64,
    /// Compare a million pairs of a random policy and call on each architecture, not 100,000
    #[arg(long)]
    long: bool,
    /// Have Linux take frames in parts, as FreeBSD 15 does: channels, compartments and services, as this user
    #[arg(long, conflicts_with_all = ["package", "long"])]
    parts: bool,
}

impl Options {
    /// The whole workspace.
    pub(crate) fn everything() -> Self {
        Self { package: Vec::new(), deadline: 300, long: false, parts: false }
    }

    /// The arguments that tell cargo which packages.
    fn selection(&self) -> Vec<String> {
        let mut selection = vec!["--all-features".to_owned()];
        if self.package.is_empty() {
            selection.push("--workspace".to_owned());
        }
        selection.extend(self.package.iter().map(|package| format!("--package={package}")));
        selection
    }
}

/// The command: all tests, the summary, and whether all is well.
pub(crate) fn command(workspace: &Workspace, options: &Options) -> Result<bool> {
    let mut suite = Suite::new();
    if options.parts {
        in_parts(workspace, options, &PACKAGES_OF_FRAMES, &mut suite);
        suite.print_summary();
        return Ok(suite.total().is_success());
    }
    executables(workspace, options, &mut suite)?;
    // Of single packages some have no library, which cargo takes for an error.
    if options.package.is_empty() {
        doctests(workspace, &mut suite);
    }
    suite.print_summary();
    Ok(suite.total().is_success())
}

/// A stage of `cargo xtask ci`: the test executables alone.
pub(crate) fn stage(workspace: &Workspace) -> Result<Tally> {
    let mut suite = Suite::new();
    executables(workspace, &Options::everything(), &mut suite)?;
    suite.print_summary();
    Ok(suite.total())
}

/// A stage of `cargo xtask ci`: frames in parts. Services have nothing of their own there, and take long to build.
pub(crate) fn parts_stage(workspace: &Workspace) -> Tally {
    let mut suite = Suite::new();
    let [channel, compartments, _] = PACKAGES_OF_FRAMES;
    in_parts(workspace, &Options::everything(), &[channel, compartments], &mut suite);
    suite.print_summary();
    suite.total()
}

/// A stage of `cargo xtask ci`: the doctests alone.
pub(crate) fn doctest_stage(workspace: &Workspace) -> Tally {
    let mut suite = Suite::new();
    doctests(workspace, &mut suite);
    suite.print_summary();
    suite.total()
}

fn executables(workspace: &Workspace, options: &Options, suite: &mut Suite) -> Result<()> {
    let build = |workspace: &Workspace| {
        let mut cargo = workspace.cargo();
        cargo.env("CARGO_TARGET_DIR", &workspace.target);
        cargo.args(["test", "--no-run"]).args(options.selection());
        let mut executables = cargo::build(workspace, &mut cargo)?;
        // cargo builds no other package's commands for a test.
        let mut cargo = workspace.cargo();
        cargo.env("CARGO_TARGET_DIR", &workspace.target);
        cargo.args(["build", "--workspace", "--bins"]);
        let commands = cargo::build(workspace, &mut cargo)?;
        executables.retain(|executable| executable.kind != Kind::Bin);
        executables.extend(commands.into_iter().filter(|command| command.kind == Kind::Bin));
        Ok(executables)
    };
    let executables = match build(workspace) {
        Ok(executables) => executables,
        Err(error) => {
            suite.fail("building the tests", &format!("{error:#}"));
            return Ok(());
        }
    };
    let deadline = Duration::from_secs(options.deadline);
    let root = command::is_root()?;
    let who = if root { "as root" } else { "as this user" };
    let long = |command: &mut Command| {
        if options.long {
            command.env("CAPSICUM_PAIRS", "1000000");
        }
    };
    run_all(suite, &executables, who, deadline, long);
    if root {
        const WHAT: &str = "the tests as an ordinary user";
        match ordinary_user::Place::prepare(workspace, &executables, build) {
            Ok(place) => {
                let as_user = |command: &mut Command| {
                    long(command);
                    place.become_user(command);
                };
                run_all(suite, place.executables(), "as an ordinary user", deadline, as_user);
            }
            Err(why) => suite.skip(WHAT, &format!("{why:#}")),
        }
    }
    Ok(())
}

const PACKAGES_OF_FRAMES: [&str; 3] = ["capsicum-channel", "sandbox-spawn", "capsicum-casper"];

/// What sends frames, built so that a system call takes a part of one (see channel/src/sys/parts.rs). All of it is built
/// anew for that, as fast as can be.
fn in_parts(workspace: &Workspace, options: &Options, packages: &[&str], suite: &mut Suite) {
    let mut cargo = workspace.cargo();
    cargo.env("CARGO_PROFILE_TEST_OPT_LEVEL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    cargo.env("RUSTFLAGS", "--cfg capsicum_parts");
    cargo.env("CARGO_TARGET_DIR", workspace.target.join("parts"));
    cargo.args(["test", "--no-run", "--all-features"]);
    cargo.args(packages.iter().map(|package| format!("--package={package}")));
    match cargo::build(workspace, &mut cargo) {
        Ok(executables) => {
            let deadline = Duration::from_secs(options.deadline);
            run_all(suite, &executables, "with frames in parts", deadline, |_| ());
        }
        Err(error) => suite.fail("building the tests with frames in parts", &format!("{error:#}")),
    }
}

fn run_all(
    suite: &mut Suite,
    executables: &[Executable],
    who: &str,
    deadline: Duration,
    prepare: impl Fn(&mut Command),
) {
    for executable in executables.iter().filter(|executable| executable.kind.is_test()) {
        let mut command = Command::new(&executable.path);
        // What cargo sets for a test that it runs itself.
        command
            .arg("--show-output")
            .current_dir(executable.package.directory())
            .env("CARGO_MANIFEST_DIR", executable.package.directory())
            .env("CARGO_PKG_NAME", &executable.package.name);
        for program in executables.iter().filter(|program| program.kind == Kind::Bin) {
            command.env(format!("CARGO_BIN_EXE_{}", program.target), &program.path);
        }
        prepare(&mut command);
        suite.run(&format!("{}, {who}", executable.title()), &mut command, deadline);
    }
}

/// The examples in the documentation. They are compiled while they run, in directories that
/// only the user who started this can enter, and so they are run once.
fn doctests(workspace: &Workspace, suite: &mut Suite) {
    const DEADLINE: Duration = Duration::from_secs(900);
    const EXAMPLES: &str = "examples in the documentation";
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--doc", "--no-fail-fast"]).args(Options::everything().selection());
    cargo.args(["--", "--show-output"]);
    suite.run(EXAMPLES, &mut cargo, DEADLINE);
    if command::is_root().unwrap_or_default() {
        let why = "rustdoc builds each in a directory that only its own user may enter";
        suite.skip(&format!("{EXAMPLES}, as an ordinary user"), why);
    }
}
