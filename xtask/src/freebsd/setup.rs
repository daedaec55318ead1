//! What the FreeBSD build needs: packages, a linker, and the libraries it would ask for in vain.

use std::{
    fs,
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
/// Libraries of FreeBSD's base system that the `libc` crate names and zig has no copy of. We call
/// nothing in them, and an empty archive leaves no trace in what is linked.
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
    let script = format!(
        "#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR={cache} ZIG_LOCAL_CACHE_DIR={cache}\n\
         exec {zig} cc -target {ZIG_TARGET} -L{stubs} \"$@\"\n",
        cache = quoted(directory.join("zig-cache")),
        zig = quoted(zig),
        stubs = quoted(directory.join("stubs")),
    );
    let linker = linker(workspace);
    // cargo would link everything again for a newer linker.
    if fs::read_to_string(&linker).is_ok_and(|there| there == script) {
        return Ok(());
    }
    fs::write(&linker, script)?;
    fs::set_permissions(&linker, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn write_stubs(directory: &Path) -> Result<()> {
    let zig = zig_package(directory)?.join("zig");
    let stubs = directory.join("stubs");
    fs::create_dir_all(&stubs)?;
    for name in STUBS {
        let archive = stubs.join(format!("lib{name}.a"));
        if archive.is_file() {
            continue;
        }
        let (source, object) = (stubs.join("empty.c"), stubs.join("empty.o"));
        if !object.is_file() {
            fs::write(&source, "")?;
            let mut compile = Command::new(directory.join(LINKER));
            command::run(compile.arg("-c").arg(&source).arg("-o").arg(&object))?;
        }
        let mut ar = Command::new(&zig);
        ar.env("ZIG_GLOBAL_CACHE_DIR", directory.join("zig-cache"));
        command::run(ar.args(["ar", "rcs"]).arg(&archive).arg(&object))?;
    }
    Ok(())
}
