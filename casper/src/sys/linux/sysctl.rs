//! Sysctls are files beneath /proc/sys.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    mem::MaybeUninit,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
};

use crate::Failure;

/// Where they are.
pub(crate) const SYSCTLS: &str = "/proc/sys";

/// The path of a name, which has been checked: points are slashes, and slashes points.
fn path(name: &str) -> String {
    let swap = |character| match character {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    format!("{SYSCTLS}/{}", name.chars().map(swap).collect::<String>())
}

fn open(name: &str, options: &mut OpenOptions) -> Result<File, Failure> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = options.custom_flags(flags).open(path(name));
    let file = file.map_err(Failure::system(format!("open the sysctl {name}")))?;
    // Other file systems are mounted there, binfmt_misc for one, whose files are no sysctls.
    match is_procfs(&file) {
        Ok(true) => Ok(file),
        Ok(false) => Err(Failure::system(format!("open the sysctl {name}"))(
            io::Error::from_raw_os_error(libc::ENOENT),
        )),
        Err(error) => Err(Failure::system("fstatfs")(error)),
    }
}

fn is_procfs(file: &File) -> io::Result<bool> {
    let mut status = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the kernel writes a `struct statfs`.
    if unsafe { libc::fstatfs(file.as_raw_fd(), status.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has written it.
    Ok(unsafe { status.assume_init() }.f_type == libc::PROC_SUPER_MAGIC)
}

/// The value, of at most so many bytes.
pub(crate) fn read_sysctl(name: &str, most: usize) -> Result<Vec<u8>, Failure> {
    let file = open(name, OpenOptions::new().read(true))?;
    let failed = || Failure::system(format!("read the sysctl {name}"));
    let mut value = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut value).map_err(failed())?;
    if value.len() > most {
        return Err(failed()(io::Error::from_raw_os_error(libc::EFBIG)));
    }
    Ok(value)
}

/// In one call, since each is a value of its own.
pub(crate) fn write_sysctl(name: &str, value: &[u8]) -> Result<(), Failure> {
    let mut file = open(name, OpenOptions::new().write(true))?;
    let failed = || Failure::system(format!("write the sysctl {name}"));
    let written = file.write(value).map_err(failed())?;
    if written == value.len() {
        return Ok(());
    }
    Err(failed()(io::Error::from_raw_os_error(libc::EIO)))
}

pub(crate) fn write_sysctl_integer(name: &str, value: i64) -> Result<(), Failure> {
    write_sysctl(name, value.to_string().as_bytes())
}

fn no_numbers<T>() -> Result<T, Failure> {
    Err(Failure::Unsupported {
        what: "MIB of sysctls".to_owned(),
        reason: "Linux knows them by name only".to_owned(),
    })
}

pub(crate) fn sysctl_mib(_name: &str) -> Result<Vec<i32>, Failure> {
    no_numbers()
}

pub(crate) fn read_mib(_mib: &[i32], _most: usize) -> Result<Vec<u8>, Failure> {
    no_numbers()
}

pub(crate) fn write_mib(_mib: &[i32], _value: &[u8]) -> Result<(), Failure> {
    no_numbers()
}

pub(crate) fn write_mib_integer(_mib: &[i32], _value: i64) -> Result<(), Failure> {
    no_numbers()
}

/// A value as text.
pub(crate) fn sysctl_text(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    Some(text.strip_suffix('\n').unwrap_or(text).to_owned())
}

/// A value as an integer.
pub(crate) fn sysctl_integer(value: &[u8]) -> Option<i64> {
    sysctl_text(value)?.trim().parse().ok()
}
