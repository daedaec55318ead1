//! What honest ends see: values come out as they went in, and every operation ends.

mod support;

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use capsicum_channel::{Caps, Channel, Error, Frame, Frames};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socket};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Message {
    Nothing,
    Number(i128),
    Pair(u8, Option<Box<Message>>),
    Named { text: String, bytes: Vec<u8>, map: BTreeMap<String, (i16, f64, char)>, flag: bool },
    Many(Vec<Message>),
}

fn message() -> impl Strategy<Value = Message> {
    let named = (
        ".{0,20}",
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::btree_map(".{0,5}", (any::<i16>(), -1e9..1e9, any::<char>()), 0..5),
        any::<bool>(),
    );
    let named =
        named.prop_map(|(text, bytes, map, flag)| Message::Named { text, bytes, map, flag });
    let leaf = prop_oneof![Just(Message::Nothing), any::<i128>().prop_map(Message::Number), named];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            (any::<u8>(), prop::option::of(inner.clone()))
                .prop_map(|(number, inner)| Message::Pair(number, inner.map(Box::new))),
            prop::collection::vec(inner, 0..6).prop_map(Message::Many),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_comes_out_as_it_went_in(messages in prop::collection::vec(message(), 1..4)) {
        let (mut here, mut there) = Channel::<Message, Message>::pair().expect("a pair");
        for message in &messages {
            here.send(message).expect("sent");
            assert_eq!(there.recv().expect("received"), *message);
            there.send(message).expect("sent");
            assert_eq!(here.recv().expect("received"), *message);
        }
    }
}

type Bytes = Channel<Vec<u8>, Vec<u8>>;

fn pair() -> (Bytes, Bytes) {
    Channel::pair().expect("a pair")
}

const SOON: Duration = Duration::from_millis(30);

#[test]
fn receiving_ends_by_its_deadline_and_the_channel_goes_on() {
    let (here, mut there) = pair();
    let mut here = here.with_deadline(SOON);
    let started = Instant::now();
    assert!(matches!(here.recv(), Err(Error::Deadline)));
    assert!(started.elapsed() >= SOON);
    assert!(matches!(here.recv_by(Instant::now()), Err(Error::Deadline)));
    there.send(&vec![1]).expect("sent");
    assert_eq!(here.recv_by(Instant::now()).expect("what is there already"), [1]);
}

#[test]
fn a_deadline_holds_after_an_operation_without_one() {
    let (mut here, mut there) = Frames::pair().expect("a pair");
    assert!(matches!(here.receive(Some(Instant::now() + SOON)), Err(Error::Deadline)));
    there.send(&Frame::new(0, 0, b"x", Vec::new()).expect("a frame"), None).expect("sent");
    here.receive(None).expect("received");
    // Whoever waits for ever is told so.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let _ = stopped.recv_timeout(Duration::from_secs(10));
        drop(there);
    });
    // A little shorter: the time that was set for the first one would do.
    let deadline = Instant::now() + SOON.saturating_sub(Duration::from_micros(500));
    assert!(matches!(here.receive(Some(deadline)), Err(Error::Deadline)));
    drop(stop);
    watch.join().expect("the other end");
}

#[test]
fn sending_to_one_that_does_not_read_ends_by_its_deadline_and_loses_nothing() {
    let (here, mut there) = pair();
    let mut here = here.with_deadline(SOON);
    let mut sent = 0_u8;
    while here.send(&vec![sent; 32 << 10]).is_ok() {
        sent += 1;
        assert!(sent < 200, "nothing ever fills the buffer");
    }
    assert!(sent > 0);
    assert!(matches!(here.send(&vec![0; 32 << 10]), Err(Error::Deadline | Error::Closed)));
    for number in 0..sent {
        assert_eq!(received(&mut here, &mut there), vec![number; 32 << 10]);
    }
    assert!(there.try_recv().expect("nothing there").is_none());
    here.send(&vec![7]).expect("there is room again");
    assert_eq!(there.recv().expect("received"), [7]);
}

/// The next message, of which FreeBSD 15 may have a part only.
fn received(
    here: &mut Channel<Vec<u8>, Vec<u8>>,
    there: &mut Channel<Vec<u8>, Vec<u8>>,
) -> Vec<u8> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        here.try_flush().expect("open");
        if let Some(message) = there.try_recv().expect("open") {
            return message;
        }
        assert!(Instant::now() < deadline, "the rest does not come");
    }
}

#[test]
fn what_is_sent_after_a_part_comes_after_its_rest() {
    let (here, mut there) = pair();
    let mut here = here.with_deadline(SOON);
    let (mut sent, mut expected) = (0_u8, 0_u8);
    for _ in 0..5 {
        // Until nothing is taken any more, not even a part.
        while here.send(&vec![sent; 20_000 + usize::from(sent)]).is_ok() {
            sent += 1;
            assert!(sent < 200, "nothing ever fills the buffer");
        }
        // Room for some of them, where the rest is of the last one.
        for _ in 0..3.min(sent - expected) {
            let message = received(&mut here, &mut there);
            assert_eq!(message, vec![expected; 20_000 + usize::from(expected)]);
            expected += 1;
        }
    }
    while expected < sent {
        assert_eq!(received(&mut here, &mut there)[0], expected);
        expected += 1;
    }
    assert!(there.try_recv().expect("nothing there").is_none());
}

#[test]
fn who_waits_for_an_answer_sends_the_rest_of_the_question_meanwhile() {
    let (here, mut there) = pair();
    let mut here = here.with_deadline(Duration::from_secs(60));
    let mut asked = 0;
    while here.try_send(&vec![1; 30_000]).expect("open") {
        asked += 1;
        assert!(asked < 200, "nothing ever fills the buffer");
    }
    let server = thread::spawn(move || {
        // It says nothing until it has heard everything.
        for _ in 0..asked {
            assert_eq!(there.recv().expect("received").len(), 30_000);
        }
        there.send(&vec![asked]).expect("sent");
    });
    assert_eq!(here.recv().expect("an answer"), [asked]);
    assert!(here.try_flush().expect("open"));
    server.join().expect("the other end");
}

/// In FreeBSD 15 each byte makes room for a part of a frame.
#[test]
fn a_receiver_that_takes_a_byte_now_and_then_does_not_stretch_a_deadline() {
    let (here, there) = pair();
    let mut here = here.with_deadline(SOON);
    let there = OwnedFd::from(there);
    let (enough, ended) = mpsc::channel::<()>();
    let receiver = thread::spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(SOON / 10) {
            let _ = recv(there.as_raw_fd(), &mut [0], MsgFlags::MSG_DONTWAIT);
        }
    });
    let started = Instant::now();
    for _ in 0..20 {
        let sent = here.send(&vec![1; 60_000]);
        assert!(matches!(sent, Ok(()) | Err(Error::Deadline)), "{sent:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    drop(enough);
    receiver.join().expect("the receiver");
}

#[test]
fn trying_never_waits() {
    let (mut here, mut there) = pair();
    assert!(here.try_recv().expect("open").is_none());
    let mut sent = 0;
    while here.try_send(&vec![0; 10_000]).expect("open") {
        sent += 1;
        assert!(sent < 1000, "nothing ever fills the buffer");
    }
    for _ in 0..sent {
        received(&mut here, &mut there);
    }
    assert!(there.try_recv().expect("open").is_none());
}

#[test]
fn a_sender_waits_for_room_and_goes_on() {
    let (mut here, mut there) = pair();
    let reader = thread::spawn(move || {
        (0..100).map(|_| there.recv().expect("received").len()).sum::<usize>()
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    for _ in 0..100 {
        here.send_by(&vec![9; 60_000], deadline).expect("sent");
    }
    assert_eq!(reader.join().expect("the reader"), 6_000_000);
}

#[test]
fn the_end_of_the_other_end_is_closed_after_what_it_sent() {
    let (mut here, mut there) = pair();
    here.send(&vec![1]).expect("sent");
    there.send(&vec![2]).expect("sent");
    there.send(&vec![3]).expect("sent");
    // It has not read everything, which the kernel calls a reset.
    drop(there);
    assert_eq!(here.recv().expect("sent before the end"), [2]);
    assert_eq!(here.recv().expect("sent before the end"), [3]);
    assert!(matches!(here.recv(), Err(Error::Closed)));
    assert!(matches!(here.recv(), Err(Error::Closed)));
    assert!(matches!(here.send(&vec![4]), Err(Error::Closed)));
    assert!(matches!(here.try_recv(), Err(Error::Closed)));
}

/// As a program does that is executed anew, and finds its task in a socket.
#[test]
fn a_socket_whose_other_end_is_gone_still_brings_what_was_sent() {
    let (mut here, there) = Frames::pair().expect("a pair");
    here.send(&Frame::new(3, 4, b"five", Vec::new()).expect("a frame"), None).expect("sent");
    drop(here);
    let mut there = Frames::from_socket(there.into()).expect("it was connected");
    assert_eq!(there.receive(None).expect("received").payload(), b"five");
    assert!(matches!(there.receive(None), Err(Error::Closed)));
    // With nothing in it.
    let (here, there) = Frames::pair().expect("a pair");
    drop(here);
    let mut there = Frames::from_socket(there.into()).expect("it was connected");
    assert!(matches!(there.receive(None), Err(Error::Closed)));
}

#[test]
fn sending_to_nobody_is_closed_and_no_signal() {
    // Then one would end this program. (Linux sends none for sequenced packets; FreeBSD does.)
    support::raw::default_pipe_signal();
    let (mut here, there) = pair();
    drop(there);
    assert!(matches!(here.send(&vec![1]), Err(Error::Closed)));
    let pass = support::file(b"x");
    let frame = Frame::new(0, 0, b"", vec![pass.into()]).expect("a frame");
    let (mut frames, gone) = Frames::pair().expect("a pair");
    drop(gone);
    assert!(matches!(frames.send(&frame, None), Err(Error::Closed)));
}

#[test]
fn a_message_is_as_large_as_the_cap_and_no_larger() {
    let (mut here, mut there) = pair();
    let most = here.caps().inline;
    // The length takes three bytes of it.
    here.send(&vec![1; most - 3]).expect("fits");
    assert_eq!(there.recv().expect("received").len(), most - 3);
    match here.send(&vec![1; most - 2]) {
        Err(Error::TooLarge { size, most: told }) => assert!(size > told && told == most),
        other => panic!("{other:?}"),
    }
    here.send(&vec![2]).expect("nothing has been sent in between");
    assert_eq!(there.recv().expect("received"), [2]);
}

#[test]
fn caps_are_raised_as_far_as_the_kernel_goes() {
    let (mut here, mut there) = pair();
    let caps = Caps::default().inline(300 << 10);
    here.set_caps(caps).expect("within the kernel's");
    there.set_caps(caps).expect("within the kernel's");
    here.send(&vec![1; 299 << 10]).expect("fits");
    assert_eq!(there.recv().expect("received").len(), 299 << 10);

    let error = here.set_caps(caps.inline(1 << 30)).expect_err("beyond the kernel's");
    assert!(matches!(error, Error::TooLarge { size, most } if most < size), "{error}");
    let error = here.set_caps(caps.descriptors(254)).expect_err("beyond the kernel's");
    assert!(matches!(error, Error::TooManyDescriptors { count: 254, most: 253 }));
    assert_eq!(here.caps(), caps);
}

#[test]
fn what_does_not_serialise_is_an_error_that_says_why_and_sends_nothing() {
    struct Sulky;
    impl Serialize for Sulky {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let (mut here, there) = Channel::<Option<Sulky>, ()>::pair().expect("a pair");
    assert!(matches!(here.send(&Some(Sulky)), Err(Error::Encode { .. })));
    here.send(&None).expect("the channel goes on");
    let mut there = Frames::from_socket(there.into()).expect("a channel");
    assert_eq!(there.receive(None).expect("the second one").payload(), [0]);
    assert!(there.try_receive().expect("open").is_none());
}

#[test]
fn only_a_connected_socket_of_sequenced_packets_is_a_channel() {
    let of = |fd: OwnedFd| Channel::<(), ()>::from_socket(fd).map(drop);
    let unsuitable = |result| matches!(result, Err(Error::Unsuitable { .. }));
    assert!(unsuitable(of(support::file(b"").into())));
    let (stream, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
    assert!(unsuitable(of(stream.into())));
    let (datagram, _other) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
    assert!(unsuitable(of(datagram.into())));
    let alone = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::empty(), None);
    assert!(unsuitable(of(alone.expect("a socket"))));
    let (one, _other) = support::sockets();
    of(one).expect("suitable");
}

#[test]
fn a_channel_works_on_a_socket_that_someone_has_made_non_blocking() {
    let (mut here, there) = pair();
    let copy = here.as_fd().try_clone_to_owned().expect("dup");
    std::os::unix::net::UnixStream::from(copy).set_nonblocking(true).expect("fcntl");
    let answer = thread::spawn(move || {
        let mut there = there;
        let question = there.recv().expect("received");
        thread::sleep(SOON);
        there.send(&question).expect("sent");
    });
    here.send(&vec![5]).expect("sent");
    assert_eq!(here.recv().expect("received"), [5]);
    answer.join().expect("the other end");
}

#[test]
fn two_threads_send_and_receive_at_once() {
    let (here, there) = Frames::pair().expect("a pair");
    let (mut sender, mut receiver) = here.split();
    let echo = thread::spawn(move || {
        let mut there = there;
        while let Ok(frame) = there.receive(None) {
            there.send(&frame, None).expect("sent");
        }
    });
    let reader = thread::spawn(move || {
        for sequence in 0..5000 {
            let frame = receiver.receive(None).expect("received");
            assert_eq!((frame.sequence(), frame.kind()), (sequence, 3));
        }
        receiver
    });
    for sequence in 0..5000 {
        let frame = sender.encode(3, sequence, &sequence).expect("encoded");
        sender.send(&frame, None).expect("sent");
    }
    let mut receiver = reader.join().expect("the reader");
    sender.close();
    assert!(matches!(receiver.receive(None), Err(Error::Closed)));
    echo.join().expect("the other end");
}

#[test]
fn what_was_sent_before_the_end_is_received_after_sending_has_found_it() {
    let (mut here, mut there) = Channel::<u32, String>::pair().expect("a pair");
    there.send(&"the last words".to_owned()).expect("sent");
    drop(there);
    for _ in 0..2 {
        assert!(matches!(here.send(&1), Err(Error::Closed)));
    }
    assert_eq!(here.recv().expect("received"), "the last words");
    assert!(matches!(here.recv(), Err(Error::Closed)));
    assert!(matches!(here.send(&1), Err(Error::Closed)));
}
