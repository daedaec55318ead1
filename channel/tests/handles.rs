//! Descriptors in messages.

mod support;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    net::{TcpListener, UdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::MetadataExt, net::UnixStream},
    },
};

use capsicum_channel::{Channel, Directory, Error, Frames, Handle};
use capsicum_rs::{Limits, Rights};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fn through<T: Serialize + DeserializeOwned>(message: &T) -> T {
    let (mut here, mut there) = Channel::<T, T>::pair().expect("a pair");
    here.send(message).expect("sent");
    there.recv().expect("received")
}

#[test]
fn handles_arrive_in_their_places() {
    #[derive(Serialize, Deserialize)]
    struct Message {
        named: BTreeMap<String, Handle<File>>,
        either: Option<Handle<File>>,
        all: Vec<(u8, Handle<File>)>,
    }
    let file = |text: &str| Handle::new(support::file(text.as_bytes()));
    let text = |handle: &Handle<File>| io::read_to_string(&**handle).expect("read");
    let message = Message {
        named: BTreeMap::from([("a".to_owned(), file("A")), ("b".to_owned(), file("B"))]),
        either: Some(file("E")),
        all: (0..20).map(|number| (number, file(&number.to_string()))).collect(),
    };
    let received = through(&message);
    assert_eq!(text(&received.named["a"]), "A");
    assert_eq!(text(&received.named["b"]), "B");
    assert_eq!(received.either.as_ref().map(text).as_deref(), Some("E"));
    for (number, handle) in &received.all {
        assert_eq!(text(handle), number.to_string());
    }
}

#[test]
fn every_kind_of_descriptor_passes_as_what_it_is() {
    let (mut here, there) = UnixStream::pair().expect("a pair");
    let mut passed = through(&Handle::new(there)).into_inner().expect("nobody else's");
    here.write_all(b"x").expect("write");
    passed.read_exact(&mut [0]).expect("read");

    let (read, mut write) = io::pipe().expect("a pipe");
    let mut read = through(&Handle::new(read)).into_inner().expect("nobody else's");
    write.write_all(b"y").expect("write");
    read.read_exact(&mut [0]).expect("read");
    through(&Handle::new(write));

    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("an address");
    assert_eq!(through(&Handle::new(listener)).local_addr().expect("an address"), address);
    through(&Handle::new(UdpSocket::bind("127.0.0.1:0").expect("a socket")));
    through(&Handle::new(Directory::from(OwnedFd::from(File::open("/").expect("a directory")))));
    through(&Handle::<OwnedFd>::new(File::open("/dev/null").expect("a device").into()));
}

#[test]
fn a_channel_is_delegated_over_another() {
    let (mut client, server) = Channel::<u8, u16>::pair().expect("a pair");
    let mut server = through(&Handle::new(server)).into_inner().expect("nobody else's");
    client.send(&3).expect("sent");
    assert_eq!(server.recv().expect("received"), 3);
    server.send(&300).expect("sent");
    assert_eq!(client.recv().expect("received"), 300);
}

#[test]
fn a_handle_is_serialised_by_nothing_else() {
    let handle = Handle::new(support::file(b""));
    let error = serde_json::to_string(&handle).expect_err("no channel");
    assert!(error.to_string().contains("channels"), "{error}");
    let error = serde_json::from_str::<Handle<File>>("0").expect_err("no channel");
    assert!(error.to_string().contains("channels"), "{error}");
    // Nor after a channel has been at work.
    through(&handle);
    serde_json::to_string(&handle).expect_err("no channel");
    serde_json::from_str::<Handle<File>>("0").expect_err("no channel");
}

#[test]
fn a_panic_while_serialising_leaves_no_message_behind() {
    struct Rude;
    impl Serialize for Rude {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("rude")
        }
    }
    let (mut here, _there) = Channel::<Rude, ()>::pair().expect("a pair");
    let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| here.send(&Rude)));
    assert!(sent.is_err());
    serde_json::to_string(&Handle::new(support::file(b""))).expect_err("no channel");
}

/// The descriptors of a pipe tell whether the other end is open anywhere.
#[test]
fn a_panic_closes_what_was_packed_and_what_came() {
    struct Rude(Handle<OwnedFd>);
    impl Serialize for Rude {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let _ = self.0.serialize(serializer);
            panic!("rude")
        }
    }
    #[derive(Debug)]
    struct Ruder;
    impl<'de> Deserialize<'de> for Ruder {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let _taken = <(Handle<OwnedFd>,)>::deserialize(deserializer)?;
            panic!("ruder")
        }
    }
    let caught = |run: &mut dyn FnMut()| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("a panic");
    };
    let closed = |mut reader: io::PipeReader| {
        assert_eq!(reader.read(&mut [0]).expect("the end"), 0);
    };

    let (mut here, _there) = Channel::<Rude, ()>::pair().expect("a pair");
    let (reader, writer) = io::pipe().expect("a pipe");
    let rude = Rude(Handle::new(writer.into()));
    caught(&mut || drop(here.send(&rude)));
    drop(rude);
    closed(reader);

    let (mut here, there) = Channel::<[Handle<OwnedFd>; 2], ()>::pair().expect("a pair");
    let mut there = Channel::<(), Ruder>::from_socket(there.into()).expect("a channel");
    let pipes = [io::pipe().expect("a pipe"), io::pipe().expect("a pipe")];
    let (readers, writers): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
    let writers: Vec<Handle<OwnedFd>> =
        writers.into_iter().map(|writer| Handle::new(writer.into())).collect();
    here.send(&writers.try_into().expect("two")).expect("sent");
    caught(&mut || drop(there.recv()));
    readers.into_iter().for_each(closed);
}

#[test]
fn a_message_received_while_another_is_deserialised_leaves_that_its_descriptors() {
    #[derive(Debug)]
    struct Nested(Handle<File>);
    impl<'de> Deserialize<'de> for Nested {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let inner = through(&Handle::new(support::file(b"inner")));
            assert_eq!(io::read_to_string(&*inner).expect("read"), "inner");
            Handle::deserialize(deserializer).map(Self)
        }
    }
    let (mut here, there) = Channel::<Handle<File>, ()>::pair().expect("a pair");
    here.send(&Handle::new(support::file(b"outer"))).expect("sent");
    let mut there = Channel::<(), Nested>::from_socket(there.into()).expect("a channel");
    assert_eq!(io::read_to_string(&*there.recv().expect("received").0).expect("read"), "outer");
}

#[test]
fn a_message_sent_while_another_is_serialised_keeps_its_own_descriptors() {
    struct Nested(Handle<File>);
    impl Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = through(&Handle::new(support::file(b"inner")));
            assert_eq!(io::read_to_string(&*inner).expect("read"), "inner");
            self.0.serialize(serializer)
        }
    }
    let (mut here, there) = Channel::<Nested, ()>::pair().expect("a pair");
    here.send(&Nested(Handle::new(support::file(b"outer")))).expect("sent");
    let mut there = Channel::<(), Handle<File>>::from_socket(there.into()).expect("a channel");
    assert_eq!(io::read_to_string(&*there.recv().expect("received")).expect("read"), "outer");
}

#[test]
fn a_descriptor_that_is_dropped_while_it_is_serialised_is_still_the_one_that_is_sent() {
    struct Fleeting;
    impl Serialize for Fleeting {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let made = Handle::new(support::file(b"made"));
            let result = made.serialize(serializer);
            drop(made);
            // Takes the number, if that is free.
            std::mem::forget(File::open("/dev/null"));
            result
        }
    }
    let (mut here, there) = Channel::<Fleeting, ()>::pair().expect("a pair");
    here.send(&Fleeting).expect("sent");
    let mut there = Channel::<(), Handle<File>>::from_socket(there.into()).expect("a channel");
    assert_eq!(io::read_to_string(&*there.recv().expect("received")).expect("read"), "made");
}

#[test]
fn more_descriptors_than_the_cap_are_not_sent() {
    let (mut here, mut there) = Channel::<Vec<Handle<File>>, ()>::pair().expect("a pair");
    let files = |count| -> Vec<Handle<File>> {
        (0..count).map(|_| Handle::new(support::file(b""))).collect()
    };
    let error = here.send(&files(65)).expect_err("beyond the cap");
    assert!(matches!(error, Error::TooManyDescriptors { count: 65, most: 64 }), "{error}");
    here.send(&files(64)).expect("within the cap");
    let caps = here.caps().descriptors(253);
    let mut there = Frames::from_socket({
        assert!(matches!(there.send(&()), Ok(())));
        there.into()
    })
    .expect("a channel");
    assert_eq!(there.receive(None).expect("received").descriptors().len(), 64);
    here.set_caps(caps).expect("what the kernel can");
    there.set_caps(caps).expect("what the kernel can");
    here.send(&files(253)).expect("within the cap");
    assert_eq!(there.receive(None).expect("received").descriptors().len(), 253);
    here.send(&files(254)).expect_err("beyond the kernel's");
}

#[test]
fn what_is_received_is_close_on_exec() {
    let received = through(&Handle::new(support::file(b"")));
    assert!(support::close_on_exec(&received));
}

#[cfg(target_os = "linux")]
fn unsupported<T: capsicum_channel::Descriptor>(
    channel: &mut Channel<Handle<T>, ()>,
    handle: &Handle<T>,
) -> String {
    match channel.send(handle) {
        Err(Error::Unsupported(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// What is behind a descriptor that has just been received, and whether it can be written to.
fn inode_and_writable(file: &File) -> (u64, bool) {
    (file.metadata().expect("fstat").ino(), (&*file).write(b"!").is_ok())
}

#[test]
fn limits_that_a_mode_expresses_are_sent_so() {
    let scratch = tempfile::NamedTempFile::new().expect("a file");
    fs::write(scratch.path(), "0123456789").expect("write");
    let file =
        || File::options().read(true).write(true).open(scratch.path()).expect("the same file");
    let ceiling = Rights::READ | Rights::WRITE | Rights::SEEK | Rights::FSTAT;
    let (mut here, mut there) = Channel::<Handle<File>, Handle<File>>::pair().expect("a pair");
    here.peer_ceiling(ceiling);
    let same = file().metadata().expect("fstat").ino();

    let mut positioned = file();
    positioned.read_exact(&mut [0; 4]).expect("read");
    let limits = Rights::READ | Rights::SEEK | Rights::FSTAT;
    here.send(&Handle::limited(positioned, limits)).expect("a mode can express that");
    let received = there.recv().expect("received").into_inner().expect("nobody else's");
    assert_eq!(inode_and_writable(&received), (same, false));
    assert_eq!(io::read_to_string(&received).expect("read"), "456789", "another offset");

    let limits = Rights::WRITE | Rights::SEEK | Rights::FSTAT;
    here.send(&Handle::limited(file(), limits)).expect("a mode can express that");
    let mut received = there.recv().expect("received").into_inner().expect("nobody else's");
    received.read(&mut [0]).expect_err("not for reading");
    received.write_all(b"!").expect("for writing");

    here.send(&Handle::limited(file(), ceiling | Rights::FCHMOD)).expect("wider than the ceiling");
    let received = there.recv().expect("received").into_inner().expect("nobody else's");
    assert_eq!(inode_and_writable(&received), (same, true));
}

#[cfg(target_os = "linux")]
#[test]
fn limits_that_cannot_be_held_are_refused_by_name_and_nothing_is_sent() {
    let (mut here, mut there) = Channel::<Handle<OwnedFd>, ()>::pair().expect("a pair");
    let limited = |fd: OwnedFd, rights: Rights| Handle::limited(fd, rights);
    let file = || OwnedFd::from(support::file(b""));

    let read = Rights::READ;
    let why = unsupported(&mut here, &limited(file(), read));
    assert!(why.contains("WRITE") && why.contains("ceiling"), "{why}");

    here.peer_ceiling(Rights::READ | Rights::FSTAT | Rights::FCHMOD);
    let why = unsupported(&mut here, &limited(file(), Rights::READ | Rights::FSTAT));
    assert!(why.contains("FCHMOD") && !why.contains("FSTAT"), "{why}");

    here.peer_ceiling(Rights::READ | Rights::WRITE);
    let (stream, _other) = UnixStream::pair().expect("a pair");
    let why = unsupported(&mut here, &limited(stream.into(), read));
    assert!(why.contains("WRITE") && why.contains("regular file"), "{why}");
    // It has no name, so that only a link of procfs leads to it, which asks nobody.
    let why = unsupported(&mut here, &limited(support::file(b"").into(), read));
    assert!(why.contains("WRITE") && why.contains("no name"), "{why}");
    here.peer_ceiling(Limits::from(Rights::READ | Rights::FCNTL));
    let fewer = Limits::from(Rights::READ | Rights::FCNTL).fcntls(capsicum_rs::Fcntls::GETFL);
    let why = unsupported(&mut here, &Handle::limited(file(), fewer));
    assert!(why.contains("fcntls"), "{why}");

    let mut there = Frames::from_socket({
        let _ = there.send(&());
        there.into()
    })
    .expect("a channel");
    assert!(there.try_receive().expect("open").is_none(), "something was sent");
    here.peer_ceiling(read);
    here.send(&limited(file(), read)).expect("the ceiling's own");
}

#[cfg(target_os = "freebsd")]
#[test]
fn limits_travel_with_the_descriptor() {
    let (mut here, mut there) = Channel::<Handle<File>, Handle<File>>::pair().expect("a pair");
    let limits = Limits::from(Rights::READ | Rights::FSTAT);
    here.send(&Handle::limited(support::file(b""), limits.clone())).expect("sent");
    let received = there.recv().expect("received");
    assert_eq!(capsicum_rs::limits_of(&received).expect("limits"), limits);
    here.peer_ceiling(Rights::FSTAT | Rights::SEEK);
    here.send(&Handle::new(support::file(b""))).expect("sent");
    let received = there.recv().expect("received");
    let expected = Limits::from(Rights::FSTAT | Rights::SEEK);
    assert_eq!(capsicum_rs::limits_of(&received).expect("limits"), expected);
}

#[test]
fn the_sender_keeps_its_own() {
    let handle = Handle::new(support::file(b"kept"));
    drop(through(&handle));
    assert_eq!(io::read_to_string(&*handle).expect("read"), "kept");
    let (here, _there) = Channel::<(), ()>::pair().expect("a pair");
    let _ = here.as_fd();
    let mut frames = Frames::from_socket(here.into()).expect("a channel");
    let frame = frames.encode(0, 0, &handle).expect("encoded");
    let handle = handle.into_inner().expect_err("the frame has it");
    drop(frame);
    handle.into_inner().expect("nobody has it");
}
