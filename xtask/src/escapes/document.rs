//! The whole of `docs/ESCAPES.md`: a head that names the hosts, and a body that does not.

use std::fmt::{self, Write};

use super::lines::{Case, Results};

/// The generated file.
#[derive(Debug)]
pub(super) struct Document {
    /// With the kernel of whoever ran the suite.
    head: String,
    /// From the first heading within it on.
    body: String,
}

const HEAD: &str = "\
# What attacks come to

Written by `cargo xtask escapes` from runs of the escape suite (`tests/escape`); `cargo xtask ci
escapes` fails if it is not what the suite shows. Each attack is first made without any sandbox: what
does not get through there shows nothing, and is listed at the end. Whether it got through is seen
from outside: the secret was read, the file has changed, the process got the signal.

";

const COLUMNS: &str = "\
## What is compared

`Descriptors`, `Landlock` and `Directories` are the levels of capability mode in the library. The
attacking code holds one directory for reading, one for writing and a terminal, or, where an attack
is about global names alone, every right there is on all that is open. The other columns are the same
code as a program of its own with the same two directories, under these commands:

";

const FAIR: &str = "
These are for different things. Capability mode is for code that is written, or called, with
descriptors in hand: it runs no other programs by their names, and most that a program might ask for is
not there. `sandbox-spawn run` and bubblewrap run programs that know of nothing: a shell, forks and
calls that capability mode has not, must work there. bubblewrap makes namespaces and leaves the filter of
system calls to its caller, who gives one by `--seccomp`; here there is none, as on its own command
line. firejail is mostly used with a profile for a known program; here it has none, and the files of
the host other than those in the directory for temporary files stay to be read, which is its default.
Something that gets through there may be just what its policy allows.

";

const LEGEND: &str = "\
## How to read the tables

An error is the one that stopped the attack. *no effect*: no call was refused, and nothing came of it.
*killed*: a signal ended the attacker. *not entered*: with such grants entering is an error.
**through**: it got what it was not granted; with a number, the documentation says so: see the end. –:
it is about descriptors with rights, which programs are not handed. *not here*: it could not be made.
Where root and an ordinary user differ, root comes first.

";

impl Document {
    /// From a run here, and one under other confinements.
    pub(super) fn new(own: &Results, peers: &Results) -> Self {
        let release = |results: &Results| {
            results
                .system
                .split_once('-')
                .map_or(&*results.system, |(release, _)| release)
                .to_owned()
        };
        let mut head = HEAD.to_owned();
        let _ = writeln!(head, "- {}, as root and as an ordinary user", release(own));
        for (name, state) in &own.mechanisms {
            let _ = writeln!(head, "  - {name}: {state}");
        }
        let _ = writeln!(head, "- other confinements: on {}\n", release(peers));

        let mut body = COLUMNS.to_owned();
        for (name, version, line) in own.peers.iter().chain(&peers.peers) {
            let version = if version.is_empty() { name } else { version };
            let _ = writeln!(body, "- **{name}** ({version}):\n  `{line}`");
        }
        body += FAIR;
        let mut columns: Vec<&str> = own.offered().collect();
        columns.extend(own.peers.iter().chain(&peers.peers).map(|(name, ..)| name.as_str()));
        let all: Vec<&Case> = own.cases.iter().chain(&peers.cases).collect();
        let mut known: Vec<&str> = Vec::new();
        let tables = tables(&all, &columns, &mut known);
        sums(&mut body, &all, &columns);
        body += LEGEND;
        body += &tables;
        notes(&mut body, &all, &known);
        Self { head, body }
    }

    /// Takes a written one apart.
    pub(super) fn parse(text: &str) -> Self {
        let at = text.find("\n## ").map_or(text.len(), |at| at + 1);
        let (head, body) = text.split_at(at);
        Self { head: head.to_owned(), body: body.to_owned() }
    }

    /// The first line of the body that differs: what is there, and what would be.
    pub(super) fn difference(&self, old: &Self) -> Option<(String, String)> {
        let (mut old, mut new) = (old.body.lines(), self.body.lines());
        loop {
            match (old.next(), new.next()) {
                (None, None) => return None,
                (old, new) if old == new => {}
                (old, new) => {
                    let said = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                    return Some((said(old), said(new)));
                }
            }
        }
    }

    /// Whether both come from kernels that have the same.
    pub(super) fn same_kernel(&self, other: &Self) -> bool {
        self.head == other.head
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.head, self.body)
    }
}

/// The attacks that get through without a sandbox, in the order of the suite.
fn rows<'a>(cases: &[&'a Case]) -> Vec<(&'a str, &'a str)> {
    let mut rows = Vec::new();
    for case in cases.iter().filter(|c| c.place == "control" && c.verdict == "through") {
        let row = (case.family.as_str(), case.attack.as_str());
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

fn line(text: &mut String, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn head(text: &mut String, first: &str, columns: &[&str]) {
    let titles = [first].into_iter().chain(columns.iter().copied());
    line(text, &titles.map(str::to_owned).collect::<Vec<_>>());
    line(text, &vec!["---".to_owned(); columns.len() + 1]);
}

fn tables<'a>(cases: &[&'a Case], columns: &[&str], known: &mut Vec<&'a str>) -> String {
    let (mut text, mut family) = (String::new(), "");
    for (of, attack) in rows(cases) {
        if of != family {
            if !family.is_empty() {
                text.push('\n');
            }
            let _ = writeln!(text, "### {}{}\n", of[..1].to_uppercase(), &of[1..]);
            head(&mut text, "attack", columns);
            family = of;
        }
        let at = |place: &str| {
            let here = |c: &&&Case| c.family == of && c.attack == attack && c.place == place;
            cases.iter().filter(here).copied().collect::<Vec<_>>()
        };
        let mut cells = vec![attack.to_owned()];
        for column in columns {
            cells.push(cell(&at(column), known));
        }
        line(&mut text, &cells);
    }
    text
}

/// What became of it for each user: once, where it is the same.
fn cell<'a>(cases: &[&'a Case], known: &mut Vec<&'a str>) -> String {
    let mut said: Vec<String> = Vec::new();
    for case in cases {
        let word = match case.verdict.as_str() {
            "through" if case.known.is_empty() => "**through**".to_owned(),
            "through" => {
                let at = known.iter().position(|k| *k == case.known).unwrap_or_else(|| {
                    known.push(&case.known);
                    known.len() - 1
                });
                format!("**through** [{}]", at + 1)
            }
            "refused" => format!("`{}`", case.detail.split(' ').next().unwrap_or_default()),
            "nothing" => "no effect".to_owned(),
            "ended" => "killed".to_owned(),
            "unable" => "not here".to_owned(),
            other => other.to_owned(),
        };
        if !said.contains(&word) {
            said.push(word);
        }
    }
    if said.is_empty() { "–".to_owned() } else { said.join("; ") }
}

/// How many attacks each column was tried with, and how many got through for some user.
fn sums(text: &mut String, cases: &[&Case], columns: &[&str]) {
    text.push_str("## In numbers\n\n");
    let rows = rows(cases);
    let count = |column: &str, wanted: &dyn Fn(&Case) -> bool| {
        let has = |row: &&(&str, &str)| {
            cases.iter().any(|c| {
                c.place == column && (c.family.as_str(), c.attack.as_str()) == **row && wanted(c)
            })
        };
        rows.iter().filter(has).count().to_string()
    };
    head(text, &format!("of {} techniques", rows.len()), columns);
    for (title, wanted) in [
        ("tried", &(|_: &Case| true) as &dyn Fn(&Case) -> bool),
        ("got through", &|c: &Case| c.verdict == "through"),
        ("of these documented here", &|c: &Case| c.verdict == "through" && !c.known.is_empty()),
    ] {
        let mut cells = vec![title.to_owned()];
        cells.extend(columns.iter().map(|column| count(column, wanted)));
        line(text, &cells);
    }
    text.push('\n');
}

/// What is documented, and what could not be shown on this host.
fn notes(text: &mut String, cases: &[&Case], known: &[&str]) {
    text.push_str("\n## What is documented to get through\n\n");
    for (index, sentence) in known.iter().enumerate() {
        let _ = writeln!(text, "{}. {sentence}", index + 1);
    }
    text.push_str("\n## What showed nothing on this host\n\nNot even without a sandbox:\n\n");
    let shown = rows(cases);
    let mut seen: Vec<&str> = Vec::new();
    for case in cases.iter().filter(|c| c.place == "control" && c.verdict != "through") {
        if !shown.contains(&(&case.family, &case.attack)) && !seen.contains(&case.attack.as_str()) {
            seen.push(&case.attack);
            let _ = writeln!(text, "- {}: {}", case.attack, case.detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escapes::lines::tests::{OWN, PEERS};

    fn document(own: &str) -> Document {
        let read = |text| Results::parse(text).expect("a run");
        Document::new(&read(own), &read(PEERS))
    }

    fn row<'a>(text: &'a str, start: &str) -> &'a str {
        text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start}"))
    }

    #[test]
    fn each_attack_has_a_row_and_each_confinement_a_column() {
        let text = document(OWN).to_string();
        let columns = "| Descriptors | Landlock | sandbox-spawn, landlock | bwrap |";
        assert_eq!(row(&text, "| attack"), format!("| attack {columns}"));
        assert_eq!(row(&text, "| open"), "| open | `ECAPMODE` | `EACCES` | `EACCES` | `ENOENT` |");
        assert_eq!(row(&text, "| stat"), "| stat | – | killed | **through** [1] | **through** |");
        assert_eq!(row(&text, "| got through"), "| got through | 0 | 0 | 1 | 1 |");
        assert_eq!(row(&text, "1. "), "1. Metadata can be seen.");
        assert_eq!(row(&text, "- dup"), "- dup: no such thing");
    }

    #[test]
    fn users_that_differ_are_both_told() {
        let more = "case\tpaths\topen\tuser\tLandlock\trefused\tEPERM openat\t\nend\t";
        let text = document(&OWN.replace("end\t", more)).to_string();
        assert!(row(&text, "| open").contains("| `EACCES`; `EPERM` |"));
    }

    #[test]
    fn a_difference_is_found_in_the_body_alone() {
        let there = Document::parse(&document(OWN).to_string());
        assert_eq!(document(OWN).difference(&there), None);
        let other = document(&OWN.replace("6.18.44-x", "7.0-x"));
        assert_eq!(other.difference(&there), None);
        assert!(!other.same_kernel(&there));
        let changed = document(&OWN.replace("ECAPMODE", "EPERM"));
        let (old, new) = changed.difference(&there).expect("a difference");
        assert!(old.contains("ECAPMODE") && new.contains("EPERM"));
        assert!(changed.same_kernel(&there));
    }
}
