//! The whole of `docs/SUPPORT.md`: a head that names the hosts, and a body that does not.

use std::fmt::{self, Write};

use super::{
    Elsewhere, Runs,
    lines::{Kind, Results},
    reasons::Reasons,
    services,
    tables::{self, Column},
};

/// The generated file.
#[derive(Debug)]
pub(super) struct Document {
    /// With the kernels of those who ran the suite.
    pub(super) head: String,
    /// From the first heading within it on.
    pub(super) body: String,
}

const HEAD: &str = "\
# What is enforced where

Written by `cargo xtask matrix` from a run of the conformance suite, and one of the cases of the Casper
services; `cargo xtask ci matrix` fails if it is not what they show. Nothing here is taken from what the library says of itself, but for
the rights that no operation of a system is about.

";

const RIGHTS: &str = "\
## Rights

**enforced**: every operation that was tried works with the right, and without it is refused with
`ENOTCAPABLE` and has no effect; after `limit` alone, with the descriptor granted, and under a
ceiling. *In part*: some operation does not work at some of these points; the next table says which.
*refused*: with the right as well as without it. *no operation*: the system has none that the right
is about. The numbers refer to the reasons at the end.

";

const OPERATIONS: &str = "
## Operations that do not work everywhere

Operations that are refused at some point of some level in spite of their right. *limit*: after
`limit` alone, before capability mode. *grant*, *ceiling*: in capability mode. –: not tried on this
system.

";

const NAMES: &str = "
## Global names

Each is refused in capability mode with this error and without effect, under a ceiling of nothing
and of everything.

";

const WAYS: &str = "
## Paths out of a directory

Tried with every right that a lookup can use. At a level without lookups such a directory cannot be
granted.

";

const RULES: &str = "
## Rules

*holds*: as the sentence says. *differs*: this level or system behaves in another way, which is
documented and tested.

";

impl Document {
    /// From runs on Linux, and on FreeBSD if there were any.
    pub(super) fn new(on_linux: &Runs, on_freebsd: &Elsewhere) -> Self {
        let (linux, freebsd) = (&on_linux.conformance, on_freebsd.conformance.as_ref());
        let mut head = HEAD.to_owned();
        head += &host("Linux", Some(linux));
        head += &host("FreeBSD", freebsd);
        head += &services::host(on_freebsd.services.as_ref());
        head.push('\n');

        let column = |system, level, results| Column { system, level, results };
        let mut columns: Vec<Column<'_>> =
            linux.offered().map(|level| column("Linux", level, Some(linux))).collect();
        match freebsd {
            None => columns.push(column("FreeBSD", "Capsicum", None)),
            Some(results) => {
                let levels = results.offered();
                columns.extend(levels.map(|level| column("FreeBSD", level, Some(results))));
            }
        }

        let mut reasons = Reasons::default();
        let mut body = RIGHTS.to_owned();
        tables::rights(&mut body, &columns, &mut reasons);
        body += OPERATIONS;
        tables::operations(&mut body, &columns, &mut reasons);
        for (text, kind, titles) in [
            (NAMES, Kind::Name, &["name"][..]),
            (WAYS, Kind::Way, &["path"]),
            (RULES, Kind::Rule, &["about", "rule"]),
        ] {
            body += text;
            tables::others(&mut body, kind, titles, &columns, &mut reasons);
        }
        body.push('\n');
        let freebsd = on_freebsd.services.as_ref();
        body += &services::section(&on_linux.services, freebsd, &mut reasons);
        body += "\n## Reasons\n\n";
        for (index, reason) in reasons.all().iter().enumerate() {
            let _ = writeln!(body, "{}. {reason}", index + 1);
        }
        Self { head, body }
    }

    /// Whether it comes from a host that has the same of a mechanism.
    pub(super) fn has(&self, name: &str, state: &str) -> bool {
        let wanted = mechanism(name, state);
        self.head.lines().any(|line| line == wanted)
    }

    /// Takes a written one apart.
    pub(super) fn parse(text: &str) -> Self {
        let at = text.find("\n## ").map_or(text.len(), |at| at + 1);
        let (head, body) = text.split_at(at);
        Self { head: head.to_owned(), body: body.to_owned() }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.head, self.body)
    }
}

/// A line of the head.
fn mechanism(name: &str, state: &str) -> String {
    format!("  - {name}: {state}")
}

/// Who ran the suite where.
fn host(system: &str, results: Option<&Results>) -> String {
    let Some(results) = results else { return format!("- {system}: not run yet\n") };
    // What follows is the name of a build.
    let release = match results.system.split_once('-') {
        Some((release, _)) if system == "Linux" => release,
        _ => &results.system,
    };
    let mut text = format!("- {release}, as {}\n", results.user);
    for (name, state) in &results.mechanisms {
        let _ = writeln!(text, "{}", mechanism(name, state));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{
        lines::tests::LINUX,
        tests::{runs, with},
    };

    fn line<'a>(text: &'a str, start: &str) -> &'a str {
        text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start}"))
    }

    #[test]
    fn each_right_has_a_row_with_what_was_shown() {
        let text = Document::new(&runs(LINUX), &Elsewhere::default()).to_string();
        assert_eq!(
            line(&text, "| right |"),
            "| right | operations tried | Linux `Descriptors` | Linux `Landlock` | FreeBSD `Capsicum` |"
        );
        let enforced = "**enforced** | **enforced** | not run yet |";
        assert_eq!(line(&text, "| `READ`"), format!("| `READ` | read | {enforced}"));
        assert_eq!(
            line(&text, "| `MKDIRAT`"),
            "| `MKDIRAT` | mkdirat | enforced by `limit` alone; refused in capability mode [1] | \
             **enforced** | not run yet |"
        );
        let none = "no operation | no operation | not run yet |";
        assert_eq!(line(&text, "| `ACL_GET`"), format!("| `ACL_GET` |  | {none}"));
        assert!(line(&text, "| `FSCK`").contains("| not tried [2] |"));
        assert_eq!(line(&text, "1. "), "1. LOOKUP on one descriptor");
        assert_eq!(
            line(&text, "| mkdirat |"),
            "| mkdirat | `MKDIRAT` | limit: works; grant: refused [1] | works | not run yet |"
        );
        assert!(!text.contains("\n| read |"), "what works everywhere is in the other table");
    }

    #[test]
    fn a_right_is_not_enforced_where_no_refusal_was_seen() {
        let lines: Vec<&str> =
            LINUX.lines().filter(|line| !line.contains("read\tgrant\trefused")).collect();
        let text = Document::new(&runs(&lines.join("\n")), &Elsewhere::default()).to_string();
        assert!(line(&text, "| `READ`").contains("no refusal shown"));
    }

    #[test]
    fn names_and_rules_have_a_row_each() {
        let text = Document::new(&runs(LINUX), &Elsewhere::default()).to_string();
        assert_eq!(line(&text, "| chdir"), "| chdir | `ECAPMODE` | `ECAPMODE` | not run yet |");
        assert_eq!(
            line(&text, "| identity"),
            "| identity | it stays | differs [3] | holds | not run yet |"
        );
    }

    #[test]
    fn the_other_system_fills_its_column_and_adds_its_rows() {
        let lines: Vec<String> = LINUX
            .lines()
            .filter(|line| !line.contains("\tDescriptors\t"))
            .map(|line| line.replace("Landlock", "Capsicum").replace("chdir", "fhopen"))
            .collect();
        let other = lines.join("\n").replace("Linux 6.18.44-x", "FreeBSD 15.0-RELEASE");
        let text = Document::new(&runs(LINUX), &with(&other)).to_string();
        assert!(text.contains("- FreeBSD 15.0-RELEASE, as root\n"), "{text}");
        assert!(!text.contains("not run yet"));
        assert_eq!(line(&text, "| fhopen"), "| fhopen | – | – | `ECAPMODE` |");
        assert_eq!(line(&text, "| chdir"), "| chdir | `ECAPMODE` | `ECAPMODE` | – |");
    }

    #[test]
    fn a_level_that_the_suite_reports_gets_its_column() {
        let more = "level\tLandlock\toffered\nlevel\tDirectories\toffered";
        let third = LINUX.lines().filter(|line| line.starts_with("case\tLandlock"));
        let third: Vec<String> =
            third.map(|line| line.replace("Landlock", "Directories")).collect();
        let lines = LINUX
            .replace("level\tLandlock\toffered", more)
            .replace("end\t", &format!("{}\nend\t", third.join("\n")));
        let text = Document::new(&runs(&lines), &Elsewhere::default()).to_string();
        assert!(line(&text, "| right |").contains("| Linux `Directories` | FreeBSD"));
        let cells = "`ECAPMODE` | `ECAPMODE` | `ECAPMODE`";
        assert_eq!(line(&text, "| chdir"), format!("| chdir | {cells} | not run yet |"));
    }

    #[test]
    fn a_written_document_is_taken_apart_where_its_body_starts() {
        let document = Document::new(&runs(LINUX), &Elsewhere::default());
        let parsed = Document::parse(&document.to_string());
        assert_eq!((parsed.head, parsed.body), (document.head, document.body));
        assert!(Document::parse("nothing").body.is_empty());
    }
}
