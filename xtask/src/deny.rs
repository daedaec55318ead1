//! cargo-deny: licenses, sources and duplicates of what we depend on.

use std::process::Command;

use anyhow::Result;

use crate::{command, workspace::Workspace};

/// What is installed where there is none. Newer ones will do.
const VERSION: &str = "0.20.2";

/// Runs the checks that need nothing from the network.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut deny = find(workspace)?;
    deny.args(["--workspace", "--all-features", "--locked", "check", "--hide-inclusion-graph"]);
    command::run(deny.args(["bans", "licenses", "sources"]))
}

/// cargo-deny from the search path, or one of our own under the target directory. Built without
/// optimization: that takes less than a minute instead of five, and the check a second either way.
fn find(workspace: &Workspace) -> Result<Command> {
    let there = |mut deny: Command| command::succeeds(deny.arg("--version"));
    if there(Command::new("cargo-deny")) {
        return Ok(in_root(workspace, Command::new("cargo-deny")));
    }
    let tools = workspace.target.join("tools");
    let own = tools.join("bin/cargo-deny");
    if !there(Command::new(&own)) {
        let mut install = workspace.cargo();
        install.args(["install", "--locked", "--debug", "--no-default-features", "--root"]);
        install.arg(&tools).args(["--version", VERSION, "cargo-deny"]);
        command::run(&mut install)?;
    }
    Ok(in_root(workspace, Command::new(own)))
}

fn in_root(workspace: &Workspace, mut command: Command) -> Command {
    command.current_dir(&workspace.root);
    command
}
