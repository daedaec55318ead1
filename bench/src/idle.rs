//! A thousand workers that wait: what starting one more takes, and the memory of each.

use std::{fs, io, time::Instant};

use anyhow::{Result, ensure};
use sandbox_spawn::Start;

use crate::{
    starts::ready,
    sys,
    table::{Table, least, median},
};

const WORKERS: usize = 1000;
const STEP: usize = 100;
/// What this process and the zygote have of descriptors for each worker, and others besides.
const DESCRIPTORS: usize = 2;
const OTHERS: usize = 100;

/// KiB of one process, of /proc/PID/smaps_rollup.
#[derive(Clone, Copy, Default)]
struct Memory {
    private: f64,
    proportional: f64,
}

fn memory(id: u32) -> io::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
    };
    Ok(Memory {
        private: field("Private_Clean") + field("Private_Dirty"),
        proportional: field("Pss"),
    })
}

/// Milliseconds that a process has had of a processor.
fn processor_time(id: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/schedstat")).unwrap_or_default();
    let nanoseconds: Option<f64> =
        text.split_whitespace().next().and_then(|word| word.parse().ok());
    nanoseconds.map_or(f64::NAN, |time| time / 1e6)
}

/// The zygote, of which a worker is a child.
fn parent(id: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// Of all of them, or why it is not known.
fn memories(ids: &[u32]) -> io::Result<(Memory, f64)> {
    let all: Vec<Memory> = ids.iter().map(|id| memory(*id)).collect::<io::Result<_>>()?;
    let middle = |of: fn(&Memory) -> f64| median(&all.iter().map(of).collect::<Vec<_>>());
    let most = all.iter().map(|memory| memory.private).fold(0.0, f64::max);
    Ok((
        Memory { private: middle(|it| it.private), proportional: middle(|it| it.proportional) },
        most,
    ))
}

pub(crate) fn print() -> Result<()> {
    let room = usize::try_from(sys::raise_descriptors()?)?;
    let fits = room.saturating_sub(OTHERS) / DESCRIPTORS / STEP * STEP;
    let wanted = WORKERS.min(fits);
    if wanted < WORKERS {
        println!(
            "\nno more than {wanted} workers: {room} descriptors are all that the host lets us have"
        );
    }
    println!("\nworkers that wait, started one after the other from the zygote\n");
    let header = [
        "workers",
        "start total, s",
        "each of these 100, ms",
        "median",
        "min",
        "processor time, ms",
        "private KiB",
        "most",
        "PSS KiB",
    ];
    let mut table = Table::new(header);
    let (mut workers, mut ids, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    let (mut total, mut unknown) = (0.0, None);
    let (this, zygote) = (std::process::id(), parent(ready(Start::Zygote)?.1));
    let both = || processor_time(this) + zygote.map_or(f64::NAN, processor_time);
    for step in 1..=wanted / STEP {
        let (mut times, mut used) = (Vec::new(), 0.0);
        for _ in 0..STEP {
            let (started, before) = (Instant::now(), both());
            let (worker, id) = ready(Start::Zygote)?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
            used += both() - before + processor_time(id);
            workers.push(worker);
            ids.push(id);
        }
        let sum: f64 = times.iter().sum();
        total += sum / 1e3;
        let mean = sum / f64::from(u32::try_from(STEP)?);
        let used = used / f64::from(u32::try_from(STEP)?);
        steps.push((step * STEP, total, used));
        let mut row = vec![(step * STEP).to_string(), format!("{total:.3}")];
        row.extend([mean, median(&times), least(&times), used].map(|time| format!("{time:.3}")));
        match memories(&ids) {
            Ok((memory, most)) => row
                .extend([memory.private, most, memory.proportional].map(|kib| format!("{kib:.0}"))),
            Err(error) => unknown = Some(error),
        }
        table.row(row);
    }
    table.print();
    if let Some(error) = unknown {
        println!("memory is left out: smaps_rollup of a worker is root's to read: {error}");
    }
    plot(&steps);
    // All of them are still there.
    for worker in &mut workers {
        ensure!(worker.echo("there".to_owned())? == "there");
    }
    let started = Instant::now();
    drop(workers);
    println!("\nending all of them: {:.3} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// The total as bars: straight is linear.
fn plot(steps: &[(usize, f64, f64)]) {
    const WIDTH: f64 = 60.0;
    let Some((_, whole, last)) = steps.last() else { return };
    println!("start total by workers\n");
    for (workers, total, _) in steps {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let length = (total / whole * WIDTH).round() as usize;
        println!("{workers:>5} {} {total:.3} s", "█".repeat(length));
    }
    if let Some((_, _, first)) = steps.first() {
        println!("\nprocessor time of the last {STEP} ÷ that of the first: {:.2}", last / first);
    }
}
