//! The list of executables that a build leaves beside `run-tests`.
//!
//! One line for each, four fields separated by tabs: kind, package, target, file name. The kinds
//! are `bin`, `example`, `unit` (the tests inside a library or program) and `test` (a suite of its
//! own); the last two are run.

use std::{fmt, io, path::Path, str::FromStr};

/// What an executable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program; suites find it by `CARGO_BIN_EXE_<target>`.
    Bin,
    /// An example.
    Example,
    /// The tests inside a library or program.
    Unit,
    /// A suite of its own.
    Test,
}

impl Kind {
    const NAMES: [(Self, &'static str); 4] = [
        (Self::Bin, "bin"),
        (Self::Example, "example"),
        (Self::Unit, "unit"),
        (Self::Test, "test"),
    ];

    /// Whether it is run as a test.
    #[must_use]
    pub fn is_test(self) -> bool {
        matches!(self, Self::Unit | Self::Test)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(kind, _)| kind == self);
        f.pad(name.map_or("", |(_, name)| name))
    }
}

/// One executable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The package it was built from.
    pub package: String,
    /// The target's name in that package.
    pub target: String,
    /// Its file, beside the manifest.
    pub file: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}\t{}", self.kind, self.package, self.target, self.file)
    }
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, package, target, file] = fields[..] else {
            return Err(format!("{} fields instead of 4: {line:?}", fields.len()));
        };
        let kind = Kind::NAMES.iter().find(|(_, name)| *name == kind);
        let (kind, _) = kind.ok_or_else(|| format!("unknown kind: {line:?}"))?;
        if file.is_empty() || file.contains('/') {
            return Err(format!("not the name of a file beside the manifest: {line:?}"));
        }
        Ok(Self {
            kind: *kind,
            package: package.to_owned(),
            target: target.to_owned(),
            file: file.to_owned(),
        })
    }
}

/// Reads a manifest.
///
/// # Errors
///
/// The file cannot be read, or a line of it is none of ours (`InvalidData`).
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let text = std::fs::read_to_string(path)?;
    let entry = |(index, line): (usize, &str)| {
        line.parse().map_err(|why| {
            io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {why}", index + 1))
        })
    };
    text.lines().enumerate().map(entry).collect()
}

/// A manifest as text.
#[must_use]
pub fn write(entries: &[Entry]) -> String {
    entries.iter().fold(String::new(), |text, entry| text + &entry.to_string() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_the_line_it_writes() {
        for (kind, _) in Kind::NAMES {
            let entry = Entry {
                kind,
                package: "capsicum-rs".into(),
                target: "conformance".into(),
                file: "capsicum-rs.conformance".into(),
            };
            assert_eq!(entry.to_string().parse(), Ok(entry));
        }
    }

    #[test]
    fn lines_that_name_no_file_beside_the_manifest_are_refused() {
        for line in ["", "test\ta\tb", "lib\ta\tb\tc", "test\ta\tb\t../c", "test\ta\tb\t"] {
            assert!(line.parse::<Entry>().is_err(), "{line:?}");
        }
    }
}
