//! The time zone, for a process that has no files.

use std::{ffi::OsString, fs::File, io::Read, os::unix::ffi::OsStrExt};

/// The value of `TZ` that says by itself when it is what time in the program's zone: the rule at the
/// end of its file (RFC 9636), or the program's own `TZ`. Where there is none, it is UTC.
pub(super) fn zone() -> String {
    const FILE: &str = "/etc/localtime";
    let utc = || "UTC0".to_owned();
    let Some(stated) = std::env::var_os("TZ").filter(|stated| !stated.is_empty()) else {
        return rule(FILE).unwrap_or_else(utc);
    };
    let Some(name) = OsString::into_string(stated).ok().filter(|name| is_plain(name.as_bytes()))
    else {
        return utc();
    };
    let name = name.strip_prefix(':').unwrap_or(&name);
    if name.starts_with('/') {
        return rule(name).unwrap_or_else(utc);
    }
    let file = ["/usr/share/zoneinfo", name].join("/");
    rule(&file).unwrap_or_else(|| name.to_owned())
}

fn is_plain(text: &[u8]) -> bool {
    (1..=128).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
}

fn rule(file: &str) -> Option<String> {
    const MOST: u64 = 1 << 20;
    let mut content = Vec::new();
    File::open(file).ok()?.take(MOST).read_to_end(&mut content).ok()?;
    let content = content.strip_suffix(b"\n").filter(|content| content.starts_with(b"TZif"))?;
    let start = content.iter().rposition(|byte| *byte == b'\n')? + 1;
    let rule = std::ffi::OsStr::from_bytes(content.get(start..)?).to_str()?;
    is_plain(rule.as_bytes()).then(|| rule.to_owned())
}
