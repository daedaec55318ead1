use super::*;

fn tally(passed: u64, failed: u64, skipped: u64) -> Tally {
    Tally { passed, failed, skipped }
}

const SHOWN: &str = "
running 4 tests
test adds ... ok
test divides ... FAILED
test later ... ignored, needs a printer
test rounds ... ok

successes:

---- rounds stdout ----
SKIPPED: rounding up: no ceiling here
SKIPPED: rounding down: no floor here
test pretends ... ok


successes:
    adds
    rounds

failures:

---- divides stdout ----
thread 'divides' panicked at src/lib.rs:3:5

failures:
    divides

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

#[test]
fn the_result_of_each_test_is_read() {
    let output = Output::parse(SHOWN);
    let names: Vec<_> = output.results.iter().map(|(n, o)| (n.as_str(), *o)).collect();
    assert_eq!(
        names,
        [
            ("adds", Outcome::Passed),
            ("divides", Outcome::Failed),
            ("later", Outcome::Ignored),
            ("rounds", Outcome::Passed)
        ]
    );
    assert!(output.is_complete());
}

#[test]
fn each_skipped_line_counts_once_and_its_test_not_as_passed() {
    let output = Output::parse(SHOWN);
    assert_eq!(output.tally(), tally(1, 1, 3));
    assert_eq!(output.skips[0].test.as_deref(), Some("rounds"));
    assert_eq!(output.skips[1].what, "rounding down: no floor here");
}

#[test]
fn a_failing_test_with_skipped_lines_stays_failed() {
    let output = Output::parse(
        "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nSKIPPED: x: y\n\nfailures:\n    a\n\n\
         test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n",
    );
    assert_eq!(output.tally(), tally(0, 1, 1));
}

#[test]
fn lines_printed_between_a_name_and_its_outcome_belong_to_that_test() {
    let output = Output::parse(
        "test a ... SKIPPED: x: y\nok\ntest b ... said by a child\nSKIPPED: v: w\nFAILED\n\
         test c ... ok\n\
         test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n",
    );
    assert_eq!(output.results.len(), 3);
    assert_eq!(output.results[1], ("b".to_owned(), Outcome::Failed));
    assert_eq!(output.tally(), tally(1, 1, 2));
}

#[test]
fn the_results_of_several_harnesses_are_summed() {
    let result = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
    assert_eq!(Output::parse(&result.repeat(2)).tally(), tally(6, 0, 2));
}

#[test]
fn doctests_and_marked_tests_are_read() {
    let output = Output::parse(
        "test src/lib.rs - limit (line 3) ... ok\ntest src/lib.rs - x (line 9) - compile fail ... ok\n\
         test panics - should panic ... ok\ntest timed ... ok <1.204s>\n",
    );
    assert_eq!(output.tally(), tally(4, 0, 0));
    assert!(!output.is_complete());
}

#[test]
fn a_crash_leaves_what_was_printed_before_and_the_test_that_had_begun() {
    let output = Output::parse("running 2 tests\ntest a ... ok\ntest b ... ");
    assert_eq!(output.tally(), tally(1, 0, 0));
    assert_eq!(output.unfinished.as_deref(), Some("b"));
    assert!(!output.is_complete());
}

#[test]
fn an_executable_without_the_harness_counts_for_itself() {
    let output = Output::parse(
        "READ: refused\nSKIPPED: BINDAT: no such call\n4 passed, 0 failed, 1 skipped\n\n",
    );
    assert_eq!(output.tally(), tally(4, 0, 1));
    assert_eq!(output.skips.len(), 1);
    assert!(output.is_complete());
}

#[test]
fn a_count_that_is_not_the_last_line_is_no_count() {
    assert!(!Output::parse("4 passed, 0 failed, 1 skipped\nSegmentation fault\n").is_complete());
}

#[test]
fn this_very_harness_prints_what_is_read_here() {
    let output = std::process::Command::new(std::env::current_exe().expect("a running test"))
        .args(["--show-output", "--exact", "tally::tests::nothing_run_is_no_success"])
        .output()
        .expect("the harness starts");
    let output = Output::parse(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.tally(), tally(1, 0, 0));
    assert!(output.is_complete());
}
