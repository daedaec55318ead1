//! What `services --matrix` prints: what each case has shown, for the support matrix.
//!
//! Lines of fields with tabs between. `host`, `system` or `user`, and which. `case`, the service, what holds
//! (the name of the case), the provider, what came of it, and the reason of that: `held`, `failed`, `skipped` (the
//! host cannot run it), or `beyond` (the provider cannot do it). At the end `end`, and how many passed,
//! failed and were skipped. A case that is about processes of this crate has no line of libcasper's.

use std::{
    fs::File,
    io::{Read, Seek},
    process::ExitCode,
};

use crate::{
    apart, cases,
    harness::{Provider, text},
};

/// Whose cases have its name first. Any other is about all of them.
const SERVICES: [&str; 8] = ["dns", "fileargs", "grp", "net", "netdb", "pwd", "sysctl", "syslog"];

fn title(name: &str) -> (&str, String) {
    let (service, rest) = match name.split_once('_') {
        Some((service, rest)) if SERVICES.contains(&service) => (service, rest),
        _ => ("all", name),
    };
    (service, rest.replace('_', " "))
}

/// Runs all cases.
pub(crate) fn print() -> ExitCode {
    // A minimal system has no uname(1) and no id(1).
    println!("host\tsystem\t{}", line(&capsicum_rs::Support::probe().system));
    // SAFETY: it always succeeds.
    let root = unsafe { libc::geteuid() } == 0;
    println!("host\tuser\t{}", if root { "root" } else { "an ordinary user" });
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (case, provider, name) in cases() {
        let (service, sentence) = title(case.name);
        let (outcome, detail) = match (case.lacks)() {
            Some(why) => ("skipped", why),
            None => outcome(&name),
        };
        match outcome {
            "held" => passed += 1,
            "skipped" => skipped += 1,
            _ => failed += 1,
        }
        let provider = match provider {
            Provider::Portable => "portable",
            Provider::Native => "native",
        };
        println!("case\t{service}\t{sentence}\t{provider}\t{outcome}\t{}", line(&detail));
        if let Some(why) = case.beyond {
            println!("case\t{service}\t{sentence}\tnative\tbeyond\t{why}");
        }
    }
    println!("end\t{passed}\t{failed}\t{skipped}");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a case, whose output has the reason for its being skipped.
fn outcome(name: &str) -> (&'static str, String) {
    let run = || -> Result<(bool, String), String> {
        let mut said: File = tempfile::tempfile().map_err(text)?;
        let can = apart(name, said.try_clone().map_err(text)?.into())?;
        let mut output = String::new();
        said.rewind().map_err(text)?;
        said.read_to_string(&mut output).map_err(text)?;
        Ok((can, output))
    };
    match run() {
        Ok((true, _)) => ("held", String::new()),
        Ok((false, output)) => {
            let why = output.lines().find_map(|line| line.strip_prefix("SKIPPED: "));
            let why = why.and_then(|why| why.split_once(": ")).map_or("", |(_, why)| why);
            ("skipped", why.to_owned())
        }
        Err(why) => ("failed", why),
    }
}

fn line(text: &str) -> String {
    text.replace(['\t', '\n'], " ")
}
