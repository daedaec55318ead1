//! Frames that a kernel takes in parts, cut anywhere. The kernel is a script: how much room there is.

use std::{
    fs::File,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
};

use proptest::prelude::*;

use super::*;

/// What a kernel that takes parts would do, and what has come out at the other end.
#[derive(Debug, Default)]
struct Kernel {
    /// How many bytes it still takes, control messages among them.
    room: usize,
    /// What there is no room for has a deadline, rather than no time.
    deadline: bool,
    /// What every call fails with, once there is no room.
    error: Option<fn() -> Error>,
    /// Records that have ended: bytes, and numbers of descriptors.
    records: Vec<(Vec<u8>, Vec<RawFd>)>,
    /// The one that has not.
    begun: (Vec<u8>, Vec<RawFd>),
    calls: usize,
}

/// What descriptors take, as a control message does.
const CONTROL: usize = 24;

impl Kernel {
    fn with_room(room: usize) -> Self {
        Self { room, ..Self::default() }
    }

    fn put(&mut self, bytes: &[u8], passed: &[Passed]) -> Result<Option<usize>, Error> {
        self.calls += 1;
        let control = if passed.is_empty() { 0 } else { CONTROL };
        let Some(room) = self.room.checked_sub(control).filter(|_| self.room > 0) else {
            return self.none();
        };
        self.room = room;
        self.begun.1.extend(passed.iter().map(|passed| passed.as_fd().as_raw_fd()));
        let part = bytes.len().min(room);
        if part == 0 && !bytes.is_empty() {
            // The trap: descriptors are taken, and that is not told.
            return self.none();
        }
        self.room -= part;
        self.begun.0.extend_from_slice(&bytes[..part]);
        if part == bytes.len() && part > 0 {
            self.records.push(std::mem::take(&mut self.begun));
        }
        Ok(Some(part))
    }

    fn none(&self) -> Result<Option<usize>, Error> {
        match self.error {
            Some(error) => Err(error()),
            None if self.deadline => Err(Error::Deadline),
            None => Ok(None),
        }
    }

    fn send(&mut self, rest: &mut Rest, bytes: &[u8], passed: &[Passed]) -> Result<bool, Error> {
        rest.send(bytes, passed, true, |bytes, passed| self.put(bytes, passed))
    }

    fn flush(&mut self, rest: &mut Rest) -> Result<bool, Error> {
        rest.flush(|bytes, passed| self.put(bytes, passed))
    }

    fn received(&self) -> Vec<&[u8]> {
        self.records.iter().map(|(bytes, _)| bytes.as_slice()).collect()
    }
}

fn passed(count: usize) -> (Vec<Passed>, Vec<RawFd>) {
    let null = || OwnedFd::from(File::open("/dev/null").expect("/dev/null"));
    let passed: Vec<_> = (0..count).map(|_| Passed::Owned(null())).collect();
    let numbers = passed.iter().map(|passed| passed.as_fd().as_raw_fd()).collect();
    (passed, numbers)
}

/// Bytes that tell their places.
fn frame(number: u8, length: u8) -> Vec<u8> {
    (0..length).map(|at| number.wrapping_mul(101).wrapping_add(at)).collect()
}

#[test]
fn a_frame_is_cut_at_any_byte_and_goes_on_there() {
    let (one, two) = (frame(1, 70), frame(2, 5));
    for cut in 0..=one.len() {
        for deadline in [false, true] {
            let mut kernel = Kernel { deadline, ..Kernel::with_room(cut) };
            let mut rest = Rest::default();
            match kernel.send(&mut rest, &one, &[]) {
                Ok(true) => assert!(cut > 0 && rest.is_gone() == (cut == one.len())),
                Ok(false) => assert!(cut == 0 && !deadline),
                Err(Error::Deadline) => assert!(cut == 0 && deadline),
                Err(error) => panic!("{error}"),
            }
            // Nothing is kept of what was not begun, and of what was kept nothing is sent twice.
            assert!(cut > 0 || rest.is_gone());
            kernel.room = 1000;
            assert!(kernel.send(&mut rest, &two, &[]).expect("room"));
            assert!(rest.is_gone() && rest.bytes.capacity() == 0);
            let all: &[&[u8]] = if cut == 0 { &[&two] } else { &[&one, &two] };
            assert_eq!(kernel.received(), all, "cut at {cut}");
        }
    }
}

#[test]
fn a_rest_is_cut_at_any_byte_too_and_nothing_gets_before_it() {
    let (one, two) = (frame(1, 40), frame(2, 40));
    for cut in 1..one.len() {
        for more in 0..one.len() - cut {
            let (mut kernel, mut rest) = (Kernel::with_room(cut), Rest::default());
            assert!(kernel.send(&mut rest, &one, &[]).expect("a part"));
            kernel.room = more;
            assert!(!kernel.send(&mut rest, &two, &[]).expect("no room"), "before its turn");
            kernel.deadline = true;
            assert!(matches!(kernel.send(&mut rest, &two, &[]), Err(Error::Deadline)));
            assert!(matches!(kernel.flush(&mut rest), Err(Error::Deadline)));
            assert!(!rest.is_gone() && kernel.records.is_empty());
            kernel.room = one.len() - cut - more + 1;
            assert!(kernel.send(&mut rest, &two, &[]).expect("a part"));
            assert_eq!(kernel.received(), [one.as_slice()]);
            assert!(!rest.is_gone(), "of the second one");
            kernel.room = 1000;
            assert!(kernel.flush(&mut rest).expect("room"));
            assert_eq!(kernel.received(), [&one, &two]);
        }
    }
}

#[test]
fn a_receiver_that_reads_single_bytes_gets_all_of_them() {
    let (mut kernel, mut rest) = (Kernel::with_room(1), Rest::default());
    let frames: Vec<_> = (1..5).map(|number| frame(number, 17)).collect();
    for frame in &frames {
        while !kernel.send(&mut rest, frame, &[]).expect("open") {
            kernel.room += 1;
        }
    }
    while !kernel.flush(&mut rest).expect("open") {
        kernel.room += 1;
    }
    assert_eq!(kernel.received(), frames);
}

#[test]
fn without_a_rest_nothing_is_asked_of_the_kernel() {
    let (mut kernel, mut rest) = (Kernel::default(), Rest::default());
    assert!(kernel.flush(&mut rest).expect("nothing"));
    assert_eq!(kernel.calls, 0);
}

#[test]
fn descriptors_are_sent_once_wherever_their_frame_is_cut() {
    let bytes = frame(1, 30);
    let (passed, numbers) = passed(3);
    for room in 0..=CONTROL + bytes.len() {
        let (mut kernel, mut rest) = (Kernel::with_room(room), Rest::default());
        let mut tries = 0;
        while !kernel.send(&mut rest, &bytes, &passed).expect("open") {
            assert!(rest.is_gone() && kernel.begun.1.is_empty(), "something has gone");
            tries += 1;
            kernel.room += CONTROL;
        }
        assert_eq!(tries, usize::from(room < CONTROL), "{room}");
        kernel.room += 1000;
        assert!(kernel.flush(&mut rest).expect("room"));
        assert_eq!(kernel.records, [(bytes.clone(), numbers.clone())], "{room}");
    }
}

/// Why they go apart: this is what would become of them otherwise.
#[test]
fn descriptors_that_go_with_bytes_may_be_sent_twice() {
    let bytes = frame(1, 30);
    let (passed, numbers) = passed(1);
    let (mut kernel, mut rest) = (Kernel::with_room(CONTROL), Rest::default());
    let mut send = |kernel: &mut Kernel| {
        rest.send(&bytes, &passed, false, |bytes, passed| kernel.put(bytes, passed)).expect("open")
    };
    assert!(!send(&mut kernel));
    kernel.room = 1000;
    assert!(send(&mut kernel));
    assert_eq!(kernel.records[0].1, [numbers[0], numbers[0]]);
}

#[test]
fn where_a_record_is_taken_as_a_whole_descriptors_go_with_it() {
    let (passed, numbers) = passed(2);
    let (mut kernel, mut rest) = (Kernel::with_room(1000), Rest::default());
    let sent = rest.send(b"frame", &passed, false, |bytes, passed| kernel.put(bytes, passed));
    assert!(sent.expect("room") && kernel.calls == 1);
    assert_eq!(kernel.records, [(b"frame".to_vec(), numbers)]);
}

#[test]
fn an_end_in_the_midst_is_the_end_and_frees_the_rest() {
    let closed: fn() -> Error = || Error::Closed;
    let failed: fn() -> Error = || Error::system("sendmsg")(std::io::ErrorKind::Other.into());
    let (passed, _) = passed(1);
    for error in [closed, failed] {
        for room in 1..30 {
            for apart in [&[], &passed[..]] {
                let mut kernel =
                    Kernel::with_room(room + if apart.is_empty() { 0 } else { CONTROL });
                let mut rest = Rest::default();
                // Between two parts.
                assert!(kernel.send(&mut rest, &frame(1, 30), apart).expect("a part"));
                kernel.error = Some(error);
                kernel.flush(&mut rest).expect_err("the end");
                assert!(rest.is_broken() && !rest.is_gone() && rest.bytes.capacity() == 0);
                kernel.room = 1000;
                assert!(matches!(kernel.flush(&mut rest), Err(Error::Closed)));
                assert!(matches!(kernel.send(&mut rest, b"x", &[]), Err(Error::Closed)));
                assert!(kernel.records.is_empty());

                // In the call that sends them all.
                let mut kernel = Kernel { error: Some(error), ..Kernel::with_room(room) };
                let mut rest = Rest::default();
                kernel.send(&mut rest, &frame(1, 30), &[]).expect_err("the end");
                assert!(rest.is_broken() && rest.bytes.capacity() == 0);
            }
        }
        // Of a frame that has not begun nothing is broken.
        let mut kernel = Kernel { error: Some(error), ..Kernel::default() };
        let mut rest = Rest::default();
        kernel.send(&mut rest, b"frame", &passed).expect_err("not sent");
        assert!(!rest.is_broken() && rest.is_gone());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send { length: u8, descriptors: usize },
    Flush,
    Read(usize),
    Patience(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u8..90, 0..3_usize)
            .prop_map(|(length, descriptors)| Step::Send { length, descriptors }),
        1 => Just(Step::Flush),
        3 => (0..120_usize).prop_map(Step::Read),
        1 => any::<bool>().prop_map(Step::Patience),
    ]
}

proptest! {
    #[test]
    fn what_was_taken_over_comes_once_and_in_order(steps in prop::collection::vec(step(), 0..60)) {
        let (mut kernel, mut rest) = (Kernel::default(), Rest::default());
        let mut taken = Vec::new();
        for (number, step) in (0_u8..).zip(steps) {
            match step {
                Step::Send { length, descriptors } => {
                    let (passed, numbers) = passed(descriptors);
                    let bytes = frame(number, length);
                    match kernel.send(&mut rest, &bytes, &passed) {
                        Ok(true) => taken.push((bytes, numbers)),
                        Ok(false) => assert!(!kernel.deadline),
                        Err(error) => assert!(matches!(error, Error::Deadline) && kernel.deadline),
                    }
                }
                Step::Flush => match kernel.flush(&mut rest) {
                    Ok(all) => assert_eq!(all, rest.is_gone()),
                    Err(error) => assert!(matches!(error, Error::Deadline) && !rest.is_gone()),
                },
                Step::Read(bytes) => kernel.room += bytes,
                Step::Patience(deadline) => kernel.deadline = deadline,
            }
            // One frame's at most, and the last one's.
            let whole = kernel.records.len();
            assert!(whole == taken.len() - usize::from(!rest.is_gone()));
            assert!(rest.bytes.len() <= taken.last().map_or(0, |(bytes, _)| bytes.len()));
        }
        kernel.room = 1000;
        assert!(kernel.flush(&mut rest).expect("room"));
        assert_eq!(kernel.records, taken);
    }
}
