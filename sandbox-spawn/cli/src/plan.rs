//! All that is decided before anything starts.

use std::{
    env,
    ffi::{CString, OsString},
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use crate::{
    args::{Level, RunOptions},
    defaults,
    environment::Environment,
    error::Error,
    grants::{Access, Grants},
    resolve, sys,
};

/// All that is decided before anything starts.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "FreeBSD confines no program yet")]
pub(crate) struct Plan {
    /// What the program may reach.
    pub(crate) grants: Grants,
    /// Its environment, as execve(2) takes it.
    pub(crate) environment: Vec<CString>,
    /// Where it starts.
    pub(crate) directory: PathBuf,
    /// Whether it has a /proc.
    pub(crate) proc: bool,
    /// The level that it must be held at, if not the best there is.
    pub(crate) level: Option<Level>,
    /// Whether to keep quiet about a lesser level.
    pub(crate) quiet: bool,
    /// Its name as it was given.
    pub(crate) name: OsString,
    /// Its name and arguments, as execve(2) takes them.
    pub(crate) arguments: Vec<CString>,
    /// What to execute: the first that exists in the sandbox.
    pub(crate) candidates: Vec<CString>,
}

impl Plan {
    /// Decides; looks at the host's files and changes nothing.
    pub(crate) fn new(options: &RunOptions) -> Result<Self, Error> {
        let name = options.command.first().filter(|name| !name.is_empty());
        let name = name.ok_or(Error::EmptyCommand)?.clone();
        for (descriptor, stream) in
            [(0, "standard input"), (1, "standard output"), (2, "standard error")]
        {
            if sys::is_directory(descriptor) {
                return Err(Error::StandardStream(stream));
            }
        }
        // A caller in a directory that is gone can still name absolute paths.
        let here = env::current_dir().and_then(fs::canonicalize).unwrap_or_else(|_| "/".into());
        let environment = Environment::new(&options.env)?;
        let mut grants = Grants::default();
        for path in &options.read {
            grants.ask("--read", &here, path, Access { write: false, execute: true })?;
        }
        for path in &options.write {
            grants.ask("--write", &here, path, Access { write: true, execute: false })?;
        }
        let candidates = candidates(&here, &name, &environment);
        if !options.no_defaults {
            let command = candidates.iter().find(|path| sys::is_executable(path));
            defaults::grant(&mut grants, command.map(PathBuf::as_path));
        }
        let directory = match &options.chdir {
            Some(path) => asked_directory(&here, path, &grants)?,
            None if grants.deciding(&here).is_some() => here,
            None => "/".into(),
        };
        let arguments = options.command.iter().cloned().map(string).collect::<Result<_, _>>()?;
        let candidates = candidates.into_iter().map(|path| string(path.into_os_string()));
        Ok(Self {
            environment: environment.to_strings()?,
            directory,
            proc: options.proc,
            level: options.level,
            quiet: options.quiet,
            name,
            arguments,
            candidates: candidates.collect::<Result<_, _>>()?,
            grants,
        })
    }
}

fn string(text: OsString) -> Result<CString, Error> {
    CString::new(text.into_vec()).map_err(|_| Error::Nul)
}

/// Where a command may be: as it is named from here if that has a slash, otherwise in each
/// directory of the sandbox's own PATH.
fn candidates(here: &Path, name: &OsString, environment: &Environment) -> Vec<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return vec![here.join(name)];
    }
    // An empty entry means the current directory to shells; a sandbox is no place for that.
    let absolute = |path: &PathBuf| path.is_absolute();
    env::split_paths(environment.path()).filter(absolute).map(|path| path.join(name)).collect()
}

fn asked_directory(here: &Path, path: &Path, grants: &Grants) -> Result<PathBuf, Error> {
    let option = "--chdir";
    let fault = |source| Error::Path { option, path: path.to_owned(), source };
    let real = resolve::resolve(here, path).map_err(fault)?.real;
    if !fs::metadata(&real).map_err(fault)?.is_dir() {
        return Err(fault(io::Error::from_raw_os_error(libc::ENOTDIR)));
    }
    if real != Path::new("/") && grants.deciding(&real).is_none() {
        let reason = "is not granted: add --read or --write".to_owned();
        return Err(Error::Refused { option, path: path.to_owned(), reason });
    }
    Ok(real)
}
