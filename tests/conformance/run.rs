//! All cases, at each level, as each user.

use std::{io, path::Path};

use capsicum_rs::{Containment, Support};

use crate::{
    coverage::{self, Shown},
    harness::{Case, Done, Outcome, run},
    level, matrix,
    raw::{self, SharedPage},
};

/// The user and group `nobody`, or at least somebody without privilege.
const NOBODY: u32 = 65534;

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Names only.
    pub(crate) list: bool,
    /// Lines for the support matrix, of the user who runs this alone.
    matrix: bool,
    exact: bool,
    level: Option<String>,
    filters: Vec<String>,
}

impl Options {
    /// Those of this suite, and what cargo passes to any test executable.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => options.list = true,
                "--exact" => options.exact = true,
                "--matrix" => options.matrix = true,
                "--nocapture" | "--show-output" | "--quiet" | "-q" => {}
                "--format" | "--test-threads" | "--color" => drop(arguments.next()),
                "--level" => options.level = arguments.next(),
                other if other.starts_with("--format=") || other.starts_with("--color=") => {}
                other if other.starts_with("--test-threads=") => {}
                other if other.starts_with('-') => return Err(format!("unknown option {other}")),
                _ => options.filters.push(argument),
            }
        }
        Ok(options)
    }

    /// Whether a case is asked for.
    pub(crate) fn selects(&self, name: &str) -> bool {
        let matches = |filter: &String| {
            if self.exact { name == filter } else { name.contains(filter.as_str()) }
        };
        self.filters.is_empty() || self.filters.iter().any(matches)
    }

    fn complete(&self) -> bool {
        self.filters.is_empty()
    }
}

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    passed: u32,
    failed: u32,
    skipped: u32,
}

/// Runs everything and prints the sum; whether nothing failed.
pub(crate) fn everywhere(cases: &[Case], options: &Options) -> io::Result<bool> {
    let support = Support::probe();
    let mut sum = Counts::default();
    // The standard library does not tell the user id; the owner of a new directory does.
    let base = tempfile::Builder::new().prefix("conformance").tempdir()?;
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(base.path())?) == 0;
    let user = if root { "root" } else { "user" };
    if options.matrix {
        matrix::head(&support, user);
    }
    add(&mut sum, as_user(user, cases, options, &support, base.path()));
    if options.matrix {
        matrix::end(sum.passed, sum.failed, sum.skipped);
        return Ok(sum.failed == 0);
    }
    if root {
        add(&mut sum, as_nobody(cases, options, &support)?);
    } else {
        println!("skipped: the pass as root: started as an ordinary user");
    }
    println!("{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
    Ok(sum.failed == 0)
}

fn add(sum: &mut Counts, more: Counts) {
    sum.passed += more.passed;
    sum.failed += more.failed;
    sum.skipped += more.skipped;
}

/// The same in a process that has given up root.
fn as_nobody(cases: &[Case], options: &Options, support: &Support) -> io::Result<Counts> {
    let base = tempfile::Builder::new().prefix("conformance").tempdir()?;
    std::os::unix::fs::chown(base.path(), Some(NOBODY), Some(NOBODY))?;
    let page = SharedPage::new()?;
    let child = raw::spawn(|| {
        let dropped = raw::no_groups()
            .and_then(|()| raw::setgid(NOBODY))
            .and_then(|_| raw::setuid(NOBODY))
            .and_then(|_| raw::bind_to_parent());
        if let Err(error) = dropped {
            page.report(1, &format!("to the user {NOBODY}: {error}"));
            return 1;
        }
        let counts = as_user("user", cases, options, support, base.path());
        let text = format!("{} {} {}", counts.passed, counts.failed, counts.skipped);
        page.report(2, &text);
        0
    })?;
    raw::wait_child(&child)?;
    let (state, text) = page.reported();
    let mut numbers = text.split(' ').map(str::parse);
    match (state, numbers.next(), numbers.next(), numbers.next()) {
        (2, Some(Ok(passed)), Some(Ok(failed)), Some(Ok(skipped))) => {
            Ok(Counts { passed, failed, skipped })
        }
        _ => Err(io::Error::other(format!("the pass as an ordinary user did not end: {text}"))),
    }
}

fn as_user(
    user: &str,
    cases: &[Case],
    options: &Options,
    support: &Support,
    base: &Path,
) -> Counts {
    let mut counts = Counts::default();
    for (level, lacks) in level::levels(support) {
        if options.level.as_ref().is_some_and(|wanted| *wanted != level.to_string()) {
            continue;
        }
        if let Some(reason) = lacks {
            // The matrix has said so at its head.
            if !options.matrix {
                println!("skipped: all cases at the level {level}: {reason}");
            }
            counts.skipped += u32::try_from(cases.len()).unwrap_or(u32::MAX);
            continue;
        }
        add(&mut counts, at_level(user, level, cases, options, support, base));
    }
    counts
}

fn at_level(
    user: &str,
    level: Containment,
    cases: &[Case],
    options: &Options,
    support: &Support,
    base: &Path,
) -> Counts {
    let mut counts = Counts::default();
    let mut shown = Shown::default();
    for case in cases.iter().filter(|case| case.only.is_none_or(|only| only == level)) {
        let outcome = run(case, level, base);
        match (&outcome, case.right) {
            (Ok(Done::Held | Done::Refused(_)), Some(right)) => {
                shown.exercised.insert(right);
                if case.works {
                    shown.worked.insert(right);
                }
            }
            (Ok(Done::Skipped(_)), Some(right)) => {
                shown.skipped.insert(right);
            }
            _ => {}
        }
        counts.count(&outcome);
        if options.matrix {
            matrix::case(level, user, case, &outcome);
        } else {
            tell(&format!("[{level} {user}] {}", case.name), &outcome);
        }
    }
    if options.complete() && !options.matrix && level == support.containment {
        let name = format!("[{level} {user}] every right that is enforced here has its case");
        let outcome = coverage::of(support, &shown).map(|()| Done::Held);
        counts.count(&outcome);
        tell(&name, &outcome);
    }
    counts
}

impl Counts {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Ok(Done::Held | Done::Refused(_) | Done::Otherwise(_)) => self.passed += 1,
            Ok(Done::Skipped(_)) => self.skipped += 1,
            Err(_) => self.failed += 1,
        }
    }
}

fn tell(name: &str, outcome: &Outcome) {
    match outcome {
        Ok(Done::Held | Done::Refused(_)) => println!("test {name} ... ok"),
        Ok(Done::Otherwise(reason)) => {
            println!("test {name} ... ok\n    NOT AT THIS LEVEL: {name}: {reason}");
        }
        Ok(Done::Skipped(reason)) => {
            println!("test {name} ... skipped: {reason}");
        }
        Err(message) => {
            println!("test {name} ... FAILED\n    {}", message.replace('\n', "\n    "));
        }
    }
}
