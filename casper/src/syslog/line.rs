//! A line, as syslogd reads it.
//!
//! It has the form that the C library of Linux and many a BSD give it, that of RFC 3164 without a host:
//! `<13>Nov  7 04:05:06 name[123]: message`. The crate `syslog` makes the same, but connects by path itself,
//! and finds the time zone in files, neither of which there is in capability mode.

use std::{fmt::Write, time::SystemTime};

use super::{Facility, Severity};
use crate::sys;

/// Bytes of a line: what the syslogd of FreeBSD and rsyslog take unless told otherwise.
pub(super) const MOST: usize = 8192;
/// Bytes of a name.
pub(super) const LONGEST_IDENT: usize = 64;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Whether a name is one: nothing in it ends it, for a reader of the line.
pub(super) fn is_ident(ident: &str) -> bool {
    let plain = |character: char| character.is_ascii_graphic() && !"[]:<>".contains(character);
    !ident.is_empty() && ident.len() <= LONGEST_IDENT && ident.chars().all(plain)
}

/// The line. What would be another line, or would show as something else, is escaped, and what is too
/// long is cut.
pub(super) fn line(
    (facility, severity): (Facility, Severity),
    now: SystemTime,
    ident: &str,
    pid: Option<u32>,
    message: &str,
) -> String {
    let priority = (facility as u8) << 3 | severity as u8;
    // As long as most become, so that it is moved seldom.
    let mut line = String::with_capacity(message.len().min(MOST) + 2 * LONGEST_IDENT);
    // Writing to a string cannot fail.
    let _ = write!(line, "<{priority}>");
    let local = sys::local_time(now);
    if let Some((month, time)) = local.and_then(|time| Some((MONTHS.get(time.month)?, time))) {
        let sys::LocalTime { day, hour, minute, second, .. } = time;
        let _ = write!(line, "{month} {day:2} {hour:02}:{minute:02}:{second:02} ");
    }
    line.push_str(ident);
    if let Some(pid) = pid {
        let _ = write!(line, "[{pid}]");
    }
    line.push_str(": ");
    escape(&mut line, message, MOST);
    line
}

/// Appends a message to a line, which then has so many bytes at most.
pub(crate) fn escape(line: &mut String, message: &str, most: usize) {
    let message = message.trim_end_matches(['\n', '\r']);
    // Mostly that is all of it.
    let plain = message.bytes().take_while(|byte| matches!(byte, b' '..=b'~')).count();
    let (plain, rest) = message.split_at(plain);
    let room = most.saturating_sub(line.len());
    line.push_str(plain.get(..room).unwrap_or(plain));
    if plain.len() > room {
        return;
    }
    for character in rest.chars() {
        let before = line.len();
        if misleads(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        if line.len() > most {
            line.truncate(before);
            break;
        }
    }
}

/// As much of a message as can be in a line.
pub(super) fn start(message: &str) -> &str {
    let end = (0..=MOST).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    if message.len() <= MOST { message } else { message.get(..end).unwrap_or_default() }
}

/// Control characters, ends of lines, and what changes the direction of writing.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn made(message: &str) -> String {
        // Noon, so that it is the same day in most places.
        let now = UNIX_EPOCH + Duration::from_secs(1_700_049_600);
        line((Facility::Daemon, Severity::Warning), now, "name", Some(7), message)
    }

    #[test]
    fn lines_have_the_form_of_rfc_3164() {
        let line = made("message");
        assert!(line.starts_with("<28>Nov 15 "), "{line}");
        assert!(line.ends_with(" name[7]: message"), "{line}");
        assert_eq!(line.len(), "<28>Nov 15 12:00:00 name[7]: message".len());
    }

    #[test]
    fn nothing_in_a_message_is_another_line() {
        let line = made("a\n<0>Nov 15 12:00:00 kernel: b\0\r\x1b[2J\u{85}\u{202e}é\n\r\n");
        let expected = "a\\n<0>Nov 15 12:00:00 kernel: b\\u{0}\\r\\u{1b}[2J\\u{85}\\u{202e}é";
        assert!(line.ends_with(&format!(" name[7]: {expected}")), "{line}");
    }

    #[test]
    fn what_is_too_long_is_cut_wherever_its_plain_beginning_ends() {
        let escaped = |message: &str| {
            let mut line = "<13>".to_owned();
            escape(&mut line, message, 10);
            line
        };
        assert_eq!(escaped("123456"), "<13>123456");
        assert_eq!(escaped("1234567"), "<13>123456");
        assert_eq!(escaped("123456é"), "<13>123456");
        assert_eq!(escaped("12345é7"), "<13>12345");
        assert_eq!(escaped("1234\t7"), "<13>1234\\t");
        assert_eq!(escaped("é\n\t\n\n"), "<13>é\\n\\t");
        assert_eq!(escaped("\n"), "<13>");
    }

    #[test]
    fn names_that_end_early_are_none() {
        let long = "a".repeat(LONGEST_IDENT);
        for good in ["name", "my-d_2.0/x", &long] {
            assert!(is_ident(good), "{good}");
        }
        let longer = "a".repeat(LONGEST_IDENT + 1);
        for bad in ["", "a b", "a:", "a[1]", "<0>", "a\n", "a\0", "é", &longer] {
            assert!(!is_ident(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_line_is_one_and_not_too_long(message in "\\PC{0,64}|(?s).{0,9000}") {
            let line = made(&message);
            prop_assert!(line.len() <= MOST);
            prop_assert!(!line.chars().any(misleads));
        }
    }
}
