//! The header of a frame: 16 bytes, little-endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0–3 | length of what follows the header |
//! | 4–5 | kind |
//! | 6–7 | number of descriptors |
//! | 8–15 | sequence |

/// The length of a header.
pub(crate) const LENGTH: usize = 16;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) kind: u16,
    pub(crate) descriptors: u16,
    pub(crate) sequence: u64,
}

impl Header {
    pub(crate) fn write(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.kind.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.descriptors.to_le_bytes());
        bytes[8..].copy_from_slice(&self.sequence.to_le_bytes());
        bytes
    }

    /// `None` where there are fewer bytes than a header has.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (descriptors, rest) = rest.split_first_chunk()?;
        let (sequence, _) = rest.split_first_chunk()?;
        Some(Self {
            length: u32::from_le_bytes(*length),
            kind: u16::from_le_bytes(*kind),
            descriptors: u16::from_le_bytes(*descriptors),
            sequence: u64::from_le_bytes(*sequence),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(length: u32, kind: u16, descriptors: u16, sequence: u64) {
            let header = Header { length, kind, descriptors, sequence };
            assert_eq!(Header::read(&header.write()), Some(header));
        }
    }

    #[test]
    fn fewer_bytes_are_no_header() {
        let bytes = Header { length: 1, kind: 2, descriptors: 3, sequence: 4 }.write();
        for short in 0..LENGTH {
            assert_eq!(Header::read(&bytes[..short]), None);
        }
    }
}
