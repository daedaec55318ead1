//! Frames that come in parts, from a peer that cuts them where it likes. FreeBSD 15 takes them so; Linux where this is
//! built with `--cfg capsicum_parts`.

mod support;

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
};

use capsicum_channel::{Caps, Channel, Error, Frame, Frames, Handle, WHOLE_RECORDS};
use support::{datagram, honest, throw_part, victim};

type Message = (Vec<u8>, Handle<File>);

/// Bytes, how many descriptors come with them, and whether the record ends.
type Part<'a> = (&'a [u8], usize, bool);

fn send(there: &OwnedFd, file: &File, parts: &[Part<'_>]) {
    for (bytes, count, ends) in parts {
        throw_part(there, bytes, &vec![file.as_fd(); *count], *ends);
    }
}

fn message() -> Vec<u8> {
    honest(&[3, 7, 8, 9, 0], 1)
}

/// It was received as it should be, and the channel goes on.
fn taken(here: &mut Channel<(), Message>, there: &OwnedFd, file: &File, what: &str) {
    let (bytes, _) = here.recv().unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(bytes, [7, 8, 9], "{what}");
    throw_part(there, &datagram(2, 0, 1, 1, &[0, 0]), &[file.as_fd()], true);
    assert!(here.recv().expect("the next one").0.is_empty(), "{what}");
}

/// The victim finds a breach in what comes, keeps nothing of it, and is done with it.
fn refused(parts: &[Part<'_>]) -> String {
    let (mut here, there) = victim::<(), Message>();
    here.set_caps(Caps::default().inline(1000).descriptors(8)).expect("caps");
    let file = support::file(b"");
    let before = support::free_numbers();
    send(&there, &file, parts);
    drop(there);
    let reason = match here.recv() {
        Err(Error::Protocol { reason }) => reason,
        other => panic!("{other:?} of {parts:?}"),
    };
    assert!(matches!(here.recv(), Err(Error::Closed)), "it goes on");
    drop(here);
    // One end has been closed meanwhile.
    let after = support::free_numbers();
    assert!(after.iter().zip(&before).all(|(now, then)| now <= then), "something was left open");
    reason
}

// The tests count descriptors, and so run one after another.
#[test]
fn frames_in_parts() {
    if WHOLE_RECORDS {
        println!("SKIPPED: frames in parts: this system takes them as a whole");
        return;
    }
    a_frame_is_put_together_wherever_it_was_cut();
    parts_that_do_not_belong_together();
    parts_without_an_end();
    descriptors_that_come_alone();
    an_end_before_the_rest();
}

fn a_frame_is_put_together_wherever_it_was_cut() {
    let (whole, file) = (message(), support::file(b""));
    for cut in 1..whole.len() {
        for more in cut..whole.len() {
            let (mut here, there) = victim::<(), Message>();
            send(&there, &file, &[(&whole[..cut], 1, false)]);
            assert!(here.try_recv().expect("open").is_none(), "a part of {cut} bytes");
            if more > cut {
                send(&there, &file, &[(&whole[cut..more], 0, false)]);
                assert!(here.try_recv().expect("open").is_none(), "a part of {more} bytes");
            }
            send(&there, &file, &[(&whole[more..], 0, true)]);
            taken(&mut here, &there, &file, &format!("{cut}, {more}"));
        }
    }
    // What was not looked at before it was whole; and single bytes.
    for size in [1, 7, whole.len()] {
        let (mut here, there) = victim::<(), Message>();
        let count = whole.len().div_ceil(size);
        for (at, part) in whole.chunks(size).enumerate() {
            send(&there, &file, &[(part, usize::from(at == 0), at + 1 == count)]);
        }
        taken(&mut here, &there, &file, &format!("parts of {size}"));
    }
}

fn parts_that_do_not_belong_together() {
    let whole = message();
    for cut in 1..whole.len() {
        let (one, two) = whole.split_at(cut);
        // Descriptors behind the first part, or once more.
        refused(&[(one, 0, false), (two, 1, true)]);
        refused(&[(one, 1, false), (two, 1, true)]);
        // An end too early, and a part of the next frame.
        refused(&[(one, 1, true), (two, 0, true)]);
        refused(&[(one, 1, false), (&[two, &[0]].concat(), 0, true)]);
        refused(&[(one, 1, false), (two, 0, false), (&whole, 1, true)]);
    }
}

fn parts_without_an_end() {
    let whole = message();
    for cut in 1..=whole.len() {
        refused(&[(&whole[..cut], 1, false)]);
    }
    // Of a frame that says so, and of one that says nothing.
    for length in [500, 984, 1000, 5000, u32::MAX] {
        let header = datagram(length, 0, 0, 0, &[]);
        let more = [0; 300];
        refused(&[(&header, 0, false), (&more, 0, false), (&more, 0, false), (&more, 0, false)]);
        let reason = refused(&[(&header, 0, false), (&[0; 5000], 0, false)]);
        assert!(reason.contains("bytes") || reason.contains("cap"), "{reason}");
    }
}

/// As FreeBSD 15 sends them, ahead of the bytes.
fn descriptors_that_come_alone() {
    let (whole, file) = (message(), support::file(b""));
    for cut in 0..whole.len() {
        let (mut here, there) = victim::<(), Message>();
        let (one, two) = whole.split_at(cut);
        send(&there, &file, &[(&[], 1, false)]);
        if !one.is_empty() {
            send(&there, &file, &[(one, 0, false)]);
        }
        send(&there, &file, &[(two, 0, true)]);
        taken(&mut here, &there, &file, &format!("{cut}"));
    }
    refused(&[(&[], 1, false)]);
    refused(&[(&[], 1, false), (&whole, 1, true)]);
    refused(&[(&[], 2, false), (&whole, 0, true)]);
    refused(&[(&[], 1, false), (&datagram(5, 0, 0, 0, &whole[16..]), 0, true)]);
    // No more than may come, however few at a time.
    let alone = [(&[][..], 3, false); 4];
    refused(&alone);
    refused(&[&alone[..], &[(&whole[..], 0, true)]].concat());
}

/// Who closes its end while there is a rest has cut its frame off: the other end finds that, and nothing is left open
/// anywhere.
fn an_end_before_the_rest() {
    let before = support::free_numbers();
    for by_closing in [false, true] {
        let (mut here, mut there) = Frames::pair().expect("a pair");
        let file = support::file(b"").into();
        let frame = Frame::new(1, 0, &vec![7; 30_000], vec![file]).expect("a frame");
        let mut sent = 0;
        while here.try_send(&frame).expect("open") {
            sent += 1;
            assert!(sent < 1000, "nothing ever fills the buffer");
        }
        if by_closing {
            here.close();
            assert!(matches!(here.try_flush(), Err(Error::Closed)) || here.is_flushed());
            assert!(matches!(here.send(&frame, None), Err(Error::Closed)));
        } else {
            // Where there is none, the last frame was whole.
            sent -= i32::from(!here.is_flushed());
            drop(here);
        }
        let mut received = 0;
        let error = loop {
            match there.receive(None) {
                Ok(frame) => received += frame.descriptors().len(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Closed | Error::Protocol { .. }), "{error:?}");
        assert!(by_closing || i32::try_from(received) == Ok(sent), "{received} of {sent}");
        assert!(matches!(there.receive(None), Err(Error::Closed)));
        drop((frame, there));
    }
    assert_eq!(support::free_numbers(), before, "something was left open");
}
