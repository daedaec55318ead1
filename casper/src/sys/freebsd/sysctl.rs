//! sysctl(3)

use std::{
    ffi::{CString, c_int, c_uint, c_void},
    io, ptr,
};

use crate::Failure;

/// A path that is not there: it is a system call.
pub(crate) const SYSCTLS: &str = "/proc/sys";

/// `CTL_MAXNAME`
const DEEPEST: usize = 24;

/// How often a value may grow between asking for its size and for itself.
const TRIES: usize = 8;

fn words(name: &str) -> Result<CString, Failure> {
    CString::new(name).map_err(|_| Failure::invalid("a name with a NUL"))
}

/// sysctl(3), as it is: how many bytes the old value has, which goes where there is room for it.
fn sysctl(mib: &[i32], old: Option<&mut [u8]>, new: Option<&[u8]>) -> io::Result<usize> {
    let (old, mut length) = old.map_or((ptr::null_mut(), 0), |old| (old.as_mut_ptr(), old.len()));
    let length_at = if old.is_null() && new.is_some() { ptr::null_mut() } else { &raw mut length };
    let (new, new_length) = new.map_or((ptr::null(), 0), |new| (new.as_ptr(), new.len()));
    let depth = c_uint::try_from(mib.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the numbers are read only, `old` has room for `length` bytes, and `new` has its bytes.
    let done = unsafe {
        libc::sysctl(
            mib.as_ptr(),
            depth,
            old.cast::<c_void>(),
            length_at,
            new.cast::<c_void>(),
            new_length,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(length) }
}

/// sysctlnametomib(3)
pub(crate) fn sysctl_mib(name: &str) -> Result<Vec<i32>, Failure> {
    let words = words(name)?;
    let mut mib = vec![0 as c_int; DEEPEST];
    let mut depth = mib.len();
    // SAFETY: the name is a C string, and there is room for so many numbers.
    let done = unsafe { libc::sysctlnametomib(words.as_ptr(), mib.as_mut_ptr(), &raw mut depth) };
    if done < 0 {
        let failed = Failure::system(format!("sysctlnametomib({name})"));
        return Err(failed(io::Error::last_os_error()));
    }
    mib.truncate(depth);
    Ok(mib)
}

/// The value, of at most so many bytes.
pub(crate) fn read_mib(mib: &[i32], most: usize) -> Result<Vec<u8>, Failure> {
    let failed = || Failure::system(format!("read the sysctl {mib:?}"));
    for _ in 0..TRIES {
        let size = sysctl(mib, None, None).map_err(failed())?;
        if size > most {
            break;
        }
        // It may grow meanwhile.
        let mut value = vec![0; (size + size / 8 + 64).min(most)];
        match sysctl(mib, Some(&mut value), None) {
            Ok(length) => {
                value.truncate(length);
                return Ok(value);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
            Err(error) => return Err(failed()(error)),
        }
    }
    Err(failed()(io::Error::from_raw_os_error(libc::EFBIG)))
}

pub(crate) fn read_sysctl(name: &str, most: usize) -> Result<Vec<u8>, Failure> {
    read_mib(&sysctl_mib(name)?, most)
}

pub(crate) fn write_mib(mib: &[i32], value: &[u8]) -> Result<(), Failure> {
    sysctl(mib, None, Some(value))
        .map(drop)
        .map_err(Failure::system(format!("write the sysctl {mib:?}")))
}

pub(crate) fn write_sysctl(name: &str, value: &[u8]) -> Result<(), Failure> {
    write_mib(&sysctl_mib(name)?, value)
}

/// In as many bytes as the value has.
pub(crate) fn write_mib_integer(mib: &[i32], value: i64) -> Result<(), Failure> {
    let size = sysctl(mib, None, None);
    let size = size.map_err(Failure::system(format!("ask the size of the sysctl {mib:?}")))?;
    write_mib(mib, &integer_bytes(size, value)?)
}

/// An integer in so many bytes.
pub(crate) fn integer_bytes(size: usize, value: i64) -> Result<Vec<u8>, Failure> {
    let fits = |bytes: Option<Vec<u8>>| bytes.ok_or_else(|| Failure::invalid("it does not fit"));
    Ok(match size {
        1 => fits(i8::try_from(value).ok().map(|value| value.to_ne_bytes().to_vec()))?,
        2 => fits(i16::try_from(value).ok().map(|value| value.to_ne_bytes().to_vec()))?,
        4 => fits(
            i32::try_from(value)
                .map(i32::to_ne_bytes)
                .or_else(|_| u32::try_from(value).map(u32::to_ne_bytes))
                .ok()
                .map(|bytes| bytes.to_vec()),
        )?,
        8 => value.to_ne_bytes().to_vec(),
        other => return Err(Failure::invalid(format!("no integer has {other} bytes"))),
    })
}

pub(crate) fn write_sysctl_integer(name: &str, value: i64) -> Result<(), Failure> {
    write_mib_integer(&sysctl_mib(name)?, value)
}

/// A value as text.
pub(crate) fn sysctl_text(value: &[u8]) -> Option<String> {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    std::str::from_utf8(value.get(..end)?).ok().map(str::to_owned)
}

/// A value as an integer.
pub(crate) fn sysctl_integer(value: &[u8]) -> Option<i64> {
    match *value {
        [byte] => Some(i8::from_ne_bytes([byte]).into()),
        [a, b] => Some(i16::from_ne_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_ne_bytes([a, b, c, d]).into()),
        _ => value.try_into().ok().map(i64::from_ne_bytes),
    }
}
