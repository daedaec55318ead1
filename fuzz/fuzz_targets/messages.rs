//! Datagrams with descriptors, as a hostile peer of a channel sends them.
//!
//! The first byte says how many descriptors there are and whether the header is true, the next ones of
//! what kind each is, and the rest is the datagram, or its payload.
#![no_main]

#[path = "../src/open.rs"]
mod open;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{PipeReader, pipe},
    net::{TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixStream},
    },
};

use capsicum_channel::{
    Caps, Channel, Directory, Frame, Frames, Handle, SharedBytes, SharedMem, fuzzing::decode,
};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
enum Anything {
    Number(u64),
    Wide(i128, f64, char, bool),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Anything>),
    Map(BTreeMap<u16, Option<Box<Anything>>>),
    Nothing(Vec<()>),
    Many(Vec<[u64; 16]>),
    Any(Handle<OwnedFd>),
    File(Handle<File>),
    Directory(Handle<Directory>),
    Pipe(Handle<PipeReader>),
    Stream(Handle<UnixStream>),
    Datagram(Handle<UnixDatagram>),
    Udp(Handle<UdpSocket>),
    Listener(Handle<TcpListener>),
    Channel(Handle<Channel<u8, u8>>),
    Bytes2(SharedBytes),
    Memory(SharedMem),
}

/// Shared memory, as a message has it.
fn memory(constant: bool) -> Option<OwnedFd> {
    let caps = Caps::default();
    let frame = if constant {
        Frame::encode(0, 0, &SharedBytes::new(&[7; 100]).ok()?, caps)
    } else {
        Frame::encode(0, 0, &SharedMem::new(100).ok()?, caps)
    };
    frame.ok()?.descriptors().next()?.try_clone_to_owned().ok()
}

fn descriptor(kind: u8) -> Option<OwnedFd> {
    Some(match kind % 11 {
        0 => File::open("/dev/null").ok()?.into(),
        1 => File::open("/proc/self/status").ok()?.into(),
        2 => File::open("/").ok()?.into(),
        3 => pipe().ok()?.0.into(),
        4 => UnixStream::pair().ok()?.0.into(),
        5 => UnixDatagram::pair().ok()?.0.into(),
        6 => UdpSocket::bind("127.0.0.1:0").ok()?.into(),
        7 => TcpListener::bind("127.0.0.1:0").ok()?.into(),
        8 => Frames::pair().ok()?.0.into(),
        9 => memory(true)?,
        _ => memory(false)?,
    })
}

fuzz_target!(|data: &[u8]| {
    let before = open::lowest_free();
    let Some((&first, rest)) = data.split_first() else { return };
    let count = usize::from(first % 5).min(rest.len());
    let (kinds, rest) = rest.split_at(count);
    let descriptors: Vec<OwnedFd> = kinds.iter().filter_map(|kind| descriptor(*kind)).collect();
    let datagram = if first < 128 {
        rest.to_vec()
    } else {
        let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let count = u16::try_from(descriptors.len()).unwrap_or(u16::MAX);
        let header = [&length.to_le_bytes()[..], &[0; 2], &count.to_le_bytes(), &[0; 8]];
        [&header.concat(), rest].concat()
    };
    let caps = Caps::default();
    if let Ok(value) = decode::<Anything>(&datagram, descriptors, caps) {
        // What was received can be sent on; NaN is not equal to itself, so that bytes are compared. A list
        // without content may be longer in memory than the message that it came in.
        if let Ok(frame) = Frame::encode(0, 0, &value, caps) {
            let payload = frame.payload().to_vec();
            let again = frame.decode::<Anything>(caps).expect("decoded again");
            let frame = Frame::encode(0, 0, &again, caps).expect("encoded again");
            assert_eq!(frame.payload(), payload);
        }
    }
    assert_eq!(open::lowest_free(), before, "something was left open");
});
