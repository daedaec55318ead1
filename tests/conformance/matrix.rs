//! `--matrix`: what a run has shown, in lines that `cargo xtask matrix` makes tables of.
//!
//! A line is fields between tabs, and the first says what it is:
//!
//! ```text
//! host   WHAT TEXT                        the system, the user, a mechanism of the kernel
//! level  NAME TEXT                        `offered`, or what this host lacks for it
//! right  NAME STATE REASON                `tried`, `untried` or `none`: it has no operation here
//! case   LEVEL USER KIND GROUP SUBJECT VARIANT EXPECTED OUTCOME DETAIL
//! end    PASSED FAILED SKIPPED            the run is complete
//! ```
//!
//! The kinds are `right` (the group is the right, the subject an operation, the variant a point),
//! `name`, `way` (out of a directory) and `rule`. The detail of a refusal that came about is its
//! error, that of any other outcome a reason.

use capsicum_rs::{Containment, Enforcement, Rights, Support};

use crate::{
    coverage,
    harness::{Case, Done, Outcome},
    level, raw,
};

/// Which row and column of a table a case belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    kind: &'static str,
    subject: String,
    variant: String,
    expected: &'static str,
}

impl Place {
    /// An operation, tried where limits come from here, with its right or without.
    pub(crate) fn operation(name: &str, point: &str, with: bool) -> Self {
        let expected = if with { "works" } else { "refused" };
        Self { kind: "right", subject: name.to_owned(), variant: point.to_owned(), expected }
    }

    /// A global name, tried under a ceiling.
    pub(crate) fn name(name: &str, ceiling: &str) -> Self {
        let variant = format!("ceiling of {ceiling}");
        Self { kind: "name", subject: name.to_owned(), variant, expected: "refused" }
    }

    /// A way out of a directory.
    pub(crate) fn way(name: &str) -> Self {
        let (subject, variant) = (name.to_owned(), String::new());
        Self { kind: "way", subject, variant, expected: "refused" }
    }

    /// A sentence that is tried in several variants.
    pub(crate) fn rule(sentence: &str, variant: &str) -> Self {
        let (subject, variant) = (sentence.to_owned(), variant.to_owned());
        Self { kind: "rule", subject, variant, expected: "holds" }
    }
}

fn print(fields: &[&str]) {
    let clean = |field: &&str| field.replace(['\t', '\n', '\r'], " ");
    println!("{}", fields.iter().map(clean).collect::<Vec<_>>().join("\t"));
}

/// What is known before any case has run.
pub(crate) fn head(support: &Support, user: &str) {
    print(&["host", "system", &support.system]);
    print(&["host", "user", user]);
    for mechanism in &support.mechanisms {
        let state = match &mechanism.state {
            Ok(state) => state.clone(),
            Err(reason) => format!("lacking: {reason}"),
        };
        print(&["host", mechanism.name, &state]);
    }
    for (level, lacks) in level::levels(support) {
        print(&["level", &level.to_string(), lacks.as_deref().unwrap_or("offered")]);
    }
    let untried = coverage::untried();
    for row in &support.rights {
        let reason = untried.iter().find(|(right, _)| *right == row.right);
        let (state, reason) = match (&row.enforcement, reason) {
            (Enforcement::NoOperation, _) => ("none", ""),
            (_, Some((_, reason))) => ("untried", *reason),
            _ => ("tried", ""),
        };
        print(&["right", row.name, state, reason]);
    }
}

/// What became of a case.
pub(crate) fn case(level: Containment, user: &str, case: &Case, outcome: &Outcome) {
    let place = case.place.clone().unwrap_or_else(|| Place::rule(&case.name, ""));
    let group = match (place.kind, case.right) {
        ("right", Some(right)) => name_of(right),
        _ => case.group.to_owned(),
    };
    let (outcome, detail) = match outcome {
        Ok(Done::Held) => ("held", String::new()),
        Ok(Done::Refused(number)) => ("held", error_name(*number)),
        Ok(Done::Otherwise(reason)) => ("otherwise", reason.clone()),
        Ok(Done::Skipped(reason)) => ("skipped", reason.clone()),
        Err(message) => ("failed", message.clone()),
    };
    let (level, Place { kind, subject, variant, expected }) = (level.to_string(), place);
    print(&["case", &level, user, kind, &group, &subject, &variant, expected, outcome, &detail]);
}

/// The run is complete.
pub(crate) fn end(passed: u32, failed: u32, skipped: u32) {
    print(&["end", &passed.to_string(), &failed.to_string(), &skipped.to_string()]);
}

fn name_of(right: Rights) -> String {
    let named = Rights::each().find(|(_, each)| *each == right);
    named.map_or_else(|| right.to_string(), |(name, _)| name.to_owned())
}

/// The same for both systems, whose numbers differ.
fn error_name(number: i32) -> String {
    let name = match number {
        raw::ECAPMODE => "ECAPMODE",
        raw::ENOTCAPABLE => "ENOTCAPABLE",
        libc::EPERM => "EPERM",
        libc::EACCES => "EACCES",
        libc::EXDEV => "EXDEV",
        libc::ENOSYS => "ENOSYS",
        _ => return format!("error {number}"),
    };
    name.to_owned()
}
