//! Every attack, first without a sandbox, then at each level of containment.

use std::{fmt, path::Path};

use capsicum_rs::{Containment, Support};

use crate::{
    attacks,
    attempt::{Attack, Family, Who},
    peers::Peer,
    stage::{Mode, Objects},
    verdict::{Verdict, attempt},
};

/// Where an attack was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Control,
    Level(Containment),
    Peer { name: &'static str, ours: bool },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control => f.write_str("control"),
            Self::Level(level) => level.fmt(f),
            Self::Peer { name, .. } => f.write_str(name),
        }
    }
}

/// What was found.
pub(crate) struct Finding<'a> {
    pub(crate) family: &'static str,
    pub(crate) attack: &'a Attack,
    pub(crate) place: Place,
    pub(crate) verdict: Verdict,
}

/// How a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Passed,
    Failed,
    Skipped,
}

impl Finding<'_> {
    /// What the documentation says of an attack that gets through here.
    pub(crate) fn known(&self) -> Option<&'static str> {
        let Verdict::Through(_) = self.verdict else { return None };
        let known = self.attack.known.iter();
        match self.place {
            Place::Control | Place::Peer { ours: false, .. } => None,
            Place::Level(_) => known.into_iter().find(|known| known.place.is_empty()),
            Place::Peer { name, .. } => known
                .into_iter()
                .find(|known| !known.place.is_empty() && name.contains(known.place)),
        }
        .map(|known| known.sentence)
    }

    /// Whether it is as it must be.
    pub(crate) fn count(&self) -> Count {
        match (&self.place, &self.verdict) {
            (_, Verdict::Fault(_)) => Count::Failed,
            // Without a sandbox it need but get through somewhere.
            (Place::Control, Verdict::Through(_)) | (Place::Peer { ours: false, .. }, _) => {
                Count::Passed
            }
            (Place::Control, _) | (_, Verdict::Unable(_)) => Count::Skipped,
            (_, Verdict::Through(_)) if self.known().is_none() => Count::Failed,
            _ => Count::Passed,
        }
    }
}

/// All attacks whose name or family has one of these in it.
pub(crate) fn selected(filters: &[String]) -> Vec<(&'static Family, &'static Attack)> {
    let all = attacks::FAMILIES
        .iter()
        .flat_map(|family| family.attacks.iter().map(move |attack| (*family, attack)));
    let wanted = |(family, attack): &(&Family, &Attack)| {
        filters.is_empty()
            || filters.iter().any(|part| attack.name.contains(part) || family.name.contains(part))
    };
    all.filter(wanted).collect()
}

/// The levels that the library offers here, and those that it does not, with the reason.
pub(crate) fn levels(support: &Support) -> Vec<(Containment, Option<String>)> {
    let levels = support.levels.iter();
    levels.map(|level| (level.containment, level.lacks.clone())).collect()
}

/// Makes these attacks as the user that this is; `found` is told of each.
pub(crate) fn run<'a>(
    attacks: &[(&'static Family, &'a Attack)],
    base: &Path,
    peers: &[Peer],
    found: &mut dyn FnMut(Finding<'a>),
) {
    let objects = Objects::new();
    let levels = levels(&Support::probe());
    for (family, attack) in attacks {
        let mut tell = |place, verdict| {
            found(Finding { family: family.name, attack, place, verdict });
        };
        let control = attempt(attack, Mode::Control, base, &objects);
        let works = matches!(control, Verdict::Through(_));
        tell(Place::Control, control);
        // What shows nothing there shows nothing elsewhere.
        if !works {
            continue;
        }
        for (level, lacks) in &levels {
            if lacks.is_none() {
                let verdict = attempt(attack, Mode::Level(*level), base, &objects);
                tell(Place::Level(*level), verdict);
            }
        }
        if attack.who == Who::Program {
            for peer in peers {
                let verdict = peer.attempt(attack, base, &objects);
                tell(Place::Peer { name: peer.name, ours: peer.ours() }, verdict);
            }
        }
    }
}
