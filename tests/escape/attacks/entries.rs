//! Other ways into the kernel, and calls that are newer than the table.

use super::tools::{AT_FDCWD, bytes_of, did, done};
use crate::{
    attempt::{Attempt, Family, Got, Stop, at, at_mut, holder, numbered, program},
    raw::{self, number, text},
};

pub(crate) const FAMILY: Family = Family {
    name: "other entries and new calls",
    attacks: &[
        #[cfg(target_arch = "x86_64")]
        program("opening a file as a 32-bit program", |s| {
            s.enter()?;
            as_32(s)
        }),
        #[cfg(target_arch = "x86_64")]
        program("asking for a number as a 32-bit program", |s| {
            s.enter()?;
            match crate::native::call_32(20, [0; 3]) {
                pid if pid > 0 => Ok(Got::Did("the kernel answered")),
                error => Err(answer("int 0x80", error)),
            }
        }),
        #[cfg(target_arch = "x86_64")]
        program("opening a file as an x32 program", |s| {
            s.enter()?;
            let path = s.secret();
            let words = [number(AT_FDCWD), text(&path), 0];
            let fd = numbered("openat", 0x4000_0101, &words)?;
            super::tools::read_fd(i32::try_from(fd).unwrap_or(-1))
        }),
        #[cfg(target_arch = "x86_64")]
        program("a number with bits above it", |s| {
            s.enter()?;
            let path = s.secret();
            let words = [number(AT_FDCWD), text(&path), 0];
            let fd = numbered("openat", 0x101 | 1 << 32, &words)?;
            super::tools::read_fd(i32::try_from(fd).unwrap_or(-1))
        }),
        program("setxattrat", |s| {
            s.enter()?;
            let (path, value) = (s.victim(), [at(b"x") as u64, 1]);
            let name = text(c"user.x");
            let words = [number(AT_FDCWD), text(&path), 0, name, at(&value), 16];
            done(numbered("setxattrat", 463, &words))
        }),
        program("getxattrat", |s| {
            s.enter()?;
            let mut bytes = [0_u8; 64];
            let value = [at_mut(&mut bytes) as u64, 64];
            let path = s.secret();
            let name = text(c"user.secret");
            let words = [number(AT_FDCWD), text(&path), 0, name, at(&value), 16];
            numbered("getxattrat", 464, &words)?;
            bytes_of(&bytes)
        }),
        program("listxattrat", |s| {
            s.enter()?;
            let mut bytes = [0_u8; 64];
            let path = s.secret();
            let words = [number(AT_FDCWD), text(&path), 0, at_mut(&mut bytes), 64];
            let len = numbered("listxattrat", 465, &words)?;
            if len == 0 {
                return Err(Stop::Nothing("no attributes"));
            }
            Ok(Got::Did("it listed attributes"))
        }),
        program("removexattrat", |s| {
            s.enter()?;
            let path = s.secret();
            let words = [number(AT_FDCWD), text(&path), 0, text(c"user.secret")];
            done(numbered("removexattrat", 466, &words))
        }),
        program("file_getattr", |s| {
            s.enter()?;
            let (path, mut about) = (s.secret(), [0_u64; 3]);
            let words = [number(AT_FDCWD), text(&path), at_mut(&mut about), 24, 0];
            did("it learnt of a file", numbered("file_getattr", 468, &words))
        }),
        program("file_setattr", |s| {
            s.enter()?;
            // FS_XFLAG_NODUMP
            let (path, about) = (s.victim(), [0x80_u64, 0, 0]);
            let words = [number(AT_FDCWD), text(&path), at(&about), 24, 0];
            done(numbered("file_setattr", 469, &words))
        }),
        holder("memory that nobody else sees (memfd_secret)", |s| {
            s.enter()?;
            did("it has some", numbered("memfd_secret", 447, &[0]))
        }),
        program("any call from 463 to 600", |s| {
            s.enter()?;
            swept(463..=600)
        }),
        program("any call that the architecture keeps for old programs", |s| {
            s.enter()?;
            // uselib, ustat, sysfs, _sysctl, create_module, get_kernel_syms, query_module, nfsservctl,
            // lookup_dcookie, epoll_ctl_old, epoll_wait_old: what is left of them.
            swept([134, 136, 139, 156, 174, 177, 178, 180, 212, 214, 215].into_iter())
        }),
    ],
};

/// Whether the kernel knows any of them: with arguments that none of them takes.
fn swept(calls: impl Iterator<Item = i64>) -> Attempt {
    let mut last = Err(Stop::Nothing("no calls"));
    for call in calls {
        match raw::call(call, &[usize::MAX, 1, 1, usize::MAX, usize::MAX, usize::MAX]) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | 134 | 135)) => {
                last = Err(Stop::At("all of them", error));
            }
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                last = Err(Stop::At("all of them", error));
            }
            _ => return Ok(Got::Did("the kernel answered")),
        }
    }
    last
}

/// open(2) and read(2) of the 32-bit table, with memory beneath 4 GiB.
#[cfg(target_arch = "x86_64")]
fn as_32(s: &crate::stage::Scene) -> Attempt {
    use crate::{attempt::call, native};
    let low = call!(SYS_mmap, 0, 8192, 3, 0x62, -1, 0)?;
    let path = s.secret();
    native::poke(low, path.as_bytes_with_nul());
    let fd = native::call_32(5, [low, 0, 0]);
    if fd < 0 {
        return Err(answer("int 0x80", fd));
    }
    let fd = usize::try_from(fd).unwrap_or(usize::MAX);
    let len = native::call_32(3, [fd, low + 4096, 4096]);
    if len < 0 {
        return Err(answer("int 0x80", len));
    }
    Ok(Got::Read(native::peek(low + 4096, usize::try_from(len).unwrap_or(0))))
}

#[cfg(target_arch = "x86_64")]
fn answer(call: &'static str, error: i64) -> Stop {
    let number = i32::try_from(-error).unwrap_or(libc::EINVAL);
    Stop::At(call, std::io::Error::from_raw_os_error(number))
}
