//! What `conformance --matrix` prints. `tests/conformance/matrix.rs` says what the fields mean.

use anyhow::{Context, Result, bail};

/// A complete run of the suite in which nothing failed.
#[derive(Debug)]
pub(super) struct Results {
    /// The system and its release.
    pub(super) system: String,
    /// Who ran it.
    pub(super) user: String,
    /// What the kernel has, by the names of manual pages.
    pub(super) mechanisms: Vec<(String, String)>,
    /// Each level, and what the host lacks for it.
    levels: Vec<(String, Option<String>)>,
    /// Every right, in the order of the bits.
    pub(super) rights: Vec<(String, State)>,
    /// What each case has shown.
    pub(super) cases: Vec<Case>,
}

/// What the suite knows of a right without a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There are cases.
    Tried,
    /// There is none, for this reason.
    Untried(String),
    /// The system has no operation that the right is about.
    NoOperation,
}

/// A case at a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) level: String,
    pub(super) kind: Kind,
    /// The right, or what the rule is about.
    pub(super) group: String,
    pub(super) subject: String,
    pub(super) variant: String,
    /// An operation with its right, not without.
    pub(super) with: bool,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Right,
    Name,
    Way,
    Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As expected; with the error where the suite tells which.
    Held(String),
    /// Refused in a documented way.
    Otherwise(String),
    /// Not for this host.
    Skipped(String),
}

impl Results {
    /// Reads the lines of a run.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut results = Self {
            system: String::new(),
            user: String::new(),
            mechanisms: Vec::new(),
            levels: Vec::new(),
            rights: Vec::new(),
            cases: Vec::new(),
        };
        let mut failures = Vec::new();
        let mut ended = false;
        for line in text.lines() {
            if ended {
                bail!("it goes on after its end: {line}");
            }
            let fields: Vec<&str> = line.split('\t').collect();
            let own = |text: &&str| (*text).to_owned();
            match fields.as_slice() {
                ["host", "system", system] => results.system = own(system),
                ["host", "user", user] => results.user = own(user),
                ["host", name, state] => results.mechanisms.push((own(name), own(state))),
                ["level", name, "offered"] => results.levels.push((own(name), None)),
                ["level", name, lacks] => results.levels.push((own(name), Some(own(lacks)))),
                ["right", name, state, reason] => {
                    let state = match *state {
                        "tried" => State::Tried,
                        "untried" => State::Untried(own(reason)),
                        "none" => State::NoOperation,
                        other => bail!("a right is not {other}: {line}"),
                    };
                    results.rights.push((own(name), state));
                }
                ["case", .., "failed", _] => failures.push(line),
                ["case", rest @ ..] => {
                    results.cases.push(case(rest).with_context(|| line.to_owned())?);
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
        if results.system.is_empty() || results.cases.is_empty() {
            bail!("it has no cases of any system");
        }
        Ok(results)
    }

    /// The levels that the cases were run at.
    pub(super) fn offered(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter(|(_, lacks)| lacks.is_none()).map(|(name, _)| name.as_str())
    }

    /// The levels that the host lacks, and why.
    pub(super) fn lacking(&self) -> impl Iterator<Item = (&str, &str)> {
        self.levels.iter().filter_map(|(name, lacks)| Some((name.as_str(), lacks.as_deref()?)))
    }

    /// What the kernel has of a mechanism.
    pub(super) fn mechanism(&self, name: &str) -> Option<&str> {
        self.mechanisms.iter().find(|(each, _)| each == name).map(|(_, state)| state.as_str())
    }

    /// Why the first case that was skipped was skipped.
    pub(super) fn skipped(&self) -> Option<String> {
        self.cases.iter().find_map(|case| match &case.outcome {
            Outcome::Skipped(reason) => Some(format!("{}: {reason}", case.subject)),
            _ => None,
        })
    }
}

fn case(fields: &[&str]) -> Result<Case> {
    let &[level, _user, kind, group, subject, variant, expected, outcome, detail] = fields else {
        bail!("a case has 10 fields, not {}", fields.len() + 1);
    };
    let kind = match kind {
        "right" => Kind::Right,
        "name" => Kind::Name,
        "way" => Kind::Way,
        "rule" => Kind::Rule,
        other => bail!("the kind {other} is unknown"),
    };
    let detail = detail.to_owned();
    let outcome = match outcome {
        "held" => Outcome::Held(detail),
        "otherwise" => Outcome::Otherwise(detail),
        "skipped" => Outcome::Skipped(detail),
        other => bail!("the outcome {other} is unknown"),
    };
    let with = match expected {
        "works" => true,
        "refused" | "holds" => false,
        other => bail!("the expectation {other} is unknown"),
    };
    Ok(Case {
        level: level.to_owned(),
        kind,
        group: group.to_owned(),
        subject: subject.to_owned(),
        variant: variant.to_owned(),
        with,
        outcome,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A small run.
    pub(in super::super) const LINUX: &str = "\
host\tsystem\tLinux 6.18.44-x
host\tuser\troot
host\tlandlock(7)\tABI 7
level\tDescriptors\toffered
level\tLandlock\toffered
right\tREAD\ttried\t
right\tMKDIRAT\ttried\t
right\tACL_GET\tnone\t
right\tFSCK\tuntried\tit takes UFS
case\tDescriptors\troot\tright\tREAD\tread\tgrant\tworks\theld\t
case\tDescriptors\troot\tright\tREAD\tread\tgrant\trefused\theld\t
case\tDescriptors\troot\tright\tMKDIRAT\tmkdirat\tlimit\tworks\theld\t
case\tDescriptors\troot\tright\tMKDIRAT\tmkdirat\tlimit\trefused\theld\t
case\tDescriptors\troot\tright\tMKDIRAT\tmkdirat\tgrant\tworks\totherwise\tLOOKUP on descriptor 3
case\tDescriptors\troot\tname\tnames\tchdir\tceiling of nothing\trefused\theld\tECAPMODE
case\tDescriptors\troot\trule\tidentity\tit stays\t\tholds\totherwise\tno Landlock
case\tLandlock\troot\tright\tREAD\tread\tgrant\tworks\theld\t
case\tLandlock\troot\tright\tREAD\tread\tgrant\trefused\theld\t
case\tLandlock\troot\tright\tMKDIRAT\tmkdirat\tgrant\tworks\theld\t
case\tLandlock\troot\tright\tMKDIRAT\tmkdirat\tgrant\trefused\theld\t
case\tLandlock\troot\tname\tnames\tchdir\tceiling of nothing\trefused\theld\tECAPMODE
case\tLandlock\troot\trule\tidentity\tit stays\t\tholds\theld\t
end\t11\t0\t0
";

    pub(in super::super) fn results(text: &str) -> Results {
        Results::parse(text).expect("results")
    }

    #[test]
    fn a_run_is_read_with_levels_rights_and_cases() {
        let results = results(LINUX);
        assert_eq!(results.offered().collect::<Vec<_>>(), ["Descriptors", "Landlock"]);
        assert_eq!(results.mechanism("landlock(7)"), Some("ABI 7"));
        assert_eq!(results.rights.len(), 4);
        assert_eq!(results.rights[3].1, State::Untried("it takes UFS".to_owned()));
        assert_eq!(results.cases.len(), 13);
        assert!(results.cases[0].with && !results.cases[1].with);
    }

    #[test]
    fn a_run_that_was_cut_short_or_failed_is_an_error() {
        let short = LINUX.replace("end\t11\t0\t0\n", "");
        assert!(Results::parse(&short).expect_err("cut").to_string().contains("cut short"));
        let failed = LINUX.replacen("works\theld", "works\tfailed", 1);
        assert!(Results::parse(&failed).expect_err("failed").to_string().contains("1 cases"));
        assert!(Results::parse("").is_err());
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error() {
        for (old, new) in [
            ("\tname\t", "\tnoun\t"),
            ("right\tREAD\ttried\t", "right\tREAD\tperhaps\t"),
            ("works\theld", "hopes\theld"),
            ("\theld\tECAPMODE", "\theld"),
            ("host\tuser\troot", "guest\tuser\troot"),
        ] {
            assert!(LINUX.contains(old));
            assert!(Results::parse(&LINUX.replacen(old, new, 1)).is_err(), "{new}");
        }
    }
}
