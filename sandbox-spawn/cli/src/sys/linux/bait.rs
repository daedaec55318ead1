//! What the demo lays out for its attacker: secrets outside of the sandbox, and listeners that
//! tell when something gets out.

use std::{
    ffi::{CString, OsString},
    fs,
    io::{self, ErrorKind},
    mem::MaybeUninit,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixListener},
        },
    },
    path::{Path, PathBuf},
    process, ptr,
};

use tempfile::TempDir;

use crate::{demo::outcome::hexadecimal, error::Error};

/// Attempts whose effect the demo sees by itself.
pub(crate) const WATCHED: [&str; 6] = [
    "connect by TCP",
    "send by UDP",
    "connect to a Unix socket by path",
    "connect to an abstract Unix socket",
    "send a signal to the demo",
    "chmod the secret",
];

/// As many bytes as the attacker reads of memory.
const SEGMENT: usize = 64;

/// What is laid out, for as long as this lives.
pub(crate) struct Bait {
    directory: TempDir,
    marker: Box<str>,
    tcp: TcpListener,
    udp: UdpSocket,
    by_path: UnixListener,
    by_name: UnixListener,
    name: String,
    shared: Option<(libc::key_t, libc::c_int)>,
    queue: Option<CString>,
}

fn system(operation: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::system(operation, source)
}

impl Bait {
    /// Lays everything out.
    pub(crate) fn set() -> Result<Self, Error> {
        let marker = marker().map_err(system("random bytes"))?.into_boxed_str();
        let directory = tempfile::Builder::new()
            .prefix("sandbox-spawn-secret-")
            .tempdir()
            .map_err(system("making a directory for the secret"))?;
        // Open to everybody, so that nothing but the sandbox holds the attacker back.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))
            .map_err(system("chmod"))?;
        let secret = directory.path().join("secret");
        fs::write(&secret, marker.as_bytes()).map_err(system("writing the secret"))?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).map_err(system("chmod"))?;
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(system("listening"))?;
        let port = tcp.local_addr().map_err(system("listening"))?.port();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).map_err(system("listening"))?;
        let by_path =
            UnixListener::bind(directory.path().join("socket")).map_err(system("listening"))?;
        let name = format!("sandbox-spawn-demo-{}", process::id());
        let by_name = SocketAddr::from_abstract_name(&name)
            .and_then(|address| UnixListener::bind_addr(&address))
            .map_err(system("listening"))?;
        let unblocked = [
            tcp.set_nonblocking(true),
            udp.set_nonblocking(true),
            by_path.set_nonblocking(true),
            by_name.set_nonblocking(true),
        ];
        unblocked.into_iter().collect::<io::Result<()>>().map_err(system("listening"))?;
        hold_signal();
        let shared = share(marker.as_bytes());
        let queue = enqueue(marker.as_bytes());
        Ok(Self { directory, marker, tcp, udp, by_path, by_name, name, shared, queue })
    }

    /// What the secrets contain.
    pub(crate) fn marker(&self) -> &str {
        &self.marker
    }

    /// The file with the secret.
    pub(crate) fn secret(&self) -> &Path {
        self.directory.path()
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("secret")
    }

    /// What the attacker is told: everything but the secret.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let port = self.tcp.local_addr().map_or(0, |address| address.port());
        let key = self.shared.map_or(0, |(key, _)| key);
        let socket = self.directory.path().join("socket");
        let address = self.marker.as_ptr().expose_provenance();
        let named: [(&str, OsString); 7] = [
            ("--secret", self.file().into()),
            ("--socket", socket.into()),
            ("--port", port.to_string().into()),
            ("--name", self.name.clone().into()),
            ("--pid", process::id().to_string().into()),
            ("--shm", key.to_string().into()),
            ("--address", address.to_string().into()),
        ];
        named
            .into_iter()
            .map(|(option, value)| {
                let mut word = OsString::from(option);
                word.push("=");
                word.push(value);
                word
            })
            .collect()
    }

    /// The attempts of [`WATCHED`] that reached something.
    pub(crate) fn reached(&self) -> Vec<&'static str> {
        let arrived = |result: io::Result<()>| match result {
            Err(error) => error.kind() != ErrorKind::WouldBlock,
            Ok(()) => true,
        };
        let mode = fs::metadata(self.file()).map(|metadata| metadata.permissions().mode() & 0o777);
        let seen = [
            arrived(self.tcp.accept().map(drop)),
            arrived(self.udp.recv_from(&mut [0; 8]).map(drop)),
            arrived(self.by_path.accept().map(drop)),
            arrived(self.by_name.accept().map(drop)),
            signal_is_pending(),
            mode.ok() != Some(0o644),
        ];
        WATCHED.into_iter().zip(seen).filter_map(|(name, seen)| seen.then_some(name)).collect()
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        if let Some((_, id)) = self.shared {
            // SAFETY: removing takes no pointer.
            unsafe { libc::shmctl(id, libc::IPC_RMID, ptr::null_mut()) };
        }
        if let Some(name) = &self.queue {
            // SAFETY: the name is a string.
            unsafe { libc::mq_unlink(name.as_ptr()) };
        }
    }
}

/// Sixty-four random hexadecimal digits.
fn marker() -> io::Result<String> {
    let mut bytes = [0_u8; SEGMENT / 2];
    // SAFETY: the kernel writes as many bytes as the buffer has.
    let length = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(length) != Ok(bytes.len()) {
        return Err(io::Error::last_os_error());
    }
    Ok(hexadecimal(&bytes))
}

/// Holds SIGUSR1 back, so that it is seen rather than deadly.
fn hold_signal() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set before it is used.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGUSR1);
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
    }
}

fn signal_is_pending() -> bool {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigpending initialises the set before it is asked.
    unsafe {
        libc::sigpending(set.as_mut_ptr());
        libc::sigismember(set.as_ptr(), libc::SIGUSR1) == 1
    }
}

/// Puts the secret in a System V segment, where the kernel has them.
fn share(secret: &[u8]) -> Option<(libc::key_t, libc::c_int)> {
    let key = libc::key_t::try_from(process::id()).ok()? | 0x5a00_0000;
    // SAFETY: takes no pointer.
    let id = unsafe { libc::shmget(key, SEGMENT, libc::IPC_CREAT | libc::IPC_EXCL | 0o644) };
    if id < 0 {
        return None;
    }
    // SAFETY: the kernel chooses the address.
    let address = unsafe { libc::shmat(id, ptr::null(), 0) };
    if address.addr() != usize::MAX {
        // SAFETY: a whole page was just mapped here for writing, which is more than is copied.
        unsafe {
            ptr::copy_nonoverlapping(secret.as_ptr(), address.cast(), secret.len().min(SEGMENT));
            libc::shmdt(address);
        }
    }
    Some((key, id))
}

/// Puts the secret in a POSIX message queue, where the kernel has them.
fn enqueue(secret: &[u8]) -> Option<CString> {
    let name = CString::new(format!("/sandbox-spawn-demo-{}", process::id())).ok()?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the name is a string, and without attributes the kernel takes its own.
    let queue = unsafe { libc::mq_open(name.as_ptr(), flags, 0o644, ptr::null::<libc::mq_attr>()) };
    if queue < 0 {
        return None;
    }
    // SAFETY: the buffer is as long as stated; the queue is open.
    unsafe {
        libc::mq_send(queue, secret.as_ptr().cast(), secret.len(), 0);
        libc::mq_close(queue);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watched_attempt_is_one_of_the_attacker() {
        for name in WATCHED {
            assert!(super::super::attacks::names().any(|attempt| attempt == name), "{name}");
        }
    }

    #[test]
    fn what_reaches_the_bait_is_seen() {
        let bait = Bait::set().unwrap();
        assert!(bait.reached().is_empty());
        let port = bait.tcp.local_addr().unwrap().port();
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        fs::set_permissions(bait.file(), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(bait.reached(), ["connect by TCP", "chmod the secret"]);
    }
}
