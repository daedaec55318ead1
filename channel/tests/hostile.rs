//! A peer that means harm. Whatever it sends, the victim gets an error, keeps nothing open, and is
//! done with it.

mod support;

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::PipeReader,
    net::TcpStream,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use capsicum_channel::{Caps, Channel, Directory, Error, Frames, Handle, SharedBytes};
use serde::{Deserialize, de::DeserializeOwned};
use support::{HEADER, datagram, honest, throw, victim};

/// What the victim makes of one datagram; it must be dead afterwards, with nothing left open.
fn breaks<T: DeserializeOwned + std::fmt::Debug>(
    bytes: &[u8],
    descriptors: &[&dyn AsFd],
) -> String {
    let (mut here, there) = victim::<(), T>();
    let borrowed: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
    let before = support::free_numbers();
    throw(&there, bytes, &borrowed);
    throw(&there, &honest(&[0], 0), &[]);
    let reason = match here.recv() {
        Err(Error::Protocol { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(support::free_numbers(), before, "something was left open");
    assert!(matches!(here.recv(), Err(Error::Closed)), "it goes on");
    assert!(matches!(here.send(&()), Err(Error::Closed)), "it goes on");
    assert_eq!(support::free_numbers(), before, "something was left open");
    reason
}

// The tests count descriptors, and so run one after another.
#[test]
fn a_hostile_peer() {
    let started = Instant::now();
    headers();
    counts_of_descriptors();
    descriptors_where_none_may_come();
    values();
    recursion_and_lists_of_nothing();
    types_of_descriptors();
    messages_out_of_their_turn();
    an_end_in_the_middle();
    a_flood();
    a_full_table();
    // None of it is a matter of seconds, whatever length was claimed.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

fn headers() {
    for short in 1..HEADER {
        breaks::<()>(&honest(&[], 0)[..short], &[]);
    }
    for length in [0, 1, 3, 5, 1 << 16, 1 << 31, u32::MAX] {
        breaks::<[u8; 4]>(&datagram(length, 0, 0, 0, &[0; 4]), &[]);
    }
    let (mut here, _) = victim::<(), ()>();
    here.set_caps(Caps::default().inline(100)).expect("caps");
    let reason = breaks::<Vec<u8>>(&honest(&vec![1; 70_000], 0), &[]);
    assert!(reason.contains("cap"), "{reason}");
}

fn counts_of_descriptors() {
    let file = support::file(b"");
    for (said, sent) in [(0, 1), (1, 0), (2, 1), (1, 2), (u16::MAX, 1), (65, 65)] {
        let descriptors: Vec<&dyn AsFd> = (0..sent).map(|_| &file as &dyn AsFd).collect();
        breaks::<Handle<File>>(&datagram(1, 0, said, 0, &[0]), &descriptors);
    }
    // More than the victim has room for: the kernel cuts the message, and says so.
    let many: Vec<&dyn AsFd> = (0..253).map(|_| &file as &dyn AsFd).collect();
    breaks::<Handle<File>>(&datagram(1, 0, 253, 0, &[0]), &many);
    // Ones that the value does not have, that it has twice, or that were not sent.
    breaks::<u8>(&honest(&[0], 1), &[&file]);
    breaks::<Handle<File>>(&honest(&[0], 2), &[&file, &file]);
    breaks::<(Handle<File>, Handle<File>)>(&honest(&[0, 0], 2), &[&file, &file]);
    breaks::<Handle<File>>(&honest(&[1], 1), &[&file]);
    breaks::<Handle<File>>(&honest(&[0xff, 0xff, 0xff, 0xff, 0x0f], 1), &[&file]);
    breaks::<(Handle<File>, bool)>(&honest(&[0, 2], 1), &[&file]);
}

/// They are never this process's. On Linux nothing tells of them but the header, which may lie.
fn descriptors_where_none_may_come() {
    let file = support::file(b"");
    for (said, sent, length) in
        [(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0, 1), (0, 1, 5000), (0, 0, 5000)]
    {
        let (mut here, there) = victim::<(), Vec<u8>>();
        here.set_caps(Caps::default().descriptors(0).inline(4096)).expect("caps");
        let mut payload = vec![0; length];
        // The length of the list, and no element, or too many.
        payload[0] = if length == 1 { 0 } else { 0x7f };
        let descriptors: Vec<_> = (0..sent).map(|_| file.as_fd()).collect();
        let before = support::free_numbers();
        let size = u32::try_from(length).expect("a length");
        throw(&there, &datagram(size, 0, said, 0, &payload), &descriptors);
        let received = here.recv();
        assert_eq!(support::free_numbers(), before, "something was left open");
        let honest = said == 0 && length == 1 && (sent == 0 || capsicum_channel::WHOLE_RECORDS);
        match received {
            Ok(list) if honest => assert!(list.is_empty()),
            Err(Error::Protocol { .. }) if !honest => {}
            other => panic!("{said}, {sent}, {length}: {other:?}"),
        }
    }
}

fn values() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only decoded")]
    enum Choice {
        One(u8),
        Two,
    }
    breaks::<Choice>(&honest(&[2], 0), &[]);
    breaks::<Choice>(&honest(&[0x80; 20], 0), &[]);
    breaks::<bool>(&honest(&[2], 0), &[]);
    breaks::<Option<u8>>(&honest(&[2, 0], 0), &[]);
    breaks::<u64>(&honest(&[0xff; 11], 0), &[]);
    breaks::<u8>(&honest(&[1, 2], 0), &[]);
    breaks::<u32>(&honest(&[], 0), &[]);
    breaks::<String>(&honest(&[2, 0xc3, 0x28], 0), &[]);
    breaks::<char>(&honest(&[4, 0xf4, 0x90, 0x80, 0x80], 0), &[]);
    // Lengths beyond the end, up to the largest that there is.
    let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    breaks::<Vec<u64>>(&honest(&largest, 0), &[]);
    breaks::<String>(&honest(&largest, 0), &[]);
    breaks::<Vec<[u64; 16]>>(&honest(&largest, 0), &[]);
    breaks::<HashMap<u64, [u64; 16]>>(&honest(&largest, 0), &[]);
    breaks::<BTreeMap<String, Vec<u8>>>(&honest(&largest, 0), &[]);
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only decoded")]
enum Tree {
    Leaf,
    Branch(Box<Tree>),
    List(Vec<Tree>),
    Pair { left: Box<Tree>, right: Option<Box<Tree>> },
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only decoded")]
struct Chain(Option<Box<Chain>>);

#[allow(clippy::zero_sized_map_values, reason = "they are the attack")]
fn recursion_and_lists_of_nothing() {
    for payload in [vec![1; 60_000], [2, 1].repeat(30_000), [3].repeat(60_000)] {
        breaks::<Tree>(&honest(&payload, 0), &[]);
    }
    breaks::<Chain>(&honest(&vec![1; 60_000], 0), &[]);
    // Elements that take no bytes: their number is all that there is.
    let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    breaks::<Vec<()>>(&honest(&largest, 0), &[]);
    breaks::<HashMap<(), ()>>(&honest(&largest, 0), &[]);
    breaks::<Vec<[(); 4]>>(&honest(&largest, 0), &[]);
    // What is within the bounds passes.
    let (mut here, there) = victim::<(), (Tree, Vec<()>)>();
    let payload = [&[1; 60][..], &[0, 100]].concat();
    throw(&there, &honest(&payload, 0), &[]);
    assert_eq!(here.recv().expect("honest enough").1.len(), 100);
}

fn types_of_descriptors() {
    let file = support::file(b"x");
    let directory = File::open("/").expect("a directory");
    let device = File::open("/dev/null").expect("a device");
    let (pipe, _write) = std::io::pipe().expect("a pipe");
    let (stream, _other) = UnixStream::pair().expect("a pair");
    let (packets, _other) = support::sockets();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let one = honest(&[0], 1);
    for wrong in [&directory as &dyn AsFd, &device, &pipe, &stream, &packets] {
        breaks::<Handle<File>>(&one, &[wrong]);
    }
    for wrong in [&file as &dyn AsFd, &device, &pipe, &stream] {
        breaks::<Handle<Directory>>(&one, &[wrong]);
    }
    for wrong in [&file as &dyn AsFd, &device, &stream] {
        breaks::<Handle<PipeReader>>(&one, &[wrong]);
    }
    for wrong in [&file as &dyn AsFd, &pipe, &packets, &listener] {
        breaks::<Handle<UnixStream>>(&one, &[wrong]);
        breaks::<Handle<TcpStream>>(&one, &[wrong]);
    }
    for wrong in [&file as &dyn AsFd, &pipe, &stream, &listener] {
        breaks::<Handle<Channel<(), ()>>>(&one, &[wrong]);
        breaks::<Handle<Frames>>(&one, &[wrong]);
    }
    for wrong in [&file as &dyn AsFd, &device, &pipe, &stream] {
        breaks::<SharedBytes>(&honest(&[0, 1], 1), &[wrong]);
    }
}

fn messages_out_of_their_turn() {
    breaks::<u8>(&datagram(1, 0, 0, 1, &[0]), &[]);
    breaks::<u8>(&datagram(1, 0, 0, u64::MAX, &[0]), &[]);
    breaks::<u8>(&datagram(1, 1, 0, 0, &[0]), &[]);
}

fn an_end_in_the_middle() {
    let (mut here, there) = victim::<(), Handle<OwnedFd>>();
    let before = support::free_numbers();
    drop(there);
    assert!(matches!(here.recv(), Err(Error::Closed)));
    assert!(support::free_numbers().iter().zip(&before).all(|(now, then)| now <= then));
}

/// What nobody reads stays in the kernel, which stops the sender; what is read is freed.
fn a_flood() {
    let (mut here, there) = victim::<(), Handle<OwnedFd>>();
    let file = support::file(b"");
    let before = support::free_numbers();
    let mut there = Frames::from_socket(there).expect("a channel");
    let mut received = 0;
    for round in 0..2000_u64 {
        let copy = file.as_fd().try_clone_to_owned().expect("dup");
        let frame = there.encode(0, round, &Handle::new(copy)).expect("encoded");
        while !there.try_send(&frame).expect("open") {
            drop(here.recv().expect("honest"));
            received += 1;
        }
    }
    while received < 2000 {
        // Before the last one is read, there is room for the rest of it.
        there.try_flush().expect("open");
        drop(here.recv().expect("honest"));
        received += 1;
    }
    assert_eq!(support::free_numbers(), before, "something was left open");
}

/// The kernel finds no number for what comes: it tells by a flag, or by an error.
fn a_full_table() {
    let (mut here, there) = victim::<(), Handle<File>>();
    let file = support::file(b"");
    let before = support::free_numbers();
    throw(&there, &honest(&[0], 1), &[file.as_fd()]);
    // As many as there are now: the numbers below the next one are taken.
    let next = u32::try_from(before[0]).expect("a number").into();
    let most = support::raw::limit_descriptors(next);
    let received = here.recv();
    support::raw::limit_descriptors(most);
    assert!(matches!(&received, Err(Error::Protocol { .. })), "{received:?}");
    assert_eq!(support::free_numbers(), before, "something was left open");
    assert!(matches!(here.recv(), Err(Error::Closed)), "it goes on");
}
