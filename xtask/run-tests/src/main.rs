//! Runs the test executables of a manifest. See the library for what it does with each.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{self, Command, ExitCode},
    time::Duration,
};

use run_tests::{
    Suite,
    manifest::{self, Entry, Kind},
};

const HELP: &str = "\
Runs the test executables of a manifest, one after another, and counts the results.

usage: run-tests [OPTION]... [WORD]...

A WORD selects the executables whose file name contains it; without one all are run.

  --manifest FILE    the list of executables (default: `manifest` beside this program)
  --deadline SECS    when an executable is killed (default: 300)
  --threads N        how many tests of one executable run at a time (default: 1)
  --list             print the executables that would be run
  --help             this text

The exit status is 0 when at least one test passed and none failed, 1 when not, 2 for a bad call.
";

struct Options {
    manifest: PathBuf,
    deadline: Duration,
    threads: u32,
    list: bool,
    words: Vec<String>,
}

fn main() -> ExitCode {
    let options = match parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("run-tests: {why}; --help tells more");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("run-tests: {}: {error}", options.manifest.display());
            ExitCode::from(2)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        manifest: beside_this_program("manifest"),
        // Long enough for an emulated machine; single tests have deadlines of their own.
        deadline: Duration::from_secs(300),
        threads: 1,
        list: false,
        words: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--list" => options.list = true,
            "--manifest" => options.manifest = value()?.into(),
            "--deadline" => options.deadline = Duration::from_secs(number(&argument, &value()?)?),
            "--threads" => options.threads = number(&argument, &value()?)?,
            _ if argument.starts_with('-') => return Err(format!("unknown option {argument}")),
            _ => options.words.push(argument),
        }
    }
    Ok(Some(options))
}

fn number<N: TryFrom<u64>>(option: &str, value: &str) -> Result<N, String> {
    let number = value.parse::<u64>().ok().filter(|number| *number > 0);
    let number = number.and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| format!("{option} needs a number above 0, not {value}"))
}

fn beside_this_program(name: &str) -> PathBuf {
    // The kernel may have forgotten the path, which the name it was started by then tells.
    let own = env::current_exe().ok().or_else(|| env::args_os().next().map(PathBuf::from));
    let directory = own.and_then(|own| Some(own.parent()?.to_owned()));
    directory.unwrap_or_default().join(name)
}

fn run(options: &Options) -> io::Result<bool> {
    let entries = manifest::read(&options.manifest)?;
    let chosen = |entry: &&Entry| {
        entry.kind.is_test()
            && (options.words.is_empty()
                || options.words.iter().any(|word| entry.file.contains(word)))
    };
    let directory = fs::canonicalize(&options.manifest)?;
    let directory = directory.parent().unwrap_or(Path::new("/"));
    if options.list {
        entries.iter().filter(chosen).for_each(|entry| println!("{}", entry.file));
        return Ok(true);
    }
    run_tests::no_cores()?;
    let scratch = Scratch::new(directory)?;
    let mut suite = Suite::new();
    for (index, entry) in entries.iter().filter(chosen).enumerate() {
        let home = scratch.0.join(index.to_string());
        fs::create_dir(&home)?;
        let mut command = Command::new(directory.join(&entry.file));
        command
            .arg("--show-output")
            .arg(format!("--test-threads={}", options.threads))
            .current_dir(&home)
            .env("TMPDIR", &home)
            .env("HOME", &home);
        for program in entries.iter().filter(|entry| entry.kind == Kind::Bin) {
            let name = format!("CARGO_BIN_EXE_{}", program.target);
            command.env(name, directory.join(&program.file));
        }
        let title = format!("{} {} ({})", entry.package, entry.target, entry.kind);
        suite.run(&title, &mut command, options.deadline);
    }
    suite.print_summary();
    Ok(suite.total().is_success())
}

/// A directory for the executables' temporary files, gone when the run is over.
struct Scratch(PathBuf);

impl Scratch {
    /// In the system's temporary directory; where that cannot be written, beside the manifest.
    fn new(beside: &Path) -> io::Result<Self> {
        Self::within(&env::temp_dir()).or_else(|_| Self::within(beside))
    }

    /// Under the first name that is free: on a system that starts little, the process has the same
    /// number each time, and a run that was cut short leaves its directory.
    fn within(directory: &Path) -> io::Result<Self> {
        let mut count = 0;
        loop {
            let path = directory.join(format!("run-tests.{}.{count}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => count += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("run-tests: {} is left: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_run_left_is_not_in_the_way() {
        let parent = Scratch::within(&env::temp_dir()).unwrap();
        let (one, other) =
            (Scratch::within(&parent.0).unwrap(), Scratch::within(&parent.0).unwrap());
        assert_ne!(one.0, other.0);
        assert!(one.0.is_dir() && other.0.is_dir());
        assert!(Scratch::within(&parent.0.join("missing")).is_err());
        drop((one, other));
    }
}
