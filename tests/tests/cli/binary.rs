//! Where the command is.

use std::{env, path::PathBuf, process::Command, sync::OnceLock};

/// The binary: what the runner of the tests names as cargo would, or, under cargo, what it builds,
/// or what lies beside the test.
pub(crate) fn sandbox_spawn() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> PathBuf {
    if let Some(path) = env::var_os("CARGO_BIN_EXE_sandbox-spawn") {
        return path.into();
    }
    let own = env::current_exe().expect("the test knows its own file");
    let beside = own.parent().expect("a file has a directory");
    if beside.ends_with("deps") {
        let profile = beside.parent().expect("deps is in the directory of the profile");
        build(profile.ends_with("release"));
        return profile.join("sandbox-spawn");
    }
    beside.join("sandbox-spawn")
}

/// Cargo does not build the binaries of other packages for a test. Where cargo is not running
/// the test, what is there is taken.
fn build(release: bool) {
    let Some(cargo) = env::var_os("CARGO") else { return };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "sandbox-spawn-cli"]);
    if release {
        command.arg("--release");
    }
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(status.expect("cargo runs").success(), "sandbox-spawn does not build");
}
