//! What an attempt of the attacker came to, and how it tells the demo: one line for each.

use std::fmt::Write as _;

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A system call was refused.
    Stopped {
        /// Which.
        call: String,
        /// With what.
        errno: i32,
    },
    /// It read this.
    Read(Vec<u8>),
    /// It did this.
    Did(String),
    /// A signal ended it.
    Killed(i32),
    /// This machine has nothing of the kind.
    Absent(String),
}

/// An attempt and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempted {
    /// What was attempted.
    pub(crate) name: String,
    /// What it came to.
    pub(crate) outcome: Outcome,
}

impl Outcome {
    /// As a text without line ends and tabs other than its own.
    #[allow(dead_code, reason = "there is an attacker on Linux only")]
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Stopped { call, errno } => format!("stopped\t{errno}\t{call}"),
            Self::Read(bytes) => {
                format!("read\t{}", hexadecimal(bytes))
            }
            Self::Did(what) => format!("did\t{what}"),
            Self::Killed(signal) => format!("killed\t{signal}"),
            Self::Absent(reason) => format!("absent\t{reason}"),
        }
    }

    /// The outcome that a text tells of.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('\t')?;
        Some(match kind {
            "stopped" => {
                let (errno, call) = rest.split_once('\t')?;
                Self::Stopped { call: call.to_owned(), errno: errno.parse().ok()? }
            }
            "read" => Self::Read(
                rest.as_bytes()
                    .chunks(2)
                    .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                    .collect::<Option<_>>()?,
            ),
            "did" => Self::Did(rest.to_owned()),
            "killed" => Self::Killed(rest.parse().ok()?),
            "absent" => Self::Absent(rest.to_owned()),
            _ => return None,
        })
    }
}

/// Two digits for each byte.
#[allow(dead_code, reason = "there is an attacker on Linux only")]
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Attempted {
    /// As a line.
    #[allow(dead_code, reason = "there is an attacker on Linux only")]
    pub(crate) fn to_line(&self) -> String {
        format!("{}\t{}\n", self.name, self.outcome.to_text())
    }

    /// The attempt that a line tells of.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let (name, text) = line.split_once('\t')?;
        Some(Self { name: name.to_owned(), outcome: Outcome::from_text(text)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_arrives_as_it_was_told_and_nonsense_is_none() {
        for outcome in [
            Outcome::Stopped { call: "open".to_owned(), errno: 13 },
            Outcome::Read(vec![0, 9, 10, 255]),
            Outcome::Read(Vec::new()),
            Outcome::Did("that".to_owned()),
            Outcome::Killed(31),
            Outcome::Absent("none".to_owned()),
        ] {
            let told = Attempted { name: "try it".to_owned(), outcome };
            assert_eq!(Attempted::from_line(told.to_line().trim_end_matches('\n')), Some(told));
        }
        for line in ["", "x", "x\ty", "x\tread\t0g", "x\tstopped\tone\topen", "x\tkilled\t"] {
            assert_eq!(Attempted::from_line(line), None, "{line:?}");
        }
    }
}
