//! What a test executable printed, read line by line.
//!
//! Two kinds are understood. An executable of the standard harness prints `test NAME ... ok` for
//! each test and `test result: …` at its end; with `--show-output` what each test printed follows
//! under a header of its own. Any other (`harness = false`) ends with a line of its own count:
//! `N passed, N failed, N skipped`.
//!
//! A test that meets something the host cannot run prints `SKIPPED: what: why`, one line for each
//! such thing. Those lines are what counts as skipped, and the test that printed them does not
//! count as passed as well. An executable with its own count has counted them itself.

use std::fmt;

use crate::tally::Tally;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `ok`
    Passed,
    /// `FAILED`
    Failed,
    /// `ignored`
    Ignored,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::Ignored => "ignored",
        })
    }
}

/// One thing that the host could not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The test that said so, where the output tells.
    pub test: Option<String>,
    /// What and why, as it was printed.
    pub what: String,
}

/// What a test executable printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Each test with its outcome, in the order in which they ended.
    pub results: Vec<(String, Outcome)>,
    /// Each thing that the host could not run.
    pub skips: Vec<Skip>,
    /// A test that had begun and of whose end nothing was printed.
    pub unfinished: Option<String>,
    /// The sum of the `test result:` lines.
    harness: Option<Tally>,
    /// The last line, where it is a count.
    own: Option<Tally>,
}

impl Output {
    /// Reads what an executable printed.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader::default();
        text.lines().for_each(|line| reader.line(line.trim_end()));
        let mut output = reader.output;
        output.unfinished = reader.begun;
        if output.harness.is_none() {
            let last = text.lines().rfind(|line| !line.trim().is_empty());
            output.own = last.and_then(Tally::from_line);
        }
        output
    }

    /// Whether the executable came to the end of its tests and said so.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.harness.is_some() || self.own.is_some()
    }

    /// What it comes to. Where the end is missing, what was printed before counts.
    #[must_use]
    pub fn tally(&self) -> Tally {
        if let Some(own) = self.own {
            return own;
        }
        let outcomes = |wanted| self.results.iter().filter(|(_, is)| *is == wanted).count() as u64;
        let mut tally = self.harness.unwrap_or_else(|| Tally {
            passed: outcomes(Outcome::Passed),
            failed: outcomes(Outcome::Failed),
            skipped: outcomes(Outcome::Ignored),
        });
        let said_skipped = |test: &str| self.skips.iter().any(|s| s.test.as_deref() == Some(test));
        let not_really = self
            .results
            .iter()
            .filter(|(test, outcome)| *outcome == Outcome::Passed && said_skipped(test))
            .count() as u64;
        tally.passed = tally.passed.saturating_sub(not_really);
        tally.skipped += self.skips.len() as u64;
        tally
    }
}

#[derive(Default)]
struct Reader {
    output: Output,
    /// The test whose captured output is being read.
    section: Option<String>,
    /// The test whose name was printed without an outcome yet: with one test thread the harness
    /// prints the name first, and what the test's children print lands between.
    begun: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(summary) = line.strip_prefix("test result: ") {
            if let Some(tally) = harness_summary(summary) {
                let mut sum = self.output.harness.unwrap_or_default();
                sum += tally;
                self.output.harness = Some(sum);
            }
            self.section = None;
        } else if let Some(test) = section_header(line) {
            self.section = Some(test.to_owned());
        } else if line == "successes:" || line == "failures:" {
            self.section = None;
        } else if let Some(what) = line.strip_prefix("SKIPPED: ") {
            let test = self.section.clone().or_else(|| self.begun.clone());
            self.output.skips.push(Skip { test, what: what.to_owned() });
        } else if self.section.is_none() {
            self.result(line);
        }
    }

    fn result(&mut self, line: &str) {
        if let Some((test, rest)) = line.strip_prefix("test ").and_then(|l| l.split_once(" ... ")) {
            self.begin(test, rest);
        } else if let Some(test) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ...")) {
            self.begin(test, "");
        } else if let Some(outcome) = outcome(line)
            && let Some(test) = self.begun.take()
        {
            self.output.results.push((test, outcome));
        }
    }

    fn begin(&mut self, test: &str, rest: &str) {
        if let Some(outcome) = outcome(rest) {
            self.output.results.push((test.to_owned(), outcome));
            return;
        }
        self.begun = Some(test.to_owned());
        if let Some(what) = rest.strip_prefix("SKIPPED: ") {
            self.output.skips.push(Skip { test: self.begun.clone(), what: what.to_owned() });
        }
    }
}

/// `ok`, `FAILED`, `ignored` or `ignored, why`; a duration may follow.
fn outcome(text: &str) -> Option<Outcome> {
    let word = text.split_once(" <").map_or(text, |(word, _duration)| word);
    match word {
        "ok" => Some(Outcome::Passed),
        "FAILED" => Some(Outcome::Failed),
        _ if word == "ignored" || word.starts_with("ignored, ") => Some(Outcome::Ignored),
        _ => None,
    }
}

/// `---- NAME stdout ----`
fn section_header(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// `ok. 5 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.00s`
fn harness_summary(summary: &str) -> Option<Tally> {
    let (_verdict, counts) = summary.split_once(". ")?;
    let mut counts = counts.split("; ");
    let mut count = |unit: &str| counts.next()?.strip_suffix(unit)?.trim_end().parse().ok();
    Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

#[cfg(test)]
mod tests;
