//! The service's connection to syslogd.

use std::{
    io::{self, Write},
    os::unix::net::{UnixDatagram, UnixStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sandbox_spawn::call::{CallError, cancelled};

use super::connector::{ConnectClient, Connected};
use crate::Failure;

/// How long the service waits for a connection, and for a syslogd that does not read: not each line by itself, but all
/// since the first one that found no room. Later ones wait once as long as the socket does.
const PATIENCE: Duration = Duration::from_secs(1);

/// What lines are sent by. All connections of clients use the same.
pub(super) struct Link {
    connector: ConnectClient,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    socket: Option<Arc<Socket>>,
    /// When the last try to connect began, and what came of it, where that was nothing.
    failed: Option<(Instant, Failure)>,
}

#[derive(Debug)]
enum Socket {
    /// Since when there is no room, if there is none.
    Datagram(UnixDatagram, Mutex<Option<Instant>>),
    /// Of which one line must be whole before the next.
    Stream(Mutex<UnixStream>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Connects, if there is a syslogd already.
    pub(super) fn new(connector: ConnectClient) -> Self {
        let link = Self { connector, state: Mutex::default() };
        let _ = link.connect(None);
        link
    }

    /// The socket, or another one than that which has failed.
    ///
    /// Those who wait while one connects take what comes of the next try, and do not each make another one:
    /// the last of them would wait for all.
    fn connect(&self, failed: Option<&Arc<Socket>>) -> Result<Arc<Socket>, Failure> {
        let asked = Instant::now();
        let mut state = lock(&self.state);
        let fresh = state
            .socket
            .as_ref()
            .filter(|socket| failed.is_none_or(|failed| !Arc::ptr_eq(socket, failed)));
        if let Some(socket) = fresh {
            return Ok(Arc::clone(socket));
        }
        state.socket = None;
        if let Some((_, failure)) = state.failed.as_ref().filter(|(began, _)| *began >= asked) {
            return Err(failure.clone());
        }
        let began = Instant::now();
        match self.another() {
            Ok(socket) => {
                state.failed = None;
                Ok(Arc::clone(state.socket.insert(Arc::new(socket))))
            }
            Err(failure) => {
                state.failed = Some((began, failure.clone()));
                Err(failure)
            }
        }
    }

    /// A new connection.
    fn another(&self) -> Result<Socket, Failure> {
        let used = || Failure::invalid("the socket is in use");
        Ok(match self.connector.within(PATIENCE).connect().map_err(no_connector)? {
            Connected::Datagram(handle) => {
                Socket::Datagram(handle.into_inner().map_err(|_| used())?.into(), Mutex::default())
            }
            Connected::Stream(handle) => {
                Socket::Stream(Mutex::new(handle.into_inner().map_err(|_| used())?.into()))
            }
        })
    }

    /// Sends a line, by another connection where syslogd has been started again.
    pub(super) fn send(&self, line: &str) -> Result<(), Failure> {
        let socket = self.connect(None)?;
        match socket.send(line) {
            Err(error) if is_gone(&error) => {
                let socket = self.connect(Some(&socket))?;
                socket.send(line).map_err(Failure::system("send"))
            }
            result => result.map_err(Failure::system("send")),
        }
    }
}

/// Whether there is nobody any more who reads what is sent. Of a stream that may be in the middle of a
/// line, which nobody may go on after.
fn is_gone(error: &io::Error) -> bool {
    let gone = [
        libc::ECONNREFUSED,
        libc::ECONNRESET,
        libc::ENOTCONN,
        libc::EPIPE,
        libc::EDESTADDRREQ,
        libc::ECONNABORTED,
    ];
    error.raw_os_error().is_some_and(|errno| gone.contains(&errno))
}

fn no_connector(error: CallError<Failure>) -> Failure {
    match error {
        CallError::Remote { error, .. } => error,
        CallError::Deadline { .. } => {
            Failure::system("connect")(io::Error::from_raw_os_error(libc::ETIMEDOUT))
        }
        other => Failure::Unsupported {
            what: "connection to syslogd".to_owned(),
            reason: other.to_string(),
        },
    }
}

impl Socket {
    fn send(&self, line: &str) -> io::Result<()> {
        match self {
            Self::Datagram(socket, full) => loop {
                match socket.send(line.as_bytes()) {
                    Ok(_) => {
                        *lock(full) = None;
                        return Ok(());
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        let since = *lock(full).get_or_insert_with(Instant::now);
                        if cancelled() || since.elapsed() >= PATIENCE {
                            return Err(error);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // `ENOBUFS` is FreeBSD's for no room, at once.
                    Err(error) => return Err(error),
                }
            },
            Self::Stream(socket) => {
                let mut socket = lock(socket);
                if cancelled() {
                    // Who waited for others' lines has given up.
                    return Err(io::Error::from_raw_os_error(libc::EAGAIN));
                }
                let mut bytes = line.as_bytes().to_owned();
                bytes.push(0);
                let sent = write_within(&mut socket, &bytes);
                if sent.is_err() {
                    // Part of it may have been sent.
                    let _ = socket.shutdown(std::net::Shutdown::Both);
                }
                sent
            }
        }
    }
}

/// Writes all of it, and not for longer, however little of it is taken at a time.
fn write_within(socket: &mut UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if !bytes.is_empty() && Instant::now() >= until {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
    }
    Ok(())
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("state", &*lock(&self.state)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_for_the_same_second_and_not_each_for_its_own() {
        let (here, there) = UnixDatagram::pair().unwrap();
        here.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let socket = Socket::Datagram(here, Mutex::default());
        let since = || match &socket {
            Socket::Datagram(_, full) => *lock(full),
            Socket::Stream(_) => None,
        };
        let mut sent = 0;
        while socket.send("x").is_ok() {
            sent += 1;
            assert!(sent < 100_000, "it takes everything");
        }
        if cfg!(target_os = "linux") {
            let first = since().expect("no room");
            assert!(first.elapsed() >= PATIENCE);
            assert!(socket.send("y").is_err());
            assert_eq!(since(), Some(first), "it waits anew");
        }
        for _ in 0..sent {
            there.recv(&mut [0]).unwrap();
        }
        socket.send("z").unwrap();
        assert_eq!(since(), None);
    }
}
