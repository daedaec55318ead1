//! Channels, beside the socket that they are on and beside `ipc-channel`.
//!
//! Each contender has an end in this process and one in a forked child. The contenders take turns,
//! batch by batch, so that whatever else the machine does meets all of them.

use std::{
    fs::File,
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use capsicum_channel::{Caps, Channel, Handle, SharedBytes, SharedMem};
use ipc_channel::ipc::{self, IpcReceiver, IpcSender, IpcSharedMemory};
use serde::{Deserialize, Serialize};

use crate::{
    sys,
    table::{Table, least, median, ratio},
};

/// The most that a batch may hang.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
const LARGE: usize = 16 << 20;
/// How many descriptors are sent before one answer.
const BURST: usize = 200;

/// 64 bytes in both encodings: one is the length.
pub(crate) type Small = String;

/// Nanoseconds of each batch.
pub(crate) struct Contender {
    name: &'static str,
    /// Runs a batch, and returns how long an operation of it took.
    batch: Box<dyn FnMut() -> Result<Duration>>,
    times: Vec<f64>,
    child: Option<libc::pid_t>,
}

impl Contender {
    pub(crate) fn new(
        name: &'static str,
        child: Option<libc::pid_t>,
        mut batch: impl FnMut() -> Result<u32> + 'static,
    ) -> Self {
        let batch = move || {
            let started = Instant::now();
            let count = batch()?;
            Ok(started.elapsed() / count.max(1))
        };
        Self { name, batch: Box::new(batch), times: Vec::new(), child }
    }

    /// One that looks at the clock itself.
    pub(crate) fn timed(
        name: &'static str,
        batch: impl FnMut() -> Result<Duration> + 'static,
    ) -> Self {
        Self { name, batch: Box::new(batch), times: Vec::new(), child: None }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Nanoseconds of an operation: the median of its batches, and the least.
    pub(crate) fn result(&self) -> (f64, f64) {
        (median(&self.times), least(&self.times))
    }
}

/// Runs them in turns.
pub(crate) fn take_turns(rounds: u32, all: &mut [Contender]) -> Result<()> {
    for round in 0..=rounds {
        for contender in &mut *all {
            let time = (contender.batch)().context(contender.name)?.as_secs_f64() * 1e9;
            // The first batch is for caches and page tables.
            if round > 0 {
                contender.times.push(time);
            }
        }
    }
    Ok(())
}

/// Lets go of them, and waits for the other end of each.
pub(crate) fn part(all: Vec<Contender>) -> Result<()> {
    let children: Vec<_> =
        all.into_iter().map(|contender| (contender.name, contender.child)).collect();
    for (name, child) in children {
        if let Some(child) = child {
            ensure!(sys::wait(child)?, "the other end of {name} failed");
        }
    }
    Ok(())
}

/// Runs them in turns, and prints a row for each: ratios are to the first `bases`.
pub(crate) fn compare(
    title: &str,
    rounds: u32,
    unit: f64,
    mut all: Vec<Contender>,
    bases: usize,
) -> Result<()> {
    take_turns(rounds, &mut all)?;
    println!("\n{title}, {rounds} rounds\n");
    let base: Vec<(f64, f64)> = all[..bases].iter().map(Contender::result).collect();
    let mut header = vec![String::new(), "median".to_owned(), "min".to_owned()];
    let many = unit < 1e6;
    if many {
        header.push("a second".to_owned());
    }
    for of in &all[..bases] {
        header.extend([format!("÷ {}", of.name), "by min".to_owned()]);
    }
    let mut table = Table::new(header);
    for contender in &all {
        let (middle, best) = contender.result();
        let mut row = vec![contender.name.to_owned()];
        row.extend([format!("{:.2}", middle / unit), format!("{:.2}", best / unit)]);
        if many {
            row.push(format!("{:.0}", 1e9 / middle));
        }
        for (of_middle, of_best) in &base {
            row.extend([ratio(middle / of_middle), ratio(best / of_best)]);
        }
        table.row(row);
    }
    table.print();
    part(all)
}

pub(crate) fn print(rounds: usize) -> Result<()> {
    let rounds = count(rounds);
    for (title, here, there) in [
        ("64-byte round trip, both ends on one processor, microseconds", 0, 0),
        ("64-byte round trip, each end on its own processor, microseconds", 0, 1),
    ] {
        sys::pin(here)?;
        compare(title, rounds, 1e3, round_trips(there)?, 2)?;
    }
    sys::pin(0)?;
    let title = "descriptors one way, one a message, on one processor, microseconds each";
    compare(title, rounds, 1e3, descriptors()?, 1)?;
    let title = "16 MiB, until the other end has touched every page of it, milliseconds";
    compare(title, (rounds / 4).max(10), 1e6, large()?, 2)?;
    println!(
        "memcpy is within one process; \"to new memory\" is into memory that was not there before,\n\
         as every `SharedBytes` is. The other rows include the message and its answer."
    );
    Ok(())
}

pub(crate) const TRIPS: u32 = 500;

pub(crate) fn small() -> Small {
    "x".repeat(63)
}

/// The socket alone.
pub(crate) fn raw(there: usize) -> Result<Contender> {
    let (one, other) = sys::pair()?;
    let child = sys::start(move || {
        let mut buffer = [0; 64];
        sys::pin(there).is_ok() && {
            while sys::read(other.as_raw_fd(), &mut buffer) == 64 {
                sys::write(other.as_raw_fd(), &buffer);
            }
            true
        }
    })?;
    let hangup = Hangup::on(&one)?;
    Ok(Contender::new("raw", Some(child), move || {
        let _ = &hangup;
        let mut buffer = [0x5a; 64];
        for _ in 0..TRIPS {
            ensure!(sys::write(one.as_raw_fd(), &buffer) == 64);
            ensure!(sys::read(one.as_raw_fd(), &mut buffer) == 64);
        }
        Ok(TRIPS)
    }))
}

/// The same with recvmsg(2), which whoever may be sent descriptors has to use.
fn raw_with_room(there: usize) -> Result<Contender> {
    let (one, other) = sys::pair()?;
    let whole = |received: Option<(usize, Option<OwnedFd>)>| matches!(received, Some((64, None)));
    let child = sys::start(move || {
        let mut buffer = [0; 64];
        sys::pin(there).is_ok() && {
            while whole(sys::receive_both(&other, &mut buffer)) {
                sys::write(other.as_raw_fd(), &buffer);
            }
            true
        }
    })?;
    let hangup = Hangup::on(&one)?;
    Ok(Contender::new("recvmsg", Some(child), move || {
        let _ = &hangup;
        let mut buffer = [0x5a; 64];
        for _ in 0..TRIPS {
            ensure!(sys::write(one.as_raw_fd(), &buffer) == 64);
            ensure!(whole(sys::receive_both(&one, &mut buffer)));
        }
        Ok(TRIPS)
    }))
}

fn round_trips(there: usize) -> Result<Vec<Contender>> {
    let (raw, with_room) = (raw(there)?, raw_with_room(there)?);
    let ours = |name, descriptors: usize, deadline: bool| -> Result<Contender> {
        let (mut one, mut other) = Channel::<Small, Small>::pair()?;
        for end in [&mut one, &mut other] {
            end.set_caps(Caps::default().descriptors(descriptors))?;
        }
        let child = sys::start(move || {
            sys::pin(there).is_ok() && {
                while let Ok(message) = other.recv() {
                    let _ = other.send(&message);
                }
                true
            }
        })?;
        let hangup = Hangup::on(&one)?;
        let mut one = if deadline { one.with_deadline(DEADLINE) } else { one };
        let text = small();
        Ok(Contender::new(name, Some(child), move || {
            let _ = &hangup;
            for _ in 0..TRIPS {
                one.send(&text)?;
                ensure!(one.recv()?.len() == text.len());
            }
            Ok(TRIPS)
        }))
    };
    let most = Caps::default().descriptors;
    let (plain, timed) = (ours("channel", most, false)?, ours("channel, deadline", most, true)?);
    let bare = ours("channel, 0 fds", 0, false)?;
    let (to, from_here) = ipc::channel::<Option<Small>>()?;
    let (to_here, from) = ipc::channel::<Small>()?;
    let child = sys::start(move || {
        sys::pin(there).is_ok() && {
            while let Ok(Some(message)) = from_here.recv() {
                let _ = to_here.send(message);
            }
            true
        }
    })?;
    let (to, text) = (Ends(to), small());
    let theirs = Contender::new("ipc-channel", Some(child), move || {
        for _ in 0..TRIPS {
            to.0.send(Some(text.clone()))?;
            ensure!(from.recv()?.len() == text.len());
        }
        Ok(TRIPS)
    });
    Ok(vec![raw, with_room, plain, timed, bare, theirs])
}

/// Both processes have both ends, so that closing one is no end: it is shut down.
pub(crate) struct Hangup(OwnedFd);

impl Hangup {
    pub(crate) fn on(end: &impl AsFd) -> Result<Self> {
        Ok(Self(end.as_fd().try_clone_to_owned()?))
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        if let Ok(copy) = self.0.try_clone() {
            let _ = UnixStream::from(copy).shutdown(Shutdown::Both);
        }
    }
}

/// The same, where it is said.
struct Ends<T: Serialize>(IpcSender<Option<T>>);

impl<T: Serialize> Drop for Ends<T> {
    fn drop(&mut self) {
        let _ = self.0.send(None);
    }
}

pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn descriptors() -> Result<Vec<Contender>> {
    let null = || -> Result<OwnedFd> { Ok(File::open("/dev/null")?.into()) };
    let (one, other) = sys::pair()?;
    let child = sys::start(move || {
        let mut buffer = [0; 64];
        loop {
            for _ in 0..BURST {
                if sys::receive(&other, &mut buffer).is_none() {
                    return true;
                }
            }
            sys::write(other.as_raw_fd(), &[1]);
        }
    })?;
    let passed = null()?;
    let hangup = Hangup::on(&one)?;
    let raw = Contender::new("raw", Some(child), move || {
        let _ = &hangup;
        for _ in 0..BURST {
            ensure!(sys::send_with(&one, &[1], &passed));
        }
        ensure!(sys::read(one.as_raw_fd(), &mut [0]) == 1);
        Ok(count(BURST))
    });

    let (mut one, mut other) = Channel::<Handle<OwnedFd>, ()>::pair()?;
    let child = sys::start(move || {
        loop {
            for _ in 0..BURST {
                if other.recv().is_err() {
                    return true;
                }
            }
            let _ = other.send(&());
        }
    })?;
    // The other end receives what this one sends.
    let passed = Handle::new(null()?);
    let hangup = Hangup::on(&one)?;
    let ours = Contender::new("channel", Some(child), move || {
        let _ = &hangup;
        for _ in 0..BURST {
            one.send(&passed)?;
        }
        one.recv()?;
        Ok(count(BURST))
    });

    let (to, from_here) = ipc::channel::<Option<IpcSender<u8>>>()?;
    let (to_here, from) = ipc::channel::<u8>()?;
    let child = sys::start(move || {
        loop {
            for _ in 0..BURST {
                if !matches!(from_here.recv(), Ok(Some(_))) {
                    return true;
                }
            }
            let _ = to_here.send(1);
        }
    })?;
    let (passed, kept) = ipc::channel::<u8>()?;
    let to = Ends(to);
    let theirs = Contender::new("ipc-channel", Some(child), move || {
        let _ = &kept;
        for _ in 0..BURST {
            to.0.send(Some(passed.clone()))?;
        }
        from.recv()?;
        Ok(count(BURST))
    });
    Ok(vec![raw, ours, theirs])
}

/// Makes a large value of bytes.
type Maker = Box<dyn FnMut(&[u8]) -> Result<Large>>;

/// What is sent for large values.
#[derive(Serialize, Deserialize)]
enum Large {
    Bytes(SharedBytes),
    Memory(SharedMem),
    /// The memory that was sent before has been written.
    Again,
}

/// One byte of every page.
fn touch(bytes: &[u8]) -> u64 {
    bytes.iter().step_by(4096).map(|byte| u64::from(*byte)).sum()
}

fn large_peer(mut other: Channel<u64, Large>) -> bool {
    let mut memory: Option<SharedMem> = None;
    let mut copy = vec![0; LARGE];
    while let Ok(message) = other.recv() {
        let sum = match message {
            Large::Bytes(bytes) => touch(&bytes),
            Large::Memory(new) => {
                memory = Some(new);
                0
            }
            Large::Again => match &memory {
                // The pages are there already: a byte of each is looked at in place.
                Some(memory) => (0..LARGE)
                    .step_by(4096)
                    .map(|at| {
                        let _ = memory.read_at(at, &mut copy[..1]);
                        u64::from(copy[0])
                    })
                    .sum(),
                None => return false,
            },
        };
        let _ = other.send(&sum);
    }
    true
}

fn large() -> Result<Vec<Contender>> {
    let source = || vec![0x11_u8; LARGE];
    let expected = touch(&source());
    let (from, mut to) = (source(), source());
    let warm = Contender::new("memcpy", None, move || {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&to);
        Ok(1)
    });
    let from = source();
    let fresh = Contender::new("memcpy to new memory", None, move || {
        std::hint::black_box(std::hint::black_box(&from).clone());
        Ok(1)
    });
    let ours = |name, mut make: Maker| -> Result<Contender> {
        let (mut one, other) = Channel::<Large, u64>::pair()?;
        let child = sys::start(move || large_peer(other))?;
        let (from, hangup) = (source(), Hangup::on(&one)?);
        Ok(Contender::new(name, Some(child), move || {
            let _ = &hangup;
            one.send(&make(&from)?)?;
            ensure!(one.recv()? == expected);
            Ok(1)
        }))
    };
    let copied =
        ours("SharedBytes::new", Box::new(|from| Ok(Large::Bytes(SharedBytes::new(from)?))))?;
    let built = ours(
        "SharedBytes::build",
        Box::new(|from| {
            Ok(Large::Bytes(SharedBytes::build(LARGE, |into| into.copy_from_slice(from))?))
        }),
    )?;
    let (mut one, other) = Channel::<Large, u64>::pair()?;
    let child = sys::start(move || large_peer(other))?;
    let (memory, from) = (SharedMem::new(LARGE)?, source());
    one.send(&Large::Memory(memory.clone()))?;
    one.recv()?;
    let hangup = Hangup::on(&one)?;
    let again = Contender::new("SharedMem, used again", Some(child), move || {
        let _ = &hangup;
        memory.write_at(0, &from)?;
        one.send(&Large::Again)?;
        ensure!(one.recv()? == expected);
        Ok(1)
    });
    let there = SharedBytes::new(&source())?;
    let sent =
        ours("SharedBytes, there already", Box::new(move |_| Ok(Large::Bytes(there.clone()))))?;
    let shared = theirs("ipc-channel shared memory", expected, IpcSharedMemory::from_bytes)?;
    let bytes = theirs("ipc-channel bytes", expected, <[u8]>::to_vec)?;
    Ok(vec![warm, fresh, copied, built, again, sent, shared, bytes])
}

/// `ipc-channel` with one of its two forms of large values.
fn theirs<T>(name: &'static str, expected: u64, make: fn(&[u8]) -> T) -> Result<Contender>
where
    T: Serialize + for<'de> Deserialize<'de> + std::ops::Deref<Target = [u8]> + 'static,
{
    let (to, from_here): (IpcSender<Option<T>>, IpcReceiver<_>) = ipc::channel()?;
    let (to_here, from) = ipc::channel::<u64>()?;
    let child = sys::start(move || {
        while let Ok(Some(value)) = from_here.recv() {
            let _ = to_here.send(touch(&value));
        }
        true
    })?;
    let (to, bytes) = (Ends(to), vec![0x11_u8; LARGE]);
    Ok(Contender::new(name, Some(child), move || {
        to.0.send(Some(make(&bytes)))?;
        ensure!(from.recv()? == expected);
        Ok(1)
    }))
}
