//! What the FreeBSD build needs: packages, a linker, and the libraries it would ask for in vain.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{ZIG_TARGET, directory};
use crate::{command, workspace::Workspace};

/// Where Debian installs programs.
pub(super) const DEBIAN_BIN: &str = "/usr/bin";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];
/// A newer one may bring newer headers; `cargo xtask freebsd headers` then says what is new.
const ZIGLANG: &str = "0.17.1";
/// Libraries of FreeBSD's base system that the `libc` crate names and zig has no copy of. Nothing
/// in them is called, and `--as-needed`, with which rustc links, leaves no trace of them.
const STUBS: [&str; 4] = ["kvm", "memstat", "procstat", "devstat"];

/// The script that links, in our directory.
const LINKER: &str = "linker";

/// Installs what is missing; does nothing where nothing is.
pub(crate) fn setup(workspace: &Workspace) -> Result<()> {
    debian_packages()?;
    let directory = directory(workspace);
    fs::create_dir_all(&directory)?;
    if !installed(&directory) {
        install_zig(&directory)?;
    }
    write_linker(workspace)?;
    write_stubs(&directory)?;
    eprintln!("FreeBSD: {} links for {ZIG_TARGET}", linker(workspace).display());
    Ok(())
}

/// The program that cargo calls to link.
pub(super) fn linker(workspace: &Workspace) -> PathBuf {
    directory(workspace).join(LINKER)
}

/// Where the `ziglang` package is.
pub(super) fn zig_package(directory: &Path) -> Result<PathBuf> {
    let package = site_packages(directory).map(|packages| packages.join("ziglang"));
    let package = package.filter(|package| package.is_dir());
    package.with_context(|| {
        let directory = directory.display();
        format!("no ziglang under {directory}: run `cargo xtask freebsd setup` first")
    })
}

fn site_packages(directory: &Path) -> Option<PathBuf> {
    let pythons = fs::read_dir(directory.join("venv/lib")).ok()?;
    let packages = pythons.flatten().map(|python| python.path().join("site-packages"));
    packages.into_iter().find(|packages| packages.is_dir())
}

fn installed(directory: &Path) -> bool {
    site_packages(directory).is_some_and(|packages| {
        packages.join(format!("ziglang-{ZIGLANG}.dist-info")).is_dir()
            && packages.join("ziglang/zig").is_file()
    })
}

fn debian_packages() -> Result<()> {
    let status = |package: &str| {
        let mut query = Command::new("dpkg-query");
        query.args(["--show", "--showformat=${db:Status-Status}", package]);
        query.output().map(|output| output.stdout)
    };
    let mut missing = Vec::new();
    for package in DEBIAN_PACKAGES {
        match status(package) {
            Ok(status) if status == b"installed" => {}
            Ok(_) => missing.push(package),
            Err(error) => bail!(
                "the FreeBSD build takes {} from Debian, and dpkg-query is not to be had here: {error}",
                DEBIAN_PACKAGES.join(", ")
            ),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !command::is_root()? {
        bail!("missing packages; run: sudo apt-get install {}", missing.join(" "));
    }
    apt_get(&["update"])?;
    let install = ["install", "--yes", "--no-install-recommends"];
    apt_get(&install.into_iter().chain(missing).collect::<Vec<_>>())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut apt_get = Command::new("apt-get");
    command::run(apt_get.env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
}

fn install_zig(directory: &Path) -> Result<()> {
    let venv = directory.join("venv");
    // One of another version, or half of one.
    if venv.exists() {
        fs::remove_dir_all(&venv)?;
    }
    let made = command::run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    made.context("Python's venv is needed (on Debian: apt-get install python3-venv)")?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]);
    command::run(pip.args(["--no-deps", "--only-binary=:all:", &format!("ziglang=={ZIGLANG}")]))
}

fn write_linker(workspace: &Workspace) -> Result<()> {
    let directory = directory(workspace);
    let zig = zig_package(&directory)?.join("zig");
    let quoted = |path: PathBuf| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    // zig leaves the system in the ELF header open, where FreeBSD's own linker names it.
    let script = format!(
        "#!/bin/sh
export ZIG_GLOBAL_CACHE_DIR={cache} ZIG_LOCAL_CACHE_DIR={cache}
{zig} cc -target {ZIG_TARGET} -L{stubs} \"$@\" || exit
while [ $# -gt 1 ] && [ \"$1\" != -o ]; do shift; done
if [ $# -gt 1 ]; then printf '\\011' | dd of=\"$2\" bs=1 seek=7 conv=notrunc status=none; fi
",
        cache = quoted(directory.join("zig-cache")),
        zig = quoted(zig),
        stubs = quoted(directory.join("stubs")),
    );
    let linker = linker(workspace);
    match fs::read_to_string(&linker) {
        Ok(there) if there == script => return Ok(()),
        // cargo knows the linker by its name and would keep what another one has linked.
        Ok(_) => fs::remove_dir_all(super::target_directory(workspace)).or_else(unless_missing)?,
        Err(error) => unless_missing(error)?,
    }
    fs::write(&linker, script)?;
    fs::set_permissions(&linker, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Shared libraries, since the linker is told to look for those alone.
fn write_stubs(directory: &Path) -> Result<()> {
    let stubs = directory.join("stubs");
    fs::create_dir_all(&stubs)?;
    let source = stubs.join("empty.c");
    fs::write(&source, "")?;
    for name in STUBS {
        let library = stubs.join(format!("lib{name}.so"));
        if !library.is_file() {
            let mut link = Command::new(directory.join(LINKER));
            link.args(["-shared", "-nostdlib", "-o"]).arg(&library).arg(&source);
            command::run(&mut link)?;
        }
    }
    Ok(())
}

fn unless_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
