//! What the suites share: a service, and an end that sends what it likes.
#![allow(dead_code, reason = "no suite needs all of it")]

use std::{
    fs::File,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    thread::{self, JoinHandle},
    time::Duration,
};

use capsicum_channel::{Error, Frame, Frames, Handle};
use sandbox_spawn::{
    call::{Client, Stream},
    service,
};

/// Longer than anything takes that does not hang.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// The kinds of frames, by their numbers: hostile ends have no library.
pub(crate) mod kind {
    pub(crate) const CALL: u16 = 1;
    pub(crate) const CANCEL: u16 = 2;
    pub(crate) const CREDIT: u16 = 3;
    pub(crate) const REPLY: u16 = 16;
    pub(crate) const STARTED: u16 = 17;
    pub(crate) const ITEM: u16 = 18;
    pub(crate) const END: u16 = 19;
    pub(crate) const CANCELLED: u16 = 20;
    pub(crate) const PANICKED: u16 = 21;
    pub(crate) const UNSENDABLE: u16 = 22;
}

#[service]
pub(crate) trait Work {
    /// Adds to what was added before.
    fn add(&mut self, number: u64) -> u64;
    fn divide(&self, number: u64, by: u64) -> Result<u64, String>;
    fn length(&mut self, file: Handle<File>) -> Result<u64, String>;
    fn numbers(&mut self, from: u64, to: u64) -> Stream<'_, u64>;
    fn files(&mut self, count: u32, fail: bool) -> Result<Stream<'_, Handle<OwnedFd>>, String>;
    fn panic(&mut self, message: String);
    fn bytes(&mut self, count: usize) -> Vec<u8>;
    fn wait_until_cancelled(&mut self) -> u64;
    /// The argument's names are those of what the attribute writes.
    fn names(&self, frame: u8, caps: u8, turn: u8, request: u8, service: u8, client: u8) -> u32;
    fn r#type(&self);
}

/// An honest service.
#[derive(Default)]
pub(crate) struct Honest {
    pub(crate) sum: u64,
}

impl Work for Honest {
    fn add(&mut self, number: u64) -> u64 {
        self.sum += number;
        self.sum
    }

    fn divide(&self, number: u64, by: u64) -> Result<u64, String> {
        number.checked_div(by).ok_or_else(|| "by zero".to_owned())
    }

    fn length(&mut self, file: Handle<File>) -> Result<u64, String> {
        file.metadata().map(|metadata| metadata.len()).map_err(|error| error.to_string())
    }

    fn numbers(&mut self, from: u64, to: u64) -> Stream<'_, u64> {
        // Borrows the service: what is made is counted.
        let sum = &mut self.sum;
        Stream::new((from..to).inspect(|_| *sum += 1))
    }

    fn files(&mut self, count: u32, fail: bool) -> Result<Stream<'_, Handle<OwnedFd>>, String> {
        if fail {
            return Err("no files".to_owned());
        }
        Ok(Stream::new((0..count).map(|_| Handle::new(null()))))
    }

    fn panic(&mut self, message: String) {
        std::panic::resume_unwind(Box::new(message))
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        vec![7; count]
    }

    fn wait_until_cancelled(&mut self) -> u64 {
        let mut looked = 0;
        while !sandbox_spawn::call::cancelled() {
            looked += 1;
            thread::yield_now();
        }
        looked
    }

    fn names(&self, frame: u8, caps: u8, turn: u8, request: u8, service: u8, client: u8) -> u32 {
        [frame, caps, turn, request, service, client].map(u32::from).iter().sum()
    }

    fn r#type(&self) {}
}

pub(crate) fn null() -> OwnedFd {
    File::open("/dev/null").expect("/dev/null").into()
}

/// An honest service in a thread, and its client.
pub(crate) fn honest() -> (WorkClient, JoinHandle<Result<(), Error>>) {
    serving(Honest::default())
}

pub(crate) fn serving(
    service: impl Work + Send + 'static,
) -> (WorkClient, JoinHandle<Result<(), Error>>) {
    let (here, there) = Frames::pair().expect("a pair");
    let server = thread::spawn(move || WorkServer::serve(there, service));
    (WorkClient::from(Client::named(here, "worker")).within(LONG), server)
}

/// A client of a server that does as it likes. What that returns, once it has ended.
pub(crate) fn against<T: Send + 'static>(
    server: impl FnOnce(&mut Frames) -> T + Send + 'static,
) -> (WorkClient, JoinHandle<T>) {
    let (here, mut there) = Frames::pair().expect("a pair");
    let server = thread::spawn(move || server(&mut there));
    (WorkClient::from(Client::named(here, "hostile")).within(LONG), server)
}

/// Sends any frame. Nothing is wrong where the other end is gone.
pub(crate) fn throw(
    frames: &mut Frames,
    kind: u16,
    sequence: u64,
    payload: &[u8],
    descriptors: usize,
) -> bool {
    let descriptors = (0..descriptors).map(|_| null()).collect();
    let frame = Frame::new(kind, sequence, payload, descriptors).expect("a frame");
    frames.send(&frame, Some(std::time::Instant::now() + LONG)).is_ok()
}

/// Waits for a call and returns its number.
pub(crate) fn call(frames: &mut Frames) -> Option<u64> {
    loop {
        let frame = frames.receive(Some(std::time::Instant::now() + LONG)).ok()?;
        if frame.kind() == kind::CALL {
            return Some(frame.sequence());
        }
    }
}

/// The numbers that new descriptors get: the same before and after, if nothing was left open.
pub(crate) fn free_numbers() -> Vec<RawFd> {
    let files: Vec<OwnedFd> = (0..64).map(|_| null()).collect();
    files.iter().map(AsRawFd::as_raw_fd).collect()
}

/// Numbers that look like chance, the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
