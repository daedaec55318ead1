//! Calls inside the sandbox, beside the same calls without one.

use std::{
    ffi::CStr,
    os::fd::RawFd,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result, bail};
use capsicum_rs::Containment;

use crate::{
    fixture::{FILE, Fixture, Kind},
    peers::{Allowlist, Peer},
    program::{Insn, Printed},
    sys,
    table::{Table, least, median, nanos, ratio},
};

/// What is timed.
#[derive(Clone, Copy, Debug)]
enum Timed {
    Read,
    Write,
    Pread,
    Fstat,
    Getpid,
    Open,
    Send,
}

const TIMED: [(Timed, &str); 7] = [
    (Timed::Read, "read 4 KiB"),
    (Timed::Write, "write 4 KiB"),
    (Timed::Pread, "pread 4 KiB"),
    (Timed::Fstat, "fstat"),
    (Timed::Getpid, "getpid"),
    (Timed::Open, "openat beneath + close"),
    (Timed::Send, "sendmsg 64 bytes"),
];

/// How a child is held.
enum Held {
    Bare,
    Landlock,
    Ours,
    By(Vec<Insn>),
}

const PAGE: usize = 4096;
const PAGES: usize = FILE / PAGE;
const NAME: &CStr = c"file";

/// The descriptors that are used.
#[derive(Clone, Copy)]
struct Used {
    directory: RawFd,
    file: RawFd,
    socket: RawFd,
    other: RawFd,
}

impl Timed {
    /// Some hundred calls: how many, and whether all succeeded.
    fn batch(self, used: Used, buffer: &mut [u8; PAGE]) -> (usize, bool) {
        let page = PAGE.cast_signed();
        let mut repeat = |count: usize, call: &mut dyn FnMut(&mut [u8; PAGE]) -> bool| {
            (count, (0..count).fold(true, |all, _| call(buffer) && all))
        };
        match self {
            Self::Read => {
                let rewound = sys::rewind(used.file);
                let (count, all) =
                    repeat(PAGES, &mut |buffer| sys::read(used.file, buffer) == page);
                (count, all && rewound)
            }
            Self::Write => {
                let rewound = sys::rewind(used.file);
                let (count, all) =
                    repeat(PAGES, &mut |buffer| sys::write(used.file, buffer) == page);
                (count, all && rewound)
            }
            Self::Pread => repeat(PAGES, &mut |buffer| sys::pread(used.file, buffer) == page),
            Self::Fstat => repeat(512, &mut |_| sys::fstat(used.file)),
            Self::Getpid => repeat(512, &mut |_| sys::getpid()),
            Self::Open => repeat(128, &mut |_| sys::open_and_close(used.directory, NAME)),
            Self::Send => repeat(64, &mut |buffer| sys::send(used.socket, &buffer[..64]) == 64),
        }
    }

    /// Nanoseconds of one call: the mean of some batches, after one that warms up.
    fn time(self, used: Used) -> Option<f64> {
        let mut buffer = [1; PAGE];
        let (mut calls, mut spent) = (0, std::time::Duration::ZERO);
        for batch in 0..7 {
            let before = sys::processor_time();
            let (count, all) = self.batch(used, &mut buffer);
            let after = sys::processor_time();
            if !all {
                return None;
            }
            if let Self::Send = self {
                // What was sent is taken out again, beside the clock.
                if sys::read(used.other, &mut buffer) != 4096 {
                    return None;
                }
            }
            if batch > 0 {
                calls += count;
                spent += after.saturating_sub(before);
            }
        }
        #[allow(clippy::cast_precision_loss)]
        Some(spent.as_secs_f64() * 1e9 / calls as f64)
    }
}

/// One round in a child: every call's time goes to `results`.
fn round(held: &Held, fixture: &Fixture, results: &[AtomicU64]) -> Result<()> {
    let directories = fixture.of(&[Kind::Directory]);
    let sockets = fixture.of(&[Kind::Socket]);
    let used = Used {
        directory: directories[0],
        file: fixture.of(&[Kind::File])[0],
        socket: sockets[0],
        other: sockets[1],
    };
    let done = sys::in_child(|| {
        sys::deadline(60);
        let entered = match held {
            Held::Bare => Ok(()),
            Held::Landlock => sys::no_new_privileges()
                .and_then(|()| sys::landlock(sys::landlock_abi()?, &directories)),
            Held::Ours => fixture.enter(Containment::Landlock).map(drop),
            Held::By(program) => sys::no_new_privileges().and_then(|()| sys::install(program)),
        };
        if let Err(error) = entered {
            eprintln!("entering: {error}");
            return false;
        }
        TIMED.iter().zip(results).all(|((timed, _), result)| {
            let time = timed.time(used);
            result.store(time.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
            time.is_some()
        })
    })?;
    if !done {
        bail!("a child did not finish its calls");
    }
    Ok(())
}

/// A column: how it is held, and the times of every round, call by call.
struct Column {
    name: String,
    held: Held,
    times: Vec<Vec<f64>>,
}

pub(crate) fn print(printed: &Printed, rounds: usize) -> Result<()> {
    for grants in [4, 64] {
        let fixture = Fixture::new(grants)?;
        let list = Allowlist::new(printed, &fixture);
        let column = |name: &str, held| Column {
            name: name.to_owned(),
            held,
            times: vec![Vec::new(); TIMED.len()],
        };
        let mut columns = vec![column("bare", Held::Bare), column("ours", Held::Ours)];
        for peer in Peer::ALL.into_iter().filter(|peer| peer.there()) {
            let (program, _) = peer.compile(&list).context(peer.name())?;
            columns.push(column(peer.name(), Held::By(program)));
        }
        columns.push(column("Landlock alone", Held::Landlock));
        let results = sys::shared(TIMED.len())?;
        for number in 0..rounds {
            // In turn, and each time from another one.
            for index in 0..columns.len() {
                let at = (index + number) % columns.len();
                let column = &mut columns[at];
                round(&column.held, &fixture, results).with_context(|| column.name.clone())?;
                for (times, result) in column.times.iter_mut().zip(results) {
                    times.push(f64::from_bits(result.load(Ordering::Relaxed)));
                }
            }
        }
        show(grants, rounds, &columns);
    }
    println!(
        "read, write, pread and fstat on a memfd of 1 MiB (as the page cache serves a file, without \
         a disk);\nsendmsg on a Unix stream. Nanoseconds of the thread's processor time; each child \
         has 6 batches of 64 to\n512 calls a round; ratios are of medians over the rounds. \"Landlock \
         alone\" has our rules and no filter;\nthe other libraries' columns have no Landlock."
    );
    Ok(())
}

fn show(grants: usize, rounds: usize, columns: &[Column]) {
    println!("\ncalls: {grants} grants, {rounds} rounds, ratios to bare\n");
    let mut header = vec!["call".to_owned(), "bare ns".to_owned(), "min".to_owned()];
    header.extend(columns[1..].iter().map(|column| column.name.clone()));
    header.push("ours by min".to_owned());
    let mut table = Table::new(header);
    for (index, (_, name)) in TIMED.iter().enumerate() {
        let bare = &columns[0].times[index];
        let mut row = vec![(*name).to_owned(), nanos(median(bare)), nanos(least(bare))];
        let ratios =
            columns[1..].iter().map(|column| ratio(median(&column.times[index]) / median(bare)));
        row.extend(ratios);
        row.push(ratio(least(&columns[1].times[index]) / least(bare)));
        table.row(row);
    }
    table.print();
}
