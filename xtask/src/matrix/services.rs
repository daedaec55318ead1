//! The part about services: what `services --matrix` prints, and its table.
//! `casper/tests/services/matrix.rs` says what the fields mean.

use std::fmt::Write;

use anyhow::{Result, bail};

use super::reasons::Reasons;

/// A complete run in which nothing failed.
#[derive(Debug)]
pub(super) struct Services {
    /// The system and its release.
    pub(super) system: String,
    user: String,
    cases: Vec<Case>,
}

#[derive(Debug)]
struct Case {
    service: String,
    sentence: String,
    provider: Provider,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Portable,
    Native,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Held,
    /// The host cannot run it.
    Skipped(String),
    /// The provider cannot do it.
    Beyond(String),
}

const HEAD: &str = "\
## Services

What the cases of the services have shown, with the two providers. *holds*: as the sentence says. *lacks*: the
provider cannot do it, and says so where it is asked to. –: the case is about one provider's processes and
sockets. *not served*: the provider has no such service.

";

impl Services {
    /// Reads the lines of a run.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut services = Self { system: String::new(), user: String::new(), cases: Vec::new() };
        let mut failures = Vec::new();
        let mut ended = false;
        for line in text.lines() {
            if ended {
                bail!("it goes on after its end: {line}");
            }
            let own = |text: &&str| (*text).to_owned();
            match line.split('\t').collect::<Vec<_>>().as_slice() {
                ["host", "system", system] => services.system = own(system),
                ["host", "user", user] => services.user = own(user),
                ["case", .., "failed", _] => failures.push(line),
                ["case", service, sentence, provider, outcome, detail] => {
                    let provider = match *provider {
                        "portable" => Provider::Portable,
                        "native" => Provider::Native,
                        other => bail!("the provider {other} is unknown"),
                    };
                    let detail = own(detail);
                    let outcome = match *outcome {
                        "held" => Outcome::Held,
                        "skipped" => Outcome::Skipped(detail),
                        "beyond" => Outcome::Beyond(detail),
                        other => bail!("the outcome {other} is unknown"),
                    };
                    let (service, sentence) = (own(service), own(sentence));
                    services.cases.push(Case { service, sentence, provider, outcome });
                }
                ["end", ..] => ended = true,
                _ => bail!("not understood: {line}"),
            }
        }
        if !failures.is_empty() {
            bail!("{} cases failed:\n{}", failures.len(), failures.join("\n"));
        }
        if !ended {
            bail!("it does not end: the run was cut short");
        }
        if services.system.is_empty() || services.cases.is_empty() {
            bail!("it has no cases of any system");
        }
        Ok(services)
    }

    /// Why the first case of the portable provider that was skipped was skipped.
    pub(super) fn skipped(&self) -> Option<String> {
        self.cases.iter().find_map(|case| match (&case.outcome, case.provider) {
            (Outcome::Skipped(reason), Provider::Portable) => {
                Some(format!("{} {}: {reason}", case.service, case.sentence))
            }
            _ => None,
        })
    }

    fn case(&self, row: (&str, &str), provider: Provider) -> Option<&Outcome> {
        let is = |case: &&Case| {
            (case.service.as_str(), case.sentence.as_str()) == row && case.provider == provider
        };
        self.cases.iter().find(is).map(|case| &case.outcome)
    }

    fn serves(&self, service: &str) -> bool {
        self.cases.iter().any(|case| case.service == service && case.provider == Provider::Native)
    }
}

/// The whole part.
pub(super) fn section(
    linux: &Services,
    freebsd: Option<&Services>,
    reasons: &mut Reasons,
) -> String {
    let mut text = HEAD.to_owned();
    text += "| service | what holds | portable, Linux | portable, FreeBSD | native, FreeBSD |\n";
    text += "| --- | --- | --- | --- | --- |\n";
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for case in std::iter::once(linux).chain(freebsd).flat_map(|services| &services.cases) {
        let row = (case.service.as_str(), case.sentence.as_str());
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    for row in rows {
        let here = cell(linux.case(row, Provider::Portable), reasons);
        // What is run on Linux is the list of what is to be run elsewhere.
        let there = |provider| match freebsd {
            Some(freebsd) => freebsd.case(row, provider).cloned().map(Some),
            None => linux.case(row, provider).map(|outcome| match outcome {
                Outcome::Beyond(_) => Some(outcome.clone()),
                _ => None,
            }),
        };
        let mut other = |provider| match there(provider) {
            Some(None) => "not run yet".to_owned(),
            Some(Some(outcome)) => cell(Some(&outcome), reasons),
            None if provider == Provider::Native && !freebsd.unwrap_or(linux).serves(row.0) => {
                "not served".to_owned()
            }
            None => cell(None, reasons),
        };
        let (portable, native) = (other(Provider::Portable), other(Provider::Native));
        let (service, sentence) = (row.0, row.1.replace('|', "\\|"));
        let _ = writeln!(text, "| {service} | {sentence} | {here} | {portable} | {native} |");
    }
    text
}

/// Who ran the cases, where that was not on Linux.
pub(super) fn host(freebsd: Option<&Services>) -> String {
    freebsd.map_or_else(
        || "- services on FreeBSD: not run yet\n".to_owned(),
        |services| format!("- services on {}, as {}\n", services.system, services.user),
    )
}

fn cell(outcome: Option<&Outcome>, reasons: &mut Reasons) -> String {
    match outcome {
        None => "–".to_owned(),
        Some(Outcome::Held) => "holds".to_owned(),
        Some(Outcome::Skipped(reason)) => format!("not tried {}", reasons.mark(reason)),
        Some(Outcome::Beyond(reason)) => format!("lacks {}", reasons.mark(reason)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const LINUX: &str = "\
host\tsystem\tLinux 6.18.44-x
host\tuser\troot
case\tdns\tfinds\tportable\theld\t
case\tpwd\tfinds\tportable\theld\t
case\tpwd\tfinds\tnative\tskipped\tno libcasper
case\tpwd\tis not root\tportable\theld\t
case\tpwd\tnarrows\tportable\theld\t
case\tpwd\tnarrows\tnative\tbeyond\tit is limited once
case\tpwd\tis alone\tnative\tskipped\tno libcasper
end\t4\t0\t2
";

    pub(in super::super) fn services(text: &str) -> Services {
        Services::parse(text).expect("services")
    }

    fn row(text: &str, start: &str) -> String {
        text.lines().find(|line| line.starts_with(start)).expect("a row").to_owned()
    }

    #[test]
    fn what_the_other_provider_lacks_is_known_before_it_has_run() {
        let mut reasons = Reasons::default();
        let text = section(&services(LINUX), None, &mut reasons);
        let is =
            |start: &str, cells: &str| assert_eq!(row(&text, start), format!("{start} {cells}"));
        is("| pwd | finds |", "holds | not run yet | not run yet |");
        is("| pwd | is not root |", "holds | not run yet | – |");
        is("| pwd | narrows |", "holds | not run yet | lacks [1] |");
        is("| pwd | is alone |", "– | – | not run yet |");
        is("| dns | finds |", "holds | not run yet | not served |");
        assert_eq!(reasons.all(), ["it is limited once"]);
        assert_eq!(services(LINUX).skipped(), None);
    }

    #[test]
    fn a_run_on_the_other_system_fills_its_columns() {
        let other = LINUX
            .replace("Linux 6.18.44-x", "FreeBSD 15.0-RELEASE")
            .replace("is alone\tnative\tskipped\tno libcasper", "is alone\tnative\theld\t");
        let text = section(&services(LINUX), Some(&services(&other)), &mut Reasons::default());
        assert!(!text.contains("not run yet"));
        assert!(row(&text, "| pwd | is alone").ends_with("| – | – | holds |"));
        assert!(row(&text, "| pwd | finds").ends_with("| holds | holds | not tried [1] |"));
    }

    #[test]
    fn a_run_that_failed_or_was_cut_short_is_an_error() {
        assert!(Services::parse("").is_err());
        assert!(Services::parse(&LINUX.replace("end\t4\t0\t2\n", "")).is_err());
        for (old, new) in [
            ("dns\tfinds\tportable\theld", "dns\tfinds\tportable\tfailed"),
            ("native\tbeyond", "native\tmaybe"),
            ("pwd\tfinds\tnative", "pwd\tfinds\tother"),
        ] {
            assert!(LINUX.contains(old));
            assert!(Services::parse(&LINUX.replace(old, new)).is_err(), "{new}");
        }
    }
}
