//! The reasons that cells refer to by number, each once.

/// In the order of their first mention.
#[derive(Debug, Default)]
pub(super) struct Reasons(Vec<String>);

impl Reasons {
    /// How a cell refers to a reason.
    pub(super) fn mark(&mut self, reason: &str) -> String {
        let reason = without_numbers(reason);
        let at = self.0.iter().position(|known| *known == reason).unwrap_or_else(|| {
            self.0.push(reason);
            self.0.len() - 1
        });
        format!("[{}]", at + 1)
    }

    /// All of them.
    pub(super) fn all(&self) -> &[String] {
        &self.0
    }
}

/// The numbers of descriptors are those of one run.
fn without_numbers(reason: &str) -> String {
    const WORD: &str = "descriptor ";
    let mut first = None;
    let mut text = String::new();
    let mut rest = reason;
    while let Some(at) = rest.find(WORD) {
        let (before, after) = rest.split_at(at);
        let after = &after[WORD.len()..];
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(end);
        text += before;
        text += match number {
            "" => WORD,
            _ if *first.get_or_insert(number) == number => "one descriptor",
            _ => "another descriptor",
        };
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_has_the_same_number() {
        let mut reasons = Reasons::default();
        assert_eq!(reasons.mark("READ on descriptor 3"), "[1]");
        assert_eq!(reasons.mark("other"), "[2]");
        assert_eq!(reasons.mark("READ on descriptor 14"), "[1]");
        assert_eq!(reasons.all(), ["READ on one descriptor", "other"]);
    }

    #[test]
    fn descriptors_lose_their_numbers_and_stay_apart() {
        let reason = "descriptor 3 has less than descriptor 14: a descriptor of descriptor 3";
        assert_eq!(
            without_numbers(reason),
            "one descriptor has less than another descriptor: a descriptor of one descriptor"
        );
    }
}
