//! What a program needs in order to start at all: its own file, its interpreter, the libraries.

use std::{
    ffi::OsStr,
    fs::File,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::{Path, PathBuf},
};

use crate::grants::{Access, Grants};

/// Where libraries are, and the cache that says where.
const LIBRARIES: [&str; 7] =
    ["/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache"];

/// Reading and executing.
const START: Access = Access { write: false, execute: true };

/// How many interpreters may name one another; the kernel follows four.
const MOST_INTERPRETERS: usize = 4;

/// Grants what a program needs in order to start. What is missing is left out: executing will say.
pub(crate) fn grant(grants: &mut Grants, command: Option<&Path>) {
    for library in LIBRARIES {
        let _ = grants.offer(Path::new(library), START);
    }
    let mut next = command.map(Path::to_owned);
    for _ in 0..=MOST_INTERPRETERS {
        let Some(file) = next else { break };
        // A directory is no program; granting it would grant all that is beneath it.
        if !file.is_file() {
            break;
        }
        let Ok(real) = grants.offer(&file, START) else { break };
        next = interpreter(&real);
    }
}

/// The interpreter that a file names: of an ELF file its dynamic linker, of a script what follows
/// `#!`.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let file = File::open(path).ok()?;
    let mut head = Vec::new();
    (&file).take(256).read_to_end(&mut head).ok()?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next()?;
        let name =
            line.split(|&byte| byte == b' ' || byte == b'\t').find(|part| !part.is_empty())?;
        return Some(PathBuf::from(OsStr::from_bytes(name)));
    }
    elf_interpreter(&file, &head)
}

/// `PT_INTERP` of an ELF file in this machine's byte order, see elf(5).
fn elf_interpreter(file: &File, head: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u32 = 3;
    if head.get(..4)? != b"\x7fELF" {
        return None;
    }
    let wide = *head.get(4)? == 2;
    let number = |bytes: &[u8], at: usize, width: usize| -> Option<u64> {
        let bytes = bytes.get(at..at + width)?;
        let mut value = [0; 8];
        if cfg!(target_endian = "little") {
            value[..width].copy_from_slice(bytes);
        } else {
            value[8 - width..].copy_from_slice(bytes);
        }
        Some(u64::from_ne_bytes(value))
    };
    // Offset and width of e_phoff, then the offsets of e_phentsize and e_phnum, then offset and
    // width of p_offset, then the offset of p_filesz.
    let (phoff, width, entry_size, entries, p_offset, p_size) =
        if wide { (32, 8, 54, 56, 8, 32) } else { (28, 4, 42, 44, 4, 16) };
    let start = number(head, phoff, width)?;
    let size = number(head, entry_size, 2)?;
    for index in 0..number(head, entries, 2)?.min(128) {
        let mut entry = [0; 56];
        let length = entry.len().min(usize::try_from(size).ok()?);
        let at = start.checked_add(index.checked_mul(size)?)?;
        file.read_exact_at(&mut entry[..length], at).ok()?;
        if number(&entry, 0, 4)? != u64::from(PT_INTERP) {
            continue;
        }
        let length = usize::try_from(number(&entry, p_size, width)?).ok()?.min(4096);
        let mut name = vec![0; length];
        file.read_exact_at(&mut name, number(&entry, p_offset, width)?).ok()?;
        let name = name.split(|&byte| byte == 0).next()?;
        return Some(PathBuf::from(OsStr::from_bytes(name)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_of_a_script_is_what_follows_the_mark() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("s");
        for (text, expected) in [
            ("#!/bin/sh -e\necho", Some("/bin/sh")),
            ("#! \t/usr/bin/env python3", Some("/usr/bin/env")),
            ("#!\n", None),
            ("echo", None),
            ("", None),
        ] {
            std::fs::write(&script, text).unwrap();
            assert_eq!(interpreter(&script), expected.map(PathBuf::from), "{text:?}");
        }
    }

    #[test]
    fn broken_elf_files_have_no_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("e");
        let mut bytes = [0xff; 200];
        for length in [4, 5, 20, 64, 200] {
            bytes[..5].copy_from_slice(b"\x7fELF\x02");
            std::fs::write(&file, &bytes[..length]).unwrap();
            assert_eq!(interpreter(&file), None, "{length}");
        }
    }
}
