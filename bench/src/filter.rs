//! Programs: how long, how many instructions a call executes, what compiling and installing take.

use std::{
    os::fd::RawFd,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::{
    fixture::{CHECKED, Fixture, Kind},
    peers::{Allowlist, Peer},
    program::{Call, Insn, Printed, execute},
    sys,
    table::{Table, median, micros},
};

const GRANTS: [usize; 4] = [1, 16, 64, 256];

/// The calls of the figures, each on every descriptor of its kind.
fn typical(fixture: &Fixture) -> Vec<Call> {
    let of = |call: i64, kind: Kind| {
        let on = move |fd: RawFd| (call, [u64::from(fd.cast_unsigned()), 0, 0, 0, 0, 0]);
        fixture.of(&[kind]).into_iter().map(on)
    };
    let mut calls: Vec<Call> =
        [libc::SYS_read, libc::SYS_write, libc::SYS_pread64, libc::SYS_fstat]
            .into_iter()
            .flat_map(|call| of(call, Kind::File))
            .collect();
    calls.extend(of(libc::SYS_openat, Kind::Directory));
    calls.extend(of(libc::SYS_sendmsg, Kind::Socket));
    calls.push((libc::SYS_getpid, [0; 6]));
    calls
}

/// The programs are worth comparing only where they say the same.
fn holds(program: &[Insn], fixture: &Fixture) -> Result<()> {
    let allowed = |call| execute(program, call).is_some_and(|(_, k)| k == libc::SECCOMP_RET_ALLOW);
    for (call, arguments) in typical(fixture) {
        if !allowed((call, arguments)) {
            bail!("call {call} is refused on descriptor {}", arguments[0]);
        }
    }
    for (call, _) in CHECKED {
        if allowed((*call, [1000, 0, 0, 0, 0, 0])) {
            bail!("call {call} is allowed on a descriptor that is not granted");
        }
    }
    Ok(())
}

/// What is executed: the mean of the typical calls, and the most of any.
fn executed(program: &[Insn], fixture: &Fixture, list: &Allowlist) -> (f64, usize) {
    let count = |call| execute(program, call).map_or(0, |(executed, _)| executed);
    let calls = typical(fixture);
    #[allow(clippy::cast_precision_loss)]
    let mean = calls.iter().map(|call| count(*call)).sum::<usize>() as f64 / calls.len() as f64;
    let every = fixture.of(&[Kind::Directory, Kind::File, Kind::Socket]);
    let mut values: Vec<u64> = every.into_iter().map(|fd| u64::from(fd.cast_unsigned())).collect();
    values.extend([0, 1, 1000, 1030, 0x5421, u64::MAX, 0x7fff_1234_5678]);
    let numbers = list.calls().chain([599]);
    let worst = numbers
        .flat_map(|number| values.iter().map(move |value| (number, [*value; 6])))
        .map(count)
        .max();
    (mean, worst.unwrap_or(0))
}

/// The median microseconds of seccomp(2) in a child; `None` where the kernel refuses the program.
fn install(program: &[Insn], rounds: usize, result: &AtomicU64) -> Result<Option<f64>> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let installed = sys::in_child(|| {
            sys::deadline(60);
            let started = sys::no_new_privileges().map(|()| Instant::now());
            let Ok(started) = started else { return false };
            let done = sys::install(program).is_ok();
            let micros = started.elapsed().as_secs_f64() * 1e6;
            result.store(micros.to_bits(), Ordering::Relaxed);
            done
        })?;
        if !installed {
            return Ok(None);
        }
        times.push(f64::from_bits(result.load(Ordering::Relaxed)));
    }
    Ok(Some(median(&times)))
}

/// What the library's own interpreter counted.
fn interpreted(printed: &Printed) -> Result<()> {
    println!("\nfilter: instructions, by the library's interpreter\n");
    let mut table = Table::new(["grants", "program", "executed: typical", "worst"]);
    for (grants, (typical, worst)) in &printed.executed {
        let length = printed.program("Landlock", *grants)?.len();
        table.row([*grants, length, *typical, *worst].map(|count| count.to_string()).to_vec());
    }
    table.print();
    println!(
        "\"typical\" is the mean of read, write, pread, fstat, openat, close, sendmsg, futex and \
         mmap; \"worst\" is over every\ncall of the table, with any one of the descriptors, or \
         flags, in every argument."
    );
    Ok(())
}

pub(crate) fn print(printed: &Printed, rounds: usize) -> Result<()> {
    interpreted(printed)?;
    println!("\nfilter: programs for the same grants\n");
    let mut table = Table::new([
        "grants, by",
        "instructions",
        "executed: mean",
        "worst",
        "compile us",
        "install us",
    ]);
    let result = &sys::shared(1)?[0];
    for grants in GRANTS {
        let fixture = Fixture::new(grants)?;
        let list = Allowlist::new(printed, &fixture);
        let mut row = |name: &str, program: &[Insn], compile: f64| -> Result<()> {
            holds(program, &fixture).with_context(|| format!("{name}, {grants} grants"))?;
            let (mean, worst) = executed(program, &fixture, &list);
            let installed = install(program, rounds, result)?;
            table.row(vec![
                format!("{grants} {name}"),
                program.len().to_string(),
                format!("{mean:.1}"),
                worst.to_string(),
                micros(compile),
                installed.map_or_else(|| "refused".to_owned(), micros),
            ]);
            Ok(())
        };
        let compile = printed.compiling.get(&("Landlock".to_owned(), grants));
        row("ours", printed.program("Landlock", grants)?, compile.copied().unwrap_or(f64::NAN))?;
        for peer in Peer::ALL.into_iter().filter(|peer| peer.there()) {
            let compiled: Result<Vec<_>> = (0..20).map(|_| peer.compile(&list)).collect();
            match compiled {
                Ok(compiled) => {
                    let times = compiled.iter().map(|(_, time)| time.as_secs_f64() * 1e6);
                    row(peer.name(), &compiled[0].0, times.fold(f64::INFINITY, f64::min))?;
                }
                Err(error) => println!("{grants} {}: {error:#}", peer.name()),
            }
        }
    }
    table.print();
    println!(
        "Compiling: the least of 20 in one process. Installing: the median of seccomp(2) over {rounds} \
         children. The kernel\ntakes 4,096 instructions. \"mean\" is over read, write, pread and fstat \
         on each file, openat from each\ndirectory, sendmsg on each socket and one getpid; \"worst\" \
         is over every call that is allowed or checked, and one\nthat does not exist."
    );
    Ok(())
}
