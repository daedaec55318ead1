//! Many test executables: each result printed as it comes, all counted at the end.

use std::{process::Command, time::Duration};

use crate::{
    output::{Outcome, Output},
    run::{self, End, Finished},
    tally::Tally,
};

/// What the executables run so far came to.
#[derive(Debug, Default)]
pub struct Suite {
    total: Tally,
    failures: Vec<String>,
    skips: Vec<String>,
}

/// What one executable came to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    tally: Tally,
    /// What is wrong beside single tests.
    fault: Option<String>,
}

impl Suite {
    /// Nothing run yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs one executable and prints its results; all of its output where something failed.
    pub fn run(&mut self, title: &str, command: &mut Command, deadline: Duration) {
        println!("\n== {title}");
        match run::run(command, deadline) {
            Ok(finished) => print!("{}", self.finished(title, &finished)),
            Err(error) => {
                let program = command.get_program().to_string_lossy().into_owned();
                self.fail(title, &format!("{program} could not be run: {error}"));
            }
        }
    }

    /// Counts something that this host cannot run.
    pub fn skip(&mut self, what: &str, why: &str) {
        println!("\n== {what}\nSKIPPED: {why}");
        self.total.skipped += 1;
        self.skips.push(format!("{what}: {why}"));
    }

    /// Counts something that failed outside of a test executable.
    pub fn fail(&mut self, what: &str, why: &str) {
        println!("FAILED: {why}");
        self.total.failed += 1;
        self.failures.push(format!("{what}: {why}"));
    }

    /// What it all came to.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.total
    }

    /// Prints what failed, what was skipped, and alone on the last line the count.
    pub fn print_summary(&self) {
        println!("\n== summary");
        for failure in &self.failures {
            println!("FAILED: {failure}");
        }
        for skip in &self.skips {
            println!("SKIPPED: {skip}");
        }
        println!("{}", self.total);
    }

    /// Counts what an executable came to; returns the report of it.
    fn finished(&mut self, title: &str, finished: &Finished) -> String {
        let output = Output::parse(&finished.output);
        let verdict = judge(&output, finished.end);
        let mut report = Vec::new();
        for (test, outcome) in &output.results {
            report.push(format!("test {test} ... {outcome}"));
            if *outcome == Outcome::Failed {
                self.failures.push(format!("{title}: {test}"));
            }
        }
        for skip in &output.skips {
            report.push(format!("SKIPPED: {}", skip.what));
            let test = skip.test.as_ref().map(|test| format!("{test}: ")).unwrap_or_default();
            self.skips.push(format!("{title}: {test}{}", skip.what));
        }
        if verdict.tally.failed > 0 {
            report.extend(finished.output.lines().map(|line| format!("    | {line}")));
        }
        if let Some(fault) = verdict.fault {
            report.push(format!("FAILED: {fault}"));
            self.failures.push(format!("{title}: {fault}"));
        }
        if finished.outlived {
            report
                .push("note: a process that it started has left its group and goes on".to_owned());
        }
        report.push(format!("-- {} in {:.1} s\n", verdict.tally, finished.took.as_secs_f32()));
        self.total += verdict.tally;
        report.join("\n")
    }
}

fn judge(output: &Output, end: End) -> Verdict {
    let mut tally = output.tally();
    let during = output.unfinished.as_ref().map(|test| format!(" during {test}"));
    let during = during.unwrap_or_default();
    let fault = if !end.is_exit() {
        Some(format!("{end}{during}"))
    } else if !output.is_complete() {
        Some(format!("{end}{during} without a count of its tests"))
    } else if !end.is_success() && tally.failed == 0 {
        Some(format!("{end} though no test failed"))
    } else {
        None
    };
    if fault.is_some() {
        tally.failed += 1;
    }
    Verdict { tally, fault }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const GOOD: &str =
        "test a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured\n";
    const BAD: &str =
        "test a ... FAILED\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured\n";

    fn exit(code: i32) -> End {
        End::Status(ExitStatusExt::from_raw(code << 8))
    }

    fn signal(number: i32) -> End {
        End::Status(ExitStatusExt::from_raw(number))
    }

    fn total_of(output: &str, end: End) -> (u64, u64, u64) {
        let mut suite = Suite::new();
        let took = Duration::ZERO;
        suite.finished("x", &Finished { end, output: output.to_owned(), took, outlived: false });
        let Tally { passed, failed, skipped } = suite.total();
        (passed, failed, skipped)
    }

    #[test]
    fn a_harness_that_ends_well_counts_as_it_says() {
        assert_eq!(total_of(GOOD, exit(0)), (1, 0, 0));
    }

    #[test]
    fn a_crash_after_a_good_result_is_a_failure() {
        assert_eq!(total_of(GOOD, signal(11)), (1, 1, 0));
    }

    #[test]
    fn a_bad_exit_after_a_good_result_is_a_failure() {
        assert_eq!(total_of(GOOD, exit(1)), (1, 1, 0));
    }

    #[test]
    fn an_executable_that_says_nothing_is_a_failure() {
        assert_eq!(total_of("", exit(0)), (0, 1, 0));
    }

    #[test]
    fn a_hang_is_a_failure_beside_what_passed_before() {
        let deadline = End::Deadline(Duration::from_secs(1));
        assert_eq!(total_of("test a ... ok\ntest b ... ", deadline), (1, 1, 0));
    }

    #[test]
    fn a_failing_test_counts_once_though_the_exit_is_bad_too() {
        assert_eq!(total_of(BAD, exit(101)), (0, 1, 0));
    }

    #[test]
    fn a_count_of_its_own_is_taken_and_its_skipped_lines_are_not_added_to_it() {
        let output = "SKIPPED: a: b\n2 passed, 0 failed, 1 skipped\n";
        assert_eq!(total_of(output, exit(0)), (2, 0, 1));
    }

    #[test]
    fn what_cannot_be_started_is_a_failure() {
        let mut suite = Suite::new();
        suite.run("nothing", &mut Command::new("/nonexistent/test"), Duration::from_secs(60));
        assert_eq!(suite.total(), Tally { passed: 0, failed: 1, skipped: 0 });
    }
}
