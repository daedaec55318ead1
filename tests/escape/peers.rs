//! Other confinements, under which the same attacks are made by the same program, with the same
//! grants: one directory to read, one to write, and what a program needs to start.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::{
        fd::AsRawFd,
        unix::{fs::OpenOptionsExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    attempt::Attack,
    raw::{self, number},
    stage::{Objects, Stage},
    verdict::{self, Report, Verdict},
};

const DEADLINE: Duration = Duration::from_secs(20);

/// A confinement.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// What its column is called.
    pub(crate) name: &'static str,
    program: PathBuf,
    /// Of this program's, where to find it.
    own: PathBuf,
}

/// What stands for the paths of a run.
const IN: &str = "IN";
const OUT: &str = "OUT";
const SELF: &str = "ATTACKER";
const SET_ID: &str = "SETUID";

const NAMES: [(&str, &str, &[&str]); 4] = [
    (
        "sandbox-spawn, directories",
        "sandbox-spawn",
        &[
            "run",
            "--level",
            "directories",
            "--quiet",
            "--proc",
            "--read",
            IN,
            "--write",
            OUT,
            "--read",
            SET_ID,
            "--",
        ],
    ),
    (
        "sandbox-spawn, landlock",
        "sandbox-spawn",
        &[
            "run", "--level", "landlock", "--quiet", "--read", IN, "--write", OUT, "--read",
            SET_ID, "--",
        ],
    ),
    (
        "bwrap",
        "bwrap",
        &[
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
            "--clearenv",
            "--ro-bind",
            "/usr",
            "/usr",
            "--symlink",
            "usr/bin",
            "/bin",
            "--symlink",
            "usr/lib",
            "/lib",
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--ro-bind",
            IN,
            IN,
            "--bind",
            OUT,
            OUT,
            "--ro-bind",
            SELF,
            SELF,
            "--ro-bind",
            SET_ID,
            SET_ID,
            "--",
        ],
    ),
    (
        "firejail",
        "firejail",
        &[
            "--quiet",
            "--noprofile",
            "--seccomp",
            "--seccomp.block-secondary",
            "--caps.drop=all",
            "--nonewprivs",
            "--net=none",
            "--ipc-namespace",
            "--private",
            "--private-dev",
            "--restrict-namespaces",
            "--whitelist=IN",
            "--whitelist=OUT",
            "--whitelist=SETUID",
            "--read-only=IN",
            "--",
        ],
    ),
];

/// Those of these names that are installed; of the others, why they are not there.
pub(crate) fn find(names: &[String]) -> (Vec<Peer>, Vec<(String, String)>) {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let own = std::env::current_exe().unwrap_or_default();
    for (name, program, _) in NAMES {
        if !names.iter().any(|wanted| *wanted == program) {
            continue;
        }
        let given = std::env::var_os(format!("CARGO_BIN_EXE_{program}")).map(PathBuf::from);
        let installed = || {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.exists())
        };
        match given.or_else(installed) {
            Some(program) => found.push(Peer { name, program, own: own.clone() }),
            None => missing.push((name.to_owned(), format!("{program} is not installed"))),
        }
    }
    (found, missing)
}

impl Peer {
    /// Whether it is of this workspace.
    pub(crate) fn ours(&self) -> bool {
        self.name.starts_with("sandbox-spawn")
    }

    /// What it says of its version.
    pub(crate) fn version(&self) -> String {
        let output = Command::new(&self.program).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
    }

    fn options(&self) -> &'static [&'static str] {
        NAMES.iter().find(|(name, ..)| *name == self.name).map_or(&[], |(.., options)| options)
    }

    /// The command line, with names for the paths.
    pub(crate) fn line(&self) -> String {
        let program = self.program.file_name().unwrap_or_default().display();
        format!("{program} {} {SELF}", self.options().join(" "))
    }

    /// Makes an attack as a program that it confines.
    pub(crate) fn attempt(&self, attack: &Attack, base: &Path, objects: &Objects) -> Verdict {
        let stage = match Stage::set(base, objects) {
            Ok(stage) => stage,
            Err(error) => return Verdict::Fault(error.to_string()),
        };
        let verdict = self.run(attack, &stage);
        stage.strike();
        verdict.unwrap_or_else(|error| Verdict::Fault(error.to_string()))
    }

    fn run(&self, attack: &Attack, stage: &Stage) -> io::Result<Verdict> {
        let scene = &stage.scene;
        let path = |name: &str| scene.base.join(name).display().to_string();
        let mut command = Command::new(&self.program);
        for option in self.options() {
            let (before, name) = option.split_once('=').unwrap_or(("", option));
            let value = match name {
                IN => path("in"),
                OUT => path("out"),
                SELF => self.own.display().to_string(),
                SET_ID => self.set_id(stage),
                _ => {
                    command.arg(option);
                    continue;
                }
            };
            command.arg(if before.is_empty() { value } else { format!("{before}={value}") });
        }
        command.arg(&self.own).args(["--attack", attack.name, &scene.to_argument()]);
        let terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(format!("/dev/pts/{}", scene.other.terminal))?;
        let (output, write) = raw::pipe()?;
        command.stdin(terminal).stdout(write).stderr(Stdio::null()).process_group(0);
        let child = command.spawn()?;
        drop(command);
        let pid = i32::try_from(child.id()).unwrap_or(-1);
        let process = raw::opened(libc::SYS_pidfd_open, &[number(pid), 0])?;
        let ended = verdict::ended(&process, DEADLINE);
        raw::kill(pid, libc::SIGKILL);
        let status = raw::wait(pid);
        raw::end_group(pid);
        let mut effects = stage.effects();
        // Its own processes end a moment later.
        effects.extend(stage.outlived(Duration::from_millis(500)));
        let fd = number(output.as_raw_fd());
        let _ = raw::call(libc::SYS_fcntl, &[fd, 4, libc::O_NONBLOCK as usize]);
        let mut bytes = Vec::new();
        // What is left of it may hold the other end open: what is there now is all.
        let _ = File::from(output).read_to_end(&mut bytes);
        let report = Report::from_output(&String::from_utf8_lossy(&bytes));
        // A wrapper tells the signal that ended its program so.
        let status = match libc::WEXITSTATUS(status) {
            code @ 129..=192 if libc::WIFEXITED(status) => code - 128,
            _ => status,
        };
        Ok(verdict::judge(ended, status, report, &effects))
    }

    /// A path that is there, where root has made no such program.
    fn set_id(&self, stage: &Stage) -> String {
        let path = &stage.scene.set_id;
        let path = if path == Path::new("/") { &self.own } else { path };
        path.display().to_string()
    }
}
