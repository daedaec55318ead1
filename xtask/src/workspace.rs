//! Where the workspace is, where it is built, and what is in it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::command;

/// The workspace as `cargo metadata` describes it.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// The directory of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// The workspace's packages by cargo's id for them.
    pub(crate) packages: BTreeMap<String, Package>,
}

/// One package of the workspace.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Package {
    id: String,
    /// Its name.
    pub(crate) name: String,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
    workspace_root: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        Self::at(Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    /// The workspace that a directory is in.
    pub(crate) fn at(directory: &Path) -> Result<Self> {
        let mut cargo = Command::new(cargo());
        cargo.current_dir(directory).args(["metadata", "--no-deps", "--format-version=1"]);
        let metadata = command::output(&mut cargo)?;
        let metadata: Metadata =
            serde_json::from_str(&metadata).context("cargo metadata printed something else")?;
        let packages = metadata.packages.into_iter().map(|package| (package.id.clone(), package));
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            packages: packages.collect(),
        })
    }

    /// cargo, in the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(cargo());
        command.current_dir(&self.root);
        command
    }
}

impl Package {
    /// The directory of its `Cargo.toml`.
    pub(crate) fn directory(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

/// The cargo that runs us, or the one of the search path.
fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
impl Workspace {
    /// This workspace with xtask as its only package, without asking cargo: an ordinary user,
    /// as whom the tests are run too, may have none.
    pub(crate) fn for_tests() -> Self {
        let manifest_path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let root = manifest_path.ancestors().nth(2).expect("a workspace").to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let package = Package { id: "xtask-id".into(), name: "xtask".into(), manifest_path };
        let packages = BTreeMap::from([(package.id.clone(), package)]);
        Self { target: root.join(target), root, packages }
    }
}
