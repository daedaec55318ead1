//! What a supervised call costs, and a program that makes many: under `sandbox-spawn run`, at each
//! of its levels and without it.

use std::{
    env,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::table::{Table, least, median, micros, nanos, ratio};

/// The word with which this program times calls instead, in the sandbox.
pub(crate) const WITHIN: &str = "time-calls";

/// Where `cargo xtask bench` says that the command is, and the workspace.
const COMMAND: &str = "CAPSICUM_BENCH_COMMAND";
const WORKSPACE: &str = "CAPSICUM_BENCH_WORKSPACE";

/// A call that is timed, in the directory that may be written.
type Timed = (&'static str, fn(&Path, &mut File) -> io::Result<()>);

const TIMED: [Timed; 8] = [
    ("stat, absolute path", |base, _| fs::metadata(base.join("dir/file")).map(drop)),
    ("stat, relative path", |_, _| fs::metadata("dir/file").map(drop)),
    ("stat of nothing", |base, _| match fs::metadata(base.join("dir/none")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }),
    ("stat of what is open", |_, file| file.metadata().map(drop)),
    ("readlink", |base, _| fs::read_link(base.join("dir/link")).map(drop)),
    ("open with O_PATH + close", |base, _| {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_PATH).open(base.join("dir/file")).map(drop)
    }),
    ("chmod", |base, _| fs::set_permissions(base.join("dir/file"), Permissions::from_mode(0o644))),
    ("read 1 byte: not supervised", |_, file| file.read(&mut [0]).map(drop)),
];

/// Calls of one kind in a row.
const BATCH: u32 = 500;

/// Times every call and prints nanoseconds, the least of some batches.
pub(crate) fn time_calls(base: &Path) -> Result<()> {
    let mut file = File::open(base.join("dir/file"))?;
    for (name, call) in TIMED {
        let mut best = Duration::MAX;
        for _ in 0..9 {
            let before = Instant::now();
            for _ in 0..BATCH {
                call(base, &mut file).context(name)?;
            }
            best = best.min(before.elapsed());
        }
        println!("{name}\t{}", best.as_secs_f64() * 1e9 / f64::from(BATCH));
    }
    Ok(())
}

/// How a program is run.
const HELD: [(&str, &[&str]); 3] = [
    ("bare", &[]),
    ("landlock, supervised", &["--level", "landlock"]),
    ("directories", &["--level", "directories"]),
];

/// A command, held so; nothing of the caller's is read.
fn command(level: &[&str], base: &Path, words: &[&str]) -> Result<Command> {
    let [program, arguments @ ..] = words else { bail!("no command") };
    let mut command = if level.is_empty() {
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/");
        command
    } else {
        let wrapper = env::var_os(COMMAND).context("started by `cargo xtask bench`")?;
        let mut command = Command::new(wrapper);
        command.args(["run", "--quiet"]).args(level).args(["--read", "/usr", "--write"]);
        command.arg(base).arg("--").args(words);
        command
    };
    command.current_dir(base).stdin(Stdio::null()).stderr(Stdio::inherit());
    Ok(command)
}

/// A clone of this project.
fn real_tree(base: &Path) -> Result<bool> {
    let workspace = env::var_os(WORKSPACE).context("started by `cargo xtask bench`")?;
    let mut clone = Command::new("git");
    clone.args(["clone", "--quiet", "--no-hardlinks"]).arg(workspace).arg(base);
    Ok(clone.stdin(Stdio::null()).status().is_ok_and(|status| status.success()))
}

/// Prints the tables.
pub(crate) fn print(rounds: usize) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let base = fs::canonicalize(directory.path())?;
    fs::create_dir(base.join("dir"))?;
    fs::write(base.join("dir/file"), "text")?;
    std::os::unix::fs::symlink("file", base.join("dir/link"))?;
    // What is executed must be granted, and may be anywhere.
    let own = base.join("bench");
    fs::copy(env::current_exe()?, &own)?;
    let own = own.to_str().context("a path that is no text")?;
    println!("\nsandbox-spawn run: nanoseconds of a call, the least of 9 batches of {BATCH}\n");
    let mut columns = Vec::new();
    for (name, level) in HELD {
        let mut timing = command(level, &base, &[own, WITHIN, base.to_str().unwrap_or_default()])?;
        let output = timing.output()?;
        if !output.status.success() {
            println!("{name}: left out: {}", String::from_utf8_lossy(&output.stderr).trim());
            continue;
        }
        let text = String::from_utf8(output.stdout)?;
        let times: Vec<f64> =
            text.lines().filter_map(|line| line.split_once('\t')?.1.parse().ok()).collect();
        columns.push((name, times));
    }
    let mut table = Table::new(["call"].into_iter().chain(columns.iter().map(|(name, _)| *name)));
    for (at, (name, _)) in TIMED.iter().enumerate() {
        let times =
            columns.iter().map(|(_, times)| times.get(at).copied().map_or("-".to_owned(), nanos));
        table.row([(*name).to_owned()].into_iter().chain(times).collect());
    }
    table.print();
    git_status(rounds)
}

/// `git status`, which asks of every file.
fn git_status(rounds: usize) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let base = fs::canonicalize(directory.path())?.join("tree");
    if !real_tree(&base)? {
        println!("git status: left out: this project cannot be cloned by git here");
        return Ok(());
    }
    let words = ["git", "-c", "core.fsmonitor=false", "status", "--porcelain"];
    let listed = command(&[], &base, &["git", "ls-files"])?.output()?;
    let files = String::from_utf8_lossy(&listed.stdout).lines().count();
    let rounds = rounds.clamp(1, 50);
    println!(
        "`git status` of this project ({files} files), start and end of the sandbox included, \
         milliseconds, {rounds} rounds\n"
    );
    let mut table = Table::new(["held", "median", "min", "to bare, by min"]);
    let mut bare = None;
    for (name, level) in HELD {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let before = Instant::now();
            let output = command(level, &base, &words)?.output()?;
            if !output.status.success() || !output.stdout.is_empty() {
                bail!("git status, {name}: {}", String::from_utf8_lossy(&output.stdout));
            }
            times.push(before.elapsed().as_secs_f64() * 1e3);
        }
        let bare = *bare.get_or_insert_with(|| least(&times));
        table.row(vec![
            name.to_owned(),
            micros(median(&times)),
            micros(least(&times)),
            ratio(least(&times) / bare),
        ]);
    }
    table.print();
    Ok(())
}
