//! How much one message may hold.

/// How much one message may hold, sent or received.
///
/// Both ends should have the same: what is within the sender's caps and beyond the receiver's is a
/// breach of the protocol.
///
/// ```
/// use capsicum_channel::Caps;
///
/// let caps = Caps::default();
/// assert_eq!((caps.inline, caps.descriptors), (64 << 10, 64));
/// let caps = caps.inline(4 << 10).descriptors(0);
/// assert_eq!((caps.inline, caps.descriptors), (4 << 10, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Caps {
    /// Bytes of the encoded value, without the header.
    pub inline: usize,
    /// Descriptors, those of shared memory among them.
    pub descriptors: usize,
    /// Bytes of shared memory, all pieces together.
    pub shared: u64,
}

impl Caps {
    /// The most descriptors that one datagram can hold (`SCM_MAX_FD` of Linux).
    pub const MAX_DESCRIPTORS: usize = 253;

    /// At most this many bytes of the encoded value.
    #[must_use]
    pub fn inline(self, inline: usize) -> Self {
        Self { inline, ..self }
    }

    /// At most this many descriptors.
    ///
    /// With 0 this process never has a descriptor of what the peer sends, not even for a moment, and
    /// on Linux receiving takes less time: recv(2), which cannot bring any, and drops those that
    /// come with a frame that does not tell of them.
    #[must_use]
    pub fn descriptors(self, descriptors: usize) -> Self {
        Self { descriptors, ..self }
    }

    /// At most this many bytes of shared memory.
    #[must_use]
    pub fn shared(self, shared: u64) -> Self {
        Self { shared, ..self }
    }
}

impl Default for Caps {
    /// 64 KiB, 64 descriptors, 1 GiB of shared memory.
    fn default() -> Self {
        Self { inline: 64 << 10, descriptors: 64, shared: 1 << 30 }
    }
}
