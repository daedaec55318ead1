//! `--tsv`: what a run has shown, in lines that `cargo xtask escapes` makes tables of.
//!
//! ```text
//! host   WHAT TEXT
//! level  NAME TEXT                  `offered`, or what this host lacks for it
//! peer   NAME VERSION COMMAND       another confinement
//! case   FAMILY ATTACK USER PLACE VERDICT DETAIL KNOWN
//! end    PASSED FAILED SKIPPED      the run is complete
//! ```
//!
//! A place is `control`, a level, or a peer. `KNOWN` is what the documentation says of an attack
//! that gets through.

use capsicum_rs::Support;

use crate::{
    campaign::{self, Finding},
    peers::Peer,
    verdict::Verdict,
};

fn print(fields: &[&str]) {
    let clean = |field: &&str| field.replace(['\t', '\n', '\r'], " ");
    println!("{}", fields.iter().map(clean).collect::<Vec<_>>().join("\t"));
}

pub(crate) fn head(peers: &[Peer]) {
    let support = Support::probe();
    print(&["host", "system", &support.system]);
    for mechanism in &support.mechanisms {
        let state = mechanism.state.clone().unwrap_or_else(|reason| format!("lacking: {reason}"));
        print(&["host", mechanism.name, &state]);
    }
    for (level, lacks) in campaign::levels(&support) {
        print(&["level", &level.to_string(), lacks.as_deref().unwrap_or("offered")]);
    }
    for peer in peers {
        print(&["peer", peer.name, &peer.version(), &peer.line()]);
    }
}

pub(crate) fn finding(user: &str, finding: &Finding<'_>) {
    let (verdict, detail) = match &finding.verdict {
        Verdict::Through(what) => ("through", what.clone()),
        Verdict::Refused { call, error } => ("refused", format!("{error} {call}")),
        Verdict::Nothing(what) => ("nothing", what.clone()),
        Verdict::Ended(signal) => ("ended", signal.to_string()),
        Verdict::NotEntered(reason) => ("not entered", reason.clone()),
        Verdict::Unable(reason) => ("unable", reason.clone()),
        Verdict::Fault(what) => ("fault", what.clone()),
    };
    let (place, known) = (finding.place.to_string(), finding.known().unwrap_or_default());
    let name = finding.attack.name;
    print(&["case", finding.family, name, user, &place, verdict, &detail, known]);
}

pub(crate) fn end(passed: u32, failed: u32, skipped: u32) {
    print(&["end", &passed.to_string(), &failed.to_string(), &skipped.to_string()]);
}
