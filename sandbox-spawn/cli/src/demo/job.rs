//! The real job of the demo: packing a source tree, confined to reading it and writing one
//! directory.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::archive;
use crate::{args::Level, error::Error};

/// How the demo starts programs: through this very command.
pub(super) struct Confined<'a> {
    pub(super) level: Level,
    pub(super) tree: &'a Path,
    pub(super) out: &'a Path,
}

/// An archive that was made and looked at.
pub(super) struct Packed {
    pub(super) archive: PathBuf,
    pub(super) bytes: u64,
    pub(super) entries: usize,
    pub(super) with: &'static str,
}

impl Confined<'_> {
    /// `sandbox-spawn run` with the grants of the demo, in front of a command.
    pub(super) fn command<S: AsRef<OsStr>>(
        &self,
        words: impl IntoIterator<Item = S>,
    ) -> Result<Command, Error> {
        let mut command = Command::new(own_path()?);
        command.args(["run", "--quiet", "--level", self.level.name(), "--read"]).arg(self.tree);
        command.arg("--write").arg(self.out).arg("--").args(words);
        Ok(command)
    }

    fn run(&self, words: &[&OsStr]) -> Result<(), Error> {
        let status = self
            .command(words)?
            .stdin(Stdio::null())
            .status()
            .map_err(|source| Error::system("starting sandbox-spawn", source))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Demo(format!("the confined {} failed: {status}", words[0].display())))
    }

    /// Packs the tree and looks at the archive.
    pub(super) fn pack(&self) -> Result<Packed, Error> {
        let plain = self.out.join("sources.tar");
        if !(is_there("tar") && is_there("gzip")) {
            let own = own_path()?;
            self.run(&[own.as_ref(), "pack".as_ref(), self.tree.as_ref(), plain.as_ref()])?;
            let listed = File::open(&plain).and_then(archive::list);
            return self.looked_at(plain, listed, "the built-in packer");
        }
        let left_out = archive::LEFT_OUT.map(|name| format!("--exclude=./{name}"));
        let mut words: Vec<&OsStr> = vec!["tar".as_ref(), "-cf".as_ref(), plain.as_ref()];
        words.extend(left_out.iter().map(OsStr::new));
        words.extend([OsStr::new("-C"), self.tree.as_ref(), OsStr::new(".")]);
        self.run(&words)?;
        let packed = self.out.join("sources.tar.gz");
        // Through its streams: a file that it names it gives the mode and the times of the other
        // one, which the level `landlock` refuses.
        let fault = |source| Error::system("packing", source);
        let squeezed = self
            .command(["gzip", "-nc"])?
            .stdin(File::open(&plain).map_err(fault)?)
            .stdout(File::create(&packed).map_err(fault)?)
            .status()
            .map_err(|source| Error::system("starting sandbox-spawn", source))?;
        if !squeezed.success() {
            return Err(Error::Demo(format!("the confined gzip failed: {squeezed}")));
        }
        fs::remove_file(&plain).map_err(fault)?;
        let mut unpack = self
            .command(["gzip".as_ref(), "-dc".as_ref(), packed.as_os_str()])?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::system("starting sandbox-spawn", source))?;
        let listed = unpack.stdout.take().map_or(Ok(Vec::new()), archive::list);
        let status = unpack.wait().map_err(|source| Error::system("wait", source))?;
        if !status.success() {
            return Err(Error::Demo(format!("the confined gzip -dc failed: {status}")));
        }
        self.looked_at(packed, listed, "tar and gzip")
    }

    /// An archive must have what the tree has.
    fn looked_at(
        &self,
        packed: PathBuf,
        listed: std::io::Result<Vec<String>>,
        with: &'static str,
    ) -> Result<Packed, Error> {
        let fault = |what: &str| Error::Demo(format!("{}: {what}", packed.display()));
        let names = listed.map_err(|error| fault(&error.to_string()))?;
        let entries = fs::read_dir(self.tree).map_err(|error| fault(&error.to_string()))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let expected = entry.file_type().is_ok_and(|kind| kind.is_file())
                && name.len() < 90
                && !archive::LEFT_OUT.contains(&&*name);
            if expected && !names.iter().any(|listed| *listed == format!("./{name}")) {
                return Err(fault(&format!("{name} is not in it")));
            }
        }
        let bytes = fs::metadata(&packed).map_err(|error| fault(&error.to_string()))?.len();
        Ok(Packed { entries: names.len(), archive: packed, bytes, with })
    }
}

/// The file of this program.
pub(super) fn own_path() -> Result<PathBuf, Error> {
    env::current_exe().map_err(|source| Error::system("finding the own program", source))
}

fn is_there(command: &str) -> bool {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .any(|directory| crate::sys::is_executable(&Path::new(directory).join(command)))
}
