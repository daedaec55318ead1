//! Tiny static programs, made here: dynamic ones cannot be executed in capability mode on Linux,
//! and a minimal system has no compiler.

use std::{ffi::CStr, fs, io, os::unix::fs::PermissionsExt, path::Path};

use crate::{level::FREEBSD, raw};

/// Whether a program can be executed in a directory; a file system may be mounted without that.
pub(crate) fn runs_in(dir: &Path) -> Result<(), String> {
    const STATUS: i32 = 42;
    let path = dir.join("trial");
    let failed = |error: io::Error| format!("no program can be tried: {error}");
    program(&path, &exits(STATUS as u8)).map_err(failed)?;
    let path = crate::scene::c_path(&path);
    let child = raw::spawn(|| raw::execve(&path).raw_os_error().unwrap_or(1)).map_err(failed)?;
    let status = raw::wait_child(&child).map_err(failed)?;
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == STATUS {
        return Ok(());
    }
    Err(format!("programs in {} do not run here: the wait status is {status:#x}", dir.display()))
}

/// Writes an executable file.
pub(crate) fn program(path: &Path, code: &[u8]) -> io::Result<()> {
    fs::write(path, elf(code))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

const HEADERS: usize = 64 + 56;
const BASE: u64 = 0x40_0000;

/// An ELF file of one segment, in which the headers and the code are.
fn elf(code: &[u8]) -> Vec<u8> {
    let size = (HEADERS + code.len()) as u64;
    let machine: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, if FREEBSD { 9 } else { 0 }];
    file.extend([0; 8]);
    file.extend(2u16.to_le_bytes()); // an executable
    file.extend(machine.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend((BASE + HEADERS as u64).to_le_bytes()); // the first instruction
    file.extend(64u64.to_le_bytes()); // where the program header is
    file.extend(0u64.to_le_bytes());
    file.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 0, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes()); // to be loaded
    file.extend(5u32.to_le_bytes()); // readable and executable
    for word in [0, BASE, BASE, size, size, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::FREEBSD;

    const EXIT: u8 = if FREEBSD { 1 } else { 60 };
    const OPEN: u8 = if FREEBSD { 5 } else { 2 };

    pub(super) fn exits(status: u8) -> Vec<u8> {
        // mov edi, status; mov eax, EXIT; syscall
        vec![0xbf, status, 0, 0, 0, 0xb8, EXIT, 0, 0, 0, 0x0f, 0x05]
    }

    pub(super) fn opens(path: &[u8]) -> Vec<u8> {
        // lea rdi, [rip + path]; xor esi, esi; xor edx, edx; mov eax, OPEN; syscall
        let mut code = vec![0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x31, 0xf6, 0x31, 0xd2];
        code.extend([0xb8, OPEN, 0, 0, 0, 0x0f, 0x05]);
        if !FREEBSD {
            code.extend([0xf7, 0xd8]); // neg eax: Linux gives the error as a negative number
        }
        // mov edi, eax; mov eax, EXIT; syscall
        code.extend([0x89, 0xc7, 0xb8, EXIT, 0, 0, 0, 0x0f, 0x05]);
        // From the end of the first instruction to what follows the last.
        code[3] = (code.len() - 7) as u8;
        code.extend(path);
        code
    }
}

#[cfg(target_arch = "aarch64")]
mod machine {
    use super::FREEBSD;

    const SVC: u32 = 0xd400_0001;

    /// mov xREGISTER, value
    const fn mov(register: u32, value: u32) -> u32 {
        0xd280_0000 | value << 5 | register
    }

    fn code(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    const EXIT: u32 = if FREEBSD { 1 } else { 93 };

    pub(super) fn exits(status: u8) -> Vec<u8> {
        code(&[mov(0, status.into()), mov(8, EXIT), SVC])
    }

    pub(super) fn opens(path: &[u8]) -> Vec<u8> {
        // adr xREGISTER, so many instructions on
        let adr = |register: u32, on: u32| 0x1000_0000 | on << 5 | register;
        let mut all = if FREEBSD {
            code(&[adr(0, 7), mov(1, 0), mov(2, 0), mov(8, 5), SVC, mov(8, EXIT), SVC])
        } else {
            let (at_fdcwd, negate) = (0x9280_0c60, 0xcb00_03e0);
            code(&[at_fdcwd, adr(1, 7), mov(2, 0), mov(8, 56), SVC, negate, mov(8, EXIT), SVC])
        };
        all.extend(path);
        all
    }
}

/// A program that exits with this status.
pub(crate) fn exits(status: u8) -> Vec<u8> {
    machine::exits(status)
}

/// A program that opens a path for reading, and exits with the number of the error.
pub(crate) fn opens(path: &CStr) -> Vec<u8> {
    machine::opens(path.to_bytes_with_nul())
}
