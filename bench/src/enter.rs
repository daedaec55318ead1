//! `Sandbox::enter`, beside the kernel's calls that it must make, with the same program.

use std::{
    fs, io,
    os::fd::RawFd,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use capsicum_rs::{Containment, Support};

use crate::{
    ask,
    fixture::{Fixture, Kind},
    program::{Insn, Printed},
    sys,
    table::{Table, least, median, micros, ratio},
};

const GRANTS: [usize; 3] = [1, 16, 64];

const LEVELS: [Containment; 3] =
    [Containment::Landlock, Containment::Descriptors, Containment::Directories];

/// At the level `Descriptors` hides Landlock from the library, by a filter, so that there is one
/// before already.
fn prepare(level: Containment) -> io::Result<()> {
    if level != Containment::Descriptors {
        return Ok(());
    }
    let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    let number = u32::try_from(libc::SYS_landlock_create_ruleset).unwrap_or(0);
    sys::no_new_privileges()?;
    sys::install(&[
        Insn { code: 0x20, jt: 0, jf: 0, k: 0 },
        Insn { code: 0x15, jt: 0, jf: 1, k: number },
        Insn { code: 0x06, jt: 0, jf: 0, k: refused },
        Insn { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW },
    ])
}

/// The microseconds of `work` in a child, where `prepare` comes first.
fn once(
    result: &AtomicU64,
    prepare: impl FnOnce() -> io::Result<()>,
    work: impl FnOnce() -> io::Result<()>,
) -> Result<f64> {
    let done = sys::in_child(|| {
        sys::deadline(60);
        let prepared = prepare();
        let started = Instant::now();
        let worked = work();
        let micros = started.elapsed().as_secs_f64() * 1e6;
        result.store(micros.to_bits(), Ordering::Relaxed);
        if let Err(error) = prepared.and(worked) {
            eprintln!("entering: {error}");
            return false;
        }
        true
    })?;
    if !done {
        bail!("a child could not enter");
    }
    Ok(f64::from_bits(result.load(Ordering::Relaxed)))
}

/// What no way of entering can do without.
fn must(level: Containment, directories: &[RawFd], program: &[Insn]) -> io::Result<()> {
    sys::no_new_privileges()?;
    if level == Containment::Directories {
        sys::private_root(directories)?;
    }
    match level {
        Containment::Descriptors => sys::no_cores()?,
        _ => sys::landlock(sys::landlock_abi()?, directories)?,
    }
    sys::install(program)
}

pub(crate) fn print(printed: &Printed, rounds: usize) -> Result<()> {
    println!("\nenter: {rounds} rounds, each in a child of its own, microseconds\n");
    let mut table = Table::new([
        "level and grants",
        "filter",
        "enter",
        "min",
        "must set",
        "ratio",
        "by min",
        "and ask",
        "ratio",
        "by min",
    ]);
    let result = &sys::shared(1)?[0];
    let offered = Support::probe().containment;
    for level in LEVELS {
        if level > offered {
            println!("left out: the level {level}, which this host does not offer to this user");
            continue;
        }
        for grants in GRANTS {
            let fixture = Fixture::new(grants)?;
            let directories = fixture.of(&[Kind::Directory]);
            let program = printed.program(&level.to_string(), grants)?;
            let (mut ours, mut raw, mut asked) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..rounds {
                let enter = || match fixture.enter(level)? {
                    length if length == program.len() => Ok(()),
                    _ => Err(io::Error::other("the filter is not the program of the tests")),
                };
                ours.push(once(result, || prepare(level), enter).context("ours")?);
                let must = || must(level, &directories, program);
                raw.push(once(result, || prepare(level), must).context("raw")?);
                let both = || ask::all(&fixture, level).and_then(|()| must());
                asked.push(once(result, || prepare(level), both).context("raw, asking")?);
            }
            table.row(vec![
                format!("{level} {grants}"),
                program.len().to_string(),
                micros(median(&ours)),
                micros(least(&ours)),
                micros(median(&raw)),
                ratio(median(&ours) / median(&raw)),
                ratio(least(&ours) / least(&raw)),
                micros(median(&asked)),
                ratio(median(&ours) / median(&asked)),
                ratio(least(&ours) / least(&asked)),
            ]);
        }
    }
    table.print();
    println!(
        "\"must set\" is what no way of entering can do without, with the same program ready-made: \
         prctl (no_new_privs),\nlandlock_create_ruleset, landlock_add_rule for each directory, \
         landlock_restrict_self (or setrlimit of cores\nwhere there is no Landlock), seccomp; at the \
         level Directories also a mount namespace (as an ordinary user, a\nuser namespace), a copy of \
         each directory's tree and an empty root in the place of the old one, made by the\nprocess \
         itself. \"and ask\" is the same after the questions that must be asked, by the calls that cost \
         least:\nfstat of every number that may be open, what sockets and files are, mapped rings, \
         mounts beneath directories,\ntheir paths and locks. Each child pays for the memory that it \
         touches first. At the level Descriptors another\nfilter, which hides Landlock, is there \
         before.\n"
    );
    parts(printed, rounds, result)
}

/// Where the time goes: each part alone, in a child of its own.
fn parts(printed: &Printed, rounds: usize, result: &AtomicU64) -> Result<()> {
    println!("parts of entering at the level Landlock, each alone, median microseconds\n");
    let mut table = Table::new(["part", "1", "16", "64"]);
    let mut row = |name: &str, part: &dyn Fn(&Fixture, usize) -> io::Result<()>| -> Result<()> {
        let mut row = vec![name.to_owned()];
        for grants in GRANTS {
            // Nothing else is open: listing descriptors counts too.
            let fixture = Fixture::new(grants)?;
            let once = |_| once(result, || Ok(()), || part(&fixture, grants));
            let times = (0..rounds).map(once).collect::<Result<Vec<_>>>();
            row.push(micros(median(&times.context(name.to_owned())?)));
        }
        table.row(row);
        Ok(())
    };
    row("nothing", &|_, _| Ok(()))?;
    let all = [Kind::Directory, Kind::File, Kind::Socket];
    row("list /proc/self/fd", &|_, _| {
        fs::read_dir("/proc/self/fd")?.try_for_each(|entry| entry.map(drop))
    })?;
    row("readlink /proc/self/fd/N", &|fixture, _| {
        fixture
            .of(&all)
            .iter()
            .try_for_each(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).map(drop))
    })?;
    row("/proc/self/status", &|_, _| fs::read("/proc/self/status").map(drop))?;
    row("/proc/self/maps", &|_, _| fs::read("/proc/self/maps").map(drop))?;
    row("list /proc/self/task, stat", &|_, _| {
        fs::read_dir("/proc/self/task")?
            .try_for_each(|entry| fs::read(entry?.path().join("stat")).map(drop))
    })?;
    row("/proc/self/mountinfo", &|_, _| fs::read("/proc/self/mountinfo").map(drop))?;
    row("fdinfo of directories", &|fixture, _| {
        fixture
            .of(&[Kind::Directory])
            .iter()
            .try_for_each(|fd| fs::read(format!("/proc/self/fdinfo/{fd}")).map(drop))
    })?;
    row("Landlock's calls", &|fixture, _| {
        sys::no_new_privileges()?;
        sys::landlock(sys::landlock_abi()?, &fixture.of(&[Kind::Directory]))
    })?;
    row("seccomp", &|_, grants| {
        sys::no_new_privileges()?;
        let program = printed.program("Landlock", grants).map_err(io::Error::other)?;
        sys::install(program)
    })?;
    let mut row = vec!["compile once (warm, least)".to_owned()];
    row.extend(GRANTS.map(|grants| {
        let time = printed.compiling.get(&("Landlock".to_owned(), grants));
        micros(time.copied().unwrap_or(f64::NAN))
    }));
    table.row(row);
    table.print();
    Ok(())
}
