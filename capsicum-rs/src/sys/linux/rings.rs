//! Rings of io_uring(7): what is written to one takes effect without a system call of the process,
//! so that no filter sees it.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::{AsRawFd, OwnedFd},
};

use super::{
    call,
    open::{Open, failed, threads},
};
use crate::Error;

/// What procfs calls a ring.
pub(super) const NAME: &[u8] = b"anon_inode:[io_uring]";

/// Refuses rings, open or only mapped.
pub(super) fn no_rings(open: &[Open]) -> Result<(), Error> {
    let ring = |what: String| Error::Unenforceable {
        what,
        reason: "it is an io_uring, which no filter sees: close and unmap it before".to_owned(),
    };
    if let Some(found) = open.iter().find(|open| open.ring()) {
        return Err(ring(format!("capability mode with descriptor {}", found.number)));
    }
    // One that is registered only, with memory of the process's own, shows by its thread alone.
    if threads()? > 1 {
        let tasks = fs::read_dir("/proc/self/task").map_err(failed("/proc/self/task"))?;
        for task in tasks.filter_map(Result::ok) {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            if works_for_a_ring(&stat) {
                let thread = task.file_name();
                return Err(ring(format!("capability mode with the thread {}", thread.display())));
            }
        }
    }
    let maps = call::open(c"/proc/self/maps").map_err(|error| Error::Unenforceable {
        what: "capability mode without rings of io_uring".to_owned(),
        reason: format!("they cannot be looked for: /proc/self/maps: {error}; mount procfs"),
    })?;
    let mapped = match queried(&maps) {
        Ok(mapped) => mapped,
        // A kernel before 6.11.
        Err(_) => read(maps.into()).map_err(failed("/proc/self/maps"))?,
    };
    if mapped {
        return Err(ring("capability mode with a mapped ring".to_owned()));
    }
    Ok(())
}

/// Whether a ring is mapped, by asking for the shared mappings of files one after the other.
fn queried(maps: &OwnedFd) -> io::Result<bool> {
    let maps = maps.as_raw_fd();
    let mut address = 0;
    while let Some(mapping) = call::mapping(maps, address)? {
        if mapping.end <= address {
            return Err(io::ErrorKind::InvalidData.into());
        }
        address = mapping.end;
        if !mapping.deviceless {
            continue;
        }
        match call::mapping_name(maps, mapping.end, &mut [0; 64]) {
            Ok(NAME) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENAMETOOLONG) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether a ring is mapped, by the text.
fn read(mut maps: File) -> io::Result<bool> {
    // Files of procfs state no size, and what reads them without one does so in many bits.
    let mut text = Vec::with_capacity(1 << 15);
    maps.read_to_end(&mut text)?;
    // Paths need not be UTF-8; the search in text is the fast one.
    Ok(String::from_utf8_lossy(&text).contains("anon_inode:[io_uring]"))
}

/// `PF_IO_WORKER` among the flags in `/proc/PID/stat`, which follow the name in parentheses, the
/// state and five numbers. The name itself is set only when the thread first runs.
fn works_for_a_ring(stat: &str) -> bool {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let flags = after_name.split_ascii_whitespace().nth(6).and_then(|flags| flags.parse().ok());
    flags.is_some_and(|flags: u64| flags & 0x10 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::{FromRawFd, RawFd};

    use super::*;

    #[test]
    fn a_ring_that_is_only_mapped_is_found_both_ways() {
        let maps = || call::open(c"/proc/self/maps").expect("procfs");
        assert!(!read(maps().into()).expect("maps"), "no ring is mapped yet");
        // `struct io_uring_params`.
        let mut parameters = [0_u32; 30];
        // SAFETY: the kernel reads and writes the parameters, which are that long.
        let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
        if ring < 0 {
            println!("SKIPPED: io_uring_setup: {}", io::Error::last_os_error());
            return;
        }
        // SAFETY: the descriptor is new and nobody else's.
        let ring = unsafe { OwnedFd::from_raw_fd(RawFd::try_from(ring).expect("a number")) };
        let mode = libc::PROT_READ | libc::PROT_WRITE;
        let null = std::ptr::null_mut();
        // SAFETY: new memory at an address that the kernel chooses.
        let at = unsafe { libc::mmap(null, 64, mode, libc::MAP_SHARED, ring.as_raw_fd(), 0) };
        assert_ne!(at, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        drop(ring);
        assert!(read(maps().into()).expect("maps"));
        match queried(&maps()) {
            Ok(mapped) => assert!(mapped),
            Err(error) => println!("SKIPPED: PROCMAP_QUERY (Linux 6.11): {error}"),
        }
        // SAFETY: nothing looks at that memory.
        unsafe { libc::munmap(at, 64) };
        assert!(!matches!(queried(&maps()), Ok(true)));
    }

    #[test]
    fn a_thread_of_a_ring_is_known_by_its_flags_whatever_its_name() {
        assert!(works_for_a_ring("7 (a) 1 2 3) S 1 1 1 0 -1 4194384 0 0"));
        assert!(!works_for_a_ring("7 (16 16) S 1 1 1 0 -1 4194304 0 0"));
        assert!(!works_for_a_ring(""));
    }
}
