//! A hundred thousand mutations of valid frames, sent with whatever descriptors. It is a program of
//! its own: what is open and what is allocated is counted before and after.

mod support;

use std::{
    collections::BTreeMap,
    fs::File,
    io::PipeReader,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use capsicum_channel::{Channel, Error, Frame, Frames, Handle, SharedBytes, SharedMem};
use serde::{Deserialize, Serialize};
use support::raw::allocations;

const ROUNDS: u32 = 100_000;

#[derive(Debug, Serialize, Deserialize)]
struct Message {
    id: u32,
    name: String,
    file: Handle<File>,
    tree: Tree,
    maybe: Option<Handle<UnixStream>>,
    map: BTreeMap<u8, (i64, f32, char)>,
    memory: SharedBytes,
    units: Vec<()>,
    others: Vec<Other>,
    bytes: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    Leaf(bool),
    Branch(Box<Tree>, Vec<Tree>),
}

#[derive(Debug, Serialize, Deserialize)]
enum Other {
    Pipe { end: Handle<PipeReader> },
    Any(Handle<OwnedFd>),
    Memory(SharedMem),
    Channel(Handle<Channel<u8, u8>>),
    Nothing,
}

/// xorshift64*: the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).expect("48 bits") % end.max(1)
    }
}

fn message() -> Message {
    let leaf = || Tree::Leaf(true);
    Message {
        id: 70_000,
        name: "grüße".to_owned(),
        file: Handle::new(support::file(b"content")),
        tree: Tree::Branch(Box::new(leaf()), vec![leaf(), Tree::Branch(Box::new(leaf()), vec![])]),
        maybe: Some(Handle::new(UnixStream::pair().expect("a pair").0)),
        map: (0..4).map(|key| (key, (-5, 0.5, 'ß'))).collect(),
        memory: SharedBytes::new(&[3; 5000]).expect("memory"),
        units: vec![(); 3],
        others: vec![
            Other::Pipe { end: Handle::new(std::io::pipe().expect("a pipe").0) },
            Other::Any(Handle::new(File::open("/dev/null").expect("a device").into())),
            Other::Memory(SharedMem::new(100).expect("memory")),
            Other::Channel(Handle::new(Channel::pair().expect("a pair").0)),
            Other::Nothing,
        ],
        bytes: (0..100).collect(),
    }
}

/// The whole datagram of a frame, as it is on the wire.
fn whole(frame: &Frame) -> Vec<u8> {
    support::honest(frame.payload(), frame.descriptors().len())
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => bytes.truncate(at.max(1)),
            3 => bytes.insert(at, u8::try_from(random.below(256)).expect("a byte")),
            4 => drop(bytes.remove(at)),
            5 => {
                let end = (at + random.below(40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            6 => bytes.extend(std::iter::repeat_n(0xff, random.below(300))),
            _ => {
                let byte = u8::try_from(random.below(256)).expect("a byte");
                let end = (at + random.below(12)).min(bytes.len());
                bytes[at..end].fill(byte);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Makes the header true again, most of the time, so that the decoder gets to see the rest.
fn amend(random: &mut Random, bytes: &mut [u8], count: usize) {
    if random.below(4) == 0 || bytes.len() < support::HEADER {
        return;
    }
    let header = support::honest(&bytes[support::HEADER..], count);
    bytes[..support::HEADER].copy_from_slice(&header[..support::HEADER]);
}

#[test]
fn mutated_frames_break_nothing_and_leave_nothing_behind() {
    let mut frames = Frames::pair().expect("a pair").0;
    let frame = frames.encode(0, 0, &message()).expect("a valid frame");
    let valid = whole(&frame);
    let own: Vec<BorrowedFd<'_>> = frame.descriptors().collect();
    // Whatever goes wrong once (the state of a thread, a buffer of the harness) goes wrong now.
    let mut random = Random(0x5eed);
    let mut outcomes = [0_u32; 2];
    round(&mut Random(1), &valid, &own, &mut outcomes);
    outcomes = [0; 2];

    let (open, live) = (support::free_numbers(), allocations::live());
    for _ in 0..ROUNDS {
        round(&mut random, &valid, &own, &mut outcomes);
    }
    assert_eq!(support::free_numbers(), open, "something was left open");
    assert_eq!(allocations::live(), live, "something was left allocated");

    let [accepted, refused] = outcomes;
    assert_eq!(accepted + refused, ROUNDS);
    // Some mutations are none; far more are found.
    assert!(accepted > ROUNDS / 100 && refused > ROUNDS / 2, "{accepted} and {refused}");
}

fn round(random: &mut Random, valid: &[u8], own: &[BorrowedFd<'_>], outcomes: &mut [u32; 2]) {
    let (mut here, there) = support::victim::<(), Message>();
    let mut bytes = valid.to_vec();
    if random.below(16) != 0 {
        mutate(random, &mut bytes);
    }
    let mut descriptors = own.to_vec();
    match random.below(6) {
        0 => drop(descriptors.remove(random.below(own.len()))),
        1 => descriptors.push(there.as_fd()),
        2 => descriptors.swap(random.below(own.len()), random.below(own.len())),
        3 if random.below(20) == 0 => descriptors.extend([there.as_fd(); 80]),
        _ => {}
    }
    amend(random, &mut bytes, descriptors.len());
    support::throw(&there, &bytes, &descriptors);
    drop(there);
    allocations::start();
    let received = here.recv();
    let most = allocations::most();
    assert!(most < 1 << 20, "{most} bytes for {} that were sent", bytes.len());
    match received {
        Ok(message) => {
            outcomes[0] += 1;
            drop(message);
        }
        Err(Error::Protocol { .. }) => outcomes[1] += 1,
        Err(other) => panic!("{other:?} after {bytes:?}"),
    }
}
