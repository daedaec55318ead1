//! `sandbox-spawn doctor`: what this host can enforce, and what to change to get more.

use std::{fmt::Write as _, io::Write as _};

use capsicum_rs::{Enforcement, Support};

use crate::{error::Error, sys};

/// Prints what this host can enforce. Exits with 0 when some level of the wrapper is to be had.
pub(crate) fn doctor() -> Result<u8, Error> {
    let levels = sys::levels();
    let support = Support::probe();
    let text = describe(&levels, &support);
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|source| Error::system("standard output", source))?;
    Ok(u8::from(levels.iter().all(|(_, state)| state.is_err())))
}

type Levels = [(crate::args::Level, Result<String, String>)];

fn describe(levels: &Levels, support: &Support) -> String {
    let mut text = format!("{}\n\nsandbox-spawn run, best level first:\n", support.system);
    // Writing to a String cannot fail.
    for (level, state) in levels {
        let _ = match state {
            Ok(how) => writeln!(text, "  yes  {:12} {how}", level.name()),
            Err(reason) => writeln!(text, "  no   {:12} {reason}", level.name()),
        };
    }
    if levels.iter().all(|(_, state)| state.is_err()) {
        text.push_str("  Programs cannot be confined here: `run` refuses.\n");
    }
    text.push_str("\ncapability mode of the library (capsicum-rs), best level first:\n");
    for level in support.levels.iter().rev() {
        let name = level.containment.to_string().to_lowercase();
        let _ = match &level.lacks {
            None => writeln!(text, "  yes  {name}"),
            Some(reason) => writeln!(text, "  no   {name:12} {reason}"),
        };
    }
    text.push_str("\nmechanisms of the kernel:\n");
    for mechanism in &support.mechanisms {
        let _ = match &mechanism.state {
            Ok(found) => writeln!(text, "  yes  {:24} {found}", mechanism.name),
            Err(reason) => writeln!(text, "  no   {:24} {reason}", mechanism.name),
        };
    }
    let count = |wanted: fn(&Enforcement) -> bool| {
        support.rights.iter().filter(|row| wanted(&row.enforcement)).count()
    };
    let _ = writeln!(
        text,
        "\nrights: {} enforced, {} always refused, {} without an operation on this system",
        count(|row| matches!(row, Enforcement::Enforced { .. })),
        count(|row| matches!(row, Enforcement::Refused { .. })),
        count(|row| matches!(row, Enforcement::NoOperation)),
    );
    text
}
