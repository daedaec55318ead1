//! Developer commands: `cargo xtask` prints what there is.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod cargo;
mod casper;
mod ci;
mod command;
mod deny;
mod escapes;
mod freebsd;
mod matrix;
mod mutate;
mod test;
mod workspace;

use workspace::Workspace;

/// Developer commands of this workspace
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Run every test that runs on this host and count the results
    Test(test::Options),
    /// Run the stages that every change must pass
    Ci(ci::Options),
    /// Take one rule of the table of system calls away at a time: some test must notice
    Mutate(mutate::Options),
    /// Write docs/SUPPORT.md from a run of the conformance suite
    Matrix(matrix::Options),
    /// Write docs/ESCAPES.md from a run of the escape suite
    Escapes(escapes::Options),
    /// Measure what the sandbox costs, beside the bare kernel and two other filter compilers
    Bench(bench::Options),
    /// Write the bindings of FreeBSD's libcasper anew (bindgen and libclang from crates.io and PyPI)
    Casper(casper::Options),
    /// Build for FreeBSD on this host
    #[command(subcommand)]
    Freebsd(freebsd::Action),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let success = Workspace::find().and_then(|workspace| match arguments.command {
        Subcommands::Test(options) => test::command(&workspace, &options),
        Subcommands::Ci(options) => ci::command(&workspace, &options),
        Subcommands::Mutate(options) => mutate::command(&workspace, &options),
        Subcommands::Matrix(options) => matrix::command(&workspace, &options),
        Subcommands::Escapes(options) => escapes::command(&workspace, &options),
        Subcommands::Bench(options) => bench::command(&workspace, &options),
        Subcommands::Casper(options) => casper::command(&workspace, &options).map(|()| true),
        Subcommands::Freebsd(action) => freebsd::command(&workspace, &action).map(|()| true),
    });
    match success {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
