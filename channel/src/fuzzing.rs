//! For fuzzers: decoding without a socket. Built with `--cfg fuzzing` only.

use std::os::fd::OwnedFd;

use serde::de::DeserializeOwned;

use crate::{
    Caps, Error, frame,
    header::{self, Header},
};

/// What is done with a datagram and its descriptors once the kernel has delivered them.
///
/// # Errors
///
/// [`Error::Protocol`], and those of checking descriptors.
pub fn decode<T: DeserializeOwned>(
    datagram: &[u8],
    descriptors: Vec<OwnedFd>,
    caps: Caps,
) -> Result<T, Error> {
    let header = Header::read(datagram).ok_or_else(|| Error::protocol("no header"))?;
    let payload = &datagram[header::LENGTH..];
    let whole = usize::try_from(header.length).ok() == Some(payload.len());
    if !whole || usize::from(header.descriptors) != descriptors.len() {
        return Err(Error::protocol("another length or number of descriptors"));
    }
    let mut descriptors = descriptors.into_iter().map(Some).collect();
    frame::decode(payload, &mut descriptors, caps)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Frame, Frames, Handle, SharedBytes, bounded::DEPTH};

    #[derive(Debug, Serialize, Deserialize)]
    enum Anything {
        Number(u64),
        Text(String),
        List(Vec<Anything>),
        Map(BTreeMap<u16, Option<Box<Anything>>>),
        Descriptor(Handle<OwnedFd>),
        Memory(SharedBytes),
        Nothing(Vec<()>),
    }

    fn descriptors(count: usize) -> Vec<OwnedFd> {
        let open = |_| std::fs::File::open("/dev/null").expect("a device").into();
        (0..count).map(open).collect()
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>, count in 0..3_usize) {
            let _ = decode::<Anything>(&bytes, descriptors(count), Caps::default());
            let payload = Frame::new(0, 0, &bytes, descriptors(count)).expect("a frame");
            let _ = decode::<Anything>(payload.bytes(), descriptors(count), Caps::default());
        }

        #[test]
        fn what_decodes_encodes_to_what_decodes(bytes: Vec<u8>) {
            let frame = Frame::new(0, 0, &bytes, Vec::new()).expect("a frame");
            if let Ok(value) = decode::<Anything>(frame.bytes(), Vec::new(), Caps::default()) {
                let again = Frame::encode(0, 0, &value, Caps::default()).expect("encoded");
                decode::<Anything>(again.bytes(), Vec::new(), Caps::default()).expect("decoded");
            }
        }
    }

    #[test]
    fn a_value_is_decoded_to_its_depth_and_no_deeper() {
        let nested = |levels: usize| {
            let payload = [[1].repeat(levels), vec![0]].concat();
            frame::decode::<Chain>(&payload, &mut Vec::new(), Caps::default())
        };
        // Each level is a structure and an option.
        nested(DEPTH / 2 - 1).expect("deep");
        nested(DEPTH / 2).expect_err("deeper");
        nested(60_000).expect_err("much deeper");
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only decoded")]
    struct Chain {
        next: Option<Box<Chain>>,
    }

    #[test]
    fn a_received_frame_can_be_sent_on() {
        let (mut one, mut two) = Frames::pair().expect("a pair");
        let frame = one.encode(5, 6, &(1_u8, Handle::new(descriptors(1).remove(0))));
        one.send(&frame.expect("encoded"), None).expect("sent");
        let frame = two.receive(None).expect("received");
        two.send(&frame, None).expect("sent");
        let frame = one.receive(None).expect("received");
        assert_eq!((frame.kind(), frame.sequence()), (5, 6));
        let (number, _) = frame.decode::<(u8, Handle<OwnedFd>)>(one.caps()).expect("decoded");
        assert_eq!(number, 1);
    }
}
