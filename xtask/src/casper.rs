//! `cargo xtask casper`: the bindings of libcasper, made of the prototypes in its crate's headers.
//!
//! bindgen and libclang come from crates.io and PyPI where this host has none: about a minute and a
//! half once, and a second afterwards. The same versions make the same text everywhere.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::{command, freebsd, workspace::Workspace};

const CRATE: &str = "casper/casper-sys";
/// The committed bindings are of this version; another one may write them differently.
const BINDGEN: &str = "0.73.2";
/// The newest that PyPI has. The headers use nothing that would differ between versions.
const LIBCLANG: &str = "18.1.1";

/// A header, the structure of its functions, and the types that it takes from elsewhere.
struct Header {
    name: &'static str,
    table: &'static str,
    libc: &'static [&'static str],
    casper: bool,
    nv: bool,
}

const HEADERS: [Header; 10] = [
    Header { name: "nv", table: "Nv", libc: &[], casper: false, nv: false },
    Header { name: "casper", table: "Libcasper", libc: &[], casper: false, nv: true },
    Header {
        name: "cap_dns",
        table: "CapDns",
        libc: &["addrinfo", "hostent", "sockaddr", "socklen_t"],
        casper: true,
        nv: false,
    },
    Header {
        name: "cap_fileargs",
        table: "CapFileargs",
        libc: &["cap_rights_t", "mode_t", "stat"],
        casper: true,
        nv: false,
    },
    Header { name: "cap_grp", table: "CapGrp", libc: &["gid_t", "group"], casper: true, nv: false },
    Header {
        name: "cap_net",
        table: "CapNet",
        libc: &["addrinfo", "sockaddr", "socklen_t"],
        casper: true,
        nv: false,
    },
    Header { name: "cap_netdb", table: "CapNetdb", libc: &["protoent"], casper: true, nv: false },
    Header {
        name: "cap_pwd",
        table: "CapPwd",
        libc: &["passwd", "uid_t"],
        casper: true,
        nv: false,
    },
    Header { name: "cap_sysctl", table: "CapSysctl", libc: &[], casper: true, nv: false },
    Header { name: "cap_syslog", table: "CapSyslog", libc: &[], casper: true, nv: false },
];

#[derive(clap::Args, Debug)]
pub(crate) struct Options {
    /// Change nothing: are the committed bindings those of the headers?
    #[arg(long)]
    check: bool,
}

pub(crate) fn command(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.check { check(workspace) } else { write(workspace) }
}

/// Writes the bindings anew.
fn write(workspace: &Workspace) -> Result<()> {
    for (header, text) in generate(workspace)? {
        let path = bindings(workspace, header);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Whether the committed bindings are what bindgen makes of the headers.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut outdated = Vec::new();
    for (header, text) in generate(workspace)? {
        if fs::read_to_string(bindings(workspace, header)).ok().as_ref() != Some(&text) {
            outdated.push(header.name);
        }
    }
    ensure!(
        outdated.is_empty(),
        "the bindings of {} are not those of their headers: run `cargo xtask casper`",
        outdated.join(", ")
    );
    println!("the bindings of {} headers are current", HEADERS.len());
    Ok(())
}

/// Compiles the prototypes after FreeBSD's own headers: what differs is an error of the compiler.
pub(crate) fn prototypes(workspace: &Workspace) -> Result<()> {
    let directory = workspace.root.join(CRATE).join("headers");
    freebsd::compile(workspace, &directory.join("check.c"))?;
    println!("the prototypes of libcasper agree with FreeBSD's headers");
    Ok(())
}

fn bindings(workspace: &Workspace, header: &Header) -> PathBuf {
    let directory = workspace.root.join(CRATE).join("src/sys/freebsd/bindings");
    directory.join(header.name).with_extension("rs")
}

fn generate(workspace: &Workspace) -> Result<Vec<(&'static Header, String)>> {
    let bindgen = bindgen(workspace)?;
    let libclang = libclang(workspace)?;
    HEADERS
        .iter()
        .map(|header| {
            let mut generator = Command::new(&bindgen);
            generator.current_dir(workspace.root.join(CRATE).join("headers"));
            if let Some(libclang) = &libclang {
                generator.env("LIBCLANG_PATH", libclang);
            }
            generator.args(arguments(header));
            let text = command::output(&mut generator)?;
            ensure!(!text.is_empty(), "bindgen has written nothing for {}", header.name);
            Ok((header, text))
        })
        .collect()
}

fn arguments(header: &Header) -> Vec<String> {
    let mut arguments: Vec<String> = [
        &format!("{}.h", header.name),
        "--dynamic-loading",
        header.table,
        // One that is missing is an error when the library is loaded, not when it is called.
        "--dynamic-link-require-all",
        "--allowlist-function=.*",
        "--use-core",
        "--no-layout-tests",
        "--wrap-unsafe-ops",
        // Not rustfmt, of which versions differ; the modules are left out of `cargo fmt`.
        "--formatter=prettyplease",
        "--rust-target=1.85",
        "--rust-edition=2024",
    ]
    .map(str::to_owned)
    .into();
    let mut elsewhere = |names: &[&str], import: String| {
        for name in names {
            arguments.push(format!("--blocklist-type={name}"));
        }
        arguments.push(format!("--raw-line={import}"));
    };
    if !header.libc.is_empty() {
        elsewhere(header.libc, format!("use libc::{{{}}};", header.libc.join(", ")));
    }
    if header.casper {
        elsewhere(&["cap_channel", "cap_channel_t"], "use super::casper::cap_channel_t;".into());
    }
    if header.nv {
        elsewhere(&["nvlist", "nvlist_t"], "use super::nv::nvlist_t;".into());
    }
    // Names that libc has as types and C as structures.
    arguments.push("--blocklist-type=cap_rights".into());
    let clang = ["--", "--target=x86_64-unknown-freebsd", "-nostdinc", "-std=gnu11", "-Werror"];
    arguments.extend(clang.map(str::to_owned));
    arguments
}

/// bindgen of our version: from the search path, or one of our own under the target directory.
fn bindgen(workspace: &Workspace) -> Result<PathBuf> {
    let ours = |program: &PathBuf| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).trim() == format!("bindgen {BINDGEN}")
        })
    };
    let tools = workspace.target.join("tools");
    let own = tools.join("bin/bindgen");
    if let Some(found) = [PathBuf::from("bindgen"), own.clone()].into_iter().find(ours) {
        return Ok(found);
    }
    let mut install = workspace.cargo();
    install.args(["install", "--locked", "--debug", "--no-default-features", "--features=runtime"]);
    install.args(["--version", BINDGEN, "--root"]).arg(&tools).arg("bindgen-cli");
    command::run(&mut install)?;
    Ok(own)
}

/// The directory of libclang; none where the environment names one already.
fn libclang(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return Ok(None);
    }
    let venv = workspace.target.join("tools/libclang");
    let find = || -> Option<PathBuf> {
        let pythons = fs::read_dir(venv.join("lib")).ok()?;
        let mut found =
            pythons.flatten().map(|python| python.path().join("site-packages/clang/native"));
        found.find(|directory| directory.join("libclang.so").is_file())
    };
    if let Some(found) = find() {
        return Ok(Some(found));
    }
    command::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let mut install = Command::new(venv.join("bin/python"));
    install.args(["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]);
    command::run(install.arg("--only-binary=:all:").arg(format!("libclang=={LIBCLANG}")))?;
    let Some(found) = find() else { bail!("libclang is not in {}", venv.display()) };
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_bound_and_compiled() {
        let workspace = Workspace::for_tests();
        let directory = workspace.root.join(CRATE).join("headers");
        let check = fs::read_to_string(directory.join("check.c")).expect("check.c");
        let mut names: Vec<String> = fs::read_dir(&directory)
            .expect("headers")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .filter(|name| name != "types.h" && name != "check.c")
            .collect();
        names.sort();
        let mut bound: Vec<String> =
            HEADERS.iter().map(|header| format!("{}.h", header.name)).collect();
        bound.sort();
        assert_eq!(names, bound);
        for name in names {
            assert!(check.contains(&format!("#include \"{name}\"")), "{name} is not in check.c");
        }
    }
}
