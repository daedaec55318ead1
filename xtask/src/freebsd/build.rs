//! Compiling and linking everything, and what is left for the system that will run it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use run_tests::manifest::{self, Entry, Kind};

use super::{EVERYTHING, TARGET, WITHOUT_LIBCASPER, debian, elf, selection, target_directory};
use crate::{
    cargo::{self, Executable},
    command,
    workspace::Workspace,
};

const MANIFEST: &str = "manifest";
/// The program that runs what the manifest lists, one of the executables itself.
const RUNNER: &str = "run-tests";

/// Builds every library, program, example and test, and leaves the executables in a directory.
pub(crate) fn build(workspace: &Workspace, out: &Path) -> Result<()> {
    // It must link without the other provider, and is left with both.
    let mut cargo = debian(workspace, "cargo")?;
    cargo.arg("build").args(selection(workspace, TARGET, WITHOUT_LIBCASPER));
    command::run(&mut cargo)?;
    let mut cargo = debian(workspace, "cargo")?;
    cargo.arg("build").args(selection(workspace, TARGET, EVERYTHING));
    let built = cargo::build(workspace, &mut cargo)?;
    let for_target = target_directory(workspace).join(TARGET);
    // A procedural macro runs in the compiler, so that it and its tests are for this host.
    let (ours, host): (Vec<_>, Vec<_>) =
        built.into_iter().partition(|executable| executable.path.starts_with(&for_target));
    for executable in host {
        eprintln!("note: {} is for this host only", executable.title());
    }
    let tests = ours.iter().filter(|executable| executable.kind.is_test()).count();
    ensure!(tests > 0, "no test was built");
    ensure!(
        ours.iter().any(|built| built.kind == Kind::Bin && built.target == RUNNER),
        "{RUNNER} was not built"
    );
    let libraries = leave(&ours, out)?;
    println!("{} executables, {tests} of them tests, in {}", ours.len(), out.display());
    for (library, count) in libraries {
        println!("{library}: needed by {count}");
    }
    Ok(())
}

/// Checks each executable and copies it; returns how many need each library.
fn leave(executables: &[Executable], out: &Path) -> Result<BTreeMap<String, usize>> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    remove_former(out)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut files = BTreeSet::new();
    let mut libraries = BTreeMap::new();
    for executable in executables {
        let entry = executable.entry();
        ensure!(
            entry.file != MANIFEST && files.insert(entry.file.clone()),
            "two files would have the name {}",
            entry.file
        );
        let data = fs::read(&executable.path)?;
        for library in elf::needed(&data).with_context(|| executable.path.display().to_string())? {
            *libraries.entry(library).or_insert(0) += 1;
        }
        fs::copy(&executable.path, out.join(&entry.file)).context(entry.file.clone())?;
        entries.push(entry);
    }
    fs::write(out.join(MANIFEST), manifest::write(&entries))?;
    Ok(libraries)
}

/// Removes what an earlier build has left, so that nothing outdated is run.
fn remove_former(out: &Path) -> Result<()> {
    let manifest = out.join(MANIFEST);
    if !manifest.exists() {
        return Ok(());
    }
    for entry in manifest::read(&manifest).with_context(|| manifest.display().to_string())? {
        match fs::remove_file(out.join(&entry.file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    fs::remove_file(manifest)?;
    Ok(())
}
