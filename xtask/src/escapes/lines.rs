//! What `escape --tsv` prints. `tests/escape/tsv.rs` says what the fields mean.

use anyhow::{Result, bail};

/// A complete run in which nothing got through that may not.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) system: String,
    /// What the kernel has, by the names of manual pages.
    pub(super) mechanisms: Vec<(String, String)>,
    /// Each level, and what the host lacks for it.
    levels: Vec<(String, Option<String>)>,
    /// Name, version and command line of each confinement.
    pub(super) peers: Vec<(String, String, String)>,
    pub(super) cases: Vec<Case>,
}

/// What became of an attack somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) family: String,
    pub(super) attack: String,
    pub(super) user: String,
    pub(super) place: String,
    pub(super) verdict: String,
    pub(super) detail: String,
    /// What the documentation says of it, if it got through.
    pub(super) known: String,
}

/// Attacks that show that the suite is at fault.
fn wrong(case: &Case, own: bool) -> bool {
    let through = case.verdict == "through" && case.place != "control" && case.known.is_empty();
    case.verdict == "fault" || own && through
}

impl Results {
    /// Reads the lines of a run.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (mut results, mut ended) = (Self::default(), false);
        for line in text.lines() {
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            match &fields.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["host", "system", system] => (*system).clone_into(&mut results.system),
                ["host", name, state] => {
                    results.mechanisms.push(((*name).to_owned(), (*state).to_owned()));
                }
                ["level", name, "offered"] => results.levels.push(((*name).to_owned(), None)),
                ["level", name, lacks] => {
                    results.levels.push(((*name).to_owned(), Some((*lacks).to_owned())));
                }
                ["peer", name, version, line] => {
                    let own = |text: &str| text.to_owned();
                    results.peers.push((own(name), own(version), own(line)));
                }
                ["case", ..] => results.cases.push(case(&fields)?),
                ["end", ..] => ended = true,
                _ => bail!("not understood: {line}"),
            }
        }
        if !ended || results.system.is_empty() || results.cases.is_empty() {
            bail!("the run was cut short");
        }
        let levels = &results.levels;
        let own = |place: &str| {
            levels.iter().any(|(level, _)| level == place) || place.starts_with("sandbox-spawn")
        };
        let wrong: Vec<String> = results
            .cases
            .iter()
            .filter(|case| wrong(case, own(&case.place)))
            .map(|c| format!("{}: {}, {}: {} {}", c.attack, c.place, c.user, c.verdict, c.detail))
            .collect();
        if !wrong.is_empty() {
            bail!("{} attempts went wrong or got through:\n{}", wrong.len(), wrong.join("\n"));
        }
        Ok(results)
    }

    /// Whether every column of ours has a run.
    pub(super) fn complete(&self) -> Result<()> {
        for user in ["root", "user"] {
            if !self.cases.iter().any(|case| case.user == user) {
                bail!("there was no pass as {user}");
            }
        }
        if !self.peers.iter().any(|(name, ..)| name.starts_with("sandbox-spawn")) {
            bail!("the wrapper was not built");
        }
        for (name, ..) in &self.peers {
            let mut cases = self.cases.iter().filter(|case| case.place == *name).peekable();
            if cases.peek().is_none() {
                bail!("nothing was attacked under {name}");
            }
        }
        Ok(())
    }

    /// The levels that this host offers.
    pub(super) fn offered(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter(|(_, lacks)| lacks.is_none()).map(|(name, _)| name.as_str())
    }

    /// The lines of a run that are about the host and about confinements of others.
    pub(super) fn of_peers(&self, text: &str) -> String {
        let peer = |place: &str| self.peers.iter().any(|(name, ..)| name == place);
        let kept = text.lines().filter(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[0] {
                "case" => fields.get(4).is_some_and(|place| peer(place)),
                "level" => false,
                "host" => fields[1] == "system",
                _ => true,
            }
        });
        kept.flat_map(|line| [line, "\n"]).collect()
    }
}

fn case(fields: &[String]) -> Result<Case> {
    let [_, family, attack, user, place, verdict, detail, known] = fields else {
        bail!("a case has 8 fields, not {}: {}", fields.len(), fields.join(" "));
    };
    Ok(Case {
        family: family.clone(),
        attack: attack.clone(),
        user: user.clone(),
        place: place.clone(),
        verdict: verdict.clone(),
        detail: detail.clone(),
        known: known.clone(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const OWN: &str = "\
host\tsystem\tLinux 6.18.44-x
host\tlandlock(7)\tABI 7
level\tDescriptors\toffered
level\tLandlock\toffered
level\tDirectories\ttoo old
peer\tsandbox-spawn, landlock\tsandbox-spawn 0.1.0\tsandbox-spawn run ATTACKER
case\tpaths\topen\troot\tcontrol\tthrough\tit read the secret\t
case\tpaths\topen\troot\tDescriptors\trefused\tECAPMODE openat\t
case\tpaths\topen\troot\tLandlock\trefused\tEACCES openat\t
case\tpaths\topen\troot\tsandbox-spawn, landlock\trefused\tEACCES openat\t
case\tpaths\tstat\tuser\tcontrol\tthrough\tit learnt a size\t
case\tpaths\tstat\tuser\tLandlock\tended\t31\t
case\tpaths\tstat\tuser\tsandbox-spawn, landlock\tthrough\tit learnt a size\tMetadata can be seen.
case\tnumbers\tdup\tuser\tcontrol\tnothing\tno such thing\t
end\t3\t0\t0
";

    pub(in super::super) const PEERS: &str = "\
host\tsystem\tLinux 6.18.44-x
peer\tbwrap\tbubblewrap 0.8.0\tbwrap ATTACKER
case\tpaths\topen\troot\tbwrap\trefused\tENOENT openat\t
case\tpaths\tstat\tuser\tbwrap\tthrough\tit learnt a size\t
end\t3\t0\t0
";

    #[test]
    fn a_run_is_read_and_one_that_was_cut_short_is_an_error() {
        let own = Results::parse(OWN).expect("a run");
        assert_eq!(own.offered().collect::<Vec<_>>(), ["Descriptors", "Landlock"]);
        assert!(own.complete().is_ok());
        assert!(Results::parse(&OWN.replace("end\t3\t0\t0\n", "")).is_err());
    }

    #[test]
    fn what_gets_through_ours_without_a_sentence_is_an_error_and_others_are_not_judged() {
        let through = OWN.replace("ended\t31\t", "through\tit learnt a size\t");
        assert!(Results::parse(&through).expect_err("through").to_string().contains("stat"));
        let silent = OWN.replace("\tMetadata can be seen.", "\t");
        assert!(Results::parse(&silent).is_err());
        assert!(Results::parse(PEERS).is_ok());
        assert!(Results::parse(&PEERS.replace("through\tit learnt a size", "fault\tx")).is_err());
    }

    #[test]
    fn what_is_kept_of_peers_reads_the_same() {
        let results = Results::parse(PEERS).expect("a run");
        let mixed = format!("level\tLandlock\toffered\n{PEERS}");
        assert_eq!(results.of_peers(&mixed), PEERS);
    }
}
