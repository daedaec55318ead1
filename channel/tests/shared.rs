//! Memory in messages: what a receiver may rely on.

mod support;

use std::{fs::File, io::Write, os::fd::OwnedFd};

use capsicum_channel::{Caps, Channel, Error, Frames, SharedBytes, SharedMem};
use serde::{Serialize, de::DeserializeOwned};

fn through<T: Serialize + DeserializeOwned>(message: &T) -> T {
    let (mut here, mut there) = Channel::<T, T>::pair().expect("a pair");
    here.send(message).expect("sent");
    there.recv().expect("received")
}

/// The descriptor of memory, as a peer has it.
fn descriptor(message: &impl Serialize) -> OwnedFd {
    let (mut here, mut there) = Frames::pair().expect("a pair");
    let frame = here.encode(0, 0, message).expect("encoded");
    here.send(&frame, None).expect("sent");
    let frame = there.receive(None).expect("received");
    let fd = frame.descriptors().next().expect("a descriptor");
    fd.try_clone_to_owned().expect("dup")
}

#[test]
fn bytes_are_the_same_at_the_other_end() {
    for length in [0, 1, 4095, 4096, 4097, 3 << 20] {
        let bytes: Vec<u8> = (0..251_u8).cycle().take(length).collect();
        let shared = SharedBytes::new(&bytes).expect("memory");
        assert_eq!(&*shared, &bytes[..]);
        assert_eq!(&*through(&shared), &bytes[..]);
        let built = SharedBytes::build(length, |memory| {
            assert!(memory.iter().all(|byte| *byte == 0));
            memory.copy_from_slice(&bytes);
        });
        assert_eq!(&*through(&built.expect("memory")), &bytes[..]);
        // On from there.
        assert_eq!(&*through(&through(&shared)), &bytes[..]);
    }
}

#[test]
fn bytes_that_are_sent_cannot_be_changed_or_cut_by_anyone() {
    let shared = SharedBytes::new(b"constant").expect("memory");
    let mut file = File::from(descriptor(&shared));
    file.set_len(0).expect_err("cut");
    file.set_len(1 << 20).expect_err("grown");
    file.write_all(b"changed!").expect_err("changed");
    assert!(!support::map_writable(&file), "mapped for writing");
    assert_eq!(&*shared, b"constant");
}

#[test]
fn memory_is_written_by_its_maker_only_and_never_cut() {
    let memory = SharedMem::new(10_000).expect("memory");
    let seen = through(&memory);
    assert_eq!((seen.len(), seen.is_empty()), (10_000, false));
    let mut file = File::from(descriptor(&memory));
    file.set_len(0).expect_err("cut");
    file.write_all(b"x").expect_err("written");
    assert!(!support::map_writable(&file), "mapped for writing");

    assert!(seen.write_at(0, b"x").is_err());
    memory.write_at(9_990, &[1; 11]).expect_err("beyond");
    memory.write_at(usize::MAX, b"x").expect_err("beyond");
    memory.read_at(10_000, &mut [0]).expect_err("beyond");
    seen.read_at(10_000, &mut []).expect("nothing");
}

#[test]
fn any_range_of_memory_is_copied_exactly() {
    let memory = SharedMem::new(256).expect("memory");
    let seen = through(&memory);
    let mut model = [0_u8; 256];
    let mut value = 0_u8;
    for offset in 0..24 {
        for length in 0..40 {
            value = value.wrapping_add(1);
            let bytes: Vec<u8> =
                (1..=255_u8).take(length).map(|at| value.wrapping_mul(at | 1)).collect();
            memory.write_at(offset, &bytes).expect("within");
            model[offset..offset + length].copy_from_slice(&bytes);
            let mut all = [0; 256];
            seen.read_at(0, &mut all).expect("within");
            assert_eq!(all, model);
            let mut part = vec![0; length];
            seen.read_at(offset, &mut part).expect("within");
            assert_eq!(part, bytes);
        }
    }
}

#[test]
fn more_memory_than_the_cap_is_neither_sent_nor_received() {
    type Two = (SharedBytes, SharedBytes);
    let kilobyte = || SharedBytes::new(&[1; 1024]).expect("memory");
    let (mut here, mut there) = Channel::<Two, Two>::pair().expect("a pair");
    here.set_caps(Caps::default().shared(2047)).expect("caps");
    let error = here.send(&(kilobyte(), kilobyte())).expect_err("beyond the cap");
    assert!(matches!(error, Error::TooLarge { size: 1024, most: 1023 }), "{error}");
    there.send(&(kilobyte(), kilobyte())).expect("within its cap");
    assert!(matches!(here.recv(), Err(Error::Protocol { .. })));
}

/// What a hostile peer says is memory of this length.
fn claim(fd: &OwnedFd, length: u64) -> Result<SharedBytes, Error> {
    use std::os::fd::AsFd;
    let (mut here, there) = support::victim::<(), SharedBytes>();
    let payload = varint(length);
    let payload = [&[0], &payload[..]].concat();
    support::throw(&there, &support::honest(&payload, 1), &[fd.as_fd()]);
    here.recv()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 128 });
        if number == 0 {
            return bytes;
        }
    }
}

#[test]
fn what_is_said_to_be_memory_is_checked() {
    let broken = |result| matches!(result, Err(Error::Protocol { .. }));
    let good = descriptor(&SharedBytes::new(&[7; 5000]).expect("memory"));
    assert_eq!(claim(&good, 5000).expect("true").len(), 5000);
    assert_eq!(claim(&good, 4000).expect("less than there is").len(), 4000);
    assert!(broken(claim(&good, 5001)), "larger than it is");
    assert!(broken(claim(&good, 1 << 40)), "larger than the cap");
    assert!(broken(claim(&good, u64::MAX)));
    assert!(broken(claim(&support::file(&[0; 5000]).into(), 5000)), "a file");
    assert!(broken(claim(&File::open("/dev/zero").expect("a device").into(), 10)), "a device");
    let (socket, _other) = support::sockets();
    assert!(broken(claim(&socket, 10)), "a socket");
    assert!(broken(claim(&support::memory(5000, false), 5000)), "memory without seals");
    let writable = descriptor(&SharedMem::new(5000).expect("memory"));
    assert!(broken(claim(&writable, 5000)), "memory that its maker writes");
    assert!(broken(claim(&support::memory(5000, true), 5000)), "memory that cannot be sealed");
}

/// Memory that was never written to has no pages. Where the system has none left, who reads it first
/// gets a signal; so all of it must be there before a receiver sees a byte.
#[test]
fn memory_is_there_once_it_has_been_received() {
    const LENGTH: usize = 1 << 20;
    let bytes = SharedBytes::build(LENGTH, |_| ()).expect("memory");
    let sparse = File::from(descriptor(&bytes));
    let received = through(&bytes);
    assert_eq!(support::first_hole(&sparse), LENGTH as u64, "pages are missing");
    assert!(received.iter().all(|byte| *byte == 0));

    let memory = SharedMem::new(LENGTH).expect("memory");
    let sparse = File::from(descriptor(&memory));
    let received = through(&memory);
    assert_eq!(support::first_hole(&sparse), LENGTH as u64, "pages are missing");
    assert_eq!(received.len(), LENGTH);
}
