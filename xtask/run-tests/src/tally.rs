//! How many tests passed, failed and were skipped.

use std::{fmt, iter::Sum, ops::AddAssign};

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that ran and held.
    pub passed: u64,
    /// Tests that ran and did not hold, and executables that did not come to an end of their own.
    pub failed: u64,
    /// What this host cannot run.
    pub skipped: u64,
}

impl Tally {
    /// Whether something ran and nothing failed.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// Reads a line as [`Display`](fmt::Display) writes it; `, N skipped` may be missing.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let mut parts = line.trim().split(", ");
        let mut count = |unit: &str| parts.next()?.strip_suffix(unit)?.trim_end().parse().ok();
        let (passed, failed) = (count("passed")?, count("failed")?);
        let rest: Vec<&str> = parts.collect();
        let skipped = match rest[..] {
            [] => 0,
            [last] => last.strip_suffix(" skipped")?.parse().ok()?,
            _ => return None,
        };
        Some(Self { passed, failed, skipped })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, tally| {
            sum += tally;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_reads_back_the_line_it_writes() {
        let tally = Tally { passed: 12, failed: 0, skipped: 3 };
        assert_eq!(tally.to_string(), "12 passed, 0 failed, 3 skipped");
        assert_eq!(Tally::from_line(&tally.to_string()), Some(tally));
    }

    #[test]
    fn the_skipped_may_be_missing_from_a_line_but_nothing_else() {
        let tally = Tally { passed: 1, failed: 2, skipped: 0 };
        assert_eq!(Tally::from_line("1 passed, 2 failed"), Some(tally));
        for line in ["", "1 passed", "1 passed, 2 skipped", "1 passed, 2 failed, 3 skipped, 4 lost"]
        {
            assert_eq!(Tally::from_line(line), None, "{line}");
        }
        assert_eq!(Tally::from_line("today: 1 passed, 2 failed"), None);
    }

    #[test]
    fn nothing_run_is_no_success() {
        assert!(!Tally::default().is_success());
        assert!(!Tally { skipped: 7, ..Tally::default() }.is_success());
        assert!(Tally { passed: 1, ..Tally::default() }.is_success());
        assert!(!Tally { passed: 1, failed: 1, skipped: 0 }.is_success());
    }
}
