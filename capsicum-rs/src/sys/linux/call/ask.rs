//! Questions that procfs would answer too, at several times the cost.

use std::{io, mem::MaybeUninit, os::fd::RawFd};

use super::check;

/// Numbers that [`numbers_end`] tries: one more than the highest.
const MOST: usize = 4096;

/// A number that no open descriptor reaches; `None` where it cannot be told.
///
/// By select(2), which ignores numbers beyond the process's table of descriptors, as its manual page
/// says, and answers `EBADF` to those within that are not open. A kernel that answers so to all, or
/// a filter that refuses the call, leaves it open.
pub(in super::super) fn numbers_end() -> Option<u32> {
    let mut bits = [0_u64; MOST / 64 + 1];
    let mut number = 64;
    while number <= MOST {
        let fd = RawFd::try_from(number).ok()?;
        // One that is open would be watched.
        if super::fcntl(fd, libc::F_GETFD).is_err() {
            bits[number / 64] = 1;
            match select(fd + 1, &mut bits) {
                Ok(0) => return u32::try_from(number).ok(),
                Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
                _ => return None,
            }
            bits[number / 64] = 0;
        }
        number *= 2;
    }
    None
}

/// select(2) for reading, without waiting.
fn select(end: RawFd, bits: &mut [u64; MOST / 64 + 1]) -> io::Result<libc::c_long> {
    let mut none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let null = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: `bits` has room for the numbers up to `end`, which is at most `MOST` and one more; the
    // kernel writes to it and to `none`.
    check(unsafe {
        libc::syscall(libc::SYS_pselect6, end, bits.as_mut_ptr(), null, null, &raw mut none, null)
    })
}

/// `struct procmap_query` of linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct MapQuery {
    size: u64,
    flags: u64,
    address: u64,
    start: u64,
    end: u64,
    access: u64,
    page_size: u64,
    offset: u64,
    inode: u64,
    major: u32,
    minor: u32,
    name_size: u32,
    build_id_size: u32,
    name: u64,
    build_id: u64,
}

/// `PROCMAP_QUERY` (Linux 6.11).
const PROCMAP_QUERY: libc::c_ulong = 0xc068_6611;
/// `PROCMAP_QUERY_COVERING_OR_NEXT_VMA`, `_FILE_BACKED_VMA`, `_VMA_SHARED`.
const NEXT_SHARED: u64 = 0x10 | 0x20 | 0x08;

/// A shared mapping of a file: what is written to a private one stays the process's own.
pub(in super::super) struct Mapping {
    /// The address behind it.
    pub(in super::super) end: u64,
    /// Whether its file system is on no device: then it may be one of the kernel's own.
    pub(in super::super) deviceless: bool,
}

fn map_query(maps: RawFd, query: &mut MapQuery) -> io::Result<()> {
    query.size = size_of::<MapQuery>() as u64;
    query.flags = NEXT_SHARED;
    // SAFETY: the kernel reads and writes a `struct procmap_query`, and writes names to the address
    // in it, where the callers have as much room as they say.
    check(unsafe { libc::ioctl(maps, PROCMAP_QUERY, &raw mut *query) }.into()).map(drop)
}

/// The shared mapping of a file at an address, or the next one; `None` behind the last.
pub(in super::super) fn mapping(maps: RawFd, address: u64) -> io::Result<Option<Mapping>> {
    let mut query = MapQuery { address, ..MapQuery::default() };
    match map_query(maps, &mut query) {
        Ok(()) => Ok(Some(Mapping { end: query.end, deviceless: query.major == 0 })),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of the shared mapping of a file that ends there, as far as `name` has room; a longer one is an
/// error (`ENAMETOOLONG`).
pub(in super::super) fn mapping_name(
    maps: RawFd,
    end: u64,
    name: &mut [u8; 64],
) -> io::Result<&[u8]> {
    let mut query = MapQuery {
        address: end - 1,
        name_size: 64,
        name: name.as_mut_ptr().expose_provenance() as u64,
        ..MapQuery::default()
    };
    map_query(maps, &mut query)?;
    // The kernel counts the zero at the end.
    let len = (query.name_size as usize).saturating_sub(1).min(name.len());
    Ok(&name[..len])
}

/// The mount, by the number that is never used again: `STATX_MNT_ID_UNIQUE` (Linux 6.8).
pub(in super::super) fn unique_mount_of(fd: RawFd) -> io::Result<Option<u64>> {
    const UNIQUE: u32 = 0x4000;
    let stat = super::statx(fd, UNIQUE)?;
    Ok((stat.stx_mask & UNIQUE != 0).then_some(stat.stx_mnt_id))
}

/// readlinkat(2) of a number in `/proc/self/fd`; `None` for an error or a long path.
pub(in super::super) fn link_at(links: RawFd, number: u32) -> Option<Vec<u8>> {
    let mut digits = [0_u8; 11];
    let (mut first, mut rest) = (digits.len() - 1, number);
    loop {
        first -= 1;
        digits[first] = b'0' + u8::try_from(rest % 10).ok()?;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let mut path = [0_u8; 256];
    // SAFETY: the name ends with a zero, and the kernel writes no more than the path has room for.
    let len = unsafe {
        let name = digits[first..].as_ptr().cast();
        libc::readlinkat(links, name, path.as_mut_ptr().cast(), path.len())
    };
    let len = usize::try_from(len).ok().filter(|len| *len < path.len())?;
    Some(path[..len].to_vec())
}

/// `struct mnt_id_req` of linux/mount.h, in its first version.
#[repr(C)]
struct MountRequest {
    size: u32,
    spare: u32,
    mount: u64,
    parameter: u64,
}

impl MountRequest {
    fn new(mount: u64, parameter: u64) -> Self {
        // Three words.
        Self { size: 24, spare: 0, mount, parameter }
    }
}

const SYS_STATMOUNT: libc::c_long = 457;
const SYS_LISTMOUNT: libc::c_long = 458;

/// listmount(2): the mounts beneath one, at whatever depth, without itself.
pub(in super::super) fn mounts_beneath(mount: u64) -> io::Result<Vec<u64>> {
    let mut mounts = Vec::new();
    let mut last = 0;
    loop {
        let mut some = [0_u64; 64];
        let request = MountRequest::new(mount, last);
        // SAFETY: the kernel reads the request and writes no more numbers than it is told of.
        let count = check(unsafe {
            let at = some.as_mut_ptr();
            libc::syscall(SYS_LISTMOUNT, &raw const request, at, some.len(), 0)
        })?;
        let some = &some[..usize::try_from(count).unwrap_or(0).min(64)];
        mounts.extend_from_slice(some);
        match some.last() {
            Some(more) if some.len() == 64 => last = *more,
            _ => return Ok(mounts),
        }
    }
}

/// `struct statmount` of linux/mount.h as far as it is looked at, with room for a short string.
#[repr(C)]
struct MountState {
    size: u32,
    options: u32,
    mask: u64,
    device: [u32; 2],
    magic: u64,
    flags: u32,
    kind: u32,
    skipped: [u64; 8],
    root: u32,
    point: u32,
    more: [u64; 50],
    strings: [u8; 256],
}

/// `STATMOUNT_SB_BASIC` and `STATMOUNT_MNT_POINT`.
const SB_BASIC: u64 = 1;
const MNT_POINT: u64 = 0x10;
/// Where the strings begin.
const STRINGS: usize = 512;
const _: () = assert!(std::mem::offset_of!(MountState, strings) == STRINGS);
const _: () = assert!(std::mem::offset_of!(MountState, point) == 108);

/// statmount(2), for what the mask says; it is an error if the kernel says less.
fn mount_state(
    mount: u64,
    mask: u64,
    state: &mut MaybeUninit<MountState>,
    room: usize,
) -> io::Result<()> {
    let request = MountRequest::new(mount, mask);
    let room = room.min(size_of::<MountState>());
    // SAFETY: the kernel reads the request and writes no more than `room` bytes.
    check(unsafe {
        libc::syscall(SYS_STATMOUNT, &raw const request, state.as_mut_ptr(), room, 0)
    })?;
    // SAFETY: the kernel has written at least the 512 bytes before the strings.
    let said = unsafe { (*state.as_ptr()).mask };
    if said & mask == mask { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

/// The type of a mount's file system, as statfs(2) has it.
pub(in super::super) fn mounted_kind(mount: u64) -> io::Result<u64> {
    let mut state = MaybeUninit::uninit();
    mount_state(mount, SB_BASIC, &mut state, STRINGS)?;
    // SAFETY: written, as the mask says.
    Ok(unsafe { (*state.as_ptr()).magic })
}

/// Where it is mounted, as a path from the process's root; a long one is an error (`EOVERFLOW`).
pub(in super::super) fn mount_point(mount: u64) -> io::Result<Vec<u8>> {
    let mut state = MaybeUninit::zeroed();
    mount_state(mount, MNT_POINT, &mut state, usize::MAX)?;
    // SAFETY: zeroed before and written by the kernel; it is made of numbers.
    let state = unsafe { state.assume_init() };
    let path = state.strings.get(state.point as usize..).unwrap_or_default();
    let end = path.iter().position(|byte| *byte == 0);
    end.map(|end| path[..end].to_vec()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        os::fd::{AsRawFd, FromRawFd, OwnedFd},
    };

    use super::*;

    /// Some other test may be opening files meanwhile; the highest number here stays open.
    #[test]
    fn no_open_number_is_beyond_the_end() {
        let file = File::open("/dev/null").expect("there is one");
        for at_least in [60, 127, 128, 300, 1000] {
            // SAFETY: the command takes a number, and the new descriptor is nobody else's.
            let high = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, at_least) };
            assert!(high >= at_least, "{}", io::Error::last_os_error());
            // SAFETY: as above.
            let high = unsafe { OwnedFd::from_raw_fd(high) };
            let end = numbers_end().expect("select(2) says so on Linux");
            assert!(i64::from(end) > i64::from(high.as_raw_fd()), "{end} after {high:?}");
        }
    }
}
