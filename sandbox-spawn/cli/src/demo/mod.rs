//! `sandbox-spawn demo`: a real job in its sandbox, then an attacker in the same sandbox.

mod archive;
mod job;
pub(crate) mod outcome;
mod verdict;

use std::{
    env,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use job::Confined;
use outcome::Attempted;
use verdict::Verdict;

use crate::{
    args::{DemoOptions, Level, PackOptions},
    error::Error,
    sys::{self, Bait},
};

/// Fewer attempts than this are no attack.
const FEWEST_ATTEMPTS: usize = 25;

/// Shows the job and the attack. Exits with 0 if the job was done and nothing got through.
pub(crate) fn demo(options: &DemoOptions) -> Result<u8, Error> {
    let level = level(options)?;
    let tree = tree()?;
    let out = tempfile::Builder::new()
        .prefix("sandbox-spawn-demo-")
        .tempdir()
        .map_err(|source| Error::system("making the output directory", source))?;
    let bait = Bait::set()?;
    for outside in [bait.secret(), out.path()] {
        if outside.starts_with(&tree) {
            let what = "is above the directory for temporary files: start the demo elsewhere";
            return Err(Error::Demo(format!("{} {what}", tree.display())));
        }
    }
    let confined = Confined { level, tree: &tree, out: out.path() };
    say(&format!(
        "level:   {}\njob:     pack {}\n         confined to reading that and writing {}\n",
        level.name(),
        tree.display(),
        out.path().display(),
    ))?;
    let packed = confined.pack()?;
    say(&format!(
        "done:    {} ({} bytes, {} entries, with {})\n\n",
        packed.archive.display(),
        packed.bytes,
        packed.entries,
        packed.with,
    ))?;
    let through = attack(&confined, &bait)?;
    // The archive stays for whoever wants to look at it.
    let _ = out.keep();
    Ok(u8::from(through))
}

/// Packs without tar; runs in the sandbox.
pub(crate) fn pack(options: &PackOptions) -> Result<u8, Error> {
    archive::pack(&options.tree, &options.archive).map_err(|source| Error::Path {
        option: "pack",
        path: options.tree.clone(),
        source,
    })?;
    Ok(0)
}

/// Runs the attacker and prints the table; whether anything got through.
fn attack(confined: &Confined<'_>, bait: &Bait) -> Result<bool, Error> {
    let own = job::own_path()?;
    let mut words = vec![own.into_os_string(), "attack".into()];
    words.extend(bait.arguments());
    for (option, path) in [("--tree", confined.tree), ("--out", confined.out)] {
        words.extend([option.into(), path.as_os_str().to_owned()]);
    }
    let output = confined
        .command(words)?
        .stderr(Stdio::inherit())
        .stdin(Stdio::inherit())
        .output()
        .map_err(|source| Error::system("starting sandbox-spawn", source))?;
    let reached = bait.reached();
    let mut rows = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let attempted = Attempted::from_line(line)
            .ok_or_else(|| Error::Demo(format!("the attacker said: {line}")))?;
        let watched = sys::WATCHED.contains(&attempted.name.as_str());
        let seen = reached.contains(&attempted.name.as_str());
        let verdict = verdict::judge(&attempted, confined.level, bait.marker(), watched, seen);
        rows.push((attempted.name, verdict));
    }
    check(output.status, rows.len())?;
    table(&rows)?;
    Ok(rows.iter().any(|(_, verdict)| verdict.through))
}

/// An attacker that did not get far proves nothing.
fn check(status: ExitStatus, attempts: usize) -> Result<(), Error> {
    if !status.success() || attempts < FEWEST_ATTEMPTS {
        return Err(Error::Demo(format!(
            "the attacker ended early, after {attempts} attempts: {status}"
        )));
    }
    Ok(())
}

fn table(rows: &[(String, Verdict)]) -> Result<(), Error> {
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    let first = width(&mut rows.iter().map(|(name, _)| name.len()));
    let second = width(&mut rows.iter().map(|(_, verdict)| verdict.happened.len()));
    let mut text = format!("     {:first$}  {:second$}  stopped by\n", "attempt", "what happened");
    // Writing to a String cannot fail.
    for (index, (name, verdict)) in rows.iter().enumerate() {
        let by = if verdict.through { "GOT THROUGH" } else { &verdict.stopped_by };
        let _ =
            writeln!(text, "{:3}  {name:first$}  {:second$}  {by}", index + 1, verdict.happened);
    }
    let through = rows.iter().filter(|(_, verdict)| verdict.through).count();
    let _ = writeln!(text, "\n{} attempts, {through} got through", rows.len());
    say(&text)
}

fn say(text: &str) -> Result<(), Error> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|source| Error::system("standard output", source))
}

/// The level that was asked for, or the best that is to be had.
fn level(options: &DemoOptions) -> Result<Level, Error> {
    if let Some(level) = options.level {
        return Ok(level);
    }
    let mut reasons = Vec::new();
    for (level, state) in sys::levels() {
        match state {
            Ok(_) => return Ok(level),
            Err(reason) => reasons.push(format!("level `{}`: {reason}", level.name())),
        }
    }
    Err(Error::Unenforceable(format!("nothing can be confined here: {}", reasons.join("; "))))
}

/// The workspace around the current directory, or that directory itself.
fn tree() -> Result<PathBuf, Error> {
    let here = env::current_dir()
        .and_then(fs::canonicalize)
        .map_err(|source| Error::system("the current directory", source))?;
    let is_workspace = |directory: &&Path| {
        fs::read_to_string(directory.join("Cargo.toml"))
            .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    };
    Ok(here.ancestors().find(is_workspace).unwrap_or(&here).to_owned())
}
