//! Large values, in memory that both processes map.

use std::{
    fmt, io,
    ops::Deref,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use capsicum_rs::Limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, passing, sys, sys::Mapping};

/// Bytes in memory that cannot be changed any more, by anyone.
///
/// They are copied or built once, sealed, and then mapped by every receiver: the socket carries a
/// descriptor and a length. A receiver has checked that the memory is that large, can neither
/// shrink (touching what has gone would be `SIGBUS`) nor be written to, and has had every page of it
/// found. So it is a plain `&[u8]`, even where the sender is hostile. Pages that the sender has never
/// touched are made then, and are the receiver's memory: [`Caps::shared`](crate::Caps::shared) says
/// how many there may be.
///
/// Before Linux 5.14 the pages cannot be found in advance, and a sender can have the receiver get
/// `SIGBUS` where memory is not overcommitted (`vm.overcommit_memory` of 2).
///
/// In capability mode, on Linux, receiving needs `FSTAT` and `MMAP_R` in the ceiling (and `FSTATFS`
/// where the memory is of huge pages), and making [`new`](Self::new) ones `WRITE` and `MMAP_R`. On
/// FreeBSD memory that is made new is not limited.
///
/// ```
/// use capsicum_channel::{Channel, SharedBytes};
///
/// let (mut here, mut there) = Channel::<(u32, SharedBytes), ()>::pair()?;
/// let pixels = SharedBytes::build(4 << 20, |pixels| pixels.fill(0x7f))?;
/// here.send(&(1024, pixels))?;
///
/// let (width, pixels) = there.recv()?;
/// assert_eq!((width, pixels.len(), pixels[12345]), (1024, 4 << 20, 0x7f));
/// # Ok::<(), capsicum_channel::Error>(())
/// ```
#[derive(Clone)]
pub struct SharedBytes(Arc<Memory>);

/// Memory that its maker writes and everyone else reads.
///
/// For what changes, or is used again: a frame of a video, a ring. It can neither shrink nor grow.
/// The maker goes on writing to it, also while others read: what they get is then some mixture of old
/// and new. Who reads it must be ready for that, and look at a copy ([`read_at`](Self::read_at)).
///
/// Only the maker can write: on Linux by a seal (`F_SEAL_FUTURE_WRITE`), on FreeBSD by the rights of
/// the descriptor that is sent. In capability mode, on Linux, it needs `MMAP_RW` and `FSTAT` in the
/// ceiling, and making it also `FTRUNCATE`.
///
/// ```
/// use capsicum_channel::{Channel, SharedMem};
///
/// let (mut here, mut there) = Channel::<SharedMem, ()>::pair()?;
/// let memory = SharedMem::new(1 << 20)?;
/// here.send(&memory)?;
/// let seen = there.recv()?;
///
/// memory.write_at(4096, b"now")?;
/// let mut bytes = [0; 3];
/// seen.read_at(4096, &mut bytes)?;
/// assert_eq!(&bytes, b"now");
/// assert!(seen.write_at(4096, b"not").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SharedMem {
    memory: Arc<Memory>,
    writable: bool,
}

/// Memory and its mapping.
struct Memory {
    fd: Arc<OwnedFd>,
    map: Mapping,
}

fn make() -> Result<OwnedFd, Error> {
    sys::memory().map_err(Error::system("memfd_create"))
}

fn set_length(fd: &OwnedFd, length: usize) -> Result<(), Error> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let file = std::fs::File::from(fd.try_clone().map_err(Error::system("fcntl"))?);
    file.set_len(length).map_err(Error::system("ftruncate"))
}

fn map(fd: &OwnedFd, length: usize, writable: bool, shared: bool) -> Result<Mapping, Error> {
    Mapping::new(fd.as_fd(), length, writable, shared).map_err(Error::system("mmap"))
}

impl SharedBytes {
    /// Copies bytes into new memory.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn new(bytes: &[u8]) -> Result<Self, Error> {
        let fd = make()?;
        // Written, not mapped: the kernel need not clear the pages first.
        let mut file = std::fs::File::from(fd);
        io::Write::write_all(&mut file, bytes).map_err(Error::system("write"))?;
        Self::sealed(file.into(), bytes.len())
    }

    /// Lets `fill` write so many bytes, which are zero before, and seals them.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn build(length: usize, fill: impl FnOnce(&mut [u8])) -> Result<Self, Error> {
        let fd = make()?;
        set_length(&fd, length)?;
        let mut writable = map(&fd, length, true, true)?;
        fill(writable.own());
        drop(writable);
        Self::sealed(fd, length)
    }

    fn sealed(fd: OwnedFd, length: usize) -> Result<Self, Error> {
        sys::seal(fd.as_fd(), sys::SEALS_FIXED).map_err(Error::system("fcntl(F_ADD_SEALS)"))?;
        let map = map(&fd, length, false, sys::FIXED_IS_SHARED)?;
        Ok(Self(Arc::new(Memory { fd: Arc::new(fd), map })))
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.map.fixed()
    }
}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.len())
    }
}

impl SharedMem {
    /// Makes new memory of so many bytes, all zero.
    ///
    /// # Errors
    ///
    /// [`Error::System`].
    pub fn new(length: usize) -> Result<Self, Error> {
        let fd = make()?;
        set_length(&fd, length)?;
        let map = map(&fd, length, true, true)?;
        sys::seal(fd.as_fd(), sys::SEALS_SHARED).map_err(Error::system("fcntl(F_ADD_SEALS)"))?;
        Ok(Self { memory: Arc::new(Memory { fd: Arc::new(fd), map }), writable: true })
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.memory.map.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self, offset: usize, length: usize) -> io::Result<()> {
        if offset.checked_add(length).is_some_and(|end| end <= self.len()) {
            return Ok(());
        }
        let length = self.len();
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("beyond the {length} bytes")))
    }

    /// Copies bytes out of it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where there are not so many.
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        self.check(offset, bytes.len())?;
        sys::load(&self.memory.map, offset, bytes);
        Ok(())
    }

    /// Copies bytes into it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` where there are not so many, `PermissionDenied` for all but the maker.
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.check(offset, bytes.len())?;
        sys::store(&self.memory.map, offset, bytes);
        Ok(())
    }
}

impl fmt::Debug for SharedMem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedMem({} bytes)", self.len())
    }
}

/// Takes over memory of at least this length that cannot shrink and has all of these seals.
fn receive(fd: &OwnedFd, length: u64, wanted: libc::c_int) -> Result<usize, Error> {
    let has = match sys::seals(fd.as_fd()) {
        Ok(seals) => seals,
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBADF)) => {
            return Err(Error::protocol("a descriptor that is no memory"));
        }
        Err(error) => return Err(Error::system("fcntl(F_GET_SEALS)")(error)),
    };
    if has & wanted != wanted {
        return Err(Error::protocol("memory that could still be changed or cut"));
    }
    let status = sys::status(fd.as_fd()).map_err(Error::system("fstat"))?;
    if !sys::ordinary_pages(fd.as_fd()).map_err(Error::system("fstatfs"))? {
        return Err(Error::protocol("memory of huge pages, which may not be there"));
    }
    if status.mode & libc::S_IFMT != libc::S_IFREG || status.size < length {
        return Err(Error::protocol("memory that is smaller than was said"));
    }
    usize::try_from(length).map_err(|_| Error::protocol("more memory than there is"))
}

/// Memory of which every page is there. A sender need not have touched them: where the system had none
/// left for the first who does, that one would get `SIGBUS`.
fn present(map: Mapping) -> Result<Mapping, Error> {
    map.populate().map_err(Error::system("madvise(MADV_POPULATE_READ)"))?;
    Ok(map)
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Serialize for SharedBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let length = length(self.len());
        let index = passing::add(&self.0.fd, &Limits::ALL, length)?;
        (index, length).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (index, length) = <(u32, u64)>::deserialize(deserializer)?;
        passing::take(index, length, |fd| {
            let length = receive(&fd, length, libc::F_SEAL_SHRINK | libc::F_SEAL_WRITE)?;
            let map = present(map(&fd, length, false, sys::FIXED_IS_SHARED)?)?;
            Ok(Self(Arc::new(Memory { fd: Arc::new(fd), map })))
        })
    }
}

impl Serialize for SharedMem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let length = length(self.len());
        let index = passing::add(&self.memory.fd, &sys::MEMORY_LIMITS, length)?;
        (index, length).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedMem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (index, length) = <(u32, u64)>::deserialize(deserializer)?;
        passing::take(index, length, |fd| {
            let length = receive(&fd, length, libc::F_SEAL_SHRINK)?;
            let map = present(map(&fd, length, false, true)?)?;
            let memory = Arc::new(Memory { fd: Arc::new(fd), map });
            Ok(Self { memory, writable: false })
        })
    }
}
