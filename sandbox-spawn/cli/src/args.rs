//! The command line, and what is wrong with it in one line.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, error::ErrorKind};

use crate::error::Error;

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Something to do.
    Action(Action),
    /// Help or the version, to be printed.
    Text(String),
}

#[derive(Debug, Parser)]
#[command(
    name = "sandbox-spawn",
    version,
    about = "Runs a program with just the paths that it is granted",
    long_about = "Runs a program with just the paths that it is granted: no other files, no \
                  network, no other processes, no way to more privileges.",
    after_help = RUN_EXAMPLES,
    disable_help_subcommand = true
)]
struct CommandLine {
    #[command(subcommand)]
    action: Action,
}

const RUN_EXAMPLES: &str = "\
Examples:
  sandbox-spawn run --read . -- wc -l README.md
  sandbox-spawn run --read . --write out -- tar -cf out/src.tar src
  sandbox-spawn doctor
  sandbox-spawn demo

`sandbox-spawn run --help` tells what a program is given and what the exit codes mean.";

const RUN_HELP: &str = "\
What a program is given without being asked for (not with --no-defaults):
  - the file of CMD, and the interpreter that it names (ELF or #!), to read and execute;
  - /usr/lib, /usr/lib32, /usr/lib64, /lib, /lib32, /lib64 and /etc/ld.so.cache, to read and
    execute, where the host has them.
It always has /dev/null, zero, full, random and urandom, /dev/tty if one of its standard streams
is a terminal and, at the level `directories`, an empty /tmp and /dev/shm of its own.

Its environment is PATH=/usr/local/bin:/usr/bin:/bin, HOME=/ and, on a terminal, TERM; --env adds
to it or replaces it. It has its standard streams and no other open descriptors. It starts in the
directory of the caller where that is granted, otherwise in /. It dumps no core.

Levels, best first:
  directories  a private root with just the granted paths, private process ids, IPC and network
               (nothing to connect to), with Landlock and a filter of system calls on top. Needs
               user namespaces, or root.
  landlock     Landlock and the filter, where namespaces are not to be had, and a supervisor that
               answers what Landlock does not see: stat, chmod and their like. Whether a name is
               taken by another file can be seen. Where there can be no supervisor, the metadata of
               other files can be seen too, and chmod, chown, utimes and setxattr are refused
               everywhere. One line on standard error says which.
Neither to be had: nothing is run.

Exit codes:
  the program's own; 128+N when signal N killed it;
  125  nothing was run: bad options, or the host cannot enforce them;
  126  CMD was found and cannot be executed;
  127  CMD was not found.

Examples:
  sandbox-spawn run --read . -- wc -l README.md
  sandbox-spawn run --read . --write out -- tar -cf out/src.tar src
  sandbox-spawn run --read /usr --env LANG=C.UTF-8 -- python3 -c 'print(1)'
  sandbox-spawn run --write . --read .git -- make
  sandbox-spawn run --read . --write . -- ./configure";

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run a program with just the paths that it is granted
    #[command(after_help = RUN_HELP, override_usage = "sandbox-spawn run [OPTIONS] -- CMD [ARG]...")]
    Run(RunOptions),
    /// Confine a real job, then attack the confinement, and show what stopped each attempt
    Demo(DemoOptions),
    /// Tell what this host can enforce, and what to change to get more
    Doctor,
    /// The attacker of the demo
    #[command(hide = true)]
    Attack(AttackOptions),
    /// The packer of the demo, where the host has no tar or gzip
    #[command(hide = true)]
    Pack(PackOptions),
}

/// What `run` is to do.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunOptions {
    /// Let the program read and execute this file, or what is beneath this directory
    #[arg(long, value_name = "PATH")]
    pub(crate) read: Vec<PathBuf>,
    /// Let the program read, write, create and remove beneath this directory, or write this file;
    /// not execute, unless --read names it too. Of nested paths the longest one decides
    #[arg(long, value_name = "PATH")]
    pub(crate) write: Vec<PathBuf>,
    /// Set a variable, or pass on the caller's; nothing else of the environment is inherited
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<OsString>,
    /// Start in this directory, which must be granted
    #[arg(long, value_name = "PATH")]
    pub(crate) chdir: Option<PathBuf>,
    /// Mount a /proc that shows the program's own processes and no settings of the kernel
    #[arg(long)]
    pub(crate) proc: bool,
    /// Grant nothing that is not asked for (see below)
    #[arg(long)]
    pub(crate) no_defaults: bool,
    /// Hold the program at this level or run nothing; without it, at the best there is
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// Do not say so where the level is not the best one
    #[arg(long)]
    pub(crate) quiet: bool,
    /// The program and its arguments
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// What `demo` is to do.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoOptions {
    /// Show this level; without it, the best there is
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
}

/// What the attacker is to try; hidden.
#[derive(Clone, Debug, Args)]
pub(crate) struct AttackOptions {
    /// The file outside of the grants.
    #[arg(long)]
    pub(crate) secret: PathBuf,
    /// The directory that is granted for writing.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// The directory that is granted for reading.
    #[arg(long)]
    pub(crate) tree: PathBuf,
    /// The port of a TCP and a UDP socket on the loopback interface.
    #[arg(long)]
    pub(crate) port: u16,
    /// The path of a Unix socket.
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// The abstract name of a Unix socket.
    #[arg(long)]
    pub(crate) name: String,
    /// The process that must not be reached.
    #[arg(long)]
    pub(crate) pid: i32,
    /// The key of a System V shared memory segment.
    #[arg(long)]
    pub(crate) shm: i32,
    /// The address of a secret in the process that must not be reached.
    #[arg(long)]
    pub(crate) address: usize,
}

/// What is to be packed; hidden.
#[derive(Clone, Debug, Args)]
pub(crate) struct PackOptions {
    /// The directory.
    pub(crate) tree: PathBuf,
    /// The archive.
    pub(crate) archive: PathBuf,
}

/// How far a program is held to its grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// A private root, with Landlock and the filter on top
    Directories,
    /// Landlock and the filter
    Landlock,
}

impl Level {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Directories => "directories",
            Self::Landlock => "landlock",
        }
    }
}

/// Reads the command line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Parsed, Error> {
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => Ok(Parsed::Action(line.action)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Text(error.render().to_string()))
            }
            _ => Err(Error::Usage(one_line(&error))),
        },
    }
}

/// The first line of what clap says, which names the fault; the rest is usage and tips.
fn one_line(error: &clap::Error) -> String {
    if matches!(
        error.kind(),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        return "a command is missing: run, demo or doctor".to_owned();
    }
    let text = error.render().to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    // What may be given instead.
    match lines.next().map(str::trim).filter(|line| line.starts_with("[possible values")) {
        Some(values) => format!("{first} {values}"),
        None => first.to_owned(),
    }
}
