//! How long calls took.

use std::time::Duration;

/// Classes for each power of two: what is told is at most a quarter too large.
const PARTS: usize = 4;
/// From one microsecond to about an hour.
const CLASSES: usize = 32 * PARTS;

/// A histogram of how long calls took, in microseconds, in classes that grow with the time.
///
/// ```
/// # fn statistics() -> sandbox_spawn::pool::Statistics { Default::default() }
/// let latency = statistics().latency;
/// assert_eq!((latency.count(), latency.quantile(0.99)), (0, None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    classes: [u64; CLASSES],
}

/// The class of a time.
fn class(micros: u64) -> usize {
    let micros = micros.max(1);
    let power = micros.ilog2();
    // The two bits below the highest one.
    let part = (micros << 2 >> power) & 3;
    let class = power as usize * PARTS + usize::try_from(part).unwrap_or(0);
    class.min(CLASSES - 1)
}

/// What no time of the class reaches.
fn end(class: usize) -> u64 {
    let (power, part) = (class / PARTS, class % PARTS);
    ((PARTS + part + 1) as u64) << power >> 2
}

impl Latency {
    pub(crate) fn add(&mut self, time: Duration) {
        self.classes[class(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))] += 1;
    }

    /// How many calls there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// The time within which this share of the calls ended (0.5 is the median), rounded up by at most
    /// a quarter. `None` where there were no calls.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a share of a count; what is too large or too small is the largest or smallest"
        )]
        let rank = ((count as f64 * share).ceil() as u64).clamp(1, count);
        let mut seen = 0;
        let class = self.classes.iter().position(|calls| {
            seen += calls;
            seen >= rank
        });
        class.map(|class| Duration::from_micros(end(class).max(1)))
    }

    /// The classes that are not empty: what no time in it reaches, and how many calls.
    pub fn classes(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let classes = self.classes.iter().enumerate().filter(|(_, calls)| **calls > 0);
        classes.map(|(class, calls)| (Duration::from_micros(end(class).max(1)), *calls))
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self { classes: [0; CLASSES] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_a_class_that_ends_after_it_and_soon() {
        let mut before = 0;
        for micros in (1..5000).chain([1 << 20, (1 << 30) + 12345]) {
            let class = class(micros);
            assert!(class >= before, "{micros}");
            before = class;
            // Whole microseconds: below four a class may be empty.
            assert!(end(class) > micros || micros < 4, "{micros} {}", end(class));
            assert!(end(class) <= micros + micros / 4 + 1, "{micros} {}", end(class));
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
        assert_eq!(class(0), 0);
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut latency = Latency::default();
        for millis in 1..=100 {
            latency.add(Duration::from_millis(millis));
        }
        assert_eq!(latency.count(), 100);
        for (share, millis) in [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
            let told = latency.quantile(share).expect("calls").as_secs_f64() * 1e3;
            let right = f64::from(millis);
            assert!(told >= right && told <= right * 1.26, "{share}: {told}");
        }
        assert_eq!(latency.classes().map(|(_, calls)| calls).sum::<u64>(), 100);
    }
}
