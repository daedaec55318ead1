//! The sockets that the service makes, and those that a client sends, which may be anything.

use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::fd::OwnedFd,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::{Failure, sys};

/// How long connecting takes at most.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// How much longer a call that should not wait may do so.
const GRACE: Duration = Duration::from_secs(1);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Bytes of the stack of a thread that only waits.
const STACK: usize = 64 << 10;

/// A socket of TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    pub(crate) fn socket(self, address: SocketAddr) -> io::Result<Socket> {
        let (kind, protocol) = match self {
            Self::Tcp => (Type::STREAM, Protocol::TCP),
            Self::Udp => (Type::DGRAM, Protocol::UDP),
        };
        Socket::new(Domain::for_address(address), kind, Some(protocol))
    }
}

/// A new socket that is connected.
pub(super) fn connected(
    transport: Transport,
    address: SocketAddr,
    time: Duration,
) -> io::Result<OwnedFd> {
    let socket = transport.socket(address)?;
    match transport {
        Transport::Tcp => connect_within(&socket, address, held(time))?,
        Transport::Udp => socket.connect(&address.into())?,
    }
    Ok(socket.into())
}

/// A new socket that is bound, and listens if it is one of TCP. One of IPv6 is of that alone.
pub(super) fn bound(transport: Transport, address: SocketAddr) -> io::Result<OwnedFd> {
    let mut socket = to_bind(transport, address)?;
    socket.bind(&address.into())?;
    let any_port = address.port() == 0 && address.is_ipv6() && address.ip().is_unspecified();
    if transport == Transport::Tcp && any_port && sys::SHUTDOWN_FREES_PORT {
        socket = keeping(&socket)?;
    }
    serve(&socket, transport)?;
    Ok(socket.into())
}

/// Another socket of TCP, bound to the port that this one was given, as one that was stated: Linux takes a port that was
/// not stated back where a listener is shut down, and then who has it could have it take IPv4 too, and listen again.
/// Until one of them listens both may be bound there.
fn keeping(given: &Socket) -> io::Result<Socket> {
    let address = given.local_addr()?;
    let stated = address.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    let socket = to_bind(Transport::Tcp, stated)?;
    socket.bind(&address)?;
    Ok(socket)
}

/// A new socket to be bound to this.
pub(crate) fn to_bind(transport: Transport, address: SocketAddr) -> io::Result<Socket> {
    let socket = transport.socket(address)?;
    if address.is_ipv6() {
        // Before the address, since the system holds it from then on.
        socket.set_only_v6(!is_mapped(address))?;
    }
    if transport == Transport::Tcp {
        socket.set_reuse_address(true)?;
    }
    Ok(socket)
}

/// Has a bound socket listen, if it is one of TCP.
pub(crate) fn serve(socket: &Socket, transport: Transport) -> io::Result<()> {
    if transport == Transport::Tcp { socket.listen(BACKLOG) } else { Ok(()) }
}

fn is_mapped(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().to_canonical().is_ipv4()
}

/// How long connecting may take that was to take so long.
pub(crate) fn held(time: Duration) -> Duration {
    time.clamp(Duration::from_millis(1), LONGEST)
}

fn connect_within(socket: &Socket, address: SocketAddr, time: Duration) -> io::Result<()> {
    socket.connect_timeout(&address.into(), time).map_err(|error| {
        match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::TimedOut, None) => io::Error::from_raw_os_error(libc::ETIMEDOUT),
            _ => error,
        }
    })
}

/// Whether a socket that was sent is one of TCP or UDP that is not connected and does not listen.
pub(crate) fn check(socket: &OwnedFd) -> Result<Transport, Failure> {
    let socket = SockRef::from(socket);
    let wrong = || Failure::invalid("it is no socket of TCP or UDP");
    // All of these fail at once, without a call to whatever is behind the descriptor, unless it is one.
    let kind = socket.r#type().map_err(|_| wrong())?;
    let protocol = socket.protocol().map_err(|_| wrong())?;
    let family = socket.local_addr().map_err(|_| wrong())?.family();
    let internet = [libc::AF_INET, libc::AF_INET6];
    if !internet.into_iter().any(|known| i32::from(family) == known) {
        return Err(wrong());
    }
    let transport = match (kind, protocol) {
        (Type::STREAM, Some(Protocol::TCP)) => Transport::Tcp,
        (Type::DGRAM, Some(Protocol::UDP)) => Transport::Udp,
        _ => return Err(wrong()),
    };
    let listens = transport == Transport::Tcp && socket.is_listener().map_err(|_| wrong())?;
    if listens || socket.peer_addr().is_ok() {
        return Err(Failure::invalid("the socket is connected, or listens"));
    }
    Ok(transport)
}

/// connect(2) of a socket that was sent and checked: one that does not block has `EINPROGRESS`. One of which
/// the time is up is shut down.
///
/// Whoever has sent it has it still, and may have it block again at any moment, so that the call waits as long
/// as the options say which that one has set. Shutting it down from beside ends that too (on Linux; on FreeBSD
/// the kernel's own time does).
pub(super) fn connect(
    socket: &OwnedFd,
    transport: Transport,
    address: SocketAddr,
    time: Duration,
) -> io::Result<()> {
    let plain = SockRef::from(socket);
    if transport == Transport::Udp {
        return plain.connect(&SockAddr::from(address));
    }
    if plain.nonblocking()? {
        return at_once(socket, address);
    }
    let time = held(time);
    let connected = guarded(socket, time, || connect_within(&plain, address, time))?;
    if connected.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ETIMEDOUT)) {
        let _ = plain.shutdown(Shutdown::Both);
    }
    connected
}

/// connect(2) of a socket that did not block a moment ago.
fn at_once(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    guarded(socket, Duration::ZERO, || SockRef::from(socket).connect(&SockAddr::from(address)))?
}

/// Calls something that should take no longer than this, and shuts the socket down from beside where it does.
fn guarded<T>(socket: &OwnedFd, time: Duration, call: impl FnOnce() -> T) -> io::Result<T> {
    let (done, ended) = mpsc::channel::<()>();
    let guard = move || {
        if ended.recv_timeout(time + GRACE) == Err(RecvTimeoutError::Timeout) {
            let _ = SockRef::from(socket).shutdown(Shutdown::Both);
        }
    };
    thread::scope(|scope| {
        thread::Builder::new().stack_size(STACK).spawn_scoped(scope, guard)?;
        let result = call();
        drop(done);
        Ok(result)
    })
}

/// bind(2) of a socket that was sent and checked.
pub(super) fn bind(socket: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    SockRef::from(socket).bind(&address.into())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Its owner had it block between the question and the call.
    #[test]
    fn a_socket_that_blocks_after_all_is_not_waited_for() {
        if !crate::sys::SHUTDOWN_ENDS_CONNECT {
            println!("SKIPPED: there the kernel's own time ends it");
            return;
        }
        let new = || Transport::Tcp.socket(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = new();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        // Until those that wait to be accepted are as many as can.
        let full = (0..64).any(|_| {
            let socket = new();
            let done = socket.connect_timeout(&address, Duration::from_millis(200));
            waiting.push(socket);
            done.is_err()
        });
        assert!(full, "the listener takes more and more");
        let started = Instant::now();
        let socket = OwnedFd::from(new());
        assert!(at_once(&socket, address.as_socket().unwrap()).is_err());
        // The kernel gives up after two minutes.
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }
}
