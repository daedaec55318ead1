//! `cargo xtask freebsd`: everything for FreeBSD, built on this host.
//!
//! Debian's own compiler comes with the sources of the standard library, so that it can be built
//! for a target of which rustup's toolchain has no copy here; the `ziglang` package has FreeBSD's
//! headers and can link. Everything of it is under `target/freebsd`, apart from the builds for
//! this host. `xtask` itself is not built. Examples in the documentation cannot be run elsewhere
//! than where they are compiled, so those are left to the hosts.

mod build;
mod elf;
mod headers;
mod setup;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};

use crate::{casper, command, workspace::Workspace};

pub(crate) use build::build;
pub(crate) use headers::check as headers;
pub(crate) use setup::setup;

/// What cargo calls the target.
pub(crate) const TARGET: &str = "x86_64-unknown-freebsd";
/// What zig calls it: the oldest release that we support.
const ZIG_TARGET: &str = "x86_64-freebsd.14.0";
/// The variable by which cargo, and so anyone, can be told another linker.
const LINKER: &str = "CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_LINKER";

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Install the compiler, the linker and the headers (packages of Debian and of Python)
    Setup,
    /// Hold our constants and prototypes against FreeBSD's headers
    Headers,
    /// Run clippy on every target for FreeBSD
    Check,
    /// Compile and link everything for FreeBSD
    #[command(
        after_help = "A set CARGO_TARGET_X86_64_UNKNOWN_FREEBSD_LINKER is used instead of the linker \
                      of `setup`.\nOn FreeBSD, DIR/run-tests runs the tests that DIR/manifest lists."
    )]
    Build {
        /// Where to leave the executables, the list of them and the program that runs the tests
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

pub(crate) fn command(workspace: &Workspace, action: &Action) -> Result<()> {
    match action {
        Action::Setup => setup(workspace),
        Action::Headers => {
            headers(workspace)?;
            casper::prototypes(workspace)
        }
        Action::Check => check(workspace, TARGET),
        Action::Build { out } => build(workspace, out),
    }
}

/// clippy on every target of every package, for FreeBSD or for another system that the same
/// compiler can build the standard library for.
pub(crate) fn check(workspace: &Workspace, target: &str) -> Result<()> {
    // By its own path, so that it takes the driver beside it; `cargo clippy` would take rustup's.
    let mut clippy = debian(workspace, "cargo-clippy")?;
    clippy.arg("clippy").args(selection(workspace, target, EVERYTHING));
    command::run(clippy.args(["--", "-D", "warnings"]))?;
    if target != TARGET {
        return Ok(());
    }
    let mut clippy = debian(workspace, "cargo-clippy")?;
    clippy.arg("clippy").args(selection(workspace, target, WITHOUT_LIBCASPER));
    command::run(clippy.args(["--", "-D", "warnings"]))
}

/// Compiles a C file for the oldest release that we support, and keeps nothing of it.
pub(crate) fn compile(workspace: &Workspace, source: &Path) -> Result<()> {
    let directory = directory(workspace);
    let mut compiler = Command::new(setup::zig_package(&directory)?.join("zig"));
    compiler.env("ZIG_GLOBAL_CACHE_DIR", directory.join("zig-cache"));
    compiler.args(["cc", "-target", ZIG_TARGET, "-std=gnu11", "-Wall", "-Wextra", "-Werror"]);
    compiler.arg("-c").arg(source).arg("-o").arg(directory.join("compiled.o"));
    command::run(&mut compiler)
}

/// Where all of it is.
fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target.join("freebsd")
}

/// Where it is built.
fn target_directory(workspace: &Workspace) -> PathBuf {
    directory(workspace).join("target")
}

/// One of Debian's Rust programs, told to use no other's.
fn debian(workspace: &Workspace, program: &str) -> Result<Command> {
    let bin = Path::new(setup::DEBIAN_BIN);
    let program = bin.join(program);
    let own_linker = setup::linker(workspace).into_os_string();
    let linker = std::env::var_os(LINKER).unwrap_or_else(|| own_linker.clone());
    let ready = program.exists() && (linker != own_linker || Path::new(&linker).exists());
    ensure!(ready, "run `cargo xtask freebsd setup` first: the compiler or the linker is missing");
    let mut command = Command::new(&program);
    command
        .current_dir(&workspace.root)
        .env("CARGO", bin.join("cargo"))
        .env("RUSTC", bin.join("rustc"))
        // A release compiler builds the standard library only when told that it may.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(LINKER, linker)
        // Nobody debugs these here, and half of the build's time would go into it.
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    // Of rustup's toolchain, in which we run.
    for name in ["LD_LIBRARY_PATH", "RUSTUP_TOOLCHAIN", "RUSTDOC", "RUSTC_WRAPPER", "RUSTFLAGS"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// Everything that is built for another system.
const EVERYTHING: &[&str] = &["--workspace", "--exclude=xtask", "--all-features"];
/// The services and their example once more, as they are without the feature `native`: elsewhere than on
/// FreeBSD that is no other code.
const WITHOUT_LIBCASPER: &[&str] = &["--package=capsicum-casper", "--package=example-services"];

/// The arguments that select some of it.
fn selection(workspace: &Workspace, target: &str, what: &[&str]) -> Vec<OsString> {
    let arguments = [
        "--all-targets",
        "--locked",
        "-Zbuild-std=std,panic_abort,test",
        "--target",
        target,
        "--target-dir",
    ];
    let target_dir = target_directory(workspace).into_os_string();
    let arguments = what.iter().copied().chain(arguments);
    arguments.map(OsString::from).chain([target_dir]).collect()
}
