//! What a descriptor that was received must be.

use std::{
    fs::File,
    io::{PipeReader, PipeWriter},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
};

use crate::{Error, sys};

/// What may be in a [`Handle`](crate::Handle).
///
/// A descriptor that was received is checked before anything uses it: a peer that sends a socket
/// for a file breaks the protocol. Where the receiver is in capability mode, on Linux, the checks
/// need rights in its ceiling: `FSTAT` for files, pipes and directories, `GETSOCKOPT` (and
/// `GETPEERNAME` for channels) for sockets. Without them receiving is an error;
/// [`OwnedFd`] takes anything, unchecked.
///
/// What is checked is the type. Reading a regular file can take its time, on a file system that the
/// peer serves, and so can any socket or pipe.
pub trait Descriptor: AsFd + Send + Sync + Sized + 'static {
    /// Checks a descriptor that was received, and makes it a value of this type.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] where it is something else, [`Error::System`] where that cannot be told.
    fn receive(descriptor: OwnedFd) -> Result<Self, Error>;
}

/// Any descriptor at all.
impl Descriptor for OwnedFd {
    fn receive(descriptor: OwnedFd) -> Result<Self, Error> {
        Ok(descriptor)
    }
}

/// A directory.
///
/// ```
/// use capsicum_channel::{Channel, Directory, Handle};
///
/// let directory = Directory::from(std::os::fd::OwnedFd::from(std::fs::File::open("src")?));
/// let (mut here, mut there) = Channel::<Handle<Directory>, ()>::pair()?;
/// here.send(&Handle::new(directory))?;
/// let received = there.recv()?;
/// # let _ = received;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Directory {
    /// Whether it is one is checked where it is received.
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<Directory> for OwnedFd {
    fn from(directory: Directory) -> Self {
        directory.0
    }
}

fn file_type(descriptor: &OwnedFd, wanted: libc::mode_t, name: &str) -> Result<(), Error> {
    let status = sys::status(descriptor.as_fd()).map_err(Error::system("fstat"))?;
    if status.mode & libc::S_IFMT == wanted {
        return Ok(());
    }
    Err(Error::protocol(format!("a descriptor that is no {name}")))
}

macro_rules! files {
    ($($(#[$doc:meta])* $type:ty: $wanted:ident, $name:literal;)*) => {
        $($(#[$doc])* impl Descriptor for $type {
            fn receive(descriptor: OwnedFd) -> Result<Self, Error> {
                file_type(&descriptor, libc::$wanted, $name)?;
                Ok(descriptor.into())
            }
        })*
    };
}

files! {
    /// A regular file: no device, which might wait for a user, and no FIFO, which might wait for
    /// the peer.
    File: S_IFREG, "regular file";
    PipeReader: S_IFIFO, "pipe";
    PipeWriter: S_IFIFO, "pipe";
    Directory: S_IFDIR, "directory";
}

fn socket(
    descriptor: &OwnedFd,
    families: &[libc::c_int],
    kind: libc::c_int,
    listens: bool,
) -> Result<(), Error> {
    let socket = match sys::socket(descriptor.as_fd()) {
        Ok(socket) => socket,
        Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => {
            return Err(Error::protocol("a descriptor that is no socket"));
        }
        Err(error) => return Err(Error::system("getsockopt")(error)),
    };
    if families.contains(&socket.family) && socket.kind == kind && socket.listens == listens {
        return Ok(());
    }
    Err(Error::protocol("a socket of another type"))
}

macro_rules! sockets {
    ($($type:ty: $families:expr, $kind:ident, $listens:literal;)*) => {
        $(impl Descriptor for $type {
            fn receive(descriptor: OwnedFd) -> Result<Self, Error> {
                socket(&descriptor, &$families, libc::$kind, $listens)?;
                Ok(descriptor.into())
            }
        })*
    };
}

const INTERNET: [libc::c_int; 2] = [libc::AF_INET, libc::AF_INET6];

sockets! {
    UnixStream: [libc::AF_UNIX], SOCK_STREAM, false;
    UnixListener: [libc::AF_UNIX], SOCK_STREAM, true;
    UnixDatagram: [libc::AF_UNIX], SOCK_DGRAM, false;
    TcpStream: INTERNET, SOCK_STREAM, false;
    TcpListener: INTERNET, SOCK_STREAM, true;
    UdpSocket: INTERNET, SOCK_DGRAM, false;
}
