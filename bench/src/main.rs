//! Figures: what the sandbox and channels cost. `cargo xtask bench` builds and runs this; see there.

use std::{env, fs, path::Path, process::Command};

use anyhow::{Result, bail};

mod ask;
mod calls;
mod casper_services;
mod channel;
mod direct;
mod enter;
mod filter;
mod fixture;
mod idle;
mod peers;
mod program;
mod service;
mod starts;
mod supervisor;
mod sys;
mod table;

/// What was measured where.
fn print_host() {
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let processors = line("/proc/cpuinfo");
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or(env::consts::ARCH, |(_, model)| model);
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    println!("machine  {model}, {count} processors, {}", env::consts::ARCH);
    println!(
        "kernel   Linux {} {}",
        line("/proc/sys/kernel/osrelease"),
        line("/proc/sys/kernel/version")
    );
    let jit = line("/proc/sys/net/core/bpf_jit_enable");
    let abi = sys::landlock_abi().map_or_else(|error| error.to_string(), |abi| abi.to_string());
    println!("         bpf_jit_enable {jit}, Landlock ABI {abi}");
    println!("load     {}", line("/proc/loadavg"));
    let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    println!(
        "date     {}",
        date.map_or_else(
            |_| "not known".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    );
    let left_out = peers::Peer::ALL.iter().filter(|peer| !peer.there()).count();
    if left_out > 0 {
        println!("columns  {left_out} left out: libseccomp's headers are not installed");
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [argument] = &arguments[..] {
        let argument = argument.as_bytes();
        if argument == starts::ENTER.to_bytes() {
            capsicum_rs::Sandbox::new().enter()?;
        }
        if [starts::NOTHING, starts::ENTER].iter().any(|alone| alone.to_bytes() == argument) {
            return Ok(());
        }
    }
    if !arguments.is_empty() {
        // Not where this is executed anew: such a process is given descriptors.
        sys::close_inherited()?;
    }
    starts::init(&arguments)?;
    casper_services::init(&arguments)?;
    if let [word, base] = &arguments[..]
        && word == supervisor::WITHIN
    {
        return supervisor::time_calls(Path::new(base));
    }
    let [programs, rounds, sections @ ..] = &arguments[..] else {
        bail!("started by `cargo xtask bench`, which passes what it needs");
    };
    let rounds = rounds.parse()?;
    print_host();
    let printed = || program::Printed::read(Path::new(programs));
    for section in sections {
        match section.as_str() {
            "calls" => calls::print(&printed()?, rounds)?,
            "enter" => enter::print(&printed()?, rounds)?,
            "filter" => filter::print(&printed()?, rounds)?,
            "channel" => {
                channel::print(rounds)?;
                service::print(rounds)?;
            }
            "starts" => starts::print(rounds)?,
            "casper" => casper_services::print(rounds)?,
            "supervisor" => supervisor::print(rounds)?,
            other => bail!("no such section: {other}"),
        }
    }
    Ok(())
}
