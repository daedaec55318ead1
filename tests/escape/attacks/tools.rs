//! What many attacks do.

use std::ffi::{CStr, CString};

use crate::{
    attempt::{Attempt, Got, Stop, at, at_mut, call, open},
    raw,
};

pub(super) const AT_FDCWD: i32 = libc::AT_FDCWD;
/// fchmodat2(2): libc does not have it for every architecture.
pub(super) const FCHMODAT2: libc::c_long = 452;
/// How the program that attacks execute ends.
pub(super) const RAN: i32 = 77;

/// Something has changed outside, if nothing was refused.
pub(super) fn done<T>(result: Result<T, Stop>) -> Attempt {
    result.map(|_| Got::Done)
}

/// This alone is forbidden.
pub(super) fn did<T>(what: &'static str, result: Result<T, Stop>) -> Attempt {
    result.map(|_| Got::Did(what))
}

/// Reads what is at a path.
pub(super) fn by_path(path: &CStr) -> Attempt {
    read(AT_FDCWD, path)
}

/// Reads what is at a path from a directory.
pub(super) fn read(from: i32, path: &CStr) -> Attempt {
    read_fd(open!(SYS_openat, from, path, libc::O_RDONLY)?)
}

/// Reads a file.
pub(super) fn read_fd(fd: i32) -> Attempt {
    let mut bytes = vec![0_u8; 4096];
    let len = call!(SYS_read, fd, bytes.as_mut_ptr() as usize, bytes.len())?;
    bytes.truncate(len);
    Ok(Got::Read(bytes))
}

/// Changes a file outside, through a descriptor that is open for writing.
pub(super) fn write_fd(fd: i32) -> Attempt {
    done(call!(SYS_write, fd, b"changed", 7))
}

pub(super) fn through_procfs(fd: i32) -> CString {
    CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default()
}

/// What a call with an array for its answer has written there.
#[allow(clippy::unnecessary_wraps)] // It ends attacks.
pub(super) fn bytes_of<const N: usize>(bytes: &[u8; N]) -> Attempt {
    Ok(Got::Read(std::hint::black_box(bytes).to_vec()))
}

/// The wait status of a child that runs this.
pub(super) fn child(body: impl FnOnce() -> i32) -> Result<i32, Stop> {
    let pid = raw::fork().map_err(|error| Stop::At("fork", error))?;
    if pid == 0 {
        raw::exit(body());
    }
    Ok(raw::wait(pid))
}

/// Whether executing in a child ran the program, which ends with [`RAN`].
pub(super) fn executes(exec: impl FnOnce() -> Result<usize, Stop>) -> Attempt {
    let status = child(|| match exec() {
        Err(Stop::At(_, error)) => error.raw_os_error().unwrap_or(1).min(200),
        _ => 201,
    })?;
    match status {
        _ if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == RAN => {
            Ok(Got::Did("it executed a program"))
        }
        _ if libc::WIFSIGNALED(status) => Err(Stop::Nothing("a signal ended the child")),
        _ => {
            let error = std::io::Error::from_raw_os_error(libc::WEXITSTATUS(status));
            Err(Stop::At("execve", error))
        }
    }
}

/// An anonymous file with this in it.
pub(super) fn memory(content: &[u8]) -> Result<i32, Stop> {
    let fd = open!(SYS_memfd_create, c"escape", 0)?;
    call!(SYS_write, fd, content.as_ptr() as usize, content.len())?;
    Ok(fd)
}

/// struct iovec
pub(super) fn vector<T: ?Sized>(of: &mut T) -> [usize; 2] {
    [at_mut(of), size_of_val(of)]
}

/// A message with one byte, to an address or none, with one descriptor or none.
pub(super) struct Message {
    byte: [usize; 2],
    control: [u64; 3],
    header: [usize; 8],
}

impl Message {
    #[allow(clippy::unnecessary_box_returns)] // Its parts point to each other.
    pub(super) fn new(address: &[u8], fd: Option<i32>) -> Box<Self> {
        let mut message = Box::new(Self {
            byte: [c"x".as_ptr() as usize, 1],
            // struct cmsghdr: length, SOL_SOCKET, SCM_RIGHTS, then the descriptor.
            control: [20, 1 | 1 << 32, u64::from(fd.unwrap_or(-1).cast_unsigned())],
            header: [0; 8],
        });
        let to = if address.is_empty() { 0 } else { address.as_ptr() as usize };
        let control = if fd.is_some() { (at(&message.control), 24) } else { (0, 0) };
        message.header = [to, address.len(), at(&message.byte), 1, control.0, control.1, 0, 0];
        message
    }

    pub(super) fn header(&self) -> usize {
        at(&self.header)
    }
}
