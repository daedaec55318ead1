//! Sockets, shared memory, queues and keys that nobody granted.

use std::{
    fmt, io,
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram, UnixListener},
    },
    path::Path,
};

use super::scene::SECRET;
use crate::{
    native,
    raw::{self, address, call, number, text},
};

/// Ports on the loopback interface. The names of the abstract sockets are made of the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) tcp: u16,
    pub(crate) udp: u16,
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tcp, self.udp)
    }
}

/// What listens and receives.
pub(super) struct Sockets {
    tcp: TcpListener,
    udp: UdpSocket,
    streams: [UnixListener; 2],
    datagrams: [UnixDatagram; 2],
}

impl Sockets {
    pub(super) fn new(base: &Path) -> io::Result<(Self, Ports)> {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        let ports = Ports { tcp: tcp.local_addr()?.port(), udp: udp.local_addr()?.port() };
        let named =
            |kind: &str| SocketAddr::from_abstract_name(format!("escape-{}-{kind}", ports.tcp));
        let streams = [
            UnixListener::bind(base.join("outside/stream"))?,
            UnixListener::bind_addr(&named("stream")?)?,
        ];
        let datagrams = [
            UnixDatagram::bind(base.join("outside/datagram"))?,
            UnixDatagram::bind_addr(&named("datagram")?)?,
        ];
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        streams.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        datagrams.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        Ok((Self { tcp, udp, streams, datagrams }, ports))
    }

    pub(super) fn changes(&self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut byte = [0; 8];
        let mut seen = |what: &str, came: bool| {
            if came {
                changes.push(what.to_owned());
            }
        };
        seen("a connection to the TCP port", self.tcp.accept().is_ok());
        seen("a message to the UDP port", self.udp.recv(&mut byte).is_ok());
        for socket in &self.streams {
            seen("a connection to a Unix socket", socket.accept().is_ok());
        }
        for socket in &self.datagrams {
            seen("a message to a Unix socket", socket.recv(&mut byte).is_ok());
        }
        changes
    }
}

/// What an attack knows of System V objects; the message queue of mq_overview(7) and the key have
/// names that are made of the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) shm: i32,
    pub(crate) sem: i32,
    pub(crate) msg: i32,
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.shm, self.sem, self.msg)
    }
}

impl Known {
    /// What has become of those that have names: a queue is gone, or shared memory is there.
    pub(super) fn changes(&self) -> Vec<String> {
        let mut changes = Vec::new();
        if let Ok(made) = call(libc::SYS_shmget, &[number(self.key()), 0, 0]) {
            let _ = call(libc::SYS_shmctl, &[made, libc::IPC_RMID as usize, 0]);
            changes.push("shared memory was made".to_owned());
        }
        if raw::opened(libc::SYS_mq_open, &[text(&self.other_name()), 0, 0, 0]).is_err() {
            changes.push("a message queue is gone".to_owned());
            self.other_queue();
        }
        changes
    }

    /// A queue that may be removed, where the kernel has such.
    fn other_queue(&self) {
        let _ = raw::opened(libc::SYS_mq_open, &[text(&self.other_name()), 0o102, 0o600, 0]);
    }

    /// By which no shared memory is found.
    pub(crate) fn key(&self) -> i32 {
        self.shm ^ 0x4573_6300
    }

    /// The name of the queue that may be removed.
    pub(crate) fn other_name(&self) -> std::ffi::CString {
        std::ffi::CString::new(format!("escape-{}-other", self.shm)).unwrap_or_default()
    }

    /// The name of a queue or key.
    pub(crate) fn name(&self) -> std::ffi::CString {
        std::ffi::CString::new(format!("escape-{}", self.shm)).unwrap_or_default()
    }
}

/// The objects, which are gone when this is dropped.
pub(crate) struct Objects {
    known: Known,
}

impl Objects {
    /// Where the kernel lacks some, attacks on them find nothing.
    pub(crate) fn new() -> Self {
        let made = |result: io::Result<usize>| {
            result.ok().and_then(|id| i32::try_from(id).ok()).unwrap_or(-1)
        };
        let shm = made(call(libc::SYS_shmget, &[0, 4096, 0o1600]));
        if let Ok(at) = call(libc::SYS_shmat, &[number(shm), 0, 0]) {
            native::poke(at, SECRET);
            // It lives as long as it is attached.
            let _ = call(libc::SYS_shmctl, &[number(shm), libc::IPC_RMID as usize, 0]);
        }
        let sem = made(call(libc::SYS_semget, &[0, 1, 0o1600]));
        let msg = made(call(libc::SYS_msgget, &[0, 0o1600]));
        let known = Known { shm, sem, msg };
        let mut message = [0_u8; 64];
        message[0] = 1;
        message[8..8 + SECRET.len()].copy_from_slice(SECRET);
        let _ = call(libc::SYS_msgsnd, &[number(msg), address(&message), SECRET.len(), 0o4000]);
        // struct mq_attr: flags, messages, size, now
        let attributes = [0_u64, 4, 64, 0, 0, 0, 0, 0];
        let name = known.name();
        let queue = call(libc::SYS_mq_open, &[text(&name), 0o102, 0o600, address(&attributes)]);
        if let Ok(queue) = queue {
            let secret = SECRET.as_ptr() as usize;
            let _ = call(libc::SYS_mq_timedsend, &[queue, secret, SECRET.len(), 0, 0]);
        }
        // A session keyring of this process's own, which is gone with it.
        let _ = call(libc::SYS_keyctl, &[1, 0]);
        let kind = text(c"user");
        let key = [kind, text(&name), SECRET.as_ptr() as usize, SECRET.len(), number(-3)];
        let _ = call(libc::SYS_add_key, &key);
        known.other_queue();
        Self { known }
    }

    pub(crate) fn known(&self) -> Known {
        self.known
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        let remove = libc::IPC_RMID as usize;
        let _ = call(libc::SYS_semctl, &[number(self.known.sem), 0, remove]);
        let _ = call(libc::SYS_msgctl, &[number(self.known.msg), remove, 0]);
        for name in [self.known.name(), self.known.other_name()] {
            let _ = call(libc::SYS_mq_unlink, &[text(&name)]);
        }
    }
}
